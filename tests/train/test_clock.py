"""Where the time goes."""

from __future__ import annotations

import pytest

from agentgym.train import clock as clock_module
from agentgym.train.clock import Clock


class FakeTime:
    now = 100.0

    def perf_counter(self) -> float:
        return self.now


def test_clock_adds_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime()
    monkeypatch.setattr(clock_module, "time", fake)
    clock = Clock({"learn": 5.0})
    fake.now += 1.0
    with clock.phase("learn"):
        fake.now += 2.0
    with clock.phase("environment"):
        fake.now += 4.0
    clock.move(3.0, "environment", "sample")
    fake.now += 0.5
    assert clock.seconds() == {
        "sample": 3.0,
        "environment": 1.0,
        "learn": 7.0,
        "sync": 0.0,
        "other": 1.5,
    }


def test_clock_never_moves_more_than_there_is() -> None:
    clock = Clock({"environment": 1.0})
    clock.move(9.0, "environment", "sample")
    assert clock.seconds()["sample"] == 1.0
