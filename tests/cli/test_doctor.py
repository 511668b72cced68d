from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentgym.doctor import PROBES, examine


def test_examine_has_a_row_for_everything_and_advice_where_something_is_missing() -> None:
    rows = examine()
    assert len(rows) == len(PROBES)
    assert all(row.detail for row in rows)
    assert all(row.advice for row in rows if row.status != "ok")


def test_examine_finds_the_running_python() -> None:
    row = PROBES["python"]()
    assert row.status == "ok"
    assert row.detail.startswith("3.")


def test_examine_says_what_to_do_without_docker_and_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # a machine with no programs at all
    docker, gpu = PROBES["docker"](), PROBES["gpu"]()
    assert (docker.status, gpu.status) == ("absent", "absent")
    assert "install Docker" in docker.advice


def test_examine_asks_the_gpu_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'Some GPU, 8192 MiB'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert PROBES["gpu"]().detail == "Some GPU, 8192 MiB"
