"""What episodes cost, and what a policy would learn from."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import pytest

import agentgym as ag
from agentgym.check import CHECKS, check, cost
from agentgym.check.report import Failed, NotApplicable
from agentgym.check.subject import Subject
from agentgym.policy.scripted import RandomPolicy, ScriptedPolicy

ENVIRONMENTS = '''
import os
import subprocess
import sys

import agentgym as ag
from core_demo import Sum as Demo

kept = []


class Sum(Demo):
    """Sound."""

    explode = None


class Hoarder(Sum):
    """Keeps what an episode has read."""

    @ag.tool
    def add(self, a: int, b: int = 100) -> int:
        """Add two whole numbers."""
        kept.append(b"x" * 2_000_000)
        return a + b


class Opener(Sum):
    """Leaves a descriptor open for each environment."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        kept.append(os.open(os.devnull, os.O_RDONLY))


class Starter(Sum):
    """Leaves a process behind for each environment."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        kept.append(subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=-1))


class Luck(Sum):
    """Pays by the last letter."""

    def score(self, task, answer):
        return ag.Verdict.of(luck=answer[-1:] > "m" or answer == task.answer)


class Broken(Sum):
    """Fails when it judges."""

    def score(self, task, answer):
        raise OSError("no verifier")
'''


@pytest.fixture
def environments(demo: ModuleType, write_module: Any) -> ModuleType:
    module: ModuleType = write_module("core_costs", ENVIRONMENTS)
    for name in ("Sum", "Hoarder", "Opener", "Starter", "Luck", "Broken"):
        ag.register(f"cost/{name}-v0", f"core_costs:{name}")
    return module


def test_time_is_measured_on_every_call(environments: ModuleType) -> None:
    seen = CHECKS["time"](Subject("cost/Sum-v0"))
    assert set(seen.figures) == {
        *("reset_median_ms", "reset_p95_ms", "step_median_ms", "step_p95_ms"),
    }
    assert 0 < seen.figures["step_median_ms"] <= seen.figures["step_p95_ms"]


def test_check_finds_calls_that_take_too_long(
    environments: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "LIMIT_S", 0.0)
    failed = [row for row in check("cost/Sum-v0", tasks=1).rows if not row.ok]
    assert [row.name for row in failed] == ["time"]


def test_quantile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (cost._quantile(values, 0.5), cost._quantile(values, 0.95)) == (51.0, 96.0)
    assert cost._quantile([3.0], 0.95) == 3.0


def test_check_finds_memory_that_is_kept(environments: ModuleType) -> None:
    failed = [row for row in check("cost/Hoarder-v0", tasks=1).rows if not row.ok]
    environments.kept.clear()
    assert [row.name for row in failed] == ["memory"]
    assert "an episode leaves" in failed[0].detail


def test_check_finds_descriptors_that_are_left_open(
    environments: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "PATIENCE_S", 0.0)
    report = check("cost/Opener-v0", tasks=1)
    for descriptor in environments.kept:
        os.close(descriptor)
    failed = [(row.name, row.detail) for row in report.rows if not row.ok]
    assert failed == [("leftovers", "after 3 closed environments there are 3 more descriptors")]


def test_leftovers_counts_processes(
    environments: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "PATIENCE_S", 0.0)
    with pytest.raises(Failed, match=r"3 more descriptors, 3 more processes$"):
        CHECKS["leftovers"](Subject("cost/Starter-v0", tasks=1))
    for process in environments.kept:
        process.communicate(b"\n")


def test_gradient_needs_a_policy(environments: ModuleType) -> None:
    with pytest.raises(NotApplicable, match="no policy"):
        CHECKS["gradient"](Subject("cost/Sum-v0"))


def test_gradient_counts_groups_whose_rewards_differ(environments: ModuleType) -> None:
    subject = Subject("cost/Luck-v0", tasks=4, policy=RandomPolicy(seed=0), group_size=8)
    seen = CHECKS["gradient"](subject)
    assert (seen.figures["groups"], seen.figures["group_size"]) == (4, 8)
    assert 0 < seen.figures["with_gradient"] <= 1
    assert 0 < seen.figures["success"] == seen.figures["mean_reward"] < 1


def test_check_finds_that_there_is_no_gradient(environments: ModuleType) -> None:
    report = check("cost/Sum-v0", tasks=2, policy="null", group_size=2)
    (failed,) = [row for row in report.rows if not row.ok]
    assert failed.name == "gradient"
    assert failed.detail.startswith("0% of 2 groups of 2 have a gradient; mean reward 0.000")


def test_gradient_fails_where_episodes_are_unscored(environments: ModuleType) -> None:
    policy = ScriptedPolicy(lambda messages: "100")
    with pytest.raises(Failed, match=r"4 of 4 episodes are unscored: .*no verifier"):
        CHECKS["gradient"](Subject("cost/Broken-v0", tasks=2, policy=policy, group_size=2))
