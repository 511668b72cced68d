"""A reward model of digit sums, trained once from the tiny model's random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from agentgym.rewardmodel.config import RewardModelConfig
from agentgym.rewardmodel.train import train_reward_model
from agentgym.train.loop import Run


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: for models this small, threads cost more than they do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)  # the number decides the last bits of what others learn


@pytest.fixture(autouse=True)
def in_one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from digit_pairs import write_pairs

    return write_pairs(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", 1600)


@pytest.fixture(scope="session")
def trained(tiny: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = RewardModelConfig(
        pairs=pairs,
        model=str(tiny),
        out=tmp_path_factory.mktemp("reward") / "run",
        held_out=0.2,
        epochs=4,
        lr=3e-3,
    )
    with one_thread():
        return train_reward_model(config)
