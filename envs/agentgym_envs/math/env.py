"""`agentgym/Math-v0`: one problem, one response, one verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agentgym.env import Env, Reply
from agentgym.errors import ConfigError
from agentgym.types import Task
from agentgym_envs.math.datasets import Source, load_tasks
from agentgym_envs.math.reasoning import INSTRUCTIONS, Reasoning, reasoning
from agentgym_envs.math.tasks import level_tasks
from agentgym_envs.math.topics import topic_tasks
from agentgym_envs.math.verify import verify
from agentgym_envs.math.worked import worked_out

__all__ = ["Math"]


class Math(Env):
    r"""Answer a problem in one response; 1.0 if its final ``\boxed{}`` is right.

    Args:
        split: Which tasks: ``train``, ``dev`` or ``test``, or a split that the source names.
        level: 1 to 5, of the built-in problems; without a topic 1 where it is not given.
        topic: Built-in exercises of ``algebra``, ``calculus``, ..., or ``all``.
        path: A JSON Lines file of (problem, answer) to use instead of them.
        dataset: A Hugging Face dataset to use: its name, a saved folder or a file.
        config: The dataset's configuration, or the settings of a reasoning_gym dataset.
        fields: The names of the dataset's ``problem`` and ``answer`` if they cannot be guessed.
        reasoning_gym: The name of a dataset of that package to use.
        render_mode: See `agentgym.env.Env`.

    Raises:
        ConfigError: If the settings contradict each other or cannot be used.
        MissingExtra: If a package that they need is not installed.
    """

    instructions = (
        "Solve the problem. You may think first. Then put only the final answer in "
        r"\boxed{}, once."
    )

    def __init__(  # noqa: PLR0913 - an environment's settings are its keyword arguments
        self,
        *,
        split: str = "train",
        level: int | None = None,
        topic: str | None = None,
        path: str | None = None,
        dataset: str | None = None,
        config: str | Mapping[str, Any] | None = None,
        fields: Mapping[str, str] | None = None,
        reasoning_gym: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(split=split, render_mode=render_mode)
        _refuse_two(topic=topic, path=path, dataset=dataset, reasoning_gym=reasoning_gym)
        self._reasoning: Reasoning | None = None
        self._made = not (path or dataset or reasoning_gym)
        if not self._made and level is not None:
            raise ConfigError(f"level={level} is of the built-in problems; leave it out")
        if reasoning_gym:
            self._reasoning = reasoning(reasoning_gym, _settings(config))
            self.instructions = INSTRUCTIONS
            self.tasks = self._reasoning.tasks
        elif path or dataset:
            self.tasks = load_tasks(_source(path, dataset, config, fields or {}), split)
        elif topic:
            self.tasks = topic_tasks(topic, level)
        else:
            self.tasks = level_tasks(1 if level is None else level)
        self.tasks.ids(split)  # an unknown split is refused here, not at the first reset

    def respond(self, action: str) -> Reply:
        """Judge the response."""
        if self._reasoning:
            return Reply(verdict=self._reasoning.judge(action, self.task))
        verdict = verify(action, self.task.answer, problem=self.task.prompt)
        if self._made:
            verdict = worked_out(verdict, self.task.answer, self.task.prompt)
        return Reply(verdict=verdict)

    def oracle(self, task: Task) -> Iterator[str]:
        """Give the answer."""
        if self._reasoning:
            yield f"<answer>{task.answer}</answer>"
        else:
            yield rf"\boxed{{{task.answer}}}"


def _refuse_two(**sources: str | None) -> None:
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} exclude each other; give one")


def _settings(config: str | Mapping[str, Any] | None) -> str:
    if isinstance(config, str):
        raise ConfigError(f"config of a reasoning_gym dataset is a mapping, not {config!r}")
    return json.dumps(config or {}, sort_keys=True)


def _source(
    path: str | None,
    dataset: str | None,
    config: str | Mapping[str, Any] | None,
    fields: Mapping[str, str],
) -> Source:
    if config is not None and not isinstance(config, str):
        raise ConfigError(f"config of a dataset is its name, not {config!r}")
    if unknown := set(fields) - {"problem", "answer"}:
        raise ConfigError(f"fields names 'problem' and 'answer', not {sorted(unknown)}")
    name = str(Path(path).expanduser().absolute()) if path else str(dataset)
    return Source(name, config, fields.get("problem"), fields.get("answer"), lines=path is not None)
