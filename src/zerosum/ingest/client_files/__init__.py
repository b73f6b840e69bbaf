"""Client files: a CSV stream of client transactions goes in, the accounts of the clients come out.

    inputs.py     opens what is named             window.py    what is in memory of one input, as checked UTF-8
    records.py    RFC 4180: bytes to fields       columns.py   the header
    rows.py       fields to a row, or its fault   merging.py   several inputs as one stream, in an order
    book_engine.py   rows on the Book             fast_engine.py   the same compiled, for large inputs
    run.py        all of it, with a tally         sample.py    files made up for trying things out

Nothing here holds an input in memory; what grows with it is one record for each transaction carried out.
"""
