from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentgym.errors import RunError
from agentgym.train.metrics import MetricsLog


def opened(tmp_path: Path) -> MetricsLog:
    return MetricsLog(tmp_path / "run" / "metrics.jsonl", tensorboard=False)


def test_metrics_log_appends_rows_that_others_can_read_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append({"step": 1, "reward": 0.5})
        log.append({"step": 2, "wall_s": {"sample": 1.5}})
        lines = log.path.read_text().splitlines()
        assert [json.loads(line) for line in lines] == [
            {"step": 1, "reward": 0.5},
            {"step": 2, "wall_s": {"sample": 1.5}},
        ]
        assert log.rows() == [json.loads(line) for line in lines]


def test_metrics_log_goes_on_behind_earlier_rows(tmp_path: Path) -> None:
    for step in (1, 2):
        with opened(tmp_path) as log:
            log.append({"step": step})
            rows = log.rows()
    assert rows == [{"step": 1}, {"step": 2}]


def test_metrics_log_drops_a_torn_last_line(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append({"step": 1})
    with log.path.open("ab") as file:
        file.write(b'{"step": 2, "rew')
    with opened(tmp_path) as log:
        log.append({"step": 2})
        assert log.rows() == [{"step": 1}, {"step": 2}]


def test_metrics_log_goes_back_to_a_position(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append({"step": 1})
        position = log.position()
        log.append({"step": 2})
        log.truncate_to(position)
        log.append({"step": 3})
        assert log.rows() == [{"step": 1}, {"step": 3}]
        log.truncate_to(0)
        assert (log.rows(), log.position()) == ([], 0)


@pytest.mark.parametrize("offset", [-1, 3, 1000])
def test_metrics_log_refuses_a_position_it_never_had(tmp_path: Path, offset: int) -> None:
    with opened(tmp_path) as log:
        log.append({"step": 1})
        with pytest.raises(RunError, match=f"byte {offset}"):
            log.truncate_to(offset)
        assert log.rows() == [{"step": 1}]


def test_metrics_log_writes_null_for_what_json_has_not(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append({"a": float("nan"), "b": [float("inf")], "c": {"d": -float("inf")}})
        assert log.rows() == [{"a": None, "b": [None], "c": {"d": None}}]


def test_metrics_log_shows_a_line(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        line = log.line({"step": 3, "reward": 0.51234, "loss": 1.0, "unscored": 0})
    assert line.split() == ["step", "3", "reward", "0.512", "unscored", "0"]


def test_metrics_log_writes_tensorboard_events_where_installed(tmp_path: Path) -> None:
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with MetricsLog(tmp_path / "metrics.jsonl") as log:
        log.append({"step": 1, "reward": 0.25, "wall_s": {"sample": 2.0}})
    events = loading.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("reward")] == [(1, 0.25)]
    assert [e.value for e in events.Scalars("wall_s/sample")] == [2.0]
