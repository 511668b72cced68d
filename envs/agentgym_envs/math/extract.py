r"""Find the one answer that a response commits to.

In this order: the last ``\boxed{}``, else the last ``#### x``, else the last line that says
"answer is x" or "answer: x". A thinking block never counts, and a response that ends inside one
has no answer. Text that lists several answers is not split: it is returned whole, so it equals
no single gold.
"""

from __future__ import annotations

import re

__all__ = ["MAX_RESPONSE", "extract"]

MAX_RESPONSE = 200_000  # characters; only the end of a longer response is read

_TOKEN = re.compile(r"(?P<box>\\(?:boxed|fbox)\s*\{)|\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S.*)$", re.MULTILINE)
_SAID = re.compile(r"\banswer\b[*_ \t]{0,8}(?:is|:|=)[*: \t]{0,8}(\S[^\n]*)", re.IGNORECASE)


def extract(response: str) -> str | None:
    """Return the answer's text, or None if the response commits to none.

    Args:
        response: What the model wrote, thinking included.

    Returns:
        The content of the last box (None if that box is never closed, is empty, or shares its line
        with a box that says something else), or what follows the last other marker.
    """
    final = _final_part(response[-MAX_RESPONSE:])
    if final is None:
        return None
    if any(token["box"] for token in _TOKEN.finditer(final)):
        return _last_box(final)
    if hashes := _HASHES.findall(final):
        return _tidy(hashes[-1])
    if said := _SAID.findall(final):
        return _tidy(said[-1])
    return None


def _final_part(response: str) -> str | None:
    """Return what stands after the thinking; None if the thinking never ends."""
    final = response.rpartition("</think>")[2]
    return None if "<think>" in final else final


def _last_box(text: str) -> str | None:
    """Return the last box's content, unless it is open, empty or contradicted on its own line."""
    starts, closed = _boxes(text)
    if starts[-1] not in closed:
        return None  # the response was cut off inside its last box
    last_end = closed[starts[-1]]
    outer = min(start for start in closed if closed[start] >= last_end)
    content = _content(text, outer, closed[outer])
    line_start = text.rfind("\n", 0, outer) + 1
    siblings = (start for start in starts if line_start <= start < outer and start in closed)
    if not content or any(_content(text, start, closed[start]) != content for start in siblings):
        return None
    return content


def _boxes(text: str) -> tuple[list[int], dict[int, int]]:
    """Return where each box opens, and where those close that do, in one pass."""
    starts: list[int] = []
    closed: dict[int, int] = {}
    stack: list[int | None] = []  # None is a brace that opens no box
    for token in _TOKEN.finditer(text):
        if token[0] == "}":
            opened = stack.pop() if stack else None
            if opened is not None:
                closed[opened] = token.start()
        elif token[0] == "{":
            stack.append(None)
        elif token["box"]:
            starts.append(token.start())
            stack.append(token.start())
    return starts, closed


def _content(text: str, start: int, end: int) -> str:
    return text[text.index("{", start) + 1 : end].strip()


def _tidy(text: str) -> str | None:
    """Drop emphasis and a closing full stop around an answer that fills its line."""
    text = text.strip().removesuffix(".").strip("*_ \t").removesuffix(".")
    return text or None
