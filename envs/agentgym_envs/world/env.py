"""`agentgym/ApiWorld-v0`: do what a person asks, by Python that calls the APIs of their apps."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from agentgym.chat.toolcalls import Action
from agentgym.errors import ConfigError, EnvironmentFault
from agentgym.tools import tool
from agentgym.types import Task, Verdict
from agentgym_envs.python.interpreter import Interpreter
from agentgym_envs.world.build import SCALES, Size, build
from agentgym_envs.world.cells import PROMPT, CellEnv
from agentgym_envs.world.database import Database
from agentgym_envs.world.difficulty import LEVELS
from agentgym_envs.world.episode import Run, start
from agentgym_envs.world.habits import flawed_cells
from agentgym_envs.world.modifiers import RETRYING, Modifiers
from agentgym_envs.world.observation import ENDED, describe
from agentgym_envs.world.rewards import REWARDS
from agentgym_envs.world.service import Limits as CallLimits
from agentgym_envs.world.surface import SURFACE
from agentgym_envs.world.tasks import WorldTasks, scenarios_named
from agentgym_sandbox import Limits

__all__ = ["ApiWorld"]


class ApiWorld(CellEnv):
    """Act for a person in a world of apps; judged at the end by what changed and the answer.

    Args:
        split: ``train``, ``dev``, ``test_normal``, ``test_challenge``; with ``variations`` also
            ``held_out``.
        level: 1 to 3 keeps the tasks of one difficulty; None keeps all.
        scenarios: Names of the scenarios to keep; None keeps all.
        variations: Tasks of each scenario, in each split; None keeps the official three. See
            `agentgym_envs.world.tasks`.
        size: ``full`` has about 50,000 rows, ``small`` about 10,000.
        world_seed: Another seed is another world, with the same scenarios.
        max_turns: Most actions; an episode that is not completed by then is truncated, with 0.0.
        calls_per_cell: Most API calls of one cell.
        cell_timeout_s: Most seconds of one cell.
        memory_mb: Most memory of the session.
        reward: ``binary``, ``fraction`` or ``guarded``; see `agentgym_envs.world.rewards`.
        max_observation_chars: Longer observations lose their middle.
        transient_errors: The share of calls that fail once; see `agentgym_envs.world.modifiers`.
        missing_api: An API, as ``app.api``, that is gone.
        long_outputs: Whether lists and documentation are padded.
        render_mode: See `agentgym.env.Env`.
    """

    def __init__(  # noqa: PLR0913 - settings, each given by name
        self,
        *,
        split: str = "train",
        level: int | None = None,
        scenarios: Sequence[str] | None = None,
        variations: int | None = None,
        size: Size = "full",
        world_seed: int = 0,
        max_turns: int = 30,
        calls_per_cell: int = 500,
        cell_timeout_s: float = 10.0,
        memory_mb: int = 256,
        reward: Literal["binary", "fraction", "guarded"] = "binary",
        max_observation_chars: int = 8_000,
        transient_errors: float = 0.0,
        missing_api: str | None = None,
        long_outputs: bool = False,
        render_mode: str | None = None,
    ) -> None:
        _refuse(size=(size, SCALES), reward=(reward, REWARDS), level=(level, (None, *LEVELS)))
        if not 0 < cell_timeout_s < 3600 or not 16 <= memory_mb <= 65_536 or calls_per_cell < 1:
            raise ConfigError(
                f"cell_timeout_s={cell_timeout_s}, memory_mb={memory_mb}, "
                f"calls_per_cell={calls_per_cell}; they must lie in (0, 3600), [16, 65536] and "
                "from 1"
            )
        chosen = scenarios_named(scenarios)
        self.tasks: WorldTasks = WorldTasks(size, world_seed, level, chosen, variations)
        self.tasks.ids(split)  # an unknown split is refused here, not at the first reset
        self.interpreter = Interpreter(
            Limits(memory_mb=memory_mb), cell_timeout_s, setup=SURFACE, handler=self._answer
        )
        self._world = (size, world_seed)
        self._modifiers = Modifiers(transient_errors, missing_api, long_outputs)
        self._calls = CallLimits(calls_per_cell, 10 * calls_per_cell)
        self._reward = REWARDS[reward]
        self._db: Database | None = None
        self._run: Run | None = None
        super().__init__(
            split=split,
            max_turns=max_turns,
            max_observation_chars=max_observation_chars,
            render_mode=render_mode,
        )

    @property
    def run(self) -> Run:
        """The episode in the host: its calls and what is expected. Never for the agent."""
        if self._run is None:
            raise ConfigError("no episode is running; call reset() first")
        return self._run

    def begin(self, task: Task) -> str:
        """Set the world up and show the task; no session is made before the first cell."""
        if self._db is None:
            self._db = Database(build(*self._world))
        situation = self.tasks.situation(task.id)
        if situation is None:
            raise LookupError(f"no task '{task.id}'")
        secret = f"{self.rng.getrandbits(128):032x}"
        self._run = start(
            self._db, situation, secret=secret, limits=self._calls, modifiers=self._modifiers
        )
        return self.watch(PROMPT.format(**self.run.service.person, instruction=task.prompt))

    def prepare(self) -> None:
        """Start the session while the policy writes its first action."""
        self.interpreter.open()

    @tool
    def python(self, code: str) -> str:
        """Run a cell of Python code in a session that keeps its state.

        Returns what it prints.

        Args:
            code: Python source.
        """
        service = self.run.service
        service.new_cell()
        result = self.interpreter.execute(code)
        if service.fault is not None:
            name = type(service.fault).__name__
            raise EnvironmentFault(f"an API raised {name}: {service.fault}") from service.fault
        failed = result is None or result.status != "ok" or not result.session_alive
        self.behaviour.ran(code, failed, service.completed)
        return ENDED if result is None else describe(result, self.interpreter.timeout_s)

    def judged(self) -> Verdict | None:
        """Return the verdict, once the task was marked as complete."""
        if self.run.service.completed is None:
            return None
        verdict = self.run.verdict()
        return replace(verdict, score=self._reward(verdict, self.run.expected))

    def calls(self) -> Mapping[str, int]:
        """Return how often each API was called, as ``app.api``."""
        return self.run.service.calls

    def _answer(self, text: str) -> str:
        return self.run.service.answer(text)

    def score(self, task: Task, answer: str) -> Verdict:
        """Judge what has been done so far; an answer outside of ``complete_task`` is none."""
        return self.run.verdict()

    def oracle(self, task: Task) -> Iterator[Action]:
        """Run the cells of the scenario's oracle, which finds everything out by the APIs."""
        situation = self.tasks.situation(task.id)
        yield from self._written(situation.oracle() if situation else [])

    def _written(self, cells: Sequence[str]) -> Iterator[str]:
        first = RETRYING if self._modifiers.transient_errors else ""
        for cell in cells:
            yield f"```python\n{first}{cell.strip()}\n```"
            first = ""

    def demonstrate(
        self, task: Task, rng: random.Random, *, flawed: bool = False
    ) -> list[dict[str, Any]]:
        """Play the oracle, or what a bad habit makes of it; see `agentgym_envs.world.habits`."""
        if not flawed:
            return super().demonstrate(task, rng)
        seed = rng.randrange(1 << 31)
        _, info = self.reset(seed=seed, options={"task_id": task.id})
        rows: list[dict[str, Any]] = list(info["messages"])
        situation = self.tasks.situation(task.id)
        for action in self._written(flawed_cells(situation.oracle(), rng) if situation else []):
            rows.append({"role": "assistant", "content": action})
            _, _, terminated, truncated, info = self.step(action)
            rows.extend(info["messages"])
            if terminated or truncated:
                break
        return rows

    def end(self) -> None:
        """End the session and roll the world back."""
        self.interpreter.close()
        self._run = None
        if self._db is not None:
            self._db.rollback()

    def close(self) -> None:
        """End the episode and free the world; safe to call twice."""
        super().close()
        if self._db is not None:
            self._db.close()
            self._db = None


def _refuse(**choices: tuple[Any, Any]) -> None:
    for name, (value, known) in choices.items():
        if value not in known:
            raise ConfigError(f"no {name} {value!r}; there are {list(known)}")
