"""What exceptions say: on one line, and of slips that Python or sympy report in words of their own, what to write."""

import re
from typing import Final

# What an exception says, and what a person who meant a relation between letters writes instead.
SLIPS: Final = {
    "cannot determine truth value of Relational": "a relation of letters is neither true nor false yet: instead of"
    " a < b < c, `and` or `if` write assuming=(a < b, b < c); for max and min write Max and Min of sympy",
    "Cannot convert (expression|complex) to float|must be real number, not": "functions of letters are sympy's, not"
    " math's: from sympy import exp, log, sqrt",
    "loop of ufunc does not support argument": "functions of letters are sympy's: from sympy import exp, log",
    "'IndexedBase' object is not callable": "a curve takes its index in brackets, as in gap[K]",
    "'Symbol' object is not callable": "a product is written with *, an index in brackets, as in gap[K]",
    "'Symbol' object is not subscriptable": "this letter has no index; elbound show SETTING says which have one",
    "object cannot be interpreted as an integer": "a sum over steps is Sum(term, (t, 1, n)) of sympy, or total(term) of"
    " elbound.theory.settings",
    r"not supported between .*IndexedBase|unsupported operand type\(s\) for .*IndexedBase": "a curve stands with its"
    " index, as in gap[K]",
    r"unsupported operand type\(s\) for \^": "a power is written with **",
}


def one_line(failure: BaseException) -> str:
    """What an exception says, on one line."""
    return " ".join(str(failure).split())


def raised(failure: BaseException) -> str:
    """An exception by its type and what it says, on one line."""
    return ": ".join(filter(None, (type(failure).__name__, one_line(failure))))


def instead(failure: BaseException) -> str:
    """What to write instead of what raised an exception, as the end of a line; empty for no known slip."""
    said = str(failure)
    return next((f"; {advice}" for pattern, advice in SLIPS.items() if re.search(pattern, said)), "")
