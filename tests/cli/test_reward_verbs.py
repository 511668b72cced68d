"""The verbs `reward-model` and `dpo`: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from agentgym.cli import main


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    from digit_pairs import write_pairs

    torch.set_num_threads(1)
    return write_pairs(tmp_path / "pairs.jsonl", 200)


def settings(tiny: Path, out: Path) -> list[str]:
    return [f"--model={tiny}", f"--out={out}", "--held-out=0.3", "--batch=16"]


def test_reward_model_tells_accuracy_and_calibration(
    tiny: Path, pairs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["reward-model", str(pairs), *settings(tiny, tmp_path / "run")]) == 0
    told = capfd.readouterr()
    for text in ("held-out accuracy", "of the longer answer", "calibration error", "said 0."):
        assert text in told.out
    assert "step 1 of" in told.err
    assert main(["reward-model", str(pairs), *settings(tiny, tmp_path / "run"), "--json"]) == 0
    told = capfd.readouterr()
    assert json.loads(told.out)["pairs"]["left_out"] == 0
    assert "is finished" in told.err


def test_dpo_tells_accuracy_and_kl(
    tiny: Path, pairs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--kl-samples=4", "--max-tokens=4"]
    assert main(["dpo", str(pairs), *settings(tiny, tmp_path / "run"), *words]) == 0
    assert "KL to the reference" in capfd.readouterr().out


def test_watch_has_status_1_where_gold_falls(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"prompt": f"p{task}", "gold": gold + task / 1000 * place, "learned": place}
        for task in range(12)
        for place, gold in enumerate((0.1, 0.7, 0.9, 0.4))
    ]
    file = tmp_path / "samples.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert main(["reward-model", "watch", str(file), f"--out={tmp_path / 'watch'}"]) == 1
    told = capfd.readouterr().out
    assert "over-optimised: from best of 2" in told.replace("\n", " ")
    assert (tmp_path / "watch" / "overoptimisation.svg").exists()
    file.write_text("\n".join(json.dumps(row | {"learned": row["gold"]}) for row in rows))
    assert main(["reward-model", "watch", str(file), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["over_optimised"] is False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reward-model", "none.jsonl"], "cannot read 'none.jsonl'"),
        (["reward-model", "{pairs}", "--held-out", "1"], "held_out: input should be less than 1"),
        (["reward-model", "{pairs}", "--beta", "1"], "reward-model has no flag '--beta'"),
        (["reward-model", "{pairs}", "--model", "./none"], "no usable model at './none'"),
        (["dpo", "{pairs}", "--label-smoothing", "0.5"], "label_smoothing"),
        (["dpo"], "missing from agentgym dpo: PAIRS"),
        (["reward-model", "watch", "none.jsonl"], "cannot read 'none.jsonl'"),
        (["reward-models"], "perhaps you meant 'reward-model'?"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tiny: Path,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.replace("{pairs}", str(pairs)) for word in words]
    if "--model" not in words and words[0] != "reward-models" and "watch" not in words:
        words.append(f"--model={tiny}")
    assert main(words) == 2
    error = capfd.readouterr().err
    assert told in error
    assert error.count("\n") == 1
