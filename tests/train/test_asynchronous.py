"""Training while sampling: each group once, within its bound; stragglers; kills."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from parity_run import settings
from pydantic import ValidationError
from slow_env import Slow

import agentgym as ag
from agentgym.errors import ConfigError, RunError
from agentgym.rollout.ledger import Ledger, episode_from_json
from agentgym.train.asynchronous import plan_of, taken_up, versions_of
from agentgym.train.schedule import Schedule
from agentgym.types import Episode, Group, Sample

STEPS, GROUPS, SIZE = 6, 3, 4
KILLS = 2


def asynchronous(model: Path, out: Path, steps: int = STEPS, **more: object) -> ag.TrainConfig:
    given = {"mode": "async", "deterministic": None, "eval_tasks": 0, **more}
    return settings(str(model), str(out), steps, **given)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open()]


def check_accounts(out: Path, steps: int, bound: int) -> None:
    """Each launch was learned from once, of tokens that were within the bound at that step."""
    metrics = rows(out / "metrics.jsonl")
    assert [row["step"] for row in metrics] == list(range(1, steps + 1))
    used = [number for row in metrics for number in row["launches"]]
    assert sorted(used) == list(range(GROUPS * steps))
    groups: dict[int, list[dict[str, Any]]] = {}
    for line in rows(out / "episodes.jsonl"):
        groups.setdefault(line["launch"], []).append(line)
    assert sorted(groups) == sorted(used)
    schedule = Schedule([f"train-{n}" for n in range(12)], GROUPS, seed=0)
    for row in metrics:
        for number in row["launches"]:
            lines = groups[number]
            assert [line["index"] for line in lines] == list(range(SIZE))
            task = schedule.tasks(number // GROUPS)[number % GROUPS]
            assert {line["task_id"] for line in lines} == {task}
            episodes = tuple(episode_from_json(line) for line in lines)
            found = versions_of(Group(task, lines[0]["seed"], episodes))
            assert found is not None
            assert row["step"] - 1 - bound <= found[0] <= found[1] <= row["step"] - 1


def test_a_run_learns_from_each_group_once_within_its_bound(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = ag.train(asynchronous(tiny, out, max_staleness=1))
    check_accounts(out, STEPS, bound=1)
    metrics = rows(out / "metrics.jsonl")
    assert max(row["staleness_max"] for row in metrics) == 1  # it did sample ahead
    assert all(row["groups"] == GROUPS and row["cut"] == row["stale"] == 0 for row in metrics)
    assert all(row["push_gap"] < 1e-3 for row in metrics)
    assert run.summary["episodes"] == {"scored": STEPS * GROUPS * SIZE, "unscored": 0}


def test_bound_zero_learns_only_from_the_current_weights(tiny: Path, tmp_path: Path) -> None:
    ag.train(asynchronous(tiny, tmp_path / "run", 3, max_staleness=0))
    check_accounts(tmp_path / "run", 3, bound=0)
    assert all(row["gap_max"] < 1e-4 for row in rows(tmp_path / "run" / "metrics.jsonl"))


def test_evaluations_run_beside_the_sampling(tiny: Path, tmp_path: Path) -> None:
    more = {"eval_tasks": 4, "eval_every": 1, "max_staleness": 1}
    run = ag.train(asynchronous(tiny, tmp_path / "run", 3, **more))
    assert [row["step"] for row in rows(tmp_path / "run" / "evaluations.jsonl")] == [0, 1, 2, 3]
    assert run.summary["after"]["tasks"] == 4
    check_accounts(tmp_path / "run", 3, bound=1)


def test_a_finished_run_goes_on_with_more_steps(tiny: Path, tmp_path: Path) -> None:
    ag.train(asynchronous(tiny, tmp_path / "run", 2))
    ag.train(asynchronous(tiny, tmp_path / "run", 5))
    check_accounts(tmp_path / "run", 5, bound=2)


@pytest.fixture
def gate() -> Iterator[Any]:
    Slow.gate.clear()
    yield Slow.gate
    Slow.gate.set()  # lets the threads of environments that were given up end


def slow_run(tiny: Path, out: Path, **more: object) -> tuple[ag.TrainConfig, str]:
    """Settings of a run whose very first task waits for the gate."""
    first = Schedule([f"train-{n}" for n in range(12)], GROUPS, seed=0).tasks(0)[0]
    env = {"env": "demo/Slow-v0", "env_kwargs": {"slow": [first]}}
    return asynchronous(tiny, out, 4, **env, **more), first


def test_a_straggler_is_carried_over(tiny: Path, tmp_path: Path, gate: Any) -> None:
    config, _ = slow_run(tiny, tmp_path / "run", max_staleness=1)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if line.startswith("step 1 "):
            gate.set()

    ag.train(config, say=say)
    check_accounts(tmp_path / "run", 4, bound=1)
    metrics = rows(tmp_path / "run" / "metrics.jsonl")
    assert 0 not in metrics[0]["launches"]
    assert 0 in metrics[1]["launches"]  # the next step waits for it: it may not grow older
    assert not (tmp_path / "run" / "cut.jsonl").exists()


def test_a_deadline_cuts_a_straggler_and_says_so(tiny: Path, tmp_path: Path, gate: Any) -> None:
    config, first = slow_run(tiny, tmp_path / "run", max_staleness=1, step_deadline_s=1.0)
    ag.train(config)
    metrics = rows(tmp_path / "run" / "metrics.jsonl")
    lost = rows(tmp_path / "run" / "cut.jsonl")
    assert sum(row["cut"] for row in metrics) == len(lost) >= 1
    assert {row["task_id"] for row in lost} == {first}
    assert lost[0]["launch"] == 0
    assert [each["turns"] for each in lost[0]["episodes"]] == [1] * SIZE
    assert all(not each["finished"] for each in lost[0]["episodes"])
    assert all(each["seconds"] > 0.5 for each in lost[0]["episodes"])
    used = [number for row in metrics for number in row["launches"]]
    assert len(used) == len(set(used))
    assert not set(used) & {row["launch"] for row in lost}


def test_sampling_ahead_has_environments_in_processes_too(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = children()
    ag.train(asynchronous(tiny, out, env_processes=1, eval_tasks=2, eval_every=2))
    check_accounts(out, STEPS, bound=2)
    assert {line["status"] for line in rows(out / "episodes.jsonl")} == {"scored"}
    assert children() == before


def children() -> list[str]:
    """Ids of the processes that this one has started."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return sorted(pid for task in tasks for pid in (task / "children").read_text().split())


def test_a_mistake_ends_the_run_with_its_own_text(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the context of 5 tokens is too short"):
        ag.train(asynchronous(tiny, tmp_path / "run", 2, context=5))


def test_a_run_in_which_nothing_is_scored_stops(tiny: Path, tmp_path: Path) -> None:
    faults = {"fail_on": {f"train-{n}": 10**6 for n in range(12)}}
    config = asynchronous(tiny, tmp_path / "run", 2, env="demo/Faulty-v0", env_kwargs=faults)
    with pytest.raises(RunError, match=r"every episode of step 1 is unscored .*database is gone"):
        ag.train(config)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"deterministic": True}, "mode='async' depends on timing"),
        ({"algorithm": "dapo"}, "mode='async' does not wait for that"),
        ({"mode": "sync", "step_deadline_s": 1.0}, "is a setting of mode='async'"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises((ValidationError, ConfigError), match=text):
        ag.TrainConfig(**{"mode": "async", **given})


def test_twice_what_can_be_in_flight_is_launched() -> None:
    config = ag.TrainConfig(mode="async", concurrency=20, group_size=8, max_staleness=3)
    plan = plan_of(config)
    assert (plan.groups, plan.max_staleness, plan.in_flight, plan.steps) == (16, 3, 6, 80)


def group(task: str, *versions: int) -> Group:
    sample = Sample((1,) * 3, (0, 1, 1), (0.0,) * 3, versions[-1], versions=(-1, *versions))
    episode = Episode(task, 0, 7, "scored", 1.0, "", samples=(sample,))
    return Group(task, 7, (episode,))


def test_versions_of_a_group_are_those_of_its_sampled_tokens() -> None:
    assert versions_of(group("t", 3, 5)) == (3, 5)
    assert versions_of(Group("t", 7, (Episode("t", 0, 7, "unscored", None, "gone"),))) is None


def test_what_a_dead_run_left_is_sorted(tmp_path: Path) -> None:
    """Of a checkpoint at step 4 that had launched 6 groups, of which 3 and 5 were not used yet."""
    config = ag.TrainConfig(
        mode="async", max_staleness=1, group_size=1, tasks_per_step=2, algorithm="reinforce"
    )
    with Ledger(tmp_path / "episodes.jsonl") as ledger:
        ledger.append(1, group("old", 1, 1), 0)
        ledger.append(3, group("used", 3, 3), 2)
        ledger.append(4, group("within", 3, 4), 3)
        ledger.append(5, group("beyond", 4, 5), 5)  # of weights that the checkpoint has not
        ledger.append(4, group("new", 4, 4), 7)
        begin = taken_up(config, ledger, 4, {"launched": 6, "unused": [3, 5]})
    assert sorted(begin.groups) == [3, 7]
    assert [(g.number, g.version) for g in begin.state.open] == [(3, 3), (7, 4)]
    assert begin.state.again == (5, 6)
    assert begin.state.launched == 8
    left = [row["task_id"] for row in rows(tmp_path / "episodes.jsonl")]
    assert left == ["old", "used", "within", "new"]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
import agentgym as ag
from test_asynchronous import asynchronous
model, out, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
ag.train(asynchronous(model, out, steps, max_staleness=1, save_every=1))
"""


def test_a_run_killed_at_random_moments_loses_nothing(
    tiny: Path, tmp_path: Path, subprocess_env: dict[str, str]
) -> None:
    out, steps = tmp_path / "killed", 12
    # Steps take hundredths of a second, so each process is killed within the first few.
    command = [sys.executable, "-c", SCRIPT, str(tiny), str(out), str(steps)]
    command.append(str(Path(__file__).parent))
    rng = random.Random(3)
    for _ in range(KILLS):
        process = subprocess.Popen(command, env=subprocess_env, stderr=subprocess.DEVNULL)
        kill_after_progress(process, out / "metrics.jsonl", rng)
    process = subprocess.run(command, env=subprocess_env, capture_output=True, check=False)
    assert process.returncode == 0, process.stderr.decode()
    check_accounts(out, steps, bound=1)
    episodes = Counter((row["launch"], row["index"]) for row in rows(out / "episodes.jsonl"))
    assert set(episodes.values()) == {1}


def kill_after_progress(
    process: subprocess.Popen[bytes], metrics: Path, rng: random.Random
) -> None:
    """Kill a process a moment after it took a step."""

    def steps() -> int:
        return metrics.read_bytes().count(b"\n") if metrics.exists() else 0

    before = steps()
    while steps() <= before:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.002)
    time.sleep(rng.random() * 0.05)
    os.kill(process.pid, 9)
    process.wait()
