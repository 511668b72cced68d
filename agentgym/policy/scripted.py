"""Policies without a model: a script, the oracle, random text and silence.

They stand in for a model in tests, checks and benchmarks. All work on text, in the ids of a
`ByteTemplate`; where the text is certain its log-probabilities are 0.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from agentgym.chat.template import ByteTemplate, Template
from agentgym.errors import PolicyFault, UsageError
from agentgym.policy.base import NamedTensors, TurnContext
from agentgym.types import Completion, Message, SamplingParams

__all__ = ["NullPolicy", "OraclePolicy", "RandomPolicy", "ScriptedPolicy", "TextPolicy"]

Script = Callable[[tuple[Message, ...]], str]


class TextPolicy:
    """What policies without a model share: a byte template and no weights."""

    needs_oracle = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.template: Template = ByteTemplate()
        self.context_limit: int | None = None
        self.version = 0

    def certain(self, text: str) -> Completion:
        """Return the text as a completion that had no alternative.

        ``max_tokens`` is not applied: bytes are no model's tokens, and a script cut in half tests
        nothing.
        """
        ids = (*self.template.encode(self.template.defang(text)), ByteTemplate.END)
        return Completion(ids, (0.0,) * len(ids), "stop", self.version, text)

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Refuse: there are no weights.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"policy '{self.name}' has no weights; train a 'vllm' or 'transformers'")

    def close(self) -> None:
        """Do nothing: nothing is owned."""


class ScriptedPolicy(TextPolicy):
    """Answers by a script.

    It keeps no state, so any number of episodes may share it.

    Args:
        script: A function of the conversation so far; or the texts of an episode's turns in their
            order, the last of which is said again when they run out.
        name: How it is shown in reports.

    Raises:
        UsageError: If there is no text.
    """

    def __init__(self, script: Script | Sequence[str], name: str = "scripted") -> None:
        super().__init__(name)
        self._script = script if callable(script) else _in_order(script)

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Say what the script says to this conversation."""
        return self.certain(self._script(context.messages if context else ()))


def _in_order(texts: Sequence[str]) -> Script:
    lines = (texts,) if isinstance(texts, str) else tuple(texts)
    if not lines:
        raise UsageError("a script needs at least one text")

    def script(messages: tuple[Message, ...]) -> str:
        turn = sum(message.role == "assistant" for message in messages)
        return lines[min(turn, len(lines) - 1)]

    return script


class OraclePolicy(TextPolicy):
    """Does what the environment's oracle says."""

    needs_oracle = True

    def __init__(self) -> None:
        super().__init__("oracle")

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Return the oracle's next action.

        Raises:
            PolicyFault: If the oracle has none, while the episode still goes on.
        """
        if context is None or context.oracle is None:
            raise PolicyFault("the oracle has no further action, and the episode is not over")
        return self.certain(context.oracle)


class NullPolicy(TextPolicy):
    """Says nothing: the floor that every reward must give zero."""

    def __init__(self) -> None:
        super().__init__("null")

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Return the end of the turn."""
        return self.certain("")


class RandomPolicy(TextPolicy):
    """Draws printable characters, line breaks and the end of the turn, all with equal chance.

    Args:
        seed: Decides everything it says to requests that have no seed of their own.
    """

    ALPHABET = (*range(32, 127), ord("\n"), ByteTemplate.END)

    def __init__(self, seed: int = 0) -> None:
        super().__init__("random")
        self._seed = seed
        self._random = random.Random(seed)

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Draw ids until the end of the turn, or ``max_tokens`` of them."""
        rng = self._random
        if params.seed is not None:
            rng = random.Random(f"{self._seed}/{params.seed}")
        ids: list[int] = []
        while len(ids) < params.max_tokens and (not ids or ids[-1] != ByteTemplate.END):
            ids.append(rng.choice(self.ALPHABET))
        stopped = bool(ids) and ids[-1] == ByteTemplate.END
        logprobs = (-math.log(len(self.ALPHABET)),) * len(ids)
        return Completion(tuple(ids), logprobs, "stop" if stopped else "length", self.version)
