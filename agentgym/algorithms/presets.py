"""Presets: an algorithm is an advantage, a loss and their settings, by name.

No torch here: the configuration reads this table before anything heavy is loaded. A preset is what
its paper does, less what verified rewards do not need: none has a divergence to a reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["PRESETS", "Algorithm", "constant_of", "mixed", "preset"]

_ALONE = frozenset({"reinforce", "reinforce_pp", "raft", "gae"})  # advantages without siblings
_RATIO = frozenset({"ppo_clip", "ppo_penalty", "gspo", "cispo"})  # losses that look at pi / pi_old
_CLIPPED = frozenset({"ppo_clip", "gspo", "cispo"})

_OWN = frozenset({"advantage", "loss"})  # may be module:function
_BASELINES: Mapping[str, tuple[str, ...]] = {
    "reinforce": ("none", "batch_mean", "moving_average"),
    "reinforce_pp": ("none", "group_mean"),
}

# What each part may be named; numbers are checked by the configuration.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "advantage": ("reinforce", "rloo", "grpo", "dr_grpo", "reinforce_pp", "raft", "gae"),
    "baseline": ("none", "batch_mean", "moving_average", "group_mean"),
    "loss": ("policy_gradient", "ppo_clip", "ppo_penalty", "gspo", "cispo"),
    "ratio": ("token", "turn", "trajectory"),
    "aggregation": ("token_mean", "sequence_mean", "constant"),
    "mismatch": ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"),
    "kl": ("none", "reward", "loss"),
    "kl_estimator": ("k1", "k2", "k3", "k3_exact"),
    "reward_scale": ("none", "running", "clip", "log"),
}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What turns rewards into a step: the parts, each with its default.

    Attributes:
        name: How it is asked for.
        advantage: A row of `agentgym.algorithms.advantages.ADVANTAGES`, ``gae``, or
            ``module:function``.
        loss: A row of `agentgym.algorithms.losses.LOSSES`, or ``module:function``.
        aggregation: How per-token losses become one number.
        baseline: Of ``reinforce``: ``none``, ``batch_mean``, ``moving_average`` or a number such as
            ``0.5``; of ``reinforce_pp``: ``none`` or ``group_mean``.
        ratio: Of ``ppo_clip``: which tokens share a ratio.
        clip_low: The range of ``pi / pi_old`` begins at ``1 - clip_low``.
        clip_high: It ends at ``1 + clip_high``.
        dual_clip: Bound of the loss at negative advantages, in advantages; 0 for none.
        epochs: Times that each episode is learned from.
        minibatches: Optimizer steps of one epoch.
        critic: Whether a value head is learned, for ``gae``.
        gamma: Discount: of a sampled token for ``gae``, of a turn for the others.
        lam: Of ``gae``.
        value_clip: Most that a value moves and still gains; 0 for none.
        whiten: Bring the advantages of all tokens to mean 0 and variance 1.
        kl: Where the divergence to the starting model stands: ``none``, ``reward``, ``loss``.
        kl_estimator: How it is estimated.
        kl_coefficient: What a nat of it costs.
        kl_target: Divergence that the coefficient is steered to, in nats a token; 0 for none.
        step_kl: Of ``ppo_penalty``: divergence that one step should make, in nats a token.
        entropy_coefficient: What a nat of entropy is worth in the loss.
        dynamic_sampling: Most further rounds of sampling for groups without signal.
        overlong: Share of a turn's tokens, at its end, over which the reward falls by 1.
        least_advantage: Episodes with less, positive or negative, are left out.
        mismatch: How ``pi_old / mu`` is bounded by the importance cap.
        mismatch_band: Episodes are left out whose geometric mean of it is further from 1; 0 for
            none.
        reward_scale: What is done to rewards first.
    """

    name: str
    advantage: str
    loss: str = "policy_gradient"
    aggregation: Literal["token_mean", "sequence_mean", "constant"] = "constant"
    baseline: str = "none"
    ratio: Literal["token", "turn", "trajectory"] = "token"
    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float = 0.0
    epochs: int = 1
    minibatches: int = 1
    critic: bool = False
    gamma: float = 1.0
    lam: float = 1.0
    value_clip: float = 0.2
    whiten: bool = False
    kl: Literal["none", "reward", "loss"] = "none"
    kl_estimator: str = "k1"
    kl_coefficient: float = 0.0
    kl_target: float = 0.0
    step_kl: float = 0.01
    entropy_coefficient: float = 0.0
    dynamic_sampling: int = 0
    overlong: float = 0.0
    least_advantage: float = 0.0
    mismatch: Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] = (
        "token_truncate"
    )
    mismatch_band: float = 0.0
    reward_scale: Literal["none", "running", "clip", "log"] = "none"

    @property
    def needs_siblings(self) -> bool:
        """Whether the baseline comes from the group, so that a group of one teaches nothing."""
        return self.advantage not in _ALONE

    @property
    def updates(self) -> int:
        """Return the optimizer steps of one batch."""
        return self.epochs * self.minibatches


PRESETS: Mapping[str, Algorithm] = {
    each.name: each
    for each in (
        Algorithm("reinforce", "reinforce"),
        Algorithm("rloo", "rloo"),
        Algorithm("grpo", "grpo", aggregation="sequence_mean"),
        Algorithm("dr_grpo", "dr_grpo"),
        Algorithm(
            "loop",
            "rloo",
            "ppo_clip",
            clip_low=1 - 1 / 1.1,
            clip_high=0.1,
            epochs=2,
            minibatches=4,
            least_advantage=0.01,
        ),
        Algorithm("raft", "raft", aggregation="token_mean"),
        Algorithm("reinforce_pp", "reinforce_pp", "ppo_clip", "token_mean", minibatches=4),
        Algorithm(
            "dapo",
            "grpo",
            "ppo_clip",
            "token_mean",
            clip_high=0.28,
            minibatches=4,
            dynamic_sampling=4,
            overlong=0.2,
        ),
        Algorithm(
            "gspo",
            "grpo",
            "gspo",
            "sequence_mean",
            clip_low=3e-4,
            clip_high=4e-4,
            minibatches=4,
        ),
        Algorithm(
            "cispo", "grpo", "cispo", "token_mean", clip_low=1.0, clip_high=4.0, minibatches=4
        ),
        Algorithm(
            "ppo",
            "gae",
            "ppo_clip",
            "token_mean",
            dual_clip=3.0,
            epochs=2,
            minibatches=4,
            critic=True,
            whiten=True,
        ),
    )
}


def preset(name: str) -> Algorithm:
    """Return the algorithm of this name.

    Raises:
        ConfigError: If there is none, with the nearest name.
    """
    if name not in PRESETS:
        raise ConfigError(f"no algorithm '{name}'; {perhaps_you_meant(name, PRESETS)}")
    return PRESETS[name]


def constant_of(baseline: str) -> float | None:
    """Return the number that a baseline is; None where it is a name."""
    try:
        value = float(baseline)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def mixed(name: str, parts: Mapping[str, Any]) -> Algorithm:
    """Return a preset with some of its parts replaced.

    Args:
        name: Of the preset.
        parts: Field of `Algorithm` to value; None stands for the preset's own.

    Raises:
        ConfigError: If a name is unknown, or the parts contradict each other; the text says what to
            change.
    """
    known = [field.name for field in fields(Algorithm)][1:]
    given = {part: value for part, value in parts.items() if value is not None}
    for part in given:
        if part not in known:
            raise ConfigError(f"no part '{part}'; {perhaps_you_meant(part, known)}")
    base = preset(name)
    if "loss" in given and given["loss"] != base.loss and given["loss"] in _DEFAULT_CLIPS:
        base = replace(base, **_DEFAULT_CLIPS[given["loss"]])  # the old loss's range means nothing
    algorithm = replace(base, **given)
    for part, names in _NAMES.items():
        value = getattr(algorithm, part)
        own = part in _OWN and ":" in value
        constant = part == "baseline" and constant_of(value) is not None
        if not (value in names or own or constant):
            raise ConfigError(f"no {part} '{value}'; {perhaps_you_meant(str(value), names)}")
    for check in (_loss_fits, _advantage_fits, _kl_fits):
        check(algorithm, given)
    return algorithm


_DEFAULT_CLIPS: Mapping[str, Mapping[str, Any]] = {
    "ppo_clip": {"clip_low": 0.2, "clip_high": 0.2},
    "gspo": {"clip_low": 3e-4, "clip_high": 4e-4, "dual_clip": 0.0},
    "cispo": {"clip_low": 1.0, "clip_high": 4.0, "dual_clip": 0.0},
}


def _loss_fits(algorithm: Algorithm, given: Mapping[str, Any]) -> None:
    loss = algorithm.loss
    for part, losses in (
        ("clip_low", _CLIPPED),
        ("clip_high", _CLIPPED),
        ("dual_clip", {"ppo_clip"}),
        ("ratio", {"ppo_clip"}),
        ("step_kl", {"ppo_penalty"}),
    ):
        if part in given and loss not in losses:
            raise ConfigError(
                f"{part} does nothing with loss='{loss}': use loss='{min(losses)}' (with "
                f"{' or '.join(sorted(losses))} it does), or leave {part} out"
            )
    if loss == "ppo_clip" and 0 < algorithm.dual_clip <= 1:
        raise ConfigError(
            f"dual_clip={algorithm.dual_clip:g} would stop tokens that have not moved (their ratio "
            "is 1): use a bound above 1, such as 3, or 0 for none"
        )
    if loss in _RATIO and algorithm.updates == 1:
        raise ConfigError(
            f"loss='{loss}' bounds how far a batch moves the policy, and with epochs=1 and "
            "minibatches=1 it has not moved: set one of them above 1, or loss='policy_gradient'"
        )
    if loss == "policy_gradient" and algorithm.epochs > 1 and algorithm.advantage != "raft":
        raise ConfigError(
            f"epochs={algorithm.epochs} learns again from episodes that the policy moved away "
            "from, and loss='policy_gradient' does not bound that: use loss='ppo_clip', or epochs=1"
        )


def _advantage_fits(algorithm: Algorithm, given: Mapping[str, Any]) -> None:
    advantage = algorithm.advantage
    if advantage == "gae" and not algorithm.critic:
        raise ConfigError(
            "advantage='gae' needs a critic: set critic=true too, or use algorithm='ppo'"
        )
    if algorithm.critic and advantage != "gae":
        raise ConfigError(
            f"critic=true learns values that advantage='{advantage}' does not use: set "
            "advantage='gae', or critic=false"
        )
    if advantage == "gae" and algorithm.least_advantage:
        raise ConfigError(
            "least_advantage leaves episodes out by one number each, and advantage='gae' has one a "
            "token: set least_advantage=0"
        )
    for part in ("lam", "value_clip"):
        if part in given and advantage != "gae":
            raise ConfigError(
                f"{part} is a part of advantage='gae', not of '{advantage}': leave it out"
            )
    if advantage == "raft" and algorithm.whiten:
        raise ConfigError(
            "whiten=true makes weights of 1 and 0 positive and negative, and advantage='raft' only "
            "imitates: set whiten=false, or use advantage='rloo'"
        )
    fitting = _BASELINES.get(advantage, ("none",))
    constant = advantage == "reinforce" and constant_of(algorithm.baseline) is not None
    if algorithm.baseline not in fitting and not constant:
        shown = (*fitting, "a number") if advantage == "reinforce" else fitting
        raise ConfigError(
            f"advantage='{advantage}' takes no baseline '{algorithm.baseline}': "
            f"{'leave it out' if len(shown) == 1 else 'use ' + ' or '.join(shown)}"
        )
    if algorithm.dynamic_sampling and not algorithm.needs_siblings:
        raise ConfigError(
            f"dynamic_sampling replaces groups in which siblings do not differ, and "
            f"advantage='{advantage}' compares none: set dynamic_sampling=0, or use "
            "advantage='rloo' or 'grpo'"
        )


def _kl_fits(algorithm: Algorithm, given: Mapping[str, Any]) -> None:
    kl, estimator, coefficient = algorithm.kl, algorithm.kl_estimator, algorithm.kl_coefficient
    if kl == "none":
        for part in ("kl_estimator", "kl_coefficient", "kl_target"):
            if given.get(part):
                raise ConfigError(f"{part} does nothing with kl='none': set kl='reward' or 'loss'")
    elif coefficient == 0:
        raise ConfigError(f"kl='{kl}' needs a kl_coefficient above 0, such as 0.001")
    elif kl == "reward" and estimator != "k1":
        raise ConfigError(
            f"{estimator} in the reward has a wrong gradient: use kl_estimator='k1', or kl='loss'"
        )
    elif kl == "loss" and estimator == "k1":
        raise ConfigError(
            "k1 in the loss has a gradient of zero: use kl_estimator='k2' (or 'k3_exact'), or "
            "kl='reward'"
        )
