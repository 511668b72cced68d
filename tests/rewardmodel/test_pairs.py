"""Preference pairs: what a line may be, and which side of the split it is on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentgym.errors import ConfigError
from agentgym.rewardmodel.pairs import Preference, digest, read_pairs, split
from agentgym.types import Message

GOOD = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}


def written(tmp_path: Path, *rows: Any) -> Path:
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return file


def test_read_texts(tmp_path: Path) -> None:
    (pair,) = read_pairs(written(tmp_path, "", GOOD | {"margin": 2}))
    assert pair == Preference(
        (Message("user", "2 + 2?"),),
        (Message("assistant", "4"),),
        (Message("assistant", "5"),),
        2.0,
        2,
    )


def test_read_messages(tmp_path: Path) -> None:
    call = [
        {"role": "assistant", "content": "call"},
        {"role": "tool", "content": "4", "name": "add"},
        {"role": "assistant", "content": "4"},
    ]
    prompt = [{"role": "system", "content": "be right"}, {"role": "user", "content": "2 + 2?"}]
    (pair,) = read_pairs(written(tmp_path, GOOD | {"prompt": prompt, "chosen": call}))
    assert [message.role for message in pair.prompt] == ["system", "user"]
    assert pair.chosen[1] == Message("tool", "4", "add")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "line 2 is no JSON"),
        ("[1]", "line 2 is no object but list"),
        ({"prompt": "a", "chosen": "b"}, r"line 2 lacks \['rejected'\]"),
        (GOOD | {"label": 1}, r"line 2 has unknown keys \['label'\]"),
        (GOOD | {"chosen": 4}, "line 2: chosen must be a text or a list of messages, not 4"),
        (GOOD | {"prompt": []}, "line 2: prompt must be a text or a list of messages"),
        (GOOD | {"prompt": [{"role": "boss", "content": "x"}]}, "line 2: prompt: a message is"),
        (GOOD | {"chosen": [{"role": "user", "content": "x"}]}, "chosen ends with 'user'"),
        (GOOD | {"rejected": "4"}, "line 2: chosen and rejected are the same"),
        (GOOD | {"margin": -1}, "line 2: margin must be a number of at least 0, not -1"),
        (GOOD | {"margin": True}, "line 2: margin"),
        (json.dumps(GOOD)[:-1] + ', "margin": NaN}', "line 2: margin"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, row: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_pairs(written(tmp_path, GOOD, row))


def test_file_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no pairs"):
        read_pairs(written(tmp_path, ""))
    with pytest.raises(ConfigError, match="cannot read"):
        read_pairs(tmp_path / "none.jsonl")


def made(prompt: str, chosen: str = "a") -> Preference:
    message = Message("assistant", "b")
    return Preference((Message("user", prompt),), (Message("assistant", chosen),), (message,))


def test_split_keeps_a_prompt_on_one_side() -> None:
    pairs = [made(f"prompt {n}", answer) for n in range(500) for answer in ("x", "y", "z")]
    kept, held_out = split(pairs, 0.2)
    assert len(kept) + len(held_out) == 1500
    assert not {pair.group for pair in kept} & {pair.group for pair in held_out}
    # 500 draws of probability 0.2: 100, with a standard deviation of 9.
    assert 70 <= len(held_out) // 3 <= 130


def test_split_of_a_pair_does_not_depend_on_the_others() -> None:
    pairs = [made(f"prompt {n}") for n in range(200)]
    _, all_held_out = split(pairs, 0.3)
    _, held_out = split(pairs[:100], 0.3)
    assert held_out == [pair for pair in all_held_out if pair in pairs[:100]]


def test_split_refuses_an_empty_side() -> None:
    with pytest.raises(ConfigError, match="leaves 1 pairs to train on and 0 to test"):
        split([made("one")], 1e-9)


def test_digest_knows_the_content_and_not_the_lines() -> None:
    pair = made("one")
    moved = Preference(pair.prompt, pair.chosen, pair.rejected, 0.0, line=7)
    assert digest([pair]) == digest([moved])
    assert digest([pair]) != digest([made("one", "c")])
