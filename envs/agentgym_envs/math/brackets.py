"""Brackets: grouping, tuples, intervals, sets and set builders, vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym_envs.math.binding import SUM
from agentgym_envs.math.lexer import Token
from agentgym_envs.math.nodes import Apply, Group, Node, TooLarge, Unreadable

if TYPE_CHECKING:
    from agentgym_envs.math.parser import Parser

__all__ = ["angle", "bracket", "french", "program_set"]

_CLOSERS = {"(": (")", "]"), "[": ("]", ")"), r"\{": (r"\}",), "<": (">", "gt")}
MAX_RETRIES = 24  # braces that are read twice, as a group and as a set


def bracket(parser: Parser, opened: str) -> Node:
    """Read what a bracket opens; a single item in round or square ones is only grouped."""
    parser.expect(opened)
    saved = (parser.no_bar, parser.bars)
    parser.no_bar, parser.bars = opened == r"\{", 0
    if closed := parser.accept(*_CLOSERS[opened]):
        parser.no_bar, parser.bars = saved
        return Group(opened, closed, ())
    items = [parser.expression()]
    if parser.no_bar and parser.accept("|", ":"):
        parser.no_bar = False
        condition = parser.sequence()
        parser.expect(r"\}")
        parser.no_bar, parser.bars = saved
        return Apply("such_that", (items[0], condition))
    while parser.accept(",", ";", "and"):
        if parser.next_is(*_CLOSERS[opened]):
            break
        items.append(parser.expression())
    closed = parser.expect(*_CLOSERS[opened])
    parser.no_bar, parser.bars = saved
    if len(items) == 1 and opened in ("(", "[") and closed in (")", "]"):
        return items[0]
    return Group(opened, ">" if closed == "gt" else closed, tuple(items))


def program_set(parser: Parser) -> Node:
    """Braces of LaTeX group, those of program code hold a set: commas tell them apart."""
    if parser.next_is("}", ahead=1):
        parser.at += 2
        return Group(r"\{", r"\}", ())
    start = parser.at
    parser.retries += 1
    if parser.retries > MAX_RETRIES:
        raise TooLarge("too many braces that could be sets")
    try:
        return parser.braces()
    except TooLarge:
        raise
    except Unreadable:
        parser.at = start
    depth = 0
    for index in range(start, len(parser.tokens)):
        token = parser.tokens[index]
        if token.kind == "op" and token.text in ("{", "}"):
            depth += 1 if token.text == "{" else -1
            if not depth:
                parser.tokens[start] = Token("op", r"\{")
                parser.tokens[index] = Token("op", r"\}")
                return bracket(parser, r"\{")
    raise Unreadable("a brace is never closed")


def angle(parser: Parser) -> Node:
    """Read ``1, 2>`` of ``<1, 2>``."""
    parser.angles = parser.angles + 1
    items = [parser.expression(SUM)]
    while parser.accept(","):
        items.append(parser.expression(SUM))
    parser.expect("gt")
    parser.angles -= 1
    return Group("<", ">", tuple(items))


def french(parser: Parser) -> Node:
    """Read ``a, b[`` of ``]a, b[``."""
    parser.french = True
    low = parser.expression(SUM)
    parser.expect(",", ";")
    high = parser.expression(SUM)
    parser.french = False
    closed = parser.expect("[", "]")
    return Group("(", ")" if closed == "[" else "]", (low, high))
