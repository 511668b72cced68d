"""Log-probabilities in chunks: the values and gradients of whole logits, without holding them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from agentgym.policy.pretrained import load_model
from agentgym.train.logprobs import linear_logprobs, token_logprobs


def layer(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Seven hidden states of width 5, a head of 11 tokens, and seven targets."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((7, 5), (11, 5), (11,))
    made = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    hidden, weight, bias = (tensor.to(dtype).requires_grad_() for tensor in made)
    return hidden, weight, bias, torch.randint(0, 11, (7,), generator=generator)


def plain(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Both by the definition, from whole logits."""
    logs = torch.log_softmax(nn.functional.linear(hidden, weight, bias) / temperature, -1)
    return logs.gather(-1, targets[:, None]).squeeze(-1), -(logs.exp() * logs).sum(-1)


def test_linear_logprobs_of_two_tokens_by_hand() -> None:
    """Logits (0, ln 3): probabilities 1/4 and 3/4."""
    hidden, weight = torch.ones(1, 1), torch.tensor([[0.0], [3.0]]).log1p() * 0
    weight[1, 0] = torch.tensor(3.0).log()
    chosen, entropy = linear_logprobs(hidden, weight, None, torch.tensor([1]))
    assert float(chosen) == pytest.approx(-0.287682, abs=1e-6)
    assert float(entropy) == pytest.approx(0.562335, abs=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_linear_logprobs_has_the_gradient_of_finite_differences(rows: int) -> None:
    hidden, weight, bias, targets = layer(torch.float64)

    def scored(h: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return linear_logprobs(h, w, b, targets, temperature=0.7, rows=rows)

    assert torch.autograd.gradcheck(scored, (hidden, weight, bias))


@pytest.mark.parametrize("biased", [True, False])
def test_linear_logprobs_agrees_with_whole_logits(biased: bool) -> None:
    results = []
    for score in (plain, linear_logprobs):
        hidden, weight, bias, targets = layer(torch.float32)
        settings: dict[str, Any] = {"temperature": 1.3} | ({"rows": 2} if score != plain else {})
        chosen, entropy = score(hidden, weight, bias if biased else None, targets, **settings)
        (chosen.square().sum() - 0.3 * entropy.sum()).backward()
        results.append((chosen, entropy, hidden.grad, weight.grad, bias.grad if biased else chosen))
    for whole, chunked in zip(*results, strict=True):
        assert torch.allclose(whole, chunked, atol=1e-5)


def test_linear_logprobs_makes_no_gradient_for_a_frozen_head() -> None:
    hidden, weight, bias, targets = layer(torch.float32)
    weight.requires_grad_(False)
    linear_logprobs(hidden, weight, bias, targets)[0].sum().backward()
    assert weight.grad is None
    assert hidden.grad is not None


def test_linear_logprobs_reduces_bfloat16_products_in_float32() -> None:
    hidden, weight, bias, targets = layer(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        chosen, _ = linear_logprobs(hidden, weight, bias, targets, rows=2)
    chosen.sum().backward()
    expected, _ = plain(hidden, weight, bias, targets, 1.0)
    assert chosen.dtype == weight.grad.dtype == torch.float32
    assert torch.allclose(chosen, expected, atol=0.1)


@pytest.mark.parametrize("tied", [True, False])
def test_token_logprobs_in_chunks_have_the_gradient_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tied: bool
) -> None:
    from tiny_model import save_tiny

    folder = save_tiny(tmp_path, tied=tied)
    ids = torch.arange(60, 100).reshape(4, 10)
    mask = torch.ones((4, 9), dtype=torch.bool)
    results = []
    for most in (1 << 24, 5 * 288):  # all 36 positions at once, then five at a time
        monkeypatch.setattr("agentgym.train.logprobs._MOST_LOGITS", most)
        model = load_model(folder, torch.float32)
        logprobs, entropy = token_logprobs(model, ids, mask, 0.8, entropy_gradient=True)
        (logprobs.square().sum() - 0.1 * entropy.sum()).backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        results.append((logprobs.detach(), entropy.detach(), gradient))
    for whole, chunked in zip(*results, strict=True):
        assert torch.allclose(whole, chunked, atol=1e-5)


def test_token_logprobs_chunks_a_head_that_is_not_a_plain_layer(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = torch.arange(60, 80).reshape(2, 10)
    mask = torch.ones((2, 9), dtype=torch.bool)
    model = load_model(tiny, torch.float32)
    expected, _ = token_logprobs(model, ids, mask)
    model.config.logits_scaling = 1.0  # the model's own forward makes the logits then
    monkeypatch.setattr("agentgym.train.logprobs._MOST_LOGITS", 5 * 288)
    logprobs, entropy = token_logprobs(model, ids, mask)
    assert torch.allclose(logprobs, expected, atol=1e-6)
    assert not entropy.requires_grad
