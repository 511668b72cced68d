"""OpenAI's format of conversations to fine-tune chat models with: a conversation a line.

A call becomes a structured one where its name is one that the format allows and each of its turn's
calls was answered; any other turn stays text, and what came back is told by the user. A
conversation ends with what the assistant said last. Left out: episodes in which nobody spoke.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentgym.evaluate.export.conversation import Call, Line, conversation
from agentgym.evaluate.export.plain import json_bytes
from agentgym.evaluate.export.source import Source, fresh
from agentgym.types import Episode

__all__ = ["write_openai"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def write_openai(source: Source, out: Path) -> int:
    """Write a conversation a line; return how many."""
    count = 0
    with fresh(out) as file:
        for saved in source.episodes(with_samples=False):
            row = _row(saved.episode, source.tools.get(saved.env, ()))
            if row is not None:
                file.write(json_bytes(row) + b"\n")
                count += 1
    return count


def _row(episode: Episode, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    lines = list(conversation(episode))
    while lines and lines[-1].role != "assistant":
        lines.pop()
    if not lines:
        return None
    messages: list[dict[str, Any]] = []
    open_calls: set[str] = set()
    for line in lines:
        if line.role == "assistant":
            calls = _calls(line.calls)
            open_calls = {call["id"] for call in calls}
            messages.append(_assistant(line, calls))
        elif line.answers in open_calls:
            row = {"role": "tool", "tool_call_id": line.answers, "content": line.content}
            messages.append(row)
        else:
            role = "user" if line.role == "tool" else line.role
            messages.append({"role": role, "content": line.content})
    return {"messages": messages} | ({"tools": [dict(tool) for tool in tools]} if tools else {})


def _assistant(line: Line, calls: list[dict[str, Any]]) -> dict[str, Any]:
    if not calls:
        return {"role": "assistant", "content": line.text}
    said = {"content": line.content} if line.content else {}
    return {"role": "assistant", **said, "tool_calls": calls}


def _calls(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return the calls as the format has them; none where one of them cannot be told."""
    rows = []
    for call in calls:
        if not _NAME.fullmatch(call.name):
            return []
        try:
            arguments = json.dumps(dict(call.arguments), ensure_ascii=False, allow_nan=False)
        except ValueError:  # a NaN, which is no JSON
            return []
        function = {"name": call.name, "arguments": arguments}
        rows.append({"id": call.id, "type": "function", "function": function})
    return rows
