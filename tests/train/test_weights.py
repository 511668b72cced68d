"""Weight pushes: verified, and refused when something did not arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agentgym.errors import WeightSyncError
from agentgym.policy.base import NamedTensors
from agentgym.policy.pretrained import load_model
from agentgym.policy.transformers import TransformersPolicy
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.weights import probe_ids, push


@pytest.fixture
def learner(tiny: Path) -> Learner:
    ours = Learner(load_model(tiny, torch.float32), TrainConfig(), torch.device("cpu"))
    with torch.no_grad():
        for parameter in ours.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return ours


def test_push_makes_both_sides_agree(learner: Learner, tiny: Path) -> None:
    sampler = TransformersPolicy(tiny)
    before = max(
        abs(a - b)
        for a, b in zip(learner.score(range(40, 80)), sampler.score(range(40, 80)), strict=True)
    )
    gap = push(learner, sampler, version=3)
    assert before > 0.01
    assert gap < 1e-4
    assert sampler.version == 3


def test_push_stops_when_a_tensor_did_not_arrive(learner: Learner, tiny: Path) -> None:
    class Deaf(TransformersPolicy):
        async def load_weights(self, named_tensors: NamedTensors, version: int) -> None:
            some = [(name, tensor) for name, tensor in named_tensors if "embed" not in name]
            await super().load_weights(some, version)

    with pytest.raises(WeightSyncError, match=r"differ from the learner's by .* nats"):
        push(learner, Deaf(tiny), version=1)


def test_push_stops_on_weights_that_are_not_numbers(learner: Learner, tiny: Path) -> None:
    with torch.no_grad():
        next(learner.model.parameters()).fill_(float("nan"))
    with pytest.raises(WeightSyncError):
        push(learner, TransformersPolicy(tiny), version=1)


def test_tied_weights_are_pushed_once(learner: Learner) -> None:
    def names(tensors: Iterator[tuple[str, Tensor]]) -> list[str]:
        return [name for name, _ in tensors]

    assert learner.model.config.tie_word_embeddings
    assert "model.embed_tokens.weight" in names(learner.named_tensors())
    assert "lm_head.weight" not in names(learner.named_tensors())


def test_probe_visits_the_whole_vocabulary() -> None:
    ids = probe_ids(151_936)
    assert len(ids) == len(set(ids))
    assert all(0 <= token < 288 for token in probe_ids(288))
