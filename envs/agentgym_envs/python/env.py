"""`agentgym/PythonMath-v0`: problems to solve with a Python interpreter at hand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Literal

from agentgym.env import ToolEnv
from agentgym.errors import ConfigError
from agentgym.tools import tool
from agentgym.types import Task, Verdict
from agentgym_envs.math.tasks import level_tasks
from agentgym_envs.math.verify import verify
from agentgym_envs.math.worked import worked_out
from agentgym_envs.python.habits import flawed_actions, proper_actions
from agentgym_envs.python.interpreter import Interpreter
from agentgym_sandbox import Limits

__all__ = ["PythonMath"]


class PythonMath(ToolEnv):
    r"""Solve a problem with a Python session; 1.0 if the final ``\boxed{}`` is right.

    Args:
        split: ``train``, ``dev`` or ``test``; they share no problem.
        level: 1 (one line of arithmetic) to 5 (where code pays).
        max_turns: Most actions, the final answer included.
        sandbox: Where code runs; ``local`` is a namespace sandbox on this machine.
        timeout_s: Most seconds for one call of the tool.
        memory_mb: Most memory of one session.
        max_observation_chars: Longer observations lose their middle.
        render_mode: See `agentgym.env.Env`.
    """

    instructions = (
        "Solve the problem. You may think first, and you may run Python as often as you need, with "
        "the tool `python` or a ```python block; variables are kept between calls. When you know "
        r"the answer, reply without a call and put only the final answer, a number, in \boxed{}."
    )

    def __init__(
        self,
        *,
        split: str = "train",
        level: int = 1,
        max_turns: int = 6,
        sandbox: Literal["local"] = "local",
        timeout_s: float = 5.0,
        memory_mb: int = 256,
        max_observation_chars: int = 2_000,
        render_mode: str | None = None,
    ) -> None:
        if sandbox != "local":
            raise ConfigError(f"no sandbox '{sandbox}'; this environment runs code in 'local'")
        if not 0 < timeout_s < 3600 or not 16 <= memory_mb <= 65_536:
            raise ConfigError(
                f"timeout_s={timeout_s}, memory_mb={memory_mb}; they must lie in (0, 3600) and "
                "[16, 65536]"
            )
        self.level = level
        self.tasks = level_tasks(level)
        self.tasks.ids(split)  # an unknown split is refused here, not at the first reset
        limits = Limits(memory_mb=memory_mb, pids=32, output_bytes=65_536)
        self.interpreter = Interpreter(limits, timeout_s)
        super().__init__(
            split=split,
            max_turns=max_turns,
            max_observation_chars=max_observation_chars,
            render_mode=render_mode,
        )

    def begin(self, task: Task) -> str:
        """Show the problem; no session is made before the first call."""
        return task.prompt

    def prepare(self) -> None:
        """Start the session while the policy writes its first action."""
        self.interpreter.open()

    @tool
    def python(self, code: str) -> str:
        """Run Python code in a session that keeps its state.

        Returns what it prints and the value of the last expression.

        Args:
            code: Python source.
        """
        return self.interpreter.run(code)

    def score(self, task: Task, answer: str) -> Verdict:
        """Judge the final answer; how it was found does not count."""
        return worked_out(verify(answer, task.answer), task.answer, task.prompt)

    def oracle(self, task: Task) -> Iterator[str]:
        """Run the code that solves the task, then give the answer."""
        yield f"```python\n{task.metadata['solution']}\n```"
        yield rf"\boxed{{{task.answer}}}"

    def demonstrate(
        self, task: Task, rng: random.Random, *, flawed: bool = False
    ) -> list[dict[str, Any]]:
        """Write out an episode without running it, correct or with a bad habit."""
        exchanges = flawed_actions(task, rng) if flawed else proper_actions(task)
        rows: list[dict[str, Any]] = [{"role": "user", "content": task.prompt}]
        for action, observation in exchanges:
            rows.append({"role": "assistant", "content": action})
            if observation:
                rows.append({"role": "tool", "name": "python", "content": observation})
        return rows

    def end(self) -> None:
        """End the episode's session."""
        self.interpreter.close()
