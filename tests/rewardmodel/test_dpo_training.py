"""DPO raises the implicit margin, says how far it went, and measures that distance rightly."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path

import pytest
import torch

from agentgym.chat.template import ChatTemplate
from agentgym.policy.pretrained import load_model, load_tokenizer
from agentgym.rewardmodel.config import DpoConfig
from agentgym.rewardmodel.dpo import answer_logprobs, sequence_kl, train_dpo
from agentgym.rewardmodel.encoding import encode_pairs
from agentgym.rewardmodel.pairs import read_pairs, split
from agentgym.train.loop import Run
from agentgym.types import Sample


@pytest.fixture(scope="module")
def policy(tiny: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = DpoConfig(
        pairs=pairs,
        model=str(tiny),
        out=tmp_path_factory.mktemp("dpo") / "run",
        held_out=0.2,
        epochs=2,
        lr=3e-3,
        kl_samples=16,
        max_tokens=8,
    )
    return train_dpo(config)


def test_dpo_orders_held_out_pairs(policy: Run) -> None:
    assert policy.summary["accuracy"]["mean"] > 0.9
    assert policy.summary["margin"] > 1.0
    first = json.loads((policy.path / "metrics.jsonl").read_text().splitlines()[0])
    assert (first["loss"], first["margin"]) == pytest.approx((0.693147, 0.0), abs=1e-5)


def test_margin_is_that_of_the_two_models(policy: Run, tiny: Path, pairs: Path) -> None:
    _, held_out = split(read_pairs(pairs), 0.2)
    items, _ = encode_pairs(ChatTemplate(load_tokenizer(tiny)), held_out, None)
    sums = []
    with torch.no_grad():
        for folder in (policy.model, tiny):
            model = load_model(folder, torch.float32).eval()
            chosen, rejected = (
                answer_logprobs(model, [getattr(item, side) for item in items])[0].sum(-1)
                for side in ("chosen", "rejected")
            )
            sums.append(chosen - rejected)
    assert policy.summary["margin"] == pytest.approx(float(0.1 * (sums[0] - sums[1]).mean()), 1e-3)


def test_kl_to_the_reference_is_measured(policy: Run) -> None:
    kl = policy.summary["kl"]
    assert kl["prompts"] == 16
    assert kl["ci95"][0] < kl["mean"] < kl["ci95"][1]
    assert kl["mean"] > 0.1
    assert 0 < kl["per_token"] < kl["mean"]


def test_sequence_kl_of_a_model_to_itself_is_zero(tiny: Path) -> None:
    model = load_model(tiny, torch.float32).eval()
    sample = Sample((5, 6, 7), (0, 1, 1), (0.0,) * 3)
    assert sequence_kl(model, model, [sample] * 3, rows=2) == [0.0] * 3


def test_sequence_kl_is_exact_in_expectation(tiny: Path) -> None:
    """Over all answers of one token: the estimates weighed by the policy are the KL itself."""
    policy = load_model(tiny, torch.float32).eval()
    reference = copy.deepcopy(policy)
    with torch.no_grad():
        noise = torch.Generator().manual_seed(0)
        for weight in reference.parameters():
            weight.add_(torch.randn(weight.shape, generator=noise), alpha=0.05)
        logs, others = (
            torch.log_softmax(model(torch.tensor([[5, 6]])).logits[0, -1].double(), -1)
            for model in (policy, reference)
        )
    samples = [Sample((5, 6, token), (0, 0, 1), (0.0,) * 3) for token in range(len(logs))]
    estimates = torch.tensor(sequence_kl(policy, reference, samples, rows=len(logs)))
    exact = float((logs.exp() * (logs - others)).sum())
    assert exact > 0.01
    assert float((logs.exp() * estimates).sum()) == pytest.approx(exact, rel=1e-3)


def test_interrupted_run_goes_on_to_the_same_policy(
    tiny: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("".join(itertools.islice(pairs.open(), 120)))
    runs = []
    for out in ("whole", "cut"):
        config = DpoConfig(
            pairs=few,
            model=str(tiny),
            out=tmp_path / out,
            held_out=0.2,
            batch=16,
            save_every=2,
            kl_samples=0,
        )
        if out == "cut":
            with monkeypatch.context() as patch:
                stop_at(patch, 4)
                with pytest.raises(KeyboardInterrupt):
                    train_dpo(config)
        runs.append(train_dpo(config))
    whole, cut = (load_model(run.model, torch.float32).state_dict() for run in runs)
    assert all(torch.equal(cut[name], tensor) for name, tensor in whole.items())
    assert runs[0].summary["margin"] == runs[1].summary["margin"]


def stop_at(patch: pytest.MonkeyPatch, step: int) -> None:
    from agentgym.rewardmodel import fit

    plain, calls = fit._step, itertools.count()

    def cut(*args: object) -> dict[str, object]:
        if next(calls) == step:
            raise KeyboardInterrupt
        return plain(*args)  # type: ignore[arg-type]

    patch.setattr(fit, "_step", cut)
