"""An episode's messages with their tool calls apart, each tied to its result.

A run keeps what the model wrote; other programs want calls as data. A turn is taken apart only
where that is certain: the environment answered each of its calls, and nothing else. Any other turn
(a malformed call, a call that was not run) stays the text that it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from agentgym.chat.toolcalls import parse
from agentgym.evaluate.export.spoken import spoken
from agentgym.types import Episode, Message, Role, Turn

__all__ = ["Call", "Line", "conversation"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, with an id that is unique in its episode."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One message.

    Attributes:
        role: Who speaks.
        text: The message as it was.
        content: It without its calls; the same where there are none.
        name: The tool that speaks.
        turn: Which turn of the episode this is; None where it is none.
        calls: What it calls.
        answers: The id of the call whose result this is; empty where it is no call's.
    """

    role: Role
    text: str
    content: str
    name: str | None = None
    turn: int | None = None
    calls: tuple[Call, ...] = ()
    answers: str = ""


def conversation(episode: Episode) -> tuple[Line, ...]:
    """Return the messages of an episode.

    What the environment said to the last action is no message of an episode; it is the
    ``observation`` of the last turn.
    """
    messages = episode.messages
    said = sum(message.role == "assistant" for message in messages)
    turn = len(episode.turns) - said  # an environment may show what an assistant would say
    lines: list[Line] = []
    waiting: list[Call] = []
    for position, message in enumerate(messages):
        if message.role == "assistant":
            line = _turn(messages, position, turn, episode.turns) if turn >= 0 else _plain(message)
            turn += 1
            waiting = list(line.calls)
        elif message.role == "tool" and waiting:
            call = waiting.pop(0)
            line = Line("tool", message.content, message.content, call.name, answers=call.id)
        else:
            line = _plain(message)
        lines.append(line)
    return tuple(lines)


def _plain(message: Message, turn: int | None = None) -> Line:
    return Line(message.role, message.content, message.content, message.name, turn)


def _turn(messages: Sequence[Message], position: int, turn: int, turns: Sequence[Turn]) -> Line:
    """Return a turn's line, with calls where each of them was answered."""
    message = messages[position]
    ran = turns[turn].tool_calls
    behind = messages[position + 1 :]
    results = sum(1 for _ in takewhile(lambda each: each.role == "tool", behind))
    expected = results if behind else len(ran)
    if not expected:
        return _plain(message, turn)
    # Only a tool of this name reads code fences; whoever answered as a tool has some.
    parsed = parse(message.content, {"python", *ran})
    content = spoken(message.content, len(parsed.calls))
    if content is None or parsed.errors or len(parsed.calls) != expected:
        return _plain(message, turn)
    if not all(_is_shallow(each.arguments) for each in parsed.calls):
        return _plain(message, turn)
    calls = tuple(
        Call(f"call_{turn}_{number}", call.name, call.arguments)
        for number, call in enumerate(parsed.calls)
    )
    return Line("assistant", message.content, content, None, turn, calls)


def _is_shallow(value: Any, levels: int = 64) -> bool:
    """Tell whether any reader's recursion will do for a value."""
    if not isinstance(value, Mapping | list):
        return True
    items = value.values() if isinstance(value, Mapping) else value
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in items)
