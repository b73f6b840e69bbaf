"""How much may be asked: rates, admission, costs."""
