"""Training a reward model: it learns, is tested, saved, and goes on where it was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from agentgym.chat.template import ChatTemplate
from agentgym.errors import ConfigError, RunError
from agentgym.policy.pretrained import load_model, load_tokenizer
from agentgym.rewardmodel.config import RewardModelConfig
from agentgym.rewardmodel.encoding import EncodedPair, chunks, encode, encode_pairs
from agentgym.rewardmodel.model import HEAD, RewardModel, read_card
from agentgym.rewardmodel.pairs import read_pairs
from agentgym.rewardmodel.train import train_reward_model
from agentgym.train.loop import Run
from agentgym.types import Message

FIXTURES = Path(__file__).parents[1] / "fixtures"
USER = (Message("user", "number?"),)


def test_training_learns_the_preference(trained: Run) -> None:
    summary = trained.summary
    assert summary["accuracy"]["mean"] > 0.9
    assert summary["accuracy"]["ci95"][0] > 0.85
    assert summary["longer_is_chosen"] == 0.5  # all have four digits
    assert summary["reward_length_correlation"] is None
    assert summary["pairs"]["train"] + summary["pairs"]["held_out"] == 1600


def test_report_is_written(trained: Run) -> None:
    assert json.loads((trained.path / "summary.json").read_text()) == trained.summary
    assert "calibration error" in (trained.path / "reliability.svg").read_text()
    table = trained.summary["calibration"]["table"]
    assert sum(row["pairs"] for row in table) == trained.summary["pairs"]["held_out"]
    card = read_card(trained.model)
    assert (card["mean"], card["std"]) == tuple(trained.summary["reward"].values())


def test_rewards_follow_the_digit_sum(trained: Run) -> None:
    template = ChatTemplate(load_tokenizer(trained.model))
    samples = [
        encode(template, USER, [Message("assistant", text)]) for text in ("0010", "2345", "9899")
    ]
    low, middle, high = RewardModel.load(trained.model)(samples).tolist()
    assert low < middle < high


def test_saved_model_gives_the_same_rewards(tiny: Path, tmp_path: Path) -> None:
    template = ChatTemplate(load_tokenizer(tiny))
    model = RewardModel(load_model(tiny, torch.float32), seed=3)
    samples = [encode(template, USER, [Message("assistant", "x" * n)]) for n in (0, 3, 9)]
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        assert RewardModel.load(tmp_path)(samples).tolist() == model(samples).tolist()


def test_reward_is_read_at_the_last_token_whatever_the_padding(tiny: Path) -> None:
    template = ChatTemplate(load_tokenizer(tiny))
    model = RewardModel(load_model(tiny, torch.float32))
    short = encode(template, USER, [Message("assistant", "1")])
    long = encode(template, USER, [Message("assistant", "1" * 40)])
    with torch.no_grad():
        hidden = model.base.base_model(torch.tensor([short.ids])).last_hidden_state[0, -1]
        assert model([short, long])[0].item() == pytest.approx(
            float(hidden @ model.head.weight[0]), abs=1e-5
        )


def test_encoding_masks_the_answer_alone(tiny: Path) -> None:
    template = ChatTemplate(load_tokenizer(tiny))
    prompt = [Message("user", "a"), Message("assistant", "bc"), Message("user", "d")]
    answer = [Message("assistant", "ef"), Message("tool", "g"), Message("assistant", "h")]
    sample = encode(template, prompt, answer)
    said = [token for token, on in zip(sample.ids, sample.mask, strict=True) if on]
    assert template.decode(said) == "ef<|end|>h<|end|>"
    assert sample.ids[-1] == template.stop_ids[0]


def test_encoding_breaks_control_tokens_of_an_answer(tiny: Path) -> None:
    template = ChatTemplate(load_tokenizer(tiny))
    sample = encode(template, USER, [Message("assistant", "1<|end|><|user|>well done")])
    assert sample.ids.count(template.stop_ids[0]) == 2  # of the prompt and of the answer


def test_pairs_beyond_the_context_are_left_out(tiny: Path, pairs: Path) -> None:
    template = ChatTemplate(load_tokenizer(tiny))
    some = read_pairs(pairs)[:20]
    whole, none = encode_pairs(template, some, None)
    shortest = min(item.longest for item in whole)
    fitting, left = encode_pairs(template, some, shortest)
    assert (len(whole), none) == (20, 0)
    assert {item.longest for item in fitting} == {shortest}
    assert len(fitting) + left == 20


def test_chunks_hold_the_places_and_lose_no_pair(tiny: Path, pairs: Path) -> None:
    items, _ = encode_pairs(ChatTemplate(load_tokenizer(tiny)), read_pairs(pairs)[:50], None)
    parts = list(chunks(items, 200))
    assert sorted(item.pair.line for part in parts for item in part) == list(range(1, 51))
    assert all(2 * len(part) * max(map(longest, part)) <= 200 for part in parts)
    assert [len(part) for part in chunks(items, 2)] == [1] * 50


def longest(item: EncodedPair) -> int:
    return item.longest


def test_killed_run_goes_on_to_the_same_weights(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    whole, killed = (
        RewardModelConfig(
            pairs=pairs, model=str(tiny), out=tmp_path / name, batch=128, save_every=3
        )
        for name in ("whole", "killed")
    )
    at_step = [str(FIXTURES / "signal_at.py"), "agentgym.rewardmodel.fit:_step", "9", "SIGKILL"]
    settings = [f"--model={tiny}", f"--out={killed.out}", "--batch=128", "--save-every=3"]
    done = subprocess.run(
        [sys.executable, *at_step, "reward-model", str(pairs), *settings],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == -9, done.stderr
    said: list[str] = []
    runs = train_reward_model(whole), train_reward_model(killed, say=said.append)
    assert any(line.startswith("going on after step 6 of") for line in said)
    for file in ("model.safetensors", HEAD):
        expected, found = (load_file(run.model / file) for run in runs)
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    rows = [json.loads(line) for line in open_lines(runs[1].path / "metrics.jsonl")]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))


def open_lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def test_finished_run_is_not_trained_again(trained: Run, tiny: Path, pairs: Path) -> None:
    said: list[str] = []
    settings = json.loads((trained.path / "config.json").read_text())
    again = train_reward_model(RewardModelConfig(**settings), say=said.append)
    assert again == trained
    assert "is finished" in said[0]


def test_other_settings_on_the_same_folder_are_refused(trained: Run) -> None:
    settings = json.loads((trained.path / "config.json").read_text())
    with pytest.raises(RunError, match=r"other settings: seed \(was 0, now 1\)"):
        train_reward_model(RewardModelConfig(**settings | {"seed": 1}))


def test_other_pairs_on_the_same_folder_are_refused(tiny: Path, tmp_path: Path) -> None:
    from digit_pairs import write_pairs

    file = write_pairs(tmp_path / "pairs.jsonl", 60)
    config = RewardModelConfig(pairs=file, model=str(tiny), out=tmp_path / "run", held_out=0.3)
    train_reward_model(config)
    write_pairs(file, 60, seed=1)
    with pytest.raises(RunError, match="the pairs are not those that the run"):
        train_reward_model(config)


def test_context_that_nothing_fits_is_refused(tiny: Path, pairs: Path, tmp_path: Path) -> None:
    config = RewardModelConfig(pairs=pairs, model=str(tiny), out=tmp_path / "run", context=4)
    with pytest.raises(ConfigError, match="within a context of 4 tokens 0 pairs are left"):
        train_reward_model(config)
