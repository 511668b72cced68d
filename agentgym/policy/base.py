"""What a policy is: something that samples the next turn of a conversation.

The contract is token ids in, token ids out. A policy that works on text (a script, an endpoint)
reads the conversation from the `TurnContext` instead and answers in the ids of its own template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from agentgym.chat.template import Template
from agentgym.types import Completion, Message, SamplingParams

__all__ = ["NamedTensors", "Policy", "TurnContext"]

NamedTensors = Iterable[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What stands around one request.

    Attributes:
        messages: The whole conversation so far.
        tools: JSON schemas of the environment's tools.
        oracle: The oracle's next action; filled only for a policy with ``needs_oracle``.
        in_flight: Episodes under way beside this one, whoever they wait for; 0 if unknown.
    """

    messages: tuple[Message, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    oracle: str | None = None
    in_flight: int = 0


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
