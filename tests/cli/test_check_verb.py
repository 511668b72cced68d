"""The verb `check`: its exit status, its table, its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import agentgym.check
from agentgym.check import CHECKS, CheckReport, CheckRow
from agentgym.cli import main

MATH = "agentgym/Math-v0"


def test_sound_environment_has_status_0_and_figures(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", MATH, "-n", "1", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["env"], report["ok"]) == (MATH, True)
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == list(CHECKS)
    assert rows["gradient"]["status"] == "not applicable"
    assert rows["gradient"]["ok"]
    assert rows["time"]["figures"]["step_p95_ms"] > 0


def test_policy_without_a_gradient_has_status_1(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", MATH, "-n", "2", "-p", "oracle", "-k", "2", "--json"]) == 1
    rows = {row["name"]: row for row in json.loads(capfd.readouterr().out)["rows"]}
    assert [name for name, row in rows.items() if not row["ok"]] == ["gradient"]
    assert "0% of 2 groups of 2" in rows["gradient"]["detail"]
    assert "success 1.000" in rows["gradient"]["detail"]


def test_table_shows_what_a_model_wrote_as_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = (
        CheckRow("oracle", "failed", "\x1b[31m[bold]no[/bold]\ud800" + "x" * 1000),
        CheckRow("spam", "not applicable", "it has no tools"),
    )
    found = CheckReport("demo/Any-v0", rows)
    monkeypatch.setattr(agentgym.check, "check", lambda *_, **__: found)
    assert main(["check", "demo/Any-v0"]) == 1
    said = capfd.readouterr().out
    assert "FAILED" in said
    assert "not applicable" in said
    assert "[bold]no[/bold]" in said
    assert "\x1b" not in said
    assert said.count("x") < 500


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-k", "1"], "group_size"),
        (["-n", "0"], "tasks"),
        (["-p", "nobody", "-n", "1"], "nobody"),
    ],
)
def test_mistake_in_the_command_has_status_2(
    words: list[str], text: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["check", MATH, *words]) == 2
    assert text in capfd.readouterr().err
