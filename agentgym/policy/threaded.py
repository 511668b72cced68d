"""A policy that lives in a thread of its own, so that sampling goes on while others compute.

The wrapped policy is only ever touched in its own event loop: turns, weights and probes take their
turns there, and a push never meets a half-made step of the engine. Callers may be anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agentgym.chat.template import Template
from agentgym.errors import PolicyFault
from agentgym.policy.background import BackgroundLoop
from agentgym.policy.base import NamedTensors, Policy, Probe, TurnContext
from agentgym.types import Completion, SamplingParams

__all__ = ["ThreadedPolicy"]


class ThreadedPolicy:
    """Wraps a sampler; `policy` is the wrapped one, for coroutines that run in `loop`.

    Args:
        policy: Who samples; its owner closes it, after this.
        loop: Where it lives from now on.
    """

    def __init__(self, policy: Any, loop: BackgroundLoop) -> None:
        self.policy = policy
        self.loop = loop
        self.name: str = policy.name
        self.template: Template = policy.template
        self.needs_oracle: bool = policy.needs_oracle
        self.context_limit: int | None = policy.context_limit
        self.dtype: str = policy.dtype

    @property
    def version(self) -> int:
        """Return the version of the wrapped policy's weights."""
        return int(self.policy.version)

    @property
    def busy_s(self) -> float:
        """Return the seconds that the wrapped policy was sampling."""
        return float(self.policy.busy_s)

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Sample one turn.

        Raises:
            PolicyFault: If the wrapped policy fails.
        """
        wrapped: Policy = self.policy
        return await self.loop.run(wrapped.sample(prompt_ids, params, context))

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Swap the weights between two steps of the engine, or as it takes them in flight."""
        await self.loop.run(self.policy.load_weights(named_tensors, version))

    def score(self, ids: Sequence[int]) -> list[float]:
        """Return log-probabilities of ``ids[1:]`` given what stands before each.

        Raises:
            PolicyFault: If the wrapped policy fails.
        """
        return self.loop.wait(_called(lambda: list(self.policy.score(ids))))

    def trust(self, probe: Probe, weights: Callable[[], NamedTensors]) -> None:
        """Pass on what a verified push gave, with weights that do not change under its reader.

        The learner goes on, so on a CPU a copy is kept. On a GPU there is no room for one: an
        engine of this process that dies there ends the run, and the same command goes on.
        """
        kept = _copied(weights())
        self.loop.wait(_called(lambda: self.policy.trust(probe, kept)))

    def forget(self) -> None:
        """Empty the prefix cache."""
        self.loop.wait(_called(self.policy.forget))

    def close(self) -> None:
        """Leave the wrapped policy to its owner."""


async def _called(job: Callable[[], Any]) -> Any:
    return job()


def _copied(weights: NamedTensors) -> Callable[[], NamedTensors]:
    """Return what gives copies of these weights, or says that there are none."""
    copies = []
    for name, tensor in weights:
        if tensor.device.type != "cpu":
            return _none_kept
        copies.append((name, tensor.detach().clone()))
    return lambda: iter(copies)


def _none_kept() -> NamedTensors:
    raise PolicyFault(
        "the engine died while the learner was stepping, and there is no copy of its weights on a "
        "GPU; run the same command again to go on from the checkpoint"
    )
