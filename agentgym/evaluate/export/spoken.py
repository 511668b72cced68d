"""What an action says besides its tool calls: the calls are cut out, thoughts stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

__all__ = ["spoken"]

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_THINK, _THOUGHT = "<think>", "</think>"
_FENCES = ("```python", "```py", "```python3")
_DECODER = json.JSONDecoder()

Cut = tuple[str, int]
"""What is left of a text, and how many calls were cut out of it."""


def spoken(action: str, calls: int) -> str | None:
    """Return an action without its calls; None where they cannot be told from the rest.

    Args:
        action: What the model wrote.
        calls: How many calls `agentgym.chat.toolcalls.parse` finds in it.
    """
    for cut in _CUTS:
        parts = [(text, 0) if thought else cut(text) for thought, text in _pieces(action)]
        if sum(count for _, count in parts) == calls:
            return "".join(text for text, _ in parts).strip()
    return None


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Yield thoughts and what stands between them, as `parse` tells them apart."""
    start, end = text.find(_THINK), text.find(_THOUGHT)
    position = 0
    if end >= 0 and not 0 <= start < end:  # its opening was in the prompt
        position = end + len(_THOUGHT)
        yield True, text[:position]
    while (start := text.find(_THINK, position)) >= 0:
        end = text.find(_THOUGHT, start)
        if end < 0:
            break
        yield False, text[position:start]
        position = end + len(_THOUGHT)
        yield True, text[start:position]
    yield False, text[position:]


def _cut_hermes(text: str) -> Cut:
    parts: list[str] = []
    position = 0
    while (start := text.find(_OPEN, position)) >= 0:
        parts.append(text[position:start])
        position = _json_end(text, start + len(_OPEN))
        if position < 0:
            return text, 0
        after = len(text) - len(text[position:].lstrip())
        if text.startswith(_CLOSE, after):
            position = after + len(_CLOSE)
    return "".join([*parts, text[position:]]), len(parts)


def _json_end(text: str, start: int) -> int:
    """Return where the JSON value ends that starts there; -1 where there is none."""
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    try:
        return int(_DECODER.raw_decode(text, start)[1])
    except (ValueError, RecursionError):
        return -1


def _cut_fences(text: str) -> Cut:
    lines: list[str] = []
    count, inside = 0, False
    for line in text.split("\n"):
        bare = line.rstrip()
        if inside:
            inside = not (line.lstrip().startswith("```") or bare.endswith("```"))
        elif bare.lower().endswith(_FENCES):
            count, inside = count + 1, True
            lines.append(bare[: bare.rfind("```")])
        else:
            lines.append(line)
    return "\n".join(lines), count


def _cut_object(text: str) -> Cut:
    body = text.strip()
    is_object = body.startswith("{") and _json_end(body, 0) == len(body)
    return ("", 1) if is_object else (text, 0)


_CUTS: tuple[Callable[[str], Cut], ...] = (_cut_hermes, _cut_fences, _cut_object)
