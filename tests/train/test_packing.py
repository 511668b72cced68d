"""Packed rows: what padded rows give, from the tokens that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor
from varlen_kernel import by_definition

from agentgym.policy.pretrained import load_model
from agentgym.train.batch import WeightedSample, micro_batches, pad
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner
from agentgym.train.logprobs import token_logprobs
from agentgym.train.packing import use_packed_attention
from agentgym.types import Sample

LENGTHS = (9, 2, 30, 17, 9)


def items() -> list[WeightedSample]:
    """Sequences whose first two tokens are the prompt."""
    made = []
    for number, length in enumerate(LENGTHS):
        ids = tuple(60 + (7 * n + 13 * number) % 100 for n in range(length))
        mask = tuple(int(n >= min(2, length - 1)) for n in range(length))
        made.append(WeightedSample(Sample(ids, mask, (-1.0,) * length), 1.0 - number))
    return made


def scored(model: Any, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """The batch's log-probabilities and the gradient of the sum of their squares."""
    batch = pad(items())
    model.zero_grad()
    logprobs, _ = token_logprobs(model, batch.ids, batch.mask, lengths=lengths)
    logprobs.square().sum().backward()
    return logprobs.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])


def grouped_queries() -> Any:
    """A model whose queries share keys, as larger ones do."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2}
    return Qwen2ForCausalLM(
        Qwen2Config(vocab_size=288, hidden_size=32, intermediate_size=64, **heads)
    ).eval()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
def test_packed_rows_agree_with_padded_rows(tiny: Path, own: bool, grouped: bool) -> None:
    """By our attention, and by the mask that transformers makes of the positions."""
    model = grouped_queries() if grouped else load_model(tiny, torch.float32)
    padded = scored(model, None)
    if own:
        assert use_packed_attention(model)
    packed = scored(model, torch.tensor(LENGTHS))
    for left, right in zip(padded, packed, strict=True):
        assert torch.allclose(left, right, atol=1e-5)


@pytest.mark.parametrize("grouped", [True, False])
def test_packed_rows_are_handed_to_the_kernel_as_it_wants_them(
    tiny: Path, grouped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = grouped_queries() if grouped else load_model(tiny, torch.float32)
    padded = scored(model, None)
    use_packed_attention(model)
    kernel = mock.Mock(side_effect=by_definition)
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    monkeypatch.setattr("agentgym.train.packing._has_kernel", lambda value: True)
    packed = scored(model, torch.tensor(LENGTHS))
    assert kernel.called
    for _, _, _, seams, key_seams, *_ in (call.args for call in kernel.call_args_list):
        assert seams.tolist() == key_seams.tolist() == [0, 9, 11, 41, 58, 67]
    for left, right in zip(padded, packed, strict=True):
        assert torch.allclose(left, right, atol=1e-5)


def test_packed_attention_leaves_padded_rows_as_they_were(tiny: Path) -> None:
    model = load_model(tiny, torch.float32)
    before = scored(model, None)
    use_packed_attention(model)
    assert torch.equal(scored(model, None)[0], before[0])


def test_packed_attention_sees_a_cached_conversation(tiny: Path) -> None:
    model = load_model(tiny, torch.float32)
    use_packed_attention(model)
    ids = torch.arange(60, 70)[None]
    whole = model(input_ids=ids).logits[0, -1]
    cache = model(input_ids=ids[:, :-1], use_cache=True).past_key_values
    stepped = model(input_ids=ids[:, -1:], past_key_values=cache).logits[0, -1]
    assert torch.allclose(whole, stepped, atol=1e-5)


def test_use_packed_attention_leaves_windows_to_transformers() -> None:
    model = grouped_queries()
    model.config.layer_types = ["sliding_attention", "full_attention"]
    assert not use_packed_attention(model)
    assert model.config._attn_implementation == "sdpa"


def test_micro_batches_of_packed_rows_count_tokens() -> None:
    """Sorted lengths 2, 9, 9, 17, 30: in 40 places fit 2 + 9 + 9 + 17, then 30."""
    batches = list(micro_batches(items(), 40, packed=True))
    assert [batch.lengths.tolist() for batch in batches] == [[2, 9, 9, 17], [30]]


def test_learner_takes_the_same_step_packed_or_padded(tiny: Path) -> None:
    results = []
    for packing in (False, True):
        config = TrainConfig(packing=packing, micro_batch_tokens=40, warmup_steps=0, lr=1e-3)
        learner = Learner(load_model(tiny, torch.float32), config, torch.device("cpu"))
        stats = learner.step(items(), 0)
        weights = torch.cat([p.detach().flatten() for p in learner.model.parameters()])
        results.append((stats.grad_norm, weights))
    (padded_norm, padded), (packed_norm, packed) = results
    assert packed_norm == pytest.approx(padded_norm, rel=1e-5)
    assert torch.allclose(padded, packed, atol=1e-5)


def test_learner_packs_on_cuda_only_unless_told(tiny: Path) -> None:
    learner = Learner(load_model(tiny, torch.float32), TrainConfig(), torch.device("cpu"))
    assert not learner.packing
    assert learner.model.config._attn_implementation == "sdpa"
