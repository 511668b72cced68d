"""What a policy is: something that samples the next turn of a conversation.

The contract is token ids in, token ids out. A policy that works on text (a script, an endpoint)
reads the conversation from the `TurnContext` instead and answers in the ids of its own template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol, runtime_checkable

from agentgym.chat.template import Template
from agentgym.errors import WeightSyncError
from agentgym.types import Completion, Message, SamplingParams

__all__ = ["NamedTensors", "Policy", "Probe", "TurnContext"]

NamedTensors = Iterable[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What stands around one request.

    Attributes:
        messages: The whole conversation so far.
        tools: JSON schemas of the environment's tools.
        oracle: The oracle's next action; filled only for a policy with ``needs_oracle``.
        in_flight: Episodes under way beside this one, whoever they wait for; 0 if unknown.
        task_id: The episode's task.
        index: Which sibling of its group it is.
        seed: What its environment was reset with.
        turn: Actions taken before this one.
    """

    messages: tuple[Message, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    oracle: str | None = None
    in_flight: int = 0
    task_id: str = ""
    index: int = 0
    seed: int = 0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """What the right weights say about a fixed prompt.

    Attributes:
        ids: The prompt.
        logprobs: The learner's log-probabilities of ``ids[1:]``.
        tolerance: Most nats of mean difference.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    tolerance: float

    def check(self, logprobs: Sequence[float], when: str) -> float:
        """Return the mean absolute difference of a sampler's log-probabilities, in nats.

        Args:
            logprobs: The sampler's, of the same ids.
            when: What came before, for the error's text.

        Raises:
            WeightSyncError: If it is above the tolerance.
        """
        pairs = zip(self.logprobs, logprobs, strict=True)
        gap = fmean(abs(ours - theirs) for ours, theirs in pairs)
        if not gap <= self.tolerance:  # also where it is not a number
            raise WeightSyncError(
                f"after {when} the sampler's log-probabilities differ from the learner's by "
                f"{gap:.4g} nats (tolerance {self.tolerance:g}); the weights did not all arrive"
            )
        return gap


@runtime_checkable
class Policy(Protocol):
    """Samples turns; may take new weights.

    Attributes:
        name: How it is shown in reports.
        needs_oracle: True only for the oracle, which is told each next action.
        context_limit: Most tokens of prompt and completion together; None is unlimited.
        version: Rises with every weight push.
    """

    name: str
    needs_oracle: bool
    context_limit: int | None
    version: int

    @property
    def template(self) -> Template:
        """Renders messages as the ids that this policy reads."""
        ...

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample one turn.

        Raises:
            PolicyFault: If the engine or the endpoint failed. Never for what the model wrote.
        """
        ...

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Take new weights; later samples carry ``version``.

        Raises:
            UsageError: If this policy has no weights.
        """
        ...

    def close(self) -> None:
        """Free what is owned; safe to call twice."""
        ...
