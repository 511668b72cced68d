"""The verb `math`: one response, the standard input, a file of pairs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agentgym.cli import main

BOXED = r"so the answer is \boxed{0.5}"


def written(tmp_path: Path, *rows: object) -> str:
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return str(file)


def test_right_answer_says_the_rule_that_decided(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["math", "verify", "--gold", r"\frac12", BOXED]) == 0
    words = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    rows = {key: value.strip() for key, value in words}
    assert (rows["verdict"], rows["answer"], rows["gold"]) == ("right", "0.5", r"\frac12")
    assert rows["rule"]


def test_wrong_answer_has_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["math", "verify", "--gold", "1/3", BOXED]) == 1
    assert "wrong" in capsys.readouterr().out


def test_no_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["math", "verify", "--gold", "1/3", "I do not know."]) == 1
    assert "none was found" in capsys.readouterr().out


def test_verdict_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["math", "verify", "--gold=1/2", BOXED, "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["score"], verdict["extracted"]) == (1.0, "0.5")


def test_gold_may_be_negative() -> None:
    assert main(["math", "verify", "--gold=-7", r"\boxed{-7}"]) == 0
    assert main(["math", "verify", "--gold", "-7", r"\boxed{7}"]) == 1


def test_response_from_the_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"--it is\n\\boxed{5} [/red]\xff"))
    )
    assert main(["math", "verify", "--gold", "5", "-"]) == 0
    assert "right" in capsys.readouterr().out


def test_text_of_a_model_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["math", "verify", "--gold", "5", r"\boxed{[/bold]}"]) == 1
    assert "[/bold]" in capsys.readouterr().out


def test_file_is_judged_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"response": rf"\boxed{{{n}}}", "gold": n if n != 2 else "9"} for n in range(1, 5)]
    assert main(["math", "verify", "--file", written(tmp_path, *rows), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["pairs"], found["right"], found["wrong"]) == (4, 3, 1)
    assert [verdict["score"] for verdict in found["verdicts"]] == [1.0, 0.0, 1.0, 1.0]


def test_file_has_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, {"response": BOXED, "gold": "1/2", "id": 7}, "")
    assert main(["math", "verify", "--file", file]) == 0
    assert "1 of 1, 1.000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "line 2 is no JSON"),
        ('{"gold": "4"}', 'line 2 must be {"response": text, "gold": text}'),
        ("[1]", 'line 2 must be {"response": text, "gold": text}'),
        ('{"response": "4"}', "line 2 has no gold"),
        ('{"response": "4", "gold": " "}', "line 2 has no gold"),
    ],
)
def test_malformed_line_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, told: str
) -> None:
    file = written(tmp_path, {"response": "4", "gold": "4"}, row)
    assert main(["math", "verify", "--file", file]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["verfy"], "math has no task 'verfy'; perhaps you meant 'verify'?"),
        (["verify"], "it takes --gold GOLD and a RESPONSE, or --file FILE"),
        (["verify", "4"], "it takes --gold GOLD and a RESPONSE, or --file FILE"),
        (["verify", "--gold", "", "4"], "the gold answer is empty"),
        (["verify", "--gold", "4", "4", "--timeout-s", "0"], "timeout_s"),
        (["verify", "--gold", "4", "4", "--timeout-s", "nan"], "timeout_s"),
        (["verify", "--gold", "4", "4", "--golds", "5"], "perhaps you meant '--gold'?"),
        (["verify", "--file", "none.jsonl"], "cannot read 'none.jsonl'"),
        (["verify", "--file", "none.jsonl", "4"], "leave RESPONSE and --gold out"),
    ],
)
def test_mistakes_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["math", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_empty_file_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["math", "verify", "--file", written(tmp_path)]) == 2
    assert "has no lines" in capsys.readouterr().err


def test_help_names_the_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["math", "--help"]) == 0
    assert "verify" in capsys.readouterr().out
    assert main(["math"]) == 2


def test_command_runs_in_a_process() -> None:
    command = [sys.executable, "-m", "agentgym", "math", "verify", "--gold", r"\frac12", BOXED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
