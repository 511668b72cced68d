"""Values as every strict reader takes them: JSON without NaN, text without lone surrogates.

A run folder keeps what a model wrote to the last code unit. Other programs' parsers refuse half of
a surrogate pair, even escaped, and a number that JSON does not have.
"""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["json_bytes", "json_text", "plain_text", "plain_value"]


def plain_text(text: str) -> str:
    """Return text that UTF-8 can hold: pairs of surrogates joined, lone ones as U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def plain_value(value: Any) -> Any:
    """Return JSON data with plain text in it, and null for numbers that JSON does not have."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {plain_text(str(key)): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return value


def json_text(value: Any) -> str:
    """Return JSON on one line, as `plain_value` would have it."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # a NaN somewhere; seldom, so looked for only now
        text = json.dumps(plain_value(value), ensure_ascii=False)
    return plain_text(text)


def json_bytes(value: Any) -> bytes:
    """Return `json_text` in UTF-8."""
    return json_text(value).encode("utf-8")
