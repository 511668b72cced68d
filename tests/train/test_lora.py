"""Adapters: the base never changes, the sampler gets merged weights, a run resumes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from agentgym.policy.pretrained import load_model
from agentgym.train.batch import WeightedSample
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.lora import Adapter, adapt, load_adapter, merged_tensors
from agentgym.types import Sample

peft = pytest.importorskip("peft")

IDS = tuple(range(70, 90))


def learner(tiny: Path, **settings: Any) -> Learner:
    config = TrainConfig(lora_rank=2, lr=1e-2, warmup_steps=0, **settings)
    return Learner(load_model(tiny, torch.float32), config, torch.device("cpu"))


def step(ours: Learner, number: int = 0) -> None:
    mask = (0,) * 5 + (1,) * 15
    stats = ours.step([WeightedSample(Sample(IDS, mask, (-5.0,) * 20), 1.0)], number)
    assert stats.updated


def base_weights(model: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if "lora" not in name}


def test_adapt_changes_nothing_yet_and_frees_the_adapter_alone(tiny: Path) -> None:
    plain = Learner(load_model(tiny, torch.float32), TrainConfig(), torch.device("cpu"))
    ours = learner(tiny)
    assert ours.score(IDS) == plain.score(IDS)
    assert all(("lora_" in n) == p.requires_grad for n, p in ours.model.named_parameters())


def test_learner_with_an_adapter_never_changes_the_base(tiny: Path) -> None:
    ours = learner(tiny)
    before, scores = base_weights(ours.model), ours.score(IDS)
    step(ours)
    assert ours.score(IDS) != scores
    after = base_weights(ours.model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_merged_tensors_are_a_whole_model_that_scores_the_same(tiny: Path) -> None:
    ours = learner(tiny)
    step(ours)
    whole = load_model(tiny, torch.float32)
    names = {name for name, _ in whole.named_parameters()}
    merged = dict(merged_tensors(ours.model))
    assert set(merged) == names
    whole.load_state_dict(merged, strict=False)
    other = Learner(whole, TrainConfig(), torch.device("cpu"))
    assert other.score(IDS) == pytest.approx(ours.score(IDS), abs=1e-5)


def test_save_pretrained_writes_a_model_that_needs_no_adapter(tiny: Path, tmp_path: Path) -> None:
    ours = learner(tiny)
    step(ours)
    ours.save_pretrained(tmp_path)
    assert not (tmp_path / "adapter_config.json").exists()
    other = Learner(load_model(tmp_path, torch.float32), TrainConfig(), torch.device("cpu"))
    assert other.score(IDS) == pytest.approx(ours.score(IDS), abs=1e-5)


def test_adapter_resumes_to_the_last_digit(tiny: Path, tmp_path: Path) -> None:
    one = learner(tiny)
    step(one)
    one.checkpointed().save_pretrained(tmp_path)
    state = copy.deepcopy(one.optimizer.state_dict())
    step(one, 1)
    other = learner(tiny, seed=5)
    load_adapter(other.model, tmp_path)
    other.optimizer.load_state_dict(state)
    step(other, 1)
    assert other.score(IDS) == one.score(IDS)


def test_adapter_is_read_by_peft(tiny: Path, tmp_path: Path) -> None:
    model = load_model(tiny, torch.float32)
    adapt(model, rank=2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    Adapter(model).save_pretrained(tmp_path)
    theirs = peft.PeftModel.from_pretrained(load_model(tiny, torch.float32), tmp_path).eval()
    ids = torch.tensor([IDS])
    assert torch.equal(theirs(input_ids=ids).logits, model(input_ids=ids).logits)
