"""Weight pushes from the learner into the sampler, each verified by a probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from agentgym.blocking import wait_for
from agentgym.policy.base import NamedTensors, Probe
from agentgym.train.learner import Learner

__all__ = ["TOLERANCES", "Sampler", "probe_ids", "push"]

# Most nats of mean difference that the arithmetic alone explains, by the sampler's precision. A
# stale head is wrong by whole nats. The mean, for in half precision a single unlikely token may be
# far off.
TOLERANCES = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.3}


class Sampler(Protocol):
    """A policy whose weights can be set and checked."""

    dtype: str
    busy_s: float
    context_limit: int | None

    async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
        """Take new weights."""
        ...

    def score(self, ids: Sequence[int]) -> list[float]:
        """Return log-probabilities of ``ids[1:]``."""
        ...

    def trust(self, probe: Probe, weights: Callable[[], NamedTensors]) -> None:
        """Keep what a verified push gave, to check an engine that had to be started anew."""
        ...


def probe_ids(vocabulary: int, length: int = 48) -> list[int]:
    """Return a fixed prompt that visits ids all over the vocabulary."""
    return [(7 + 31 * index * (index + 3)) % vocabulary for index in range(length)]


def push(learner: Learner, sampler: Sampler, version: int, tolerance: float | None = None) -> float:
    """Push the learner's weights and compare both sides' log-probabilities of a fixed prompt.

    Args:
        learner: Whose weights are right.
        sampler: Who takes them.
        version: What later samples carry.
        tolerance: Most nats of difference; None takes that of the sampler's precision.

    Returns:
        The mean absolute difference, in nats.

    Raises:
        WeightSyncError: If it is above the tolerance.
    """
    limit = TOLERANCES[sampler.dtype] if tolerance is None else tolerance
    wait_for(sampler.load_weights(learner.named_tensors(), version))
    longest = 48 if sampler.context_limit is None else min(48, sampler.context_limit - 1)
    ids = probe_ids(learner.model.get_input_embeddings().num_embeddings, longest)
    probe = Probe(tuple(ids), tuple(learner.score(ids)), limit)
    gap = probe.check(sampler.score(ids), f"push {version}")
    sampler.trust(probe, learner.named_tensors)
    return gap
