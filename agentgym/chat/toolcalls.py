"""Tool calls in text: found in what a model wrote, and written as a model should write them.

`parse` is total. Whatever the text, it answers with calls and errors, in time linear in the text:
a broken call is an error that the model reads, never an exception and never an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from agentgym.types import Answer, ToolCall

__all__ = ["FORMATS", "MAX_CALLS", "Action", "Parsed", "answer", "call", "parse", "render", "spell"]

Action = str | ToolCall | Answer
"""What an oracle yields: an action as text, as a call, or as the final answer."""

MAX_CALLS = 32  # in one action; bounds the work that one text can ask for

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_FENCES = ("```python", "```py", "```python3")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was found in an action; with neither calls nor errors it is an answer."""

    calls: tuple[ToolCall, ...] = ()
    errors: tuple[str, ...] = ()


def call(tool: str, /, **arguments: Any) -> ToolCall:
    """Return a call of a tool, for an oracle."""
    return ToolCall(tool, arguments)


def answer(text: str) -> Answer:
    """Return a final answer, for an oracle."""
    return Answer(text)


def render(call: ToolCall) -> str:
    """Return the call as hermes text; `parse` reads it back as it was."""
    body = {"name": call.name, "arguments": dict(call.arguments)}
    text = json.dumps(body, ensure_ascii=False)
    # These tags can only stand inside strings; spelled out they would look like a thought.
    text = text.replace("<think>", "\\u003cthink>").replace("</think>", "\\u003c/think>")
    return f"{_OPEN}\n{text}\n{_CLOSE}"


def spell(action: Action) -> str:
    """Return the text of an oracle's action."""
    if isinstance(action, ToolCall):
        return render(action)
    return action.text if isinstance(action, Answer) else action


def parse(text: str, tools: Collection[str]) -> Parsed:
    """Find the tool calls in an action.

    The first format that finds a call or a broken one decides. Thoughts are skipped: closed
    ``<think>`` blocks, and whatever stands before a ``</think>`` whose opening was in the prompt.

    Args:
        text: What the model wrote.
        tools: Names of the tools that exist. Without any, nothing is a call. A name outside them
            is still a call: whoever runs it says that there is no such tool.

    Returns:
        Calls in their order, and one line per malformed call.
    """
    if not tools:
        return Parsed()
    said = _without_thoughts(text)
    for find in FORMATS.values():
        found = find(said, tools)
        if found.calls or found.errors:
            return found
    return Parsed()


def _without_thoughts(text: str) -> str:
    start, end = text.find("<think>"), text.find("</think>")
    if end >= 0 and not 0 <= start < end:
        text = text[end + len("</think>") :]
    parts: list[str] = []
    position = 0
    while (start := text.find("<think>", position)) >= 0:
        end = text.find("</think>", start)
        if end < 0:
            break
        parts.append(text[position:start])
        position = end + len("</think>")
    return "".join([*parts, text[position:]])


def _hermes(text: str, tools: Collection[str]) -> Parsed:
    """Find ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``, last tag optional."""
    calls: list[ToolCall] = []
    errors: list[str] = []
    position = text.find(_OPEN)
    if position < 0:
        stray = _CLOSE in text
        return Parsed(errors=(f"{_CLOSE} without {_OPEN}; nothing was called",) if stray else ())
    while position >= 0:
        if len(calls) + len(errors) >= MAX_CALLS:
            errors.append(f"more than {MAX_CALLS} tool calls at once; the rest was not run")
            break
        found, end = _decode_call(text, position + len(_OPEN))
        if isinstance(found, ToolCall):
            calls.append(found)
        else:
            errors.append(found)
        position = text.find(_OPEN, end)
    return Parsed(tuple(calls), tuple(errors))


def _decode_call(text: str, start: int) -> tuple[ToolCall | str, int]:
    """Return the call whose JSON starts at ``start``, or what is wrong with it, and its end."""
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    try:
        value, end = _DECODER.raw_decode(text, start)
        return _as_call(value), end
    except json.JSONDecodeError as error:
        # Going on where decoding stopped keeps the whole search linear.
        reason = f"malformed tool call: {error.msg.lower()} at character {error.pos - start}"
        return f'{reason}; write {_OPEN}{{"name": ..., "arguments": {{...}}}}{_CLOSE}', error.pos
    except (ValueError, RecursionError):
        return "malformed tool call: nested too deeply, or a number too long", start


def _as_call(value: Any) -> ToolCall | str:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return 'malformed tool call: expected an object with "name" and "arguments"'
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = json.loads(arguments) if arguments.strip() else {}
    if not isinstance(arguments, dict):
        return 'malformed tool call: "arguments" must be an object'
    return ToolCall(_encodable(value["name"]), _encodable(arguments))


def _encodable(value: Any) -> Any:
    """Replace lone surrogates (JSON can escape them), which no tool could write anywhere."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value


def _bare_json(text: str, tools: Collection[str]) -> Parsed:
    """Find a text that is one JSON object with a name and arguments, and nothing else."""
    body = text.strip()
    keys = ('"arguments"', '"parameters"')
    if not body.startswith("{") or '"name"' not in body or not any(key in body for key in keys):
        return Parsed()
    found, end = _decode_call(body, 0)
    if isinstance(found, str):
        return Parsed(errors=(found,))
    if end < len(body):
        return Parsed(errors=("malformed tool call: text after the JSON object",))
    return Parsed((found,))


def _python_fence(text: str, tools: Collection[str]) -> Parsed:
    """Find Markdown code blocks of Python; each is a call of the tool ``python``."""
    if "python" not in tools or "```py" not in text.lower():
        return Parsed()
    calls: list[ToolCall] = []
    block: list[str] | None = None
    for line in text.split("\n"):
        if block is None:
            if line.rstrip().lower().endswith(_FENCES):
                block = []
        elif line.lstrip().startswith("```") or line.rstrip().endswith("```"):
            block.append(line.rstrip().removesuffix("```") if line.strip()[:3] != "```" else "")
            calls.append(ToolCall("python", {"code": _encodable("\n".join(block))}))
            block = None
        else:
            block.append(line)
    errors = [] if block is None else ["the code block is not closed; nothing of it was run"]
    if len(calls) > MAX_CALLS:
        errors.append(f"more than {MAX_CALLS} tool calls at once; the rest was not run")
    return Parsed(tuple(calls[:MAX_CALLS]), tuple(errors))


FORMATS: dict[str, Callable[[str, Collection[str]], Parsed]] = {
    "hermes": _hermes,
    "python_fence": _python_fence,
    "bare_json": _bare_json,
}
