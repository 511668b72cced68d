"""Presets: an algorithm is an advantage, a loss and their settings, by name.

No torch here: the configuration reads this table before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["PRESETS", "Algorithm", "preset"]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What turns rewards into a loss.

    Attributes:
        name: How it is asked for.
        advantage: A row of `agentgym.algorithms.advantages.ADVANTAGES`.
        loss: A row of `agentgym.algorithms.losses.LOSSES`.
        aggregation: How per-token losses become one number.
        needs_siblings: The baseline comes from the group, so a group of one teaches nothing.
    """

    name: str
    advantage: str
    loss: str = "policy_gradient"
    aggregation: Literal["token_mean", "sequence_mean", "constant"] = "constant"
    needs_siblings: bool = True


PRESETS: Mapping[str, Algorithm] = {
    "reinforce": Algorithm("reinforce", "reinforce", needs_siblings=False),
    "rloo": Algorithm("rloo", "rloo"),
    "grpo": Algorithm("grpo", "grpo", aggregation="sequence_mean"),
    "dr_grpo": Algorithm("dr_grpo", "dr_grpo"),
}


def preset(name: str) -> Algorithm:
    """Return the algorithm of this name.

    Raises:
        ConfigError: If there is none, with the nearest name.
    """
    if name not in PRESETS:
        raise ConfigError(f"no algorithm '{name}'; {perhaps_you_meant(name, PRESETS)}")
    return PRESETS[name]
