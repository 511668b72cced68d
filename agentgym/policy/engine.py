"""What an engine outside of this process can do, and what it answers.

An engine samples token ids and takes weights by the path of a file. It keeps no promise beyond
that: who watches over it, starts it anew and checks its weights is `agentgym.policy.supervised`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentgym.types import SamplingParams

__all__ = ["Engine", "EngineLost", "Generated", "Span", "probe_request", "turn_request"]

Span = tuple[str, int, int]


class EngineLost(Exception):
    """The engine is dead, gone, or not the one that the weights were pushed to."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What came of one request.

    Attributes:
        ids: The sampled ids.
        logprobs: Of each, under the sampling distribution.
        finish_reason: As the engine says it.
        spans: Label of the weights, first and one past the last sampled token of each.
        prompt_logprobs: Of the prompt's ids from the second on, where they were asked for.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str | None
    spans: tuple[Span, ...]
    prompt_logprobs: tuple[float, ...] = ()


class Engine(Protocol):
    """An engine that may die. Every method may raise `EngineLost`.

    Attributes:
        name: How it is shown in reports.
        context_limit: Most tokens of prompt and completion; known once it has started.
        dtype: Its precision; known once it has started.
        pid: Of the process that computes, where it is ours.
    """

    name: str
    context_limit: int | None
    dtype: str

    @property
    def pid(self) -> int | None:
        """Return the process id, None where it is not ours."""
        ...

    async def start(self) -> None:
        """Start it, or find it; after `stop` it may be started again.

        Raises:
            ConfigError: If it cannot be started as asked.
        """
        ...

    async def generate(self, ids: Sequence[int], request: Mapping[str, Any]) -> Generated:
        """Sample one completion.

        Raises:
            PolicyFault: If it refuses the request.
        """
        ...

    async def swap(self, path: str, label: str) -> None:
        """Take the weights of a file; requests in flight go on with them.

        Raises:
            WeightSyncError: If it refuses them.
        """
        ...

    async def forget(self) -> None:
        """Empty the prefix cache."""
        ...

    async def stop(self) -> None:
        """End it, or leave it; also whatever is left of one that died."""
        ...


def turn_request(params: SamplingParams, stop_ids: Sequence[int]) -> dict[str, Any]:
    """Return vLLM's parameters for one turn; every one that a server has its own default for."""
    return {
        "max_tokens": params.max_tokens,
        "temperature": params.temperature,
        "seed": params.seed,
        "logprobs": 0,
        "flat_logprobs": True,
        "detokenize": False,
        "stop_token_ids": list(stop_ids),
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    }


def probe_request() -> dict[str, Any]:
    """Return vLLM's parameters for the log-probabilities of a prompt."""
    return {
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": 0,
        "flat_logprobs": True,
        "prompt_logprobs": 0,
        "detokenize": False,
    }
