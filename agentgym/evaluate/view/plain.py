"""Anybody's text, made fit for a terminal: no escape, no control, nothing that hides."""

from __future__ import annotations

import re

__all__ = ["cut", "one_line", "shown"]

_PICTURES = 0x2400  # of control characters: U+241B is an escape's
_TAB = "    "
_UNSEEN = re.compile(r"[^\x20-\x7e\n\xa1-\xac\xae-\u02ff]")  # what is looked at one by one


def shown(text: str) -> str:
    """Return text in which every character can be seen; lines stay lines.

    Control characters become their pictures, and characters without a look of their own (those that
    turn the direction of writing, halves of surrogate pairs, unassigned ones) their numbers.
    """
    return _UNSEEN.sub(_seen, text)


def _seen(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable():
        return char
    if char == "\t":
        return _TAB
    number = ord(char)
    if number < 0x20:
        return chr(_PICTURES + number)
    if number == 0x7F:
        return "\u2421"
    return " " if char.isspace() and number not in (0x85, 0x2028, 0x2029) else f"<U+{number:04X}>"


def one_line(text: str, longest: int) -> str:
    """Return the beginning of a text on one line."""
    line = shown(text[: longest + 1]).replace("\n", "\u23ce")
    return line if len(line) <= longest else f"{line[: longest - 1]}\u2026"


def cut(text: str, longest: int) -> str:
    """Return a text, or its beginning and how much is left out."""
    if len(text) <= longest:
        return shown(text)
    left = len(text) - longest
    return f"{shown(text[:longest])}\n[{left:,} more characters; the run folder has them]"
