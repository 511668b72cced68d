"""Gradient checkpointing: the same step, with the layers run again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from agentgym.errors import ConfigError
from agentgym.policy.pretrained import load_model
from agentgym.train.recompute import recompute_layers


def test_recompute_layers_gives_the_same_gradient_and_runs_layers_again(tiny: Path) -> None:
    gradients, runs = [], []
    ids = torch.arange(60, 80).reshape(2, 10)
    for again in (False, True):
        model = load_model(tiny, torch.float32).eval()
        count = [0]
        mlp = model.model.layers[0].mlp
        mlp.register_forward_pre_hook(lambda *_, c=count: c.__setitem__(0, c[0] + 1))
        if again:
            assert recompute_layers(model) == 1
        model(input_ids=ids, use_cache=False).logits.square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        runs.append(count[0])
    assert torch.equal(*gradients)
    assert runs == [1, 2]


def test_recompute_layers_refuses_a_model_without_layers() -> None:
    with pytest.raises(ConfigError, match="gradient_checkpointing: Linear has no layers"):
        recompute_layers(nn.Linear(2, 2))
