"""The contract of an environment, and the two bases that keep it.

    gymnasium.Env[str, str]
    └── Env            an author writes begin, respond, oracle
        └── ToolEnv    an author writes begin, tools, score, oracle

An observation is the text that is new since the last action; ``info["messages"]`` has the same as
chat messages. The reward is 0.0 until the terminal step, and there it is the verdict's score.
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import gymnasium
from gymnasium.error import ResetNeeded

from agentgym.chat.toolcalls import Action, parse, spell
from agentgym.errors import EnvironmentFault, Fault, UsageError
from agentgym.spaces import TextSpace
from agentgym.tasks import TaskSet
from agentgym.tools import Toolbox
from agentgym.types import Message, Rule, Task, Verdict

__all__ = ["Env", "Reply", "ToolEnv", "clip_text"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Reply:
    """What an environment has to say to an action.

    Attributes:
        messages: What the agent reads next.
        verdict: The judgement, on the last action only.
        truncated: A limit ended the episode, not the task.
        tool_calls: Names of the tools that were run.
    """

    messages: tuple[Message, ...] = ()
    verdict: Verdict | None = None
    truncated: bool = False
    tool_calls: tuple[str, ...] = ()


class Env(gymnasium.Env[str, str]):
    """An environment of texts with tasks, verdicts and an oracle.

    A subclass sets `tasks` (on the class, or on the instance in its constructor) and writes
    `begin`, `respond` and `oracle`; where it holds resources for an episode, also `end`.
    Whatever these raise that is not agentgym's own error reaches the caller as `EnvironmentFault`.

    Args:
        split: Which tasks are drawn from.
        render_mode: ``ansi`` lets `render` show the conversation; None shows nothing.

    Attributes:
        tasks: The tasks, in splits.
        instructions: A system message at the start of each episode, if not empty.
        task: The task of this episode.
        turns: Actions taken in this episode.
        rng: The episode's randomness: the same seed gives the same episode.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # type: ignore[misc]
    tasks: TaskSet
    instructions: str = ""

    def __init__(self, *, split: str = "train", render_mode: str | None = None) -> None:
        self.split = split
        self.render_mode = render_mode
        self.action_space = TextSpace()
        self.observation_space = TextSpace()
        self.rng = random.Random()
        self.turns = 0
        self._choice = random.Random()
        self._task: Task | None = None
        self._running = False
        self._holding = False
        self._log: list[Message] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "oracle" in vars(cls):
            cls.oracle = _public_oracle(cls.oracle)  # type: ignore[method-assign]

    # What an author writes.

    def begin(self, task: Task) -> str:
        """Set the episode up and return the prompt."""
        return task.prompt

    def prepare(self) -> None:
        """Do slow set-up that only a later step needs; called while the policy samples.

        A rollout calls it once after `reset`, in the environment's own thread. Nothing may rely on
        it: outside of rollouts it is not called.
        """

    def respond(self, action: str) -> Reply:
        """Answer an action, which is text that can be encoded, whatever else it is."""
        raise NotImplementedError(f"{type(self).__name__} must define respond(action)")

    def end(self) -> None:
        """Free what the episode holds. Called once after each `begin`, finished or not."""

    def oracle(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield the actions, as text, of a correct episode of the current task.

        An author writes ``oracle(self, task) -> Iterator[Action]`` instead, yielding texts,
        `agentgym.call` and `agentgym.answer`; a caller passes nothing and gets texts.
        """
        raise UsageError(f"{type(self).__name__} has no oracle; define oracle(self, task)")

    def demonstrate(
        self, task: Task, rng: random.Random, *, flawed: bool = False
    ) -> list[dict[str, Any]]:
        """Write out an episode as chat messages, for the warm start of a policy.

        An author overrides it where episodes can be written without being run, or where bad habits
        are worth showing: a policy that errs in known ways leaves learning something to select.
        The default plays the oracle, and knows no bad habit.

        Args:
            task: What to solve.
            rng: All randomness of the demonstration.
            flawed: Whether to show a bad habit instead of the right way.
        """
        _, info = self.reset(seed=rng.randrange(1 << 31), options={"task_id": task.id})
        rows: list[dict[str, Any]] = list(info["messages"])
        for action in self.oracle():
            rows.append({"role": "assistant", "content": action})
            _, _, terminated, truncated, info = self.step(action)
            rows.extend(info["messages"])
            if terminated or truncated:
                break
        return rows

    # What a caller sees.

    @property
    def tools(self) -> list[dict[str, Any]]:
        """JSON schemas of the tools, in OpenAI's format, copied."""
        return []

    @property
    def task(self) -> Task:
        """The task of this episode.

        Raises:
            ResetNeeded: Before the first `reset`.
        """
        if self._task is None:
            raise ResetNeeded("no task yet; call reset() first")
        return self._task

    @property
    def unwrapped(self) -> Env:
        """The environment itself, under any wrappers."""
        return self

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Makes the episode, and those after it, repeatable; None goes on from before.
            options: ``{"task_id": ...}`` asks for a task; else the seed chooses one.

        Returns:
            The instructions and the prompt, and an ``info`` with ``task_id``, ``messages`` and
            ``tool_calls``.

        Raises:
            UnknownTask: If the split has no such task.
            UsageError: If there is another option.
            EnvironmentFault: If the environment failed.
        """
        super().reset(seed=seed)
        if seed is not None:
            self.rng = random.Random(seed)
            # Apart from `rng`, so that an episode is the same whether its task was drawn or named.
            self._choice = random.Random(f"task/{seed}")
        self._running = False
        self.release()
        self._task = self._pick(dict(options or {}))
        self.turns = 0
        self._log = []
        self._holding = True
        with self._faults("begin"):
            prompt = self.begin(self._task)
        self._running = True
        system = (Message("system", self.instructions),) if self.instructions else ()
        return self._say((*system, Message("user", prompt)), ())

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take an action: whatever the model wrote.

        Returns:
            Observation, reward, terminated, truncated and ``info``, with the ``verdict`` at the
            end of the episode.

        Raises:
            ResetNeeded: If no episode is running.
            EnvironmentFault: If the environment failed. Never for what the action says.
        """
        if not self._running:
            raise ResetNeeded("no episode is running; call reset() first")
        self.turns += 1
        text = _encodable(action)
        self._log.append(Message("assistant", text))
        self._running = False  # unless the environment answers, the episode is over
        with self._faults("respond"):
            reply = self.respond(text)
        self._running = reply.verdict is None
        observation, info = self._say(reply.messages, reply.tool_calls)
        if reply.verdict is None:
            return observation, 0.0, False, False, info
        info["verdict"] = reply.verdict
        truncated = reply.truncated
        return observation, float(reply.verdict.score), not truncated, truncated, info

    def render(self) -> str | None:
        """Return the conversation so far in the mode ``ansi``, else None."""
        if self.render_mode != "ansi":
            return None
        return "\n\n".join(f"[{message.role}] {message.content}" for message in self._log)

    def close(self) -> None:
        """End the episode, if one is running; safe to call twice."""
        self._running = False
        self.release()
        super().close()

    def _pick(self, options: dict[str, Any]) -> Task:
        task_id = options.pop("task_id", None)
        if options:
            raise UsageError(f"no reset option {sorted(map(str, options))}; there is 'task_id'")
        if task_id is None:
            ids = self.tasks.ids(self.split)
            task_id = ids[self._choice.randrange(len(ids))]
        with self._faults("the task set"):
            return self.tasks.get(str(task_id), self.split)

    def _say(
        self, messages: tuple[Message, ...], tool_calls: tuple[str, ...]
    ) -> tuple[str, dict[str, Any]]:
        clean = [Message(m.role, _encodable(m.content), m.name) for m in messages]
        self._log.extend(clean)
        info = {
            "task_id": self.task.id,
            "messages": [_as_dict(message) for message in clean],
            "tool_calls": list(tool_calls),
        }
        return "\n\n".join(message.content for message in clean), info

    def release(self) -> None:
        """Free what the episode holds, if it still does; `reset` and `close` do it too."""
        if self._holding:
            self._holding = False
            with self._faults("end"):
                self.end()

    @contextmanager
    def _faults(self, where: str) -> Iterator[None]:
        """Turn an author's exception into a fault, so that nobody takes it for the model's."""
        try:
            yield
        except (Fault, UsageError):
            raise
        except Exception as error:
            raise EnvironmentFault(
                f"{type(self).__name__}: {where} raised {type(error).__name__}: {error}"
            ) from error


class ToolEnv(Env):
    """An environment whose actions are tool calls, until one is none: that is the answer.

    An author marks methods with `agentgym.tool` and writes `begin`, `score` and `oracle`. A call
    that does not fit its tool, or cannot be read, is answered with what was wrong with it.

    Args:
        split: Which tasks are drawn from.
        max_turns: Most actions. Without an answer by then the episode is truncated with reward
            0.0; with a single turn it terminates instead.
        max_observation_chars: Longer tool results lose their middle.
        render_mode: See `Env`.
    """

    def __init__(
        self,
        *,
        split: str = "train",
        max_turns: int = 8,
        max_observation_chars: int = 3000,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(split=split, render_mode=render_mode)
        if max_turns < 1:
            raise UsageError(f"max_turns must be at least 1, not {max_turns}")
        if max_observation_chars < 1:
            raise UsageError(
                f"max_observation_chars must be at least 1, not {max_observation_chars}"
            )
        self.max_turns = max_turns
        self.max_observation_chars = max_observation_chars
        self.toolbox = Toolbox(self)

    def score(self, task: Task, answer: str) -> Verdict:
        """Judge the final answer: the whole text of the action that ended the episode."""
        raise NotImplementedError(f"{type(self).__name__} must define score(task, answer)")

    @property
    def tools(self) -> list[dict[str, Any]]:
        """JSON schemas of the tools, in OpenAI's format, copied."""
        return self.toolbox.schemas

    def respond(self, action: str) -> Reply:
        """Run the calls of an action in their order, or score it as the answer."""
        parsed = parse(action, self.toolbox)
        if not parsed.calls and not parsed.errors:
            return Reply(verdict=self.score(self.task, action))
        messages = [
            # A name that the model made up stays out of the conversation's structure.
            self._result(self.toolbox.run(call), call.name if call.name in self.toolbox else None)
            for call in parsed.calls
        ]
        messages += [self._result(f"error: {error}", None) for error in parsed.errors]
        names = tuple(call.name for call in parsed.calls if call.name in self.toolbox)
        if self.turns < self.max_turns:
            return Reply(tuple(messages), tool_calls=names)
        verdict = _unanswered(self.max_turns)
        return Reply(tuple(messages), verdict, truncated=self.max_turns > 1, tool_calls=names)

    def _result(self, text: str, name: str | None) -> Message:
        return Message("tool", clip_text(text, self.max_observation_chars), name)


def clip_text(text: str, limit: int) -> str:
    """Return text of at most ``limit`` characters, plus a note where its middle was cut."""
    if len(text) <= limit:
        return text
    head = (limit + 1) // 2
    tail = text[len(text) - (limit - head) :]
    return f"{text[:head]}\n[... {len(text) - limit} characters cut ...]\n{tail}"


def _unanswered(max_turns: int) -> Verdict:
    reason = f"no answer within {max_turns} turn{'s' if max_turns > 1 else ''}"
    return Verdict(0.0, (Rule("answered", 0.0, reason=reason),), reason)


def _encodable(text: str) -> str:
    """Replace lone surrogates by '?'."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _as_dict(message: Message) -> dict[str, Any]:
    name = {"name": message.name} if message.name else {}
    return {"role": message.role, "content": message.content, **name}


def _public_oracle(author: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Let an author's ``oracle(self, task)`` be called without a task, yielding texts.

    With a task it stays as it was written, so ``super().oracle(task)`` works in a subclass.
    """
    takes_task = len(inspect.signature(author).parameters) > 1

    @functools.wraps(author)
    def oracle(self: Env, *task: Task) -> Iterator[Any]:
        if task:
            return author(self, *task)
        actions: Iterator[Action] = author(self, self.task) if takes_task else author(self)
        return map(spell, actions)

    return oracle
