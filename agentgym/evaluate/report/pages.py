"""Episodes turn by turn, as the page reads them: a chunk of groups at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentgym.chat.toolcalls import parse
from agentgym.evaluate.report.gradient import LearnedRow, sample_view
from agentgym.evaluate.saved import SavedTask
from agentgym.types import Episode, Message, Turn, Verdict

__all__ = ["Chunk"]

_LONGEST = 20_000  # characters of one text; the middle of longer ones is left out
_CALLS_BEGIN = re.compile(r"<tool_call>|```py", re.IGNORECASE)


class Chunk:
    """Pages of some groups, and the texts and token runs that they share.

    Attributes:
        size: Characters and tokens so far: about how much there is to read.
        ids: Token ids that were seen.
    """

    def __init__(self) -> None:
        self.size = 0
        self.ids: set[int] = set()
        self._pages: dict[int, dict[str, Any]] = {}
        self._tasks: dict[int, dict[str, Any]] = {}
        self._texts: dict[str, int] = {}
        self._runs: dict[tuple[int, ...], int] = {}

    def add(
        self,
        number: int,
        group: int,
        episode: Episode,
        task: SavedTask | None,
        learned: Sequence[LearnedRow | None],
    ) -> None:
        """Take in one episode.

        Args:
            number: Its place in the run.
            group: The number of its group.
            episode: Whole.
            task: What it was about, where that is on record.
            learned: What the gradient saw, a row a sample.
        """
        if task is not None and group not in self._tasks:
            self._tasks[group] = {"prompt": self._text(task.prompt), "gold": _plain(task.gold),
                                  "split": task.split}  # fmt: skip
        for sample in episode.samples:
            self.ids.update(sample.ids)
            self.size += len(sample.ids)
        rows = [*learned, *([None] * len(episode.samples))]
        self._pages[number] = self._conversation(episode) | {
            "seed": episode.seed,
            "attempts": episode.attempts,
            "limit": episode.limit,
            "truncated": episode.truncated,
            "terminated": episode.terminated,
            "reason": self._text(episode.reason),
            "verdict": self._verdict(episode.verdict) if episode.verdict else None,
            "samples": [
                sample_view(sample, row, self._run)
                for sample, row in zip(episode.samples, rows, strict=False)
            ],
        }

    def value(self) -> dict[str, Any]:
        """Return everything as the page reads it."""
        return {
            "texts": list(self._texts),
            "runs": list(self._runs),
            "tasks": self._tasks,
            "pages": self._pages,
        }

    def _conversation(self, episode: Episode) -> dict[str, Any]:
        """Return the opening messages, and each turn with what came back."""
        opening: list[Message] = []
        answers: list[list[Message]] = []
        for message in episode.messages:
            if message.role == "assistant":
                answers.append([])
            else:
                (answers[-1] if answers else opening).append(message)
        answers += [[] for _ in episode.turns[len(answers) :]]
        turns = zip(episode.turns, answers, strict=False)
        return {
            "opening": [self._message(message) for message in opening],
            "turns": [self._turn(turn, came_back) for turn, came_back in turns],
        }

    def _turn(self, turn: Turn, came_back: Sequence[Message]) -> dict[str, Any]:
        results = list(came_back)
        if not results and turn.observation:  # the last one is not in the conversation
            results = [Message("tool", turn.observation)]
        names = {*turn.tool_calls, *(m.name for m in results if m.name)}
        ran = bool(names) or any(message.role == "tool" for message in results)
        calls = parse(turn.action, names or {"python"}).calls if ran else ()
        view = {
            "action": self._text(turn.action),
            "results": [self._message(message) for message in results],
            "read": turn.prompt_tokens,
            "sampled": turn.sampled_tokens,
            "cut": turn.finish_reason == "length",
            "seconds": [round(turn.sample_s, 4), round(turn.env_s, 4)],
        }
        if calls:
            begin = _CALLS_BEGIN.search(turn.action)
            view["said"] = self._text(turn.action[: begin.start()].strip() if begin else "")
            view["calls"] = [
                [self._text(call.name), {k: _plain(v) for k, v in call.arguments.items()}]
                for call in calls
            ]
        return view

    def _verdict(self, verdict: Verdict) -> dict[str, Any]:
        extracted = verdict.extracted
        return {
            "score": verdict.score,
            "reason": self._text(verdict.reason),
            "extracted": None if extracted is None else self._text(extracted),
            "rules": [
                [self._text(rule.name), rule.score, rule.weight, self._text(rule.reason)]
                for rule in verdict.rules
            ],
        }

    def _message(self, message: Message) -> list[Any]:
        name = None if message.name is None else self._text(message.name)
        return [message.role, self._text(message.content), name]

    def _text(self, text: str) -> int:
        shown = shortened(text)
        if shown not in self._texts:
            self.size += len(shown)
        return self._texts.setdefault(shown, len(self._texts))

    def _run(self, ids: tuple[int, ...]) -> int:
        return self._runs.setdefault(ids, len(self._runs))


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return the text, without its middle where it is too long for a page."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def _plain(value: Any) -> Any:
    """Return a value of JSON with its long texts shortened."""
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, Mapping):
        return {shortened(str(key)): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
