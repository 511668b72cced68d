"""The verb `score`: its exit status, its table, its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import parity_env
import pytest

from agentgym.cli import main
from agentgym.env import Reply
from agentgym.types import Verdict


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """An evaluation of four episodes, all solved, as the verb `eval` leaves it."""
    folder = tmp_path / "run"
    words = ["demo/Parity-v0", "-p", "oracle", "-n", "2", "-r", "2", f"--out={folder}", "--json"]
    assert main(["eval", *words]) == 0
    capfd.readouterr()
    return folder


@pytest.fixture
def stricter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let today's verifier refuse everything, in a terminal's own language."""
    real = parity_env.Parity.respond

    def respond(self: Any, action: str) -> Reply:
        reply = real(self, action)
        return (
            reply if reply.verdict is None else Reply(verdict=Verdict(0.0, reason="\x1b[31m[b]no"))
        )

    monkeypatch.setattr(parity_env.Parity, "respond", respond)


def test_score_has_status_0_where_nothing_changed(
    run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(run)]) == 0
    told = capfd.readouterr().out
    assert "demo/Parity-v0" in told
    assert "none" in told
    assert main(["score", str(run), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["changed"] is False
    assert found["environments"]["demo/Parity-v0"]["scored"] == 4


def test_score_has_status_1_and_tells_what_changed(
    run: Path, stricter: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(run)]) == 1
    told = capfd.readouterr().out
    assert "4 reward" in told
    assert "new minus old -1.000" in told
    assert "[31m[b]no" in told
    assert "\x1b[31m[b]no" not in told


def test_score_writes_what_it_found_only_where_it_is_told(
    run: Path, stricter: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path.name for path in run.iterdir()}
    out = tmp_path / "found.json"
    assert main(["score", str(run), "--json", f"--out={out}"]) == 1
    assert json.loads(out.read_text()) == json.loads(capfd.readouterr().out)
    assert {path.name for path in run.iterdir()} == before
    (episode, *_) = json.loads(out.read_text())["episodes"]
    assert (episode["old"], episode["new"], episode["what"]) == (1.0, 0.0, ["reward"])


def test_score_refuses_a_folder_that_is_no_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(tmp_path)]) == 1
    assert "is no run folder" in capfd.readouterr().err
