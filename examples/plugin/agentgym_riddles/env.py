"""The environment: one riddle, one answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import agentgym as ag

__all__ = ["Riddles"]


class Riddles(ag.ToolEnv):
    """Answer a riddle in one word."""

    instructions = "Answer the riddle with one word."
    tasks = ag.TaskSet.from_jsonl(Path(__file__).with_name("riddles.jsonl"))

    def __init__(self, *, split: str = "train", render_mode: str | None = None) -> None:
        super().__init__(split=split, max_turns=1, render_mode=render_mode)

    def score(self, task: ag.Task, answer: str) -> ag.Verdict:
        """Accept the word, however it is written."""
        return ag.Verdict.of(word=answer.strip(" .!\n").casefold() == task.answer)

    def oracle(self, task: ag.Task) -> Iterator[ag.Action]:
        """Say the word."""
        yield ag.answer(task.answer)
