"""`agentgym/PythonCode-v0`: write a function that passes hidden tests, with an interpreter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from agentgym.chat.toolcalls import Action, call
from agentgym.env import Reply, ToolEnv
from agentgym.errors import ConfigError, EnvironmentFault, UsageError
from agentgym.tools import ToolError, tool
from agentgym.types import Task, Verdict
from agentgym_envs.python.code_rows import file_tasks
from agentgym_envs.python.code_tasks import code_tasks
from agentgym_envs.python.grade import grade, rejected
from agentgym_envs.python.interpreter import Interpreter, shared_sandbox
from agentgym_sandbox import Limits, Sandbox, SandboxError

__all__ = ["PythonCode"]

_BLOCK = re.compile(r"^```[^\n`]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


class PythonCode(ToolEnv):
    """Write a function; 1.0 if it passes every hidden test in a fresh session.

    The answer is a call of `submit`, which ends the episode. A text without any call is an answer
    too: its last code block, which cannot be marked as Python, since those are run, or nothing.

    Args:
        split: Which tasks are drawn from.
        path: JSON Lines of tasks; None makes them.
        skip_unreadable: Leave out rows of the file whose tests cannot be read.
        max_turns: Most actions, the submission included.
        timeout_s: Most seconds for one call of the tool, and for one hidden test.
        memory_mb: Most memory of one session.
        max_observation_chars: Longer observations lose their middle.
        render_mode: See `agentgym.env.Env`.
    """

    instructions = (
        "Write the Python function that is described. You may think first, and you may run Python "
        "as often as you need, with the tool `python` or a ```python block; variables are kept "
        "between calls. When the function is right, call the tool `submit` once with its whole "
        "source: it is run in a fresh interpreter and judged by hidden tests."
    )

    def __init__(
        self,
        *,
        split: str = "train",
        path: str | None = None,
        skip_unreadable: bool = False,
        max_turns: int = 8,
        timeout_s: float = 5.0,
        memory_mb: int = 256,
        max_observation_chars: int = 2_000,
        render_mode: str | None = None,
    ) -> None:
        if not 0 < timeout_s < 3600 or not 16 <= memory_mb <= 65_536:
            raise ConfigError(
                f"timeout_s={timeout_s}, memory_mb={memory_mb}; they must lie in (0, 3600) and "
                "[16, 65536]"
            )
        self.tasks = file_tasks(path, skip_unreadable=skip_unreadable) if path else code_tasks()
        self.tasks.ids(split)  # an unknown split is refused here, not at the first reset
        self.interpreter = Interpreter(Limits(memory_mb=memory_mb), timeout_s)
        self._submitted: str | None = None
        super().__init__(
            split=split,
            max_turns=max_turns,
            max_observation_chars=max_observation_chars,
            render_mode=render_mode,
        )

    def begin(self, task: Task) -> str:
        """Show the task; no session is made before the first call."""
        self._submitted = None
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

    @tool
    def submit(self, code: str) -> str:
        """Submit the function, which ends the episode.

        Args:
            code: Python source that defines the function and whatever it needs.
        """
        if self._submitted is not None:
            raise ToolError("submit: only one submission counts, the first")
        self._submitted = code
        return "submitted"

    def respond(self, action: str) -> Reply:
        """Run the calls of an action; judge what it has submitted, if anything."""
        reply = super().respond(action)
        if self._submitted is None:
            return reply
        verdict = self._judge(self.task, self._submitted)
        return replace(reply, verdict=verdict, truncated=False)

    def score(self, task: Task, answer: str) -> Verdict:
        """Judge the last code block of an answer that calls nothing."""
        blocks = _BLOCK.findall(answer)
        if not blocks:
            return rejected("no call of submit, and no code block")
        return self._judge(task, blocks[-1])

    def _judge(self, task: Task, code: str) -> Verdict:
        facts = task.metadata
        return grade(
            self._sandbox(),
            code,
            facts["entry_point"],
            task.answer,
            setup=facts["setup"],
            timeout_s=self.interpreter.timeout_s,
        ).verdict(code)

    def _sandbox(self) -> Sandbox:
        try:
            return shared_sandbox(self.interpreter.limits)
        except SandboxError as error:
            raise EnvironmentFault(f"the python sandbox failed: {error}") from error

    def oracle(self, task: Task) -> Iterator[Action]:
        """Try the reference solution once, then submit it."""
        solution = task.metadata["solution"]
        if not solution:
            raise UsageError(f"task '{task.id}' has no solution; add it to its row")
        trial = task.metadata.get("example", task.metadata["entry_point"])
        yield call("python", code=f"{solution}\n\n{trial}")
        yield call("submit", code=solution)

    def end(self) -> None:
        """End the episode's session."""
        self.interpreter.close()
