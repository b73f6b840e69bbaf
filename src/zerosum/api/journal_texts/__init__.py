"""The journal as text for hledger and beancount: every posting, with everything its entry says.

A debit is positive and a credit negative, with all the places of the amount. What is pending balances by itself:
hledger has it in brackets (`--real` leaves it out), beancount in an account beside the account's own, `…:X--pending`.
"""
