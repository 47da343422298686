"""What a user gave and nobody knows: one line, with the few names that were probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 5  # names in one message


class BadInput(ValueError):
    """Something a user gave cannot be used; the message is one line that says what, and what is allowed."""


def unknown(what: str, name: str, known: Iterable[str], command: str) -> str:
    """The line on a name that is not known: at most five near ones, and the command that lists all.

    >>> unknown("claim", "estimators/unbaised", ["estimators/unbiased", "descent/sgd"], "elbound list")
    "claim 'estimators/unbaised': unknown; did you mean estimators/unbiased? all: elbound list"
    """
    names = list(dict.fromkeys(known))
    whole = get_close_matches(name, names, SHOWN)
    # Of "room/claim" a part may be all that was written.
    parts = {part: x for x in reversed(names) for part in x.split("/")}
    near = [parts[part] for part in get_close_matches(name.rpartition("/")[2], list(parts), SHOWN)]
    found = list(dict.fromkeys([*whole, *near]))[:SHOWN]
    meant = f"did you mean {' or '.join(found)}? " if found else ""
    return f"{what} {name!r}: unknown; {meant}all: {command}"
