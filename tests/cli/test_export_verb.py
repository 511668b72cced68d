"""The verb `export`: what it writes, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import cart_env  # noqa: F401 - registers demo/Cart-v0
import pytest
from made_runs import write_eval_run

from agentgym.cli import main


def test_export_writes_the_run_that_eval_left(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "run", tmp_path / "made" / "talk.jsonl"
    words = ["demo/Cart-v0", "-p", "oracle", "-n", "2", f"--out={folder}", "--json"]
    assert main(["eval", *words]) == 0
    capfd.readouterr()
    assert main(["export", str(folder), "--to", "openai", f"--out={out}", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"path": str(out), "episodes": 2, "to": "openai"}
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    rows.sort(key=lambda row: str(row["messages"][1]["content"]))  # they stand as they ended
    system, user, calls, result, answer = rows[1]["messages"]
    assert (system["role"], user["content"]) == ("system", "put 2 pears into the cart")
    (call,) = calls["tool_calls"]
    assert call["function"] == {"name": "add", "arguments": '{"item": "pear", "count": 2}'}
    assert result == {
        "role": "tool",
        "tool_call_id": call["id"],
        "content": "2 x pear added",
    }
    assert answer == {"role": "assistant", "content": "done"}
    (tool,) = rows[1]["tools"]
    assert tool["function"]["name"] == "add"


def test_export_says_where_and_whose_tools_are_missing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = write_eval_run(tmp_path / "run", tasks=2, rollouts=2)
    config = json.loads((run / "config.json").read_text())
    gone = {"demo/Shop-v0": {"env": "demo/Gone-v7", "kwargs": {}, "split": "test"}}
    (run / "config.json").write_text(json.dumps({**config, "environments": gone}))
    assert main(["export", str(run), "--to", "atif"]) == 0
    told = capfd.readouterr()
    assert told.out == f"4 episodes in {run / 'export' / 'trajectories.atif.jsonl'}\n"
    assert "the tools of 'demo/Shop-v0' are left out: " in told.err
    assert "demo/Gone-v7" in told.err


def test_export_tells_the_formats_that_there_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = write_eval_run(tmp_path / "run")
    assert main(["export", str(run), "--to", "parket"]) == 2
    assert "perhaps you meant 'parquet'?" in capfd.readouterr().err
