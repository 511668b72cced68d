"""Plain Python values as text: how a result leaves a session, and how the host compares it.

The text is JSON with a tag where JSON has no such type: ``{"tuple": [1, 2]}``. The session's own
`CLAIM` writes it, beside code that may be hostile, so `decode` takes any text at all, and makes
nothing but plain values of it: what is compared, and the comparing, are the host's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["CLAIM", "BadValue", "decode", "encode", "same"]

MAX_DEPTH = 40

# It goes before each call, so that names which the code has taken (`list = [1]`) do it no harm.
CLAIM = f"""
def _agentgym_claim(value):
    import builtins as b
    import json

    def plain(item, depth):
        kind = b.type(item)
        if item is None or kind is b.bool or kind is b.int or kind is b.str:
            return item
        if kind is b.float:
            return {{"float": b.repr(item)}}
        if kind is b.bytes:
            return {{"bytes": item.hex()}}
        if depth == {MAX_DEPTH}:
            return {{"other": "deep " + kind.__name__}}
        if kind is b.list:
            return [plain(part, depth + 1) for part in item]
        if kind is b.tuple or kind is b.set or kind is b.frozenset:
            return {{kind.__name__: [plain(part, depth + 1) for part in item]}}
        if kind is b.dict:
            pairs = item.items()
            return {{"dict": [[plain(k, depth + 1), plain(v, depth + 1)] for k, v in pairs]}}
        return {{"other": kind.__name__}}

    text = json.dumps(plain(value, 0))
    return b.type("Claim", (), {{"__repr__": lambda self: text}})()
"""


class BadValue(ValueError):
    """The text stands for no plain value; its own text says what was wrong."""


def encode(value: object) -> str:
    """Return a plain value as text, the same text in every process.

    Raises:
        BadValue: If it is, or holds, a value of another type, is not finite or nested too deeply.
    """
    return json.dumps(_tagged(value, 0))


def _tagged(value: object, depth: int) -> object:
    kind = type(value)
    if depth > MAX_DEPTH:
        raise BadValue(f"nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            raise BadValue("nan equals nothing")
        return {"float": repr(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list | tuple):
        parts = [_tagged(part, depth + 1) for part in value]
        return parts if kind is list else {"tuple": parts}
    if isinstance(value, set | frozenset):
        return {kind.__name__: sorted((_tagged(part, depth + 1) for part in value), key=json.dumps)}
    if isinstance(value, dict):
        pairs = value.items()
        return {"dict": [[_tagged(k, depth + 1), _tagged(v, depth + 1)] for k, v in pairs]}
    raise BadValue(f"a value of type {kind.__name__}")


def decode(text: str) -> object:
    """Return the plain value that a text stands for, whatever the text.

    Raises:
        BadValue: If it stands for none.
    """
    try:
        return _value(json.loads(text, parse_float=_refuse, parse_constant=_refuse), 0)
    except BadValue:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise BadValue("no readable value") from error


def _refuse(text: str) -> object:
    raise BadValue("no readable value")


def _value(tree: Any, depth: int) -> object:
    if depth > MAX_DEPTH + 1:
        raise BadValue(f"a value nested deeper than {MAX_DEPTH}")
    if isinstance(tree, list):
        return [_value(part, depth + 1) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if len(tree) != 1:
        raise BadValue("no readable value")
    ((tag, content),) = tree.items()
    if tag in _OF_TEXT and isinstance(content, str) and len(content) <= 100_000:
        return _OF_TEXT[tag](content)
    if tag in _OF_LIST and isinstance(content, list):
        return _OF_LIST[tag](_value(content, depth))
    raise BadValue("no readable value")


def _other(name: str) -> object:
    # The name is the code's word: what is no name stays out of the verdict.
    known = name if re.fullmatch(r"[A-Za-z_ ]{1,60}", name) else "unknown"
    raise BadValue(f"a value of type '{known}'")


_OF_TEXT: Mapping[str, Callable[[str], object]] = {
    "float": float,
    "bytes": bytes.fromhex,
    "other": _other,
}
_OF_LIST: Mapping[str, Callable[[Any], object]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
}


def same(one: object, other: object) -> bool:
    """Tell whether two plain values are equal and of the same types all through.

    ``1``, ``1.0`` and ``True`` differ, as do ``[1]`` and ``(1,)``; nan equals nothing.
    """
    return _canonical(one) == _canonical(other)


def _canonical(value: object) -> tuple[str, object]:
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return kind, tuple(map(_canonical, value))
    if isinstance(value, set | frozenset):
        return kind, frozenset(map(_canonical, value))
    if isinstance(value, dict):
        return kind, frozenset((_canonical(k), _canonical(v)) for k, v in value.items())
    return kind, value
