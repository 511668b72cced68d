"""What a rollout is asked to do, as data that can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["EnvSpec", "EpisodeLimits"]


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """An environment by its id and keyword arguments."""

    id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EpisodeLimits:
    """What one episode may use.

    Turns, context and tokens are the model's to spend: reaching them truncates the episode, which
    is scored. Time is not: an episode that outlives ``wall_s`` is unscored.

    Attributes:
        turns: Most actions; an environment may end sooner by its own limit.
        context: Most tokens of the whole conversation; None takes the policy's own limit.
        wall_s: Most seconds for one attempt.
        env_s: Most seconds for one call of the environment.
        tokens: Most tokens that the policy may write in all turns together; None is unlimited.
    """

    turns: int = 32
    context: int | None = None
    wall_s: float = 600.0
    env_s: float = 60.0
    tokens: int | None = None
