"""The verb `report`: where it writes, what it prints, and what it refuses."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import pytest
from made_runs import write_eval_run, write_train_run

from agentgym.cli import main


def test_report_stands_in_the_run_folder_unless_told_otherwise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = write_train_run(tmp_path / "run")
    assert main(["report", str(run)]) == 0
    assert capfd.readouterr().out.startswith(f"{run / 'report.html'}: 24 episodes, 24 with a page")
    other = write_eval_run(tmp_path / "other")
    out = tmp_path / "both.html"
    assert main(["report", str(run), str(other), "-o", str(out), "-n", "8", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["path"], told["episodes"], told["pages"]) == (str(out), 36, 7)
    assert told["size_bytes"] == out.stat().st_size


def test_report_opens_the_browser_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    run = write_train_run(tmp_path / "run")
    assert main(["report", str(run), "--open", "--watch", "--json"]) == 0
    assert opened == [(run / "report.html").resolve().as_uri()]
    told = capfd.readouterr()
    assert json.loads(told.out)["finished"] is True
    assert "24 episodes" in told.err


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ([], 2, "name at least one run folder"),
        (["none"], 1, "'none' is no run folder"),
        (["run", "run"], 2, "each given once"),
        (["run", "--episodes", "-1"], 2, "episodes: input should be greater than or equal to 0"),
        (["run", "--out", "run/config.json/r.html"], 1, "cannot use 'run/config.json'"),
    ],
)
def test_report_tells_a_mistake_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    told: str,
) -> None:
    write_eval_run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main(["report", *words]) == status
    error = capfd.readouterr().err
    assert told in error
    assert error.count("\n") == 1
