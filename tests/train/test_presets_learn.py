"""Every preset: up for a bandit's rewarded arm, three steps of a run, resumed to the bit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_run import settings
from safetensors.torch import load_file
from torch import Tensor

import agentgym as ag
from agentgym.algorithms.presets import PRESETS
from agentgym.policy.pretrained import load_model
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.types import Episode, Group, Sample, Turn

CPU = torch.device("cpu")
GOOD, BAD = 70, 80
TIMES = {"learn_tokens_per_s", "sample_tokens_per_s"}


def pull(learner: Learner, index: int, arm: int, version: int = 0) -> Episode:
    """An episode of two turns that pulls one arm twice, as the policy would sample it now."""
    ids = (60, 61, arm, 62, 63, arm)
    mask = (0, 0, 1, 0, 0, 1)
    scores = [0.0, *learner.score(ids)]
    logprobs = tuple(score * sampled for score, sampled in zip(scores, mask, strict=True))
    return Episode(
        "bandit",
        index,
        0,
        "scored",
        float(arm == GOOD),
        "",
        turns=(Turn("", "", 2, 1, "stop"), Turn("", "", 5, 1, "stop")),
        samples=(Sample(ids, mask, logprobs, version),),
    )


def group(learner: Learner) -> Group:
    arms = (GOOD, BAD, BAD, GOOD, BAD, BAD)
    return Group("bandit", 0, tuple(pull(learner, n, arm) for n, arm in enumerate(arms)))


def preference(learner: Learner) -> float:
    """How much likelier the good arm is than the bad one, in nats over both turns."""
    good, bad = (learner.score((60, 61, arm, 62, 63, arm)) for arm in (GOOD, BAD))
    return (good[1] + good[4]) - (bad[1] + bad[4])


def learner(tiny: Path, **parts: Any) -> Learner:
    config = TrainConfig(tasks_per_step=1, group_size=6, lr=1e-3, warmup_steps=1, **parts)
    return Learner(load_model(tiny, torch.float32), config, CPU)


MIXES: list[dict[str, Any]] = [
    *({"algorithm": name} for name in sorted(PRESETS)),
    {"algorithm": "loop", "ratio": "turn"},
    {"algorithm": "loop", "ratio": "trajectory"},
    {"algorithm": "loop", "loss": "ppo_penalty", "step_kl": 0.02},
    {"algorithm": "loop", "gamma": 0.5},
    {"algorithm": "reinforce", "baseline": "batch_mean"},
    {"algorithm": "reinforce", "baseline": "moving_average"},
    {"algorithm": "reinforce_pp", "baseline": "group_mean"},
    {"kl": "reward", "kl_coefficient": 0.01},
    {"kl": "loss", "kl_coefficient": 0.01, "kl_estimator": "k2"},
    {"kl": "loss", "kl_coefficient": 0.01, "kl_estimator": "k3_exact"},
    {"algorithm": "ppo", "kl": "reward", "kl_coefficient": 0.01, "lam": 0.9},
    {"entropy_coefficient": 0.01},
    {"mismatch": "sequence_mask", "mismatch_band": 0.01},
    {"reward_scale": "running"},
]


@pytest.mark.parametrize("parts", MIXES, ids=lambda parts: "-".join(map(str, parts.values())))
def test_three_steps_make_the_rewarded_arm_likelier(tiny: Path, parts: dict[str, Any]) -> None:
    ours = learner(tiny, **parts)
    before = preference(ours)
    for step in range(3):
        stats = ours.step(ours.weigh([group(ours)]).items, step)
        assert stats.updated
        assert stats.updates == min(ours.algorithm.updates, ours.algorithm.epochs * 6)
    assert preference(ours) > before + 0.02


def own_loss(
    logprobs: Tensor, old: Tensor, mu: Tensor, a: Tensor, mask: Tensor, **_: Any
) -> Tensor:
    return -logprobs * a * mask


def test_a_loss_of_ones_own_learns(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    ours = learner(tiny, loss="mine:own_loss", minibatches=2)
    before = preference(ours)
    for step in range(3):
        assert ours.step(ours.weigh([group(ours)]).items, step).updates == 2
    assert preference(ours) > before + 0.02


def test_steps_of_several_updates_report_their_ratios(tiny: Path) -> None:
    ours = learner(tiny, algorithm="loop")
    stats = ours.step(ours.weigh([group(ours)]).items, 0)
    assert stats.mismatch_max == pytest.approx(1.0, abs=1e-4)
    assert stats.ratio_max > 1.01
    assert 0 < stats.clip_fraction < 1
    assert 0 < stats.step_kl < 1


def test_steps_report_how_far_the_sampler_was(tiny: Path) -> None:
    ours = learner(tiny)
    items = ours.weigh([group(ours)]).items
    shifted = [
        type(item)(
            Sample(item.sample.ids, item.sample.mask, tuple(p - 1.0 for p in item.sample.logprobs)),
            item.advantage,
        )
        for item in items
    ]
    stats = ours.step(shifted, 0)
    assert stats.mismatch_mean == pytest.approx(2.7183, abs=1e-3)
    assert stats.mismatch_max == pytest.approx(2.7183, abs=1e-3)
    assert stats.truncated == 1.0
    assert stats.ratio_mean == stats.ratio_max == 1.0


def test_critic_learns_the_value_of_the_episodes(tiny: Path) -> None:
    ours = learner(tiny, algorithm="ppo", critic_lr=1e-2)
    losses = [ours.step(ours.weigh([group(ours)]).items, step).value_loss for step in range(8)]
    # one success in three: the variance of the reward, halved, is what no constant beats at first
    assert losses[-1] < 0.6 * losses[0]


def test_reference_stays_where_the_policy_began(tiny: Path) -> None:
    ours = learner(tiny, kl="loss", kl_coefficient=0.01, kl_estimator="k2")
    found = [ours.step(ours.weigh([group(ours)]).items, step).reference_kl for step in range(3)]
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    assert found[2] > found[1] > 1e-4


def test_strong_divergence_penalty_holds_the_policy(tiny: Path) -> None:
    moved = []
    for coefficient in (1e-6, 30.0):
        ours = learner(tiny, kl="loss", kl_coefficient=coefficient, kl_estimator="k2")
        before = preference(ours)
        for step in range(8):
            ours.step(ours.weigh([group(ours)]).items, step)
        moved.append(preference(ours) - before)
    assert moved[1] < 0.5 * moved[0]


def test_coefficient_is_steered_to_the_target(tiny: Path) -> None:
    ours = learner(tiny, kl="loss", kl_coefficient=1.0, kl_estimator="k2", kl_target=1e-9)
    for step in range(2):
        ours.step(ours.weigh([group(ours)]).items, step)
    # the first step's divergence is 0: down by 0.2 * 6 / 10000; then far above: up by as much
    assert ours.credit.kl_coefficient == pytest.approx((1 - 1.2e-4) * (1 + 1.2e-4))


def test_state_survives_a_checkpoint(tiny: Path) -> None:
    parts = {"algorithm": "ppo", "reward_scale": "running", "kl": "reward", "kl_coefficient": 0.1}
    one = learner(tiny, **parts)
    one.step(one.weigh([group(one)]).items, 0)
    other = learner(tiny, **parts)
    other.load_state(one.state())
    assert other.credit == one.credit
    assert other.credit.scale.count == 6
    weights = zip(other.critic.parameters(), one.critic.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_state_of_an_older_run_is_the_beginning(tiny: Path) -> None:
    ours = learner(tiny)
    ours.load_state({})
    assert ours.credit.average.value == 0.0


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_three_steps_of_a_run(tiny: Path, tmp_path: Path, name: str) -> None:
    run = ag.train(settings(str(tiny), str(tmp_path), 3, algorithm=name, eval_tasks=0))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert max(row["gap_max"] for row in rows) < 1e-4
    assert max(row["mismatch_max"] for row in rows) < 1.001
    assert run.summary["algorithm"] == name


RESUMED: list[dict[str, Any]] = [
    {"algorithm": "ppo"},
    {"algorithm": "dapo"},
    {"algorithm": "reinforce", "baseline": "moving_average", "reward_scale": "running"},
    {"algorithm": "loop", "kl": "loss", "kl_coefficient": 0.1, "kl_estimator": "k2"}
    | {"kl_target": 0.01},
]


@pytest.mark.parametrize("parts", RESUMED, ids=lambda parts: parts["algorithm"])
def test_two_and_two_steps_equal_four(tiny: Path, tmp_path: Path, parts: dict[str, Any]) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for out, steps in ((whole, 4), (halves, 2), (halves, 4)):
        ag.train(settings(str(tiny), str(out), steps, eval_tasks=0, **parts))
    one, other = (load_file(out / "model" / "model.safetensors") for out in (whole, halves))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert figures(whole) == figures(halves)


def figures(out: Path) -> list[dict[str, Any]]:
    """The metrics, less those that are measured in seconds."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    return [
        {k: v for k, v in row.items() if k not in TIMES and not k.endswith("_s")} for row in rows
    ]


def test_dynamic_sampling_replaces_groups_without_signal(tiny: Path, tmp_path: Path) -> None:
    more = {"algorithm": "dapo", "dynamic_sampling": 2, "eval_tasks": 0, "group_size": 2}
    ag.train(settings(str(tiny), str(tmp_path), 4, **more))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    episodes = [json.loads(line) for line in (tmp_path / "episodes.jsonl").open()]
    assert any(row["extra_groups"] > 0 for row in rows)
    for row in rows:
        groups = 3 + row["extra_groups"]
        assert sum(e["step"] == row["step"] - 1 for e in episodes) == 2 * groups
        signals = round((1 - row["no_signal"]) * groups)
        assert signals >= 3 or row["extra_groups"] >= 2  # both rounds were used
