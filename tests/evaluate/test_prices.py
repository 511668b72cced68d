from __future__ import annotations

from pathlib import Path

import pytest

from agentgym.errors import ConfigError
from agentgym.evaluate.prices import Price, price_of

TOML = '[tiny]\nprompt = 0.15\nsampled = 0.6\n["org/large:v2"]\nprompt = 3\nsampled = 15\n'


def test_price_is_dollars_a_million_tokens() -> None:
    assert Price(prompt=0.15, sampled=0.6).of(1_000_000, 2_000_000) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("openai:tiny", Price(0.15, 0.6)),
        ("openai:tiny@http://localhost:8000/v1", Price(0.15, 0.6)),
        ("openai:org/large:v2@https://host/v1", Price(3, 15)),
        ("tiny", Price(0.15, 0.6)),
    ],
)
def test_price_of_a_policy_is_that_of_its_model(
    tmp_path: Path, policy: str, expected: Price
) -> None:
    (tmp_path / "prices.toml").write_text(TOML)
    assert price_of(policy, tmp_path / "prices.toml") == expected


def test_price_table_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text('{"tiny": {"prompt": 1, "sampled": 2}}')
    assert price_of("openai:tiny", tmp_path / "prices.json") == Price(1, 2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[large]\nprompt = 1\nsampled = 1", "has no price of 'tiny'; known: large"),
        ("[tini]\nprompt = 1\nsampled = 1", "perhaps you meant 'tini'"),
        ("[tiny]\nprompt = 1", r"tiny\.sampled: field required"),
        ("[tiny]\nprompt = -1\nsampled = 1", r"tiny\.prompt: input should be greater"),
        ("[tiny]\nprompt = nan\nsampled = 1", r"tiny\.prompt: input should be a finite number"),
        ("[tiny]\nprompt = 1\nsampled = 1\nread = 2", r"tiny\.read: extra inputs"),
        ("[tiny", "cannot read the prices"),
    ],
)
def test_price_table_says_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ConfigError, match=why):
        price_of("openai:tiny", tmp_path / "prices.toml")


def test_price_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the prices in '.*none\.toml'"):
        price_of("openai:tiny", tmp_path / "none.toml")
