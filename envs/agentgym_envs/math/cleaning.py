"""What only presents an answer comes off: boxes, mathematics signs, emphasis, full stops."""

from __future__ import annotations

import re

from agentgym_envs.math.lexer import normalise

__all__ = ["clean"]

_DOLLAR = "\N{FULLWIDTH DOLLAR SIGN}"


_WRAPPERS = (
    ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"),
    ("__", "__"), ('"', '"'), ("'", "'"),
    ("\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"),
)  # fmt: skip


_BOXED = re.compile(r"\\(?:boxed|fbox|text|mathrm|mathbf|textbf)\s?\{")


_PROGRAM_ROWS = re.compile(
    r"\[ ?(-?[0-9./]+(?:[ ,]+-?[0-9./]+)*(?: ?; ?-?[0-9./]+(?:[ ,]+-?[0-9./]+)*)+) ?\]"
)


def clean(text: str) -> str:
    """Normalise, and take off what only presents an answer: boxes, math signs, emphasis."""
    text = _currency(normalise(text))
    for _ in range(6):
        before = text
        text = _unended(text.strip()).removeprefix(":").strip() if text != "..." else text
        for opening, closing in _WRAPPERS:
            inner = text[len(opening) : len(text) - len(closing)]
            around = text.startswith(opening) and text.endswith(closing)
            if around and inner.strip() and opening not in inner and closing not in inner:
                text = inner.strip()
        text = _unboxed(text)
        if text == before:
            break
    if rows := _PROGRAM_ROWS.fullmatch(text):  # [1 2; 3 4]
        cells = re.sub(r"(?<=[0-9.])[ ,]+(?=[-0-9.])", " & ", rows[1]).replace(";", r" \\ ")
        return rf"\begin{{matrix}}{cells}\end{{matrix}}"
    return " ".join(text.replace("$", " ").replace("`", " ").split())


def _unended(text: str) -> str:
    """Drop what closes a sentence, but no ellipsis."""
    return text if text.endswith("..") else text.rstrip(".,;:")


def _unboxed(text: str) -> str:
    match = _BOXED.match(text)
    if match is None or not text.endswith("}") or "text" in match[0] or "math" in match[0]:
        return text
    depth = 0
    for index in range(match.end() - 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return text[match.end() : -1].strip() if index == len(text) - 1 else text
    return text


_PRICE = re.compile(r"\$(?=\s?-?[0-9.])")


def _currency(text: str) -> str:
    """Tell dollars that are money from those that delimit mathematics."""
    if "$" not in text:
        return text
    outside = text.split("$")[0::2]
    if text.count("$") % 2 == 0 and not any(map(str.isdigit, "".join(outside))):
        return text
    return _PRICE.sub(_DOLLAR, text)
