"""A policy that answers in rounds, so that what is sampled together does not depend on timing.

The floating-point result of a batched matrix product depends on the batch. Where a run must repeat
to the last bit, requests wait until every episode in flight has one, and go on in a fixed order;
what the policy has cached before is forgotten, for it was computed in other batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from agentgym.policy.base import NamedTensors, Policy, TurnContext
from agentgym.types import Completion, SamplingParams

__all__ = ["Lockstep"]

_key: ContextVar[tuple[int, int]] = ContextVar("lockstep_key", default=(0, 0))


class Lockstep:
    """Wraps a policy; every episode in flight must stand inside `player`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.name = policy.name
        self.template = policy.template
        self.needs_oracle = policy.needs_oracle
        self.context_limit = policy.context_limit
        self.version = policy.version
        self._players = 0
        self._round: dict[tuple[int, int], asyncio.Future[None]] = {}
        forget = getattr(policy, "forget", None)
        if forget is not None:
            forget()

    @contextmanager
    def player(self) -> Iterator[None]:
        """Count one who takes part in every round until the block ends."""
        self._players += 1
        try:
            yield
        finally:
            self._players -= 1
            self._release_soon()

    @staticmethod
    def seat(group: int, index: int) -> None:
        """Say which episode the current player now plays; it decides the order in a round."""
        _key.set((group, index))

    async def sample(
        self, prompt_ids: Sequence[int], params: SamplingParams, context: TurnContext | None = None
    ) -> Completion:
        """Wait for the round, then sample."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        key = _key.get()
        self._round[key] = turn
        self._release_soon()
        try:
            await turn
        finally:
            self._round.pop(key, None)
        return await self._policy.sample(prompt_ids, params, context)

    def _release_soon(self) -> None:
        # Not at once: whoever completes the round would be awake already and go first.
        asyncio.get_running_loop().call_soon(self._release_if_complete)

    def _release_if_complete(self) -> None:
        if self._round and len(self._round) >= self._players:
            waiting, self._round = self._round, {}
            for key in sorted(waiting):
                if not waiting[key].done():
                    waiting[key].set_result(None)

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Pass weights on."""
        await self._policy.load_weights(named_tensors, version)

    def close(self) -> None:
        """Leave the wrapped policy to its owner."""
