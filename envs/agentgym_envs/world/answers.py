"""Whether two answers say the same: numbers by value, texts without their dressing."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["same_answer"]

_NUMBER = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?|[-+]?\.\d+")
_MAX_DIGITS = 40


def same_answer(wanted: Any, given: Any) -> bool:
    """Tell whether a given answer is the wanted one.

    Args:
        wanted: None, a number, a text, a list (in its order) or a set (in any order).
        given: None, a number or a text; of several, separated by commas or lines.
    """
    if wanted is None:
        return given is None or (isinstance(given, str) and not given.strip())
    if given is None:
        return False
    if isinstance(wanted, list | tuple):
        return _parts(given) == [_normal(item) for item in wanted]
    if isinstance(wanted, set | frozenset):
        return Counter(_parts(given)) == Counter(_normal(item) for item in wanted)
    return _normal(wanted) == _normal(given)


def _parts(given: Any) -> list[Decimal | str]:
    pieces = re.split(r"[,;\n]", str(given).strip().strip("[](){}"))
    return [_normal(piece) for piece in pieces if piece.strip()]


def _normal(value: Any) -> Decimal | str:
    text = " ".join(str(value).split()).strip("\"'`").rstrip(".!").strip().casefold()
    bare = text.removeprefix("$").strip()
    if len(bare) <= _MAX_DIGITS and bare.isascii() and _NUMBER.fullmatch(bare):
        try:
            return Decimal(bare.replace(",", "")).normalize()
        except InvalidOperation:
            return text
    return text
