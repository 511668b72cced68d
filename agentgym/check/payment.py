"""Who is paid: the oracle in full; constants, echoes and calls of tools without end, nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from agentgym.chat.toolcalls import render
from agentgym.check.report import Failed, NotApplicable, Seen
from agentgym.check.subject import Act, Subject, play, reset, scripted
from agentgym.env import Env
from agentgym.types import ToolCall

__all__ = ["constants", "echo", "oracle", "spam"]

CONSTANT = ("", "0", "42", "I do not know.", "\\boxed{0}")
MOST_TOOLS = 20  # that are called alone
ROUNDS = 3  # more may be above the limit of turns
DEEPEST = 5  # of arguments that are made up
PLAUSIBLE: Mapping[str, Any] = {
    "string": "1",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "object": {},
    "null": None,
}


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A way of being paid for nothing.

    Attributes:
        name: What a failure is told by.
        act: Who takes it.
        said: What is said in it, to tell whether the gold was among it by chance.
    """

    name: str
    act: Act
    said: str


def oracle(subject: Subject) -> Seen:
    """Let the oracle solve each task."""
    solutions = subject.solutions()
    for each in solutions:
        if each.reward != 1.0:
            steps = len(each.actions)
            raise Failed(f"task {each.task.id}: the oracle scores {each.reward} in {steps} steps")
    return Seen(f"1.0 on each of {len(solutions)} tasks")


def constants(subject: Subject) -> Seen:
    """Give the same few answers to every task."""
    tried = 0
    with closing(subject.make()) as env:
        for task_id in subject.task_ids(env):
            for answer in CONSTANT:
                observation, _ = reset(env, task_id)
                if _is_gold(env, answer):
                    continue
                reward = play(env, observation, scripted([answer])).reward
                tried += 1
                if reward != 0.0:
                    raise Failed(f"task {task_id}: the answer {answer!r} scores {reward}")
    return Seen(f"0.0 for {tried} empty and constant answers")


def echo(subject: Subject) -> Seen:
    """Say what was read: the prompt as the answer, and each observation as the next action."""
    return _unpaid(subject, "echoes", _echoes)


def spam(subject: Subject) -> Seen:
    """Call every tool many times with plausible arguments, then say nothing, or a constant."""
    return _unpaid(subject, "rounds of tool calls", _tool_calls)


def _echoes(env: Env, info: Mapping[str, Any]) -> list[_Attempt]:
    prompt = str(info["messages"][-1]["content"])
    return [
        _Attempt("the prompt as the answer", scripted([prompt]), prompt),
        _Attempt("each observation as the next action", lambda seen: seen, prompt),
    ]


def _tool_calls(env: Env, info: Mapping[str, Any]) -> list[_Attempt]:
    calls = [(call.name, render(call)) for call in _plausible_calls(env.unwrapped.tools)]
    if not calls:
        raise NotApplicable("it has no tools")
    every = "\n".join(text for _, text in calls)
    ways = {
        "all tools, then nothing": [every, ""],
        "all tools again and again, then a constant": [every] * ROUNDS + [CONSTANT[2]],
    }
    for name, text in calls[:MOST_TOOLS]:
        ways[f"the tool '{name}' again and again, then nothing"] = [text] * ROUNDS + [""]
    return [
        _Attempt(f"calling {name}", scripted(actions), "\n".join(actions))
        for name, actions in ways.items()
    ]


def _unpaid(
    subject: Subject, what: str, attempts: Callable[[Env, Mapping[str, Any]], Iterable[_Attempt]]
) -> Seen:
    """Make attempts at each task, none of which may pay.

    One that pays fails the row, unless what was said holds the gold: that may be chance, as where
    the gold of "0 + 7 = ?" is in the prompt, and fails only where most attempts pay.
    """
    tried, lucky = 0, []
    with closing(subject.make()) as env:
        for task_id in subject.task_ids(env):
            for attempt in attempts(env, reset(env, task_id)[1]):
                observation, _ = reset(env, task_id)
                if _is_gold(env, attempt.said):
                    continue
                reward = play(env, observation, attempt.act).reward
                tried += 1
                if reward == 0.0:
                    continue
                lucky.append(f"task {task_id}: {attempt.name} scores {reward}")
                if not _holds(attempt.said, env.unwrapped.task.answer):
                    raise Failed(lucky[-1])
    if not tried:
        raise NotApplicable("the golds are just that")
    if len(lucky) > max(1, tried / 2):
        raise Failed(f"{lucky[0]}, and {len(lucky)} of {tried} attempts score")
    chance = f"; {len(lucky)} more held the gold by chance" if lucky else ""
    return Seen(f"0.0 for {tried - len(lucky)} {what}{chance}")


def _is_gold(env: Env, answer: str) -> bool:
    """Tell whether an answer happens to be right, so that it proves nothing."""
    gold = str(env.unwrapped.task.answer).strip()
    return answer != "" and gold in (answer, answer.removeprefix("\\boxed{").removesuffix("}"))


def _holds(text: str, gold: Any) -> bool:
    """Tell whether a gold that is a text or a number stands in a text, as a word of its own."""
    if not isinstance(gold, str | int | float) or not str(gold).strip():
        return False
    return bool(re.search(rf"(?<!\w){re.escape(str(gold).strip())}(?!\w)", text, re.IGNORECASE))


def _plausible_calls(tools: Iterable[Mapping[str, Any]]) -> list[ToolCall]:
    functions = [schema.get("function", schema) for schema in tools]
    return [
        ToolCall(function["name"], _plausible(function.get("parameters", {"type": "object"}), 0))
        for function in functions
    ]


def _plausible(schema: Mapping[str, Any], depth: int) -> Any:
    """Return a value that fits a JSON schema, as far as one can tell from its plain keywords."""
    named = [schema[key] for key in ("const", "default", "minimum") if key in schema]
    named += [schema[key][0] for key in ("enum", "examples") if schema.get(key)]
    if named:
        return named[0]
    deeper = depth < DEEPEST
    kinds = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if kinds and deeper:
        return _plausible(kinds[0], depth + 1)
    if "properties" in schema and deeper:
        parts = schema["properties"].items()
        return {name: _plausible(part, depth + 1) for name, part in parts}
    if schema.get("type") == "array" and deeper:
        return [_plausible(schema.get("items", {}), depth + 1)]
    return PLAUSIBLE.get(str(schema.get("type", "string")), "1")
