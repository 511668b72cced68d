"""Values agree with those of verl and TRL, whose formulas are written out here in plain numpy.

verl 0.9.1: ``verl/trainer/ppo/core_algos.py``; TRL 1.16.0: ``trl/trainer/grpo_trainer.py``. Loops
on purpose: nothing is shared with what is tested. `benchmarks/peers.py` asks the packages
themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agentgym.algorithms import advantages as adv
from agentgym.algorithms import kl, losses
from agentgym.algorithms.ratios import Correction

ROWS, LENGTH, K = 6, 9, 3
Array = np.ndarray[Any, np.dtype[np.float64]]


def batch(seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    mask = (rng.random((ROWS, LENGTH)) < 0.6).astype(float)
    mask[:, 2] = 1.0  # every row has a sampled token
    old = -rng.random((ROWS, LENGTH)) * 3
    return {
        "new": old + rng.normal(0, 0.4, old.shape),
        "old": old,
        "mu": old + rng.normal(0, 0.5, old.shape),
        "reference": old + rng.normal(0, 0.6, old.shape),
        "advantages": np.repeat(rng.normal(0, 1, (ROWS, 1)), LENGTH, 1),
        "mask": mask,
        "values": rng.normal(0, 1, old.shape),
        "old_values": rng.normal(0, 1, old.shape),
        "returns": rng.normal(0, 1, old.shape),
        "rewards": rng.normal(0, 1, ROWS),
    }


def t(array: Array) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float64)


def ours(data: dict[str, Array], name: str, **more: Any) -> Array:
    more.setdefault("correction", None)
    terms = losses.LOSSES[name](
        *(t(data[key]) for key in ("new", "old", "mu", "advantages", "mask")), **more
    )
    return np.asarray(terms)


def masked(terms: Array, data: dict[str, Array]) -> Array:
    return np.where(data["mask"] > 0, terms, 0.0)


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=0, atol=1e-8)


SEEDS = pytest.mark.parametrize("seed", range(5))


def vanilla(data: dict[str, Array], low: float, high: float, dual: float) -> Array:
    """verl's compute_policy_loss_vanilla, before agg_loss."""
    terms = np.zeros((ROWS, LENGTH))
    for i in range(ROWS):
        for j in range(LENGTH):
            ratio = np.exp(np.clip(data["new"][i, j] - data["old"][i, j], -20, 20))
            a = data["advantages"][i, j]
            one = max(-a * ratio, -a * np.clip(ratio, 1 - low, 1 + high))
            terms[i, j] = min(-a * dual, one) if a < 0 else one
    return terms


@SEEDS
def test_ppo_clip_is_verls(seed: int) -> None:
    data = batch(seed)
    found = ours(data, "ppo_clip", clip_low=0.2, clip_high=0.28, dual_clip=1.5)
    close(found, masked(vanilla(data, 0.2, 0.28, 1.5), data))


@SEEDS
@pytest.mark.parametrize("how", ["token_truncate", "token_mask"])
def test_correction_is_trls_by_token(seed: int, how: str) -> None:
    """TRL: per_token_loss * vllm_importance_sampling_ratio, cap 3."""
    data = batch(seed)
    ratio = np.exp((data["old"] - data["mu"]) * data["mask"])
    weight = np.minimum(ratio, 1.2) if how.endswith("truncate") else np.where(ratio > 1.2, 0, ratio)
    found = ours(data, "ppo_clip", correction=Correction(how, cap=1.2), dual_clip=3.0)  # type: ignore[arg-type]
    close(found, masked(vanilla(data, 0.2, 0.2, 3.0) * weight, data))


@SEEDS
@pytest.mark.parametrize("how", ["sequence_truncate", "sequence_mask"])
def test_correction_is_trls_by_sequence(seed: int, how: str) -> None:
    data = batch(seed)
    ratio = np.exp(((data["old"] - data["mu"]) * data["mask"]).sum(-1, keepdims=True))
    weight = np.minimum(ratio, 3.0) if how.endswith("truncate") else np.where(ratio > 3.0, 0, ratio)
    found = ours(data, "gspo", correction=Correction(how, cap=3.0))  # type: ignore[arg-type]
    close(found, masked(gspo(data, 3e-4, 4e-4) * weight, data))


def gspo(data: dict[str, Array], low: float, high: float) -> Array:
    """verl's compute_policy_loss_gspo; in value TRL's importance_sampling_level="sequence"."""
    terms = np.zeros((ROWS, LENGTH))
    for i in range(ROWS):
        gaps = [data["new"][i, j] - data["old"][i, j] for j in range(LENGTH) if data["mask"][i, j]]
        ratio = np.exp(min(10.0, sum(gaps) / len(gaps)))
        for j in range(LENGTH):
            a = data["advantages"][i, j]
            terms[i, j] = max(-a * ratio, -a * np.clip(ratio, 1 - low, 1 + high))
    return terms


@SEEDS
def test_gspo_is_verls(seed: int) -> None:
    data = batch(seed)
    found = ours(data, "gspo", clip_low=0.1, clip_high=0.2)
    close(found, masked(gspo(data, 0.1, 0.2), data))


@SEEDS
def test_cispo_is_verls_and_trls(seed: int) -> None:
    data = batch(seed)
    ratio = np.exp(data["new"] - data["old"])
    verl = -np.clip(ratio, 1 - 0.1, 1 + 0.3) * data["advantages"] * data["new"]
    trl = -np.minimum(ratio, 1.3) * data["advantages"] * data["new"]  # epsilon_high = 1.3
    close(ours(data, "cispo", clip_low=0.1, clip_high=0.3), masked(verl, data))
    close(ours(data, "cispo", clip_low=1.0, clip_high=0.3), masked(trl, data))


@SEEDS
def test_policy_gradient_is_verls(seed: int) -> None:
    """verl's compute_policy_loss_reinforce with truncated token weights."""
    data = batch(seed)
    weight = np.minimum(np.exp(data["old"] - data["mu"]), 2.0)
    found = ours(data, "policy_gradient", correction=Correction())
    close(found, masked(-data["advantages"] * weight * data["new"], data))


@SEEDS
def test_value_loss_is_verls(seed: int) -> None:
    data = batch(seed)
    old, new, wanted = data["old_values"], data["values"], data["returns"]
    near = np.clip(new, old - 0.2, old + 0.2)
    terms = 0.5 * np.maximum((new - wanted) ** 2, (near - wanted) ** 2)
    found = losses.value_loss(t(new), t(old), t(wanted), t(data["mask"]), clip=0.2)
    close(found, masked(terms, data))


@SEEDS
def test_aggregate_is_verls_and_trls(seed: int) -> None:
    data = batch(seed)
    terms, mask = data["values"], data["mask"]
    rows = [(terms[i] * mask[i]).sum() / mask[i].sum() for i in range(ROWS)]
    token = (terms * mask).sum() / mask.sum()  # verl token-mean, TRL bnpo
    constant = (terms * mask).sum() / ROWS  # verl seq-mean-token-sum; TRL dr_grpo times its length
    for how, expected in (
        ("token_mean", token),
        ("sequence_mean", np.mean(rows)),  # verl seq-mean-token-mean, TRL grpo
        ("constant", constant),
    ):
        close(losses.aggregate(t(terms), t(mask), how), expected)  # type: ignore[arg-type]


@SEEDS
def test_kl_estimators_are_verls(seed: int) -> None:
    """verl's kl_penalty_forward and compute_rewards; k3 is TRL's per_token_kl."""
    data = batch(seed)
    gap = data["new"] - data["reference"]
    one, other = t(data["new"]), t(data["reference"])
    close(kl.k1(one, other), gap)
    close(kl.k2(one, other), 0.5 * gap**2)
    close(kl.k3(one, other), np.exp(-gap) + gap - 1)
    penalty = kl.reward_penalty(t(data["old"]), other, t(data["mask"]), 0.05)
    close(penalty, masked(-0.05 * (data["old"] - data["reference"]), data))


def whitened(values: Array, mask: Array) -> Array:
    """verl's masked_whiten."""
    mean = (values * mask).sum() / mask.sum()
    variance = ((values - mean) ** 2 * mask).sum() / mask.sum() * mask.sum() / (mask.sum() - 1)
    return (values - mean) / np.sqrt(variance + 1e-8)


@SEEDS
def test_group_advantages_are_verls_and_trls(seed: int) -> None:
    rewards = batch(seed)["rewards"].reshape(-1, K)
    expected: dict[str, list[list[float]]] = {"rloo": [], "grpo": [], "dr_grpo": [], "verl": []}
    for group in rewards:
        mean, std = group.mean(), group.std(ddof=1)
        expected["rloo"].append([r * K / (K - 1) - mean * K / (K - 1) for r in group])
        expected["grpo"].append([(r - mean) / (std + 1e-4) for r in group])  # TRL
        expected["verl"].append([(r - mean) / (std + 1e-6) for r in group])
        expected["dr_grpo"].append([r - mean for r in group])
    for name in ("rloo", "grpo", "dr_grpo"):
        close(adv.ADVANTAGES[name](t(rewards)), expected[name])
    close(adv.grpo(t(rewards), eps=1e-6), expected["verl"])


@SEEDS
def test_reinforce_pp_by_tokens_is_verls(seed: int) -> None:
    """compute_reinforce_plus_plus_outcome_advantage, gamma 1; and its baseline twin."""
    data = batch(seed)
    mask, rewards = data["mask"], data["rewards"]
    tokens = t(mask.sum(-1))
    verl = whitened(np.repeat(rewards[:, None], LENGTH, 1), mask)
    found = np.asarray(adv.reinforce_pp(t(rewards), tokens=tokens))
    close(found[:, None] * mask, masked(verl, data))
    centred = (rewards.reshape(-1, K) - rewards.reshape(-1, K).mean(-1, keepdims=True)).ravel()
    verl = whitened(np.repeat(centred[:, None], LENGTH, 1), mask)
    found = np.asarray(
        adv.reinforce_pp(
            t(rewards).reshape(-1, K), tokens=tokens.reshape(-1, K), group_baseline=True
        )
    )
    close(found.reshape(-1, 1) * mask, masked(verl, data))


@SEEDS
def test_discounted_returns_by_token_are_verls(seed: int) -> None:
    """compute_reinforce_plus_plus_outcome_advantage of verl 0.9: carried over observations."""
    data = batch(seed)
    mask, rewards, gamma = data["mask"], data["returns"] * data["mask"], 0.9
    expected = np.zeros_like(rewards)
    for i in range(ROWS):
        running = 0.0
        for j in reversed(range(LENGTH)):
            if mask[i, j]:
                running = expected[i, j] = rewards[i, j] + gamma * running
    found = adv.discounted_returns(t(rewards), t(mask), gamma=gamma, per="token")
    close(found, expected)


@SEEDS
def test_gae_is_verls(seed: int) -> None:
    """compute_gae_advantage_return, rewards on sampled tokens; then its masked_whiten."""
    data = batch(seed)
    mask, values, gamma, lam = data["mask"], data["values"], 0.97, 0.9
    rewards = data["returns"] * mask
    expected = np.zeros_like(values)
    for i in range(ROWS):
        following, running = 0.0, 0.0
        for j in reversed(range(LENGTH)):
            if mask[i, j]:
                delta = rewards[i, j] + gamma * following - values[i, j]
                running = delta + gamma * lam * running
                following = values[i, j]
            expected[i, j] = running
    found, returns = adv.gae(t(rewards), t(values), t(mask), gamma=gamma, lam=lam)
    close(found, masked(expected, data))
    close(returns, masked(expected + values, data))
    close(adv.whiten(found, t(mask)), masked(whitened(expected, mask), data))
