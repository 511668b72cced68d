"""`agentgym/AppWorld-v0`: the real AppWorld benchmark, served by processes of its own."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Literal

from agentgym.chat.toolcalls import Action
from agentgym.errors import ConfigError, UsageError
from agentgym.tools import tool
from agentgym.types import Rule, Task, Verdict
from agentgym_envs.appworld.installation import find
from agentgym_envs.appworld.rewards import REWARDS
from agentgym_envs.appworld.server import Lost, Server, Settings
from agentgym_envs.appworld.tasks import AppWorldTasks
from agentgym_envs.appworld.template import Template, lease
from agentgym_envs.world.cells import PROMPT, CellEnv

__all__ = ["AppWorld"]

_FAILED = "Execution failed. Traceback:"
_LOST = "the world was lost with it, and the episode is over"


class AppWorld(CellEnv):
    """Do a task of AppWorld; judged at the end by its official evaluation.

    Args:
        split: ``train``, ``dev``, ``test_normal`` or ``test_challenge``.
        level: 1 to 3 keeps the tasks of one difficulty; None keeps all.
        python: A Python that has the package ``appworld``; see
            `agentgym_envs.appworld.installation.find`.
        root: The folder with the benchmark's ``data``.
        max_turns: Most actions; an episode that is not completed by then is truncated, with 0.0.
        calls_per_cell: Most API calls of one cell.
        cell_timeout_s: Most seconds of one cell; AppWorld counts whole ones.
        memory_mb: Most address space of the process of a world.
        reward: ``binary``, ``fraction`` or ``guarded``; see `agentgym_envs.appworld.rewards`.
        max_observation_chars: Longer observations lose their middle.
        render_mode: See `agentgym.env.Env`.
    """

    def __init__(  # noqa: PLR0913 - settings, each given by name
        self,
        *,
        split: str = "train",
        level: int | None = None,
        python: str | None = None,
        root: str | None = None,
        max_turns: int = 40,
        calls_per_cell: int = 1_000,
        cell_timeout_s: float = 30.0,
        memory_mb: int = 2_048,
        reward: Literal["binary", "fraction", "guarded"] = "binary",
        max_observation_chars: int = 8_000,
        render_mode: str | None = None,
    ) -> None:
        if reward not in REWARDS or level not in (None, 1, 2, 3):
            raise ConfigError(
                f"reward={reward!r}, level={level!r}; they must be one of {list(REWARDS)} and "
                "None, 1, 2 or 3"
            )
        if not 0 < cell_timeout_s < 3600 or not 512 <= memory_mb <= 65_536 or calls_per_cell < 1:
            raise ConfigError(
                f"cell_timeout_s={cell_timeout_s}, memory_mb={memory_mb}, "
                f"calls_per_cell={calls_per_cell}; they must lie in (0, 3600), [512, 65536] and "
                "from 1"
            )
        self.tasks: AppWorldTasks = AppWorldTasks(find(python, root), level)
        self.tasks.ids(split)  # an unknown split is refused here, not at the first reset
        self._settings = Settings(cell_timeout_s, calls_per_cell, memory_mb)
        self._reward = REWARDS[reward]
        self._template: Template | None = None
        self._server: Server | None = None
        self._status: str | None = None  # with which the task was completed
        self._lost: Verdict | None = None
        super().__init__(
            split=split,
            max_turns=max_turns,
            max_observation_chars=max_observation_chars,
            render_mode=render_mode,
        )

    def begin(self, task: Task) -> str:
        """Show the task; no world is served before the first cell."""
        self._status = self._lost = None
        person = task.metadata["supervisor"]
        return self.watch(
            PROMPT.format(**person, phone=person["phone_number"], instruction=task.prompt)
        )

    def prepare(self) -> None:
        """Serve the world while the policy writes its first action."""
        self.serve()

    def serve(self) -> Server:
        """Return the episode's server, started now if there is none."""
        if self._server is None:
            if self._template is None or not self._template.alive:
                self._leave_template()
                self._template = lease(self.tasks.installation)
            installation = self.tasks.installation
            self._server = Server(self._template, installation, self.task.id, self._settings)
            if not self._server.hidden:
                _warn_of_ground_truth()
        return self._server

    @tool
    def python(self, code: str) -> str:
        """Run a cell of Python code in a session that keeps its state.

        Returns what it prints.

        Args:
            code: Python source.
        """
        server = self.serve()
        try:
            said = server.execute(code).rstrip("\n")
            self._status = server.status()
        except Lost as error:
            said = f"{_FAILED}\n{error}; {_LOST}"
            self._lost = Verdict(0.0, (Rule("ended", 0.0, reason=str(error)),), str(error))
        completed = {"status": self._status} if self._status else None
        self.behaviour.ran(code, said.startswith(_FAILED), completed)
        return said

    def judged(self) -> Verdict | None:
        """Return the official judgement, once the task was marked as complete."""
        return self.score(self.task, "") if self._status else self._lost

    def score(self, task: Task, answer: str) -> Verdict:
        """Judge what has been done so far; an answer outside of ``complete_task`` is none."""
        found = self.serve().evaluate()
        rules = tuple(
            Rule(" ".join(test["requirement"].split())[:200], score, reason=test["label"] or "")
            for score, tests in ((1.0, found["passes"]), (0.0, found["failures"]))
            for test in tests
        )
        failed = [rule.name for rule in rules if not rule.score]
        reason = f"failed: {'; '.join(failed)}" if failed else "all tests pass"
        return Verdict(self._reward(found), rules, reason)

    def calls(self) -> Counter[str]:
        """Return how often each API was called, by its path."""
        return self._server.calls() if self._server else Counter()

    def oracle(self, task: Task) -> Iterator[Action]:
        """Run the benchmark's own solution, in one cell."""
        solution = self.tasks.solution(task.id)
        if solution is None:
            raise UsageError(f"task '{task.id}' comes without a solution; train and dev have them")
        # As the benchmark itself plays it: some solutions look at the replies of refused calls.
        last = "requester.raise_on_failure = False\nsolution(apis, requester)"
        yield f"```python\n{solution.strip()}\n\n{last}\n```"

    def end(self) -> None:
        """End the episode's server."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def close(self) -> None:
        """End the episode, and the template if nobody else uses it; safe to call twice."""
        super().close()
        self._leave_template()

    def _leave_template(self) -> None:
        template, self._template = self._template, None
        if template is not None:
            template.give_back()


def _warn_of_ground_truth() -> None:
    warnings.warn(
        "the agent's code could read AppWorld's ground truth: the kernel has no Landlock, or the "
        "task root lies where AppWorld's Python does; docs/appworld.md says more",
        RuntimeWarning,
        stacklevel=3,
    )
