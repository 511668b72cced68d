"""What the gradient saw: by hand, from a real learner, and of whole runs."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_run import settings

import agentgym as ag
from agentgym.algorithms.presets import Algorithm, mixed, preset
from agentgym.algorithms.ratios import Correction
from agentgym.policy.pretrained import load_model
from agentgym.train.batch import WeightedSample, pad
from agentgym.train.credit import CreditState, Weighed, weighed, without_stale
from agentgym.train.learned import LearnedLog, Trace, learned_rows
from agentgym.train.learner import Learner
from agentgym.train.logprobs import token_logprobs
from agentgym.types import Episode, Group, Sample

TWO_TURNS = (0, 0, 1, 1, 0, 1, 1)


def sample(first: int, version: int = 0, behaviour: float = -5.6) -> Sample:
    ids = tuple(range(first, first + len(TWO_TURNS)))
    return Sample(ids, TWO_TURNS, tuple(behaviour * each for each in TWO_TURNS), version)


def group(*rewards: float | None, version: int = 0, first: int = 70) -> Group:
    return Group(
        "t",
        0,
        tuple(
            Episode("t", n, 0, "unscored" if r is None else "scored", r, "",
                    samples=(sample(first + 10 * n, version),))
            for n, r in enumerate(rewards)
        ),
    )  # fmt: skip


def weigh(groups: list[Group], algorithm: Algorithm) -> Weighed:
    return weighed(groups, algorithm, CreditState(), skip_no_signal=True, turn_tokens=100)


def reasons(groups: list[Group], algorithm: Algorithm, stale_by: int | None = None) -> list[str]:
    fresh, _ = without_stale(groups, 3, stale_by)
    rows = learned_rows([{"step": 3}] * len(groups), groups, weigh(fresh, algorithm), Trace())
    return [row["dropped"] for row in rows]


def learner(tiny: Path, **given: Any) -> Learner:
    config = ag.TrainConfig(**{"lr": 1e-2, "warmup_steps": 0, "temperature": 0.7, **given})
    return Learner(load_model(tiny, torch.float32), config, torch.device("cpu"))


def traced(ours: Learner, groups: list[Group]) -> list[dict[str, Any]]:
    """Return the lines of one real step."""
    trace, found = Trace(), ours.weigh(groups)
    stats = ours.step(found.items, 0, trace)
    assert stats.updated
    return list(learned_rows([{"step": 0}] * len(groups), groups, found, trace))


def expected_logprobs(ours: Learner, of: Sample) -> list[float]:
    mask = torch.tensor([of.mask[1:]], dtype=torch.bool)
    with torch.no_grad():
        logprobs, _ = token_logprobs(ours.model, torch.tensor([of.ids]), mask, 0.7)
    return [float(each) for each in logprobs[mask]]


def test_rows_say_why_nothing_was_learned_from_an_episode() -> None:
    rloo, loop = preset("rloo"), mixed("loop", {})
    assert reasons([group(1.0, 1.0)], rloo) == ["no signal", "no signal"]
    assert reasons([group(1.0, 0.0, None)], rloo) == ["", "", "unscored"]
    assert reasons([group(1.0, None)], rloo) == ["no scored sibling", "unscored"]
    # leave-one-out of 1, 0.5, 0: the middle one's advantage is exactly 0
    assert reasons([group(1.0, 0.5, 0.0)], loop) == ["", "small advantage", ""]
    assert reasons([group(1.0, 0.0)], preset("raft")) == ["", "not imitated"]


def test_rows_tell_stale_from_unscored() -> None:
    old, new = group(1.0, version=1), group(1.0, 0.0, None, version=3)
    mixed_group = replace(new, episodes=(*old.episodes, *new.episodes))
    assert reasons([mixed_group], preset("rloo"), stale_by=1) == ["stale", "", "", "unscored"]


def test_rows_keep_the_advantage_of_what_was_left_out() -> None:
    rows = learned_rows([{"step": 3}], [g := group(0.505, 0.5)], weigh([g], mixed("loop", {})),
                        Trace())  # fmt: skip
    assert [(row["advantage"], row["logprobs"]) for row in rows] == [(0.005, None), (-0.005, None)]


@pytest.mark.parametrize(
    "given",
    [
        {"algorithm": "rloo"},
        {"algorithm": "rloo", "packing": True},
        {"algorithm": "rloo", "micro_batch_tokens": 8},
        {"algorithm": "loop", "epochs": 2, "minibatches": 2},
        {"algorithm": "ppo", "kl": "reward", "kl_estimator": "k1", "kl_coefficient": 0.1},
    ],
)
def test_log_probabilities_are_those_before_the_first_update(
    tiny: Path, given: dict[str, Any]
) -> None:
    ours = learner(tiny, **given)
    groups = [group(1.0, 0.0, first=70), group(0.0, 1.0, first=100)]
    samples = [episode.samples[0] for each in groups for episode in each.episodes]
    expected = [expected_logprobs(ours, each) for each in samples]
    rows = traced(ours, groups)
    for row, before, of in zip(rows, expected, samples, strict=True):
        assert row["logprobs"] == pytest.approx(before, abs=2e-5)
        after = expected_logprobs(ours, of)
        assert max(abs(one - other) for one, other in zip(before, after, strict=True)) > 1e-3


def test_advantages_are_numbers_where_all_tokens_share_one(tiny: Path) -> None:
    rows = traced(learner(tiny, algorithm="loop", epochs=2), [group(1.0, 0.0)])
    assert [row["advantage"] for row in rows] == [1.0, -1.0]


def test_advantages_are_lists_where_turns_differ(tiny: Path) -> None:
    rows = traced(learner(tiny, algorithm="rloo", gamma=0.5), [group(1.0, 0.0)])
    assert rows[0]["advantage"] == [0.5, 0.5, 1.0, 1.0]
    assert rows[1]["advantage"] == [-0.5, -0.5, -1.0, -1.0]


def test_whitened_advantages_are_those_that_were_learned_from(tiny: Path) -> None:
    # of 1, 1, 1, 1, -1, ... over tokens: mean 0, variance 8 / 7 where the sum is divided by n - 1
    rows = traced(learner(tiny, algorithm="rloo", whiten=True), [group(1.0, 0.0)])
    assert [row["advantage"] for row in rows] == pytest.approx([0.935414, -0.935414], abs=1e-5)


def test_masked_tokens_are_told_from_those_that_are_kept(tiny: Path) -> None:
    ours = learner(tiny, mismatch="token_mask", importance_cap=2.0)
    one, other = group(1.0, 0.0).episodes
    mine = expected_logprobs(ours, one.samples[0])
    far = (mine[0], mine[1] - 1.0, mine[2] + 1.0, mine[3])  # ratios 1, 2.7, 0.37, 1: over 2 is cut
    placed = iter(far)
    behaviour = tuple(next(placed) if each else 0.0 for each in TWO_TURNS)
    episodes = (
        replace(one, samples=(replace(one.samples[0], logprobs=behaviour),)),
        replace(other, samples=(sample(90, behaviour=-5.0),)),
    )
    rows = traced(ours, [Group("t", 0, episodes)])
    assert rows[0]["kept"] == [1, 0, 1, 1]
    assert rows[1]["kept"] is None


def test_numbers_that_are_not_finite_are_written_as_null() -> None:
    ours = WeightedSample(sample(70))
    trace = Trace()
    logprobs = torch.tensor([[0.0, -1.0, -float("inf"), 0.0, float("nan"), -2.0]])

    trace.add([ours], pad([ours]), logprobs, Correction())
    assert trace.seen()[id(ours.sample)]["logprobs"] == [-1.0, None, None, -2.0]


def test_log_forgets_what_came_after_a_checkpoint(tmp_path: Path) -> None:
    log = LearnedLog(tmp_path / "learned.jsonl")
    assert log.position() == 0
    log.append(iter([{"step": 0}]))
    place = log.position()
    log.append(iter([{"step": 1}]))
    log.rewind(place)
    log.append(iter([{"step": 1, "again": True}]))
    rows = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert rows == [{"step": 0}, {"step": 1, "again": True}]


def test_log_goes_on_from_what_there_is_where_its_file_was_removed(tmp_path: Path) -> None:
    log = LearnedLog(tmp_path / "learned.jsonl")
    log.sync()
    log.rewind(1000)
    assert not log.path.exists()


def check_against_the_ledger(out: Path, place: str) -> None:
    """Each sample has its line; where it was learned from, with what its own sampler said."""
    run = [json.loads(line) for line in (out / "episodes.jsonl").open()]
    learned = [json.loads(line) for line in (out / "learned.jsonl").open()]
    by_episode: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in learned:
        by_episode[row[place], row["step"], row["task_id"], row["index"]].append(row)
    assert len(learned) == len(run) > 0
    for episode in run:
        key = (episode[place], episode["step"], episode["task_id"], episode["index"])
        row = by_episode[key].pop(0)  # of a task that comes twice: in the ledger's order
        (of,) = episode["samples"]
        behaviour = [p for p, one in zip(of["logprobs"], of["mask"], strict=True) if one]
        if not row["dropped"]:
            assert row["logprobs"] == pytest.approx(behaviour, abs=1e-4)
    assert not any(by_episode.values())


def test_a_run_has_a_line_a_sample_also_of_tasks_that_come_twice(
    tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ag.train(settings(str(tiny), str(out), 2, tasks_per_step=15, eval_tasks=0, group_size=2))
    check_against_the_ledger(out, "step")


def test_an_asynchronous_run_names_the_step_and_the_launch_of_the_ledger(
    tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    more = {"mode": "async", "deterministic": None, "eval_tasks": 0, "max_staleness": 0}
    ag.train(settings(str(tiny), str(out), 3, **more))
    check_against_the_ledger(out, "launch")


def test_a_run_without_the_record_writes_none(tiny: Path, tmp_path: Path) -> None:
    run = ag.train(settings(str(tiny), str(tmp_path / "run"), 1, record_learned=False))
    assert not (run.path / "learned.jsonl").exists()
    # ... and may have one from then on
    run = ag.train(settings(str(tiny), str(tmp_path / "run"), 2))
    steps = {json.loads(line)["step"] for line in (run.path / "learned.jsonl").open()}
    assert steps == {1}
