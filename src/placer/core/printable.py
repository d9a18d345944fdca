"""Text of others, as it may go to a terminal."""

from __future__ import annotations

MAX_CHARACTERS = 1000


def printable(text: str) -> str:
    """Return text whose control characters are written as escapes, cut where it is too long.

    Escape sequences, line ends and marks that turn the direction of writing would let a server draw
    what it likes.
    """
    shown = text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in shown
    )
