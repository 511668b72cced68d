"""Credit: from the rewards of a batch of groups to what each sample is worth.

    rewards -> scaled -> less a penalty on length -> advantages -> samples with their weight

What it remembers from batch to batch is a small frozen state, which goes into the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from agentgym.algorithms.advantages import (
    MovingAverage,
    group_advantages,
    reinforce,
    reinforce_pp,
)
from agentgym.algorithms.presets import Algorithm, constant_of
from agentgym.algorithms.scaling import RunningScale, clipped, overlength_penalty, symmetric_log
from agentgym.train.batch import WeightedSample
from agentgym.types import Episode, Group, Sample

__all__ = ["CreditState", "Weighed", "sampled_by", "weigh", "weighed", "without_stale"]

Rewards = list[list[float | None]]  # by group and episode; None where it is unscored


@dataclass(frozen=True, slots=True)
class CreditState:
    """What advantages remember of earlier batches.

    Attributes:
        average: Of rewards, for a baseline.
        scale: Of rewards, for running normalisation.
        kl_coefficient: The current one, where it is steered.
        penalty: Of `agentgym.algorithms.losses.ppo_penalty`, the current one.
    """

    average: MovingAverage = field(default_factory=MovingAverage)
    scale: RunningScale = field(default_factory=RunningScale)
    kl_coefficient: float = 0.0
    penalty: float = 1.0

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> CreditState:
        """Return the state that ``dataclasses.asdict`` wrote."""
        parts = {"average": MovingAverage(**state["average"])}
        return cls(**{**state, **parts, "scale": RunningScale(**state["scale"])})


@dataclass(frozen=True, slots=True)
class Weighed:
    """The samples of a batch that are learned from.

    Attributes:
        items: Samples with their advantages (with ``gae``: with their rewards).
        state: For the next batch.
        small: Episodes left out because their advantage is below `Algorithm.least_advantage`.
        worths: Advantage (with ``gae``: reward) by group and episode, of those left out too.
        dropped: Why an episode is left out, by group and episode; empty where it is not.
    """

    items: list[WeightedSample]
    state: CreditState
    small: int = 0
    worths: Rewards = field(default_factory=list)
    dropped: list[list[str]] = field(default_factory=list)


def without_stale(
    groups: Sequence[Group], version: int, most: int | None
) -> tuple[list[Group], int]:
    """Make episodes unscored that older weights sampled; return the groups and how many.

    A stale episode leaves its siblings' baseline too, for another policy earned its reward.

    Args:
        groups: Siblings of one task each.
        version: Of the weights that are to be updated.
        most: Versions that a sample may be behind; None leaves all.
    """
    if most is None:
        return list(groups), 0
    fresh = [
        replace(
            group, episodes=tuple(_unless_stale(each, version, most) for each in group.episodes)
        )
        for group in groups
    ]
    before = sum(each.reward is not None for group in groups for each in group.episodes)
    return fresh, before - sum(e.reward is not None for group in fresh for e in group.episodes)


def sampled_by(sample: Sample) -> set[int]:
    """Return the versions of the weights that sampled a sample's tokens."""
    return {version for version in sample.versions or (sample.version,) if version >= 0}


def _unless_stale(episode: Episode, version: int, most: int) -> Episode:
    oldest = (min(sampled_by(sample), default=version) for sample in episode.samples)
    behind = version - min(oldest, default=version)
    if episode.reward is None or behind <= most:
        return episode
    reason = f"sampled by weights {behind} versions old (max_staleness is {most})"
    return replace(episode, status="unscored", reward=None, reason=reason)


def weigh(groups: Sequence[Group], advantage: str, skip_no_signal: bool) -> list[WeightedSample]:
    """Give every sample of every scored episode the advantage of its episode.

    Unscored episodes leave the batch; the baseline is taken over their valid siblings only.

    Args:
        groups: Siblings of one task each.
        advantage: A name of `agentgym.algorithms.advantages.ADVANTAGES`.
        skip_no_signal: Leave out groups in which every advantage is zero.
    """
    advantages = [group_advantages(advantage, _rewards(group)) for group in groups]
    return _items(groups, advantages, _reasons(groups, advantages, 0.0, skip_no_signal))


def weighed(
    groups: Sequence[Group],
    algorithm: Algorithm,
    state: CreditState,
    *,
    skip_no_signal: bool,
    turn_tokens: int,
) -> Weighed:
    """Give every sample of every scored episode what its algorithm says it is worth.

    Args:
        groups: Siblings of one task each.
        algorithm: The parts of it.
        state: From the batch before.
        skip_no_signal: Leave out groups in which every advantage is zero, where nothing else is
            learned from them (a divergence, an entropy bonus, a critic).
        turn_tokens: Most tokens of a turn, which `Algorithm.overlong` is a share of.
    """
    rewards = [_rewards(group) for group in groups]
    scored = [reward for row in rewards for reward in row if reward is not None]
    if algorithm.reward_scale == "running":
        state = replace(state, scale=state.scale.updated(torch.tensor(scored)))
    rewards = _scaled(rewards, algorithm, state)
    if algorithm.overlong:
        rewards = _less_length(rewards, groups, algorithm.overlong, turn_tokens)
    advantages = _advantages(rewards, algorithm, state)
    earned = [reward for row in rewards for reward in row if reward is not None]
    state = replace(state, average=state.average.updated(earned))
    least = algorithm.least_advantage
    small = sum(value is not None and abs(value) < least for row in advantages for value in row)
    elsewhere = algorithm.kl != "none" or algorithm.entropy_coefficient or algorithm.critic
    dropped = _reasons(groups, advantages, least, skip_no_signal and not elsewhere)
    if algorithm.advantage == "raft" and not elsewhere:
        dropped = _not_imitated(advantages, dropped)
    return Weighed(_items(groups, advantages, dropped), state, small, advantages, dropped)


def _rewards(group: Group) -> list[float | None]:
    return [episode.reward for episode in group.episodes]


def _reasons(
    groups: Sequence[Group], worths: Rewards, least: float, skip_no_signal: bool
) -> list[list[str]]:
    """Return why each episode is left out, by group; empty where it is learned from."""
    rows = []
    for group, row in zip(groups, worths, strict=True):
        loud = any(value and abs(value) >= least for value in row)
        silent = skip_no_signal and not loud
        rows.append(
            [
                _reason(episode, value, silent, least)
                for episode, value in zip(group.episodes, row, strict=True)
            ]
        )
    return rows


def _not_imitated(worths: Rewards, dropped: list[list[str]]) -> list[list[str]]:
    """Leave out what has no weight: the loss is a mean over what is imitated alone."""
    return [
        [reason or ("" if value else "not imitated") for value, reason in zip(*pair, strict=True)]
        for pair in zip(worths, dropped, strict=True)
    ]


def _reason(episode: Episode, worth: float | None, silent: bool, least: float) -> str:
    if episode.reward is None:
        return "unscored"
    if worth is None:
        return "no scored sibling"
    if silent and not worth:
        return "no signal"
    return "small advantage" if abs(worth) < least else ""


def _scaled(rewards: Rewards, algorithm: Algorithm, state: CreditState) -> Rewards:
    if algorithm.reward_scale == "none":
        return rewards
    scales = {
        # Not centred: 0 keeps its meaning, and groups have a baseline of their own.
        "running": lambda values: state.scale.apply(values, centre=False),
        "clip": lambda values: clipped(values, 1.0),
        "log": symmetric_log,
    }
    return _on_scored(rewards, scales[algorithm.reward_scale])


def _on_scored(rewards: Rewards, change: Any) -> Rewards:
    """Return the rewards, those that there are changed by one call on all of them."""
    scored = [reward for row in rewards for reward in row if reward is not None]
    values = iter(change(torch.tensor(scored, dtype=torch.float32)).tolist())
    return [[None if reward is None else next(values) for reward in row] for row in rewards]


def _less_length(
    rewards: Rewards, groups: Sequence[Group], share: float, turn_tokens: int
) -> Rewards:
    """Take DAPO's penalty off each episode, for the longest of its turns."""
    buffer = max(1, round(share * turn_tokens))

    def penalty(episode: Episode) -> float:
        longest = max((turn.sampled_tokens for turn in episode.turns), default=0)
        tokens = torch.tensor(longest)
        return float(overlength_penalty(tokens, longest=turn_tokens, buffer=buffer))

    return [
        [
            None if reward is None else reward + penalty(episode)
            for reward, episode in zip(row, group.episodes, strict=True)
        ]
        for row, group in zip(rewards, groups, strict=True)
    ]


def _advantages(rewards: Rewards, algorithm: Algorithm, state: CreditState) -> Rewards:
    """Return one advantage an episode: None where it is left out."""
    name, baseline = algorithm.advantage, algorithm.baseline
    if name == "gae":
        return rewards  # the critic is asked later, by token
    if not any(reward is not None for row in rewards for reward in row):
        return rewards
    if name == "reinforce_pp":
        if baseline == "group_mean":
            rewards = [_centred(row) for row in rewards]
        return _on_scored(rewards, reinforce_pp)
    if name == "reinforce" and baseline != "none":
        constant = constant_of(baseline)
        known: Any = state.average if baseline == "moving_average" else baseline
        known = known if constant is None else constant
        return _on_scored(rewards, lambda values: reinforce(values, known))
    return [group_advantages(name, row) for row in rewards]


def _centred(row: list[float | None]) -> list[float | None]:
    scored = [reward for reward in row if reward is not None]
    mean = sum(scored) / max(1, len(scored))
    return [None if reward is None else reward - mean for reward in row]


def _items(
    groups: Sequence[Group], worths: Rewards, dropped: Sequence[Sequence[str]]
) -> list[WeightedSample]:
    items: list[WeightedSample] = []
    for group, row, reasons in zip(groups, worths, dropped, strict=True):
        for episode, value, reason in zip(group.episodes, row, reasons, strict=True):
            if value is not None and not reason:
                items.extend(WeightedSample(sample, value) for sample in episode.samples)
    return items
