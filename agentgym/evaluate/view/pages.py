"""The pages of an episode, as lines: its turns, its verdict beside the gold, its siblings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from agentgym.evaluate.report.catalogue import Entry
from agentgym.evaluate.saved import SavedTask
from agentgym.evaluate.view.plain import cut, one_line
from agentgym.types import Episode, Turn, Verdict

__all__ = ["STYLES", "lines_of", "siblings_page", "title", "turns_page", "verdict_page"]

STYLES = {"solved": "green", "failed": "red", "limit": "yellow", "error": "magenta"}

_LONGEST = 50_000  # characters of one message
_ROLES = {"system": "blue", "user": "cyan", "assistant": "green", "tool": "yellow"}


def lines_of(text: str, style: str = "") -> Iterator[Text]:
    """Yield text that is fit to be shown, line by line, without any markup."""
    for line in text.split("\n"):
        yield Text(line, style=style)


def title(entry: Entry) -> Text:
    """Return what an episode is, in one line."""
    reward = "unscored" if entry.reward is None else f"reward {entry.reward:.3f}"
    made = Text(f"{entry.outcome} ", style=f"bold {STYLES[entry.outcome]}")
    made.append(
        f"{reward}  {one_line(entry.task_id, 60)}  sibling {entry.index}  step {entry.step}  "
        f"{one_line(entry.env, 60)}"
    )
    return made


def turns_page(episode: Episode) -> list[Text]:
    """Return the conversation, each action with what it cost and what came back."""
    lines: list[Text] = []
    turns = iter(episode.turns)
    number = 0
    for message in episode.messages:
        head = message.role if message.name is None else f"{message.role} {message.name}"
        more = ""
        if message.role == "assistant" and (turn := next(turns, None)) is not None:
            number += 1
            head, more = f"turn {number}  {head}", _costs(turn)
        lines += [_head(one_line(head, 80), _ROLES.get(message.role, ""), more)]
        lines += [*lines_of(cut(message.content, _LONGEST)), Text()]
    return [*lines, *_end(episode)]


def _head(text: str, style: str, more: str = "") -> Text:
    made = Text(f"\u2500\u2500 {text} ", style=f"bold {style}".strip())
    made.append(more, style="dim")
    return made


def _costs(turn: Turn) -> str:
    parts = [
        f"{turn.prompt_tokens} tokens read, {turn.sampled_tokens} written",
        f"{turn.sample_s:.2f} s sampling, {turn.env_s:.2f} s environment",
    ]
    if turn.tool_calls:
        parts.append(f"ran {one_line(', '.join(turn.tool_calls), 60)}")
    if turn.finish_reason == "length":
        parts.append("CUT at its limit of tokens")
    return "; ".join(parts)


def _end(episode: Episode) -> Iterator[Text]:
    how = f"ended by the limit of {episode.limit}" if episode.limit else "ended"
    attempts = f", after {episode.attempts} attempts" if episode.attempts > 1 else ""
    reward = "unscored" if episode.reward is None else f"reward {episode.reward:.3f}"
    yield _head(f"{how}{attempts}: {reward}", "")
    yield from lines_of(cut(episode.reason, _LONGEST))


def verdict_page(episode: Episode, task: SavedTask | None) -> list[Text]:
    """Return the reward rule by rule, beside what was asked and expected."""
    verdict = episode.verdict
    lines = [_head("reward", "", "none" if episode.reward is None else f"{episode.reward:g}")]
    lines += lines_of(cut(episode.reason, _LONGEST))
    if verdict is not None:
        lines += [Text(), *_rules(verdict)]
        if verdict.extracted is not None:
            lines += [Text(), _head("answer that was found", "")]
            lines += lines_of(cut(verdict.extracted, _LONGEST))
    lines += [Text(), _head("gold", "", "what the verifier compares with")]
    if task is None:
        return [*lines, Text("the task is not on record: the run has no tasks.jsonl", style="dim")]
    lines += lines_of(cut(_readable(task.gold), _LONGEST))
    lines += [
        Text(),
        _head("task", "", f"{one_line(task.split, 40)}, hash {one_line(task.hash, 16)}"),
    ]
    return [*lines, *lines_of(cut(task.prompt, _LONGEST))]


def _rules(verdict: Verdict) -> Iterator[Text]:
    yield _head("rules", "", "score, weight, why")
    for rule in verdict.rules:
        style = "green" if rule.score >= 1.0 else "red" if rule.score <= 0.0 else "yellow"
        line = Text(f"{rule.score:6.3f}", style=style)
        line.append(f"  x{rule.weight:g}  ", style="dim")
        line.append(one_line(rule.name, 80), style="bold")
        yield line
        if rule.reason:
            yield from lines_of(f"        {cut(rule.reason, _LONGEST)}", "dim")


def _readable(gold: Any) -> str:
    if gold is None:
        return "none"
    return gold if isinstance(gold, str) else json.dumps(gold, indent=2, ensure_ascii=False)


def siblings_page(siblings: Sequence[Entry], current: Entry) -> list[Text]:
    """Return the episodes of a group, one a line."""
    scored = [each.reward for each in siblings if each.reward is not None]
    mean = f"mean reward {sum(scored) / len(scored):.3f} of {len(scored)}" if scored else "unscored"
    lines = [_head(f"{len(siblings)} siblings", "", mean), Text()]
    for each in siblings:
        reward = "   -  " if each.reward is None else f"{each.reward:6.3f}"
        mark = "\u25b6" if each.number == current.number else " "
        line = Text(f"{mark} {each.index:>3}  ")
        line.append(f"{each.outcome:<6} {reward}", style=STYLES[each.outcome])
        line.append(f"  {each.turns:>3} turns {each.tokens:>6} tokens  ", style="dim")
        line.append(one_line(each.reason, 200))
        lines.append(line)
    if len({each.reward for each in siblings if each.reward is not None}) == 1:
        lines += [Text(), Text("All scored siblings have one reward: a group baseline learns "
                               "nothing from them.", style="dim")]  # fmt: skip
    return lines
