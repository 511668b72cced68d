"""The learner: the gradient is the policy gradient, whatever the micro-batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from agentgym.policy.pretrained import load_model
from agentgym.train.batch import WeightedSample
from agentgym.train.config import TrainConfig
from agentgym.train.learner import Learner, weigh
from agentgym.train.logprobs import token_logprobs
from agentgym.types import Episode, Group, Sample

CPU = torch.device("cpu")


def learner(tiny: Path, **settings: Any) -> Learner:
    return Learner(load_model(tiny, torch.float32), TrainConfig(**settings), CPU)


def sample(model: Any, ids: tuple[int, ...], first: int) -> Sample:
    """A sample whose behaviour log-probabilities are the model's own."""
    with torch.no_grad():
        logs = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0], -1)
    logprobs = [0.0] * first + [float(logs[n - 1, ids[n]]) for n in range(first, len(ids))]
    mask = tuple(int(n >= first) for n in range(len(ids)))
    return Sample(ids, mask, tuple(logprobs))


def items(model: Any) -> list[WeightedSample]:
    sequences = [(70, 71, 72, 73), (80, 81, 82, 83, 84, 85), (90, 91, 92)]
    advantages = (1.0, -0.5, 0.25)
    return [
        WeightedSample(sample(model, ids, 2), a)
        for ids, a in zip(sequences, advantages, strict=True)
    ]


def test_token_logprobs_agree_with_the_whole_logits(tiny: Path) -> None:
    model = load_model(tiny, torch.float32)
    ids = torch.tensor([[70, 71, 72, 73], [80, 81, 82, 0]])
    mask = torch.tensor([[False, True, True], [True, True, False]])
    logprobs, entropy = token_logprobs(model, ids, mask, temperature=0.7)
    logs = torch.log_softmax(model(input_ids=ids).logits[:, :-1] / 0.7, -1)
    expected = logs.gather(-1, ids[:, 1:, None]).squeeze(-1) * mask
    assert torch.allclose(logprobs, expected, atol=1e-6)
    assert torch.allclose(entropy, -(logs.exp() * logs).sum(-1)[mask], atol=1e-5)


def test_token_logprobs_in_chunks_are_the_same_with_their_gradient(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = torch.arange(60, 100).reshape(4, 10)
    mask = torch.ones((4, 9), dtype=torch.bool)
    results = []
    for most in (1 << 27, 5 * 288):  # all 36 positions at once, then five at a time
        monkeypatch.setattr("agentgym.train.logprobs._MOST_LOGITS", most)
        model = load_model(tiny, torch.float32)
        logprobs, entropy = token_logprobs(model, ids, mask, temperature=0.8)
        logprobs.square().sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        results.append((logprobs.detach(), entropy, gradient))
    for whole, chunked in zip(*results, strict=True):
        assert torch.allclose(whole, chunked, atol=1e-5)


def test_step_follows_the_policy_gradient(tiny: Path) -> None:
    """One SGD-like check: the accumulated gradient is that of -sum(A log pi) / episodes."""
    ours = learner(tiny, tasks_per_step=1, group_size=3, max_grad_norm=1e9, micro_batch_tokens=6)
    batch = items(ours.model)
    captured: dict[str, torch.Tensor] = {}

    def capture(*_: Any) -> None:
        captured.update({n: p.grad.clone() for n, p in ours.model.named_parameters()})

    ours.optimizer.register_step_pre_hook(capture)
    stats = ours.step(batch, step=0)

    reference = load_model(tiny, torch.float32)
    loss = torch.zeros(())
    for item in batch:
        ids = torch.tensor([item.sample.ids])
        logs = torch.log_softmax(reference(input_ids=ids).logits[0, :-1], -1)
        chosen = logs.gather(-1, ids[0, 1:, None]).squeeze(-1)
        loss = loss - item.advantage * chosen[1:].sum() / 3
    loss.backward()
    for name, parameter in reference.named_parameters():
        assert torch.allclose(captured[name], parameter.grad, atol=1e-6), name
    assert stats.loss == pytest.approx(loss.item(), abs=1e-5)
    assert stats.tokens == 2 + 4 + 1


def test_step_does_not_depend_on_the_micro_batches(tiny: Path) -> None:
    results = []
    for tokens in (4, 12, 10_000):
        ours = learner(tiny, micro_batch_tokens=tokens)
        ours.step(items(ours.model), step=20)
        results.append(torch.cat([p.flatten() for p in ours.model.parameters()]).detach())
    assert torch.allclose(results[0], results[1], atol=1e-6)
    assert torch.allclose(results[0], results[2], atol=1e-6)


def test_step_raises_the_probability_of_what_was_rewarded(tiny: Path) -> None:
    ours = learner(tiny, lr=1e-2, warmup_steps=0)
    good = WeightedSample(sample(ours.model, (70, 71, 72, 73), 2), 1.0)
    before = sum(ours.score(good.sample.ids)[1:])
    ours.step([good], step=0)
    assert sum(ours.score(good.sample.ids)[1:]) > before + 0.1


def test_step_reports_no_gap_for_its_own_log_probabilities(tiny: Path) -> None:
    ours = learner(tiny)
    stats = ours.step(items(ours.model), step=0)
    assert stats.gap_max < 1e-5
    assert stats.updated


def test_step_warms_up_linearly(tiny: Path) -> None:
    ours = learner(tiny, lr=1.0e-3, warmup_steps=4)
    rates = [ours.step(items(ours.model), step=n).lr for n in (0, 1, 3, 9)]
    assert rates == pytest.approx([2.5e-4, 5e-4, 1e-3, 1e-3])


def test_step_without_samples_changes_nothing(tiny: Path) -> None:
    ours = learner(tiny)
    before = [p.clone() for p in ours.model.parameters()]
    assert not ours.step([], step=0).updated
    assert all(torch.equal(a, b) for a, b in zip(before, ours.model.parameters(), strict=True))


def test_step_skips_a_gradient_that_is_not_finite(tiny: Path) -> None:
    ours = learner(tiny)
    before = [p.clone() for p in ours.model.parameters()]
    bad = WeightedSample(sample(ours.model, (70, 71, 72), 1), float("nan"))
    assert not ours.step([bad], step=0).updated
    assert all(torch.equal(a, b) for a, b in zip(before, ours.model.parameters(), strict=True))


def test_step_skips_a_critics_gradient_that_is_not_finite(tiny: Path) -> None:
    ours = learner(tiny, algorithm="ppo")
    assert ours.critic is not None
    huge = 1e30  # its square is beyond float32; the whitened advantages are 0
    rows = [(70, 71, 72), (80, 81, 82)]
    bad = [WeightedSample(sample(ours.model, ids, 1), huge) for ids in rows]
    assert not ours.step(bad, step=0).updated
    assert all(torch.isfinite(p).all() for p in ours.critic.parameters())


def episode(index: int, reward: float | None) -> Episode:
    status = "unscored" if reward is None else "scored"
    samples = () if reward is None else (Sample((1, 2), (0, 1), (0.0, -1.0)),)
    return Episode("t", index, 0, status, reward, "", samples=samples)


def group(*rewards: float | None) -> Group:
    return Group("t", 0, tuple(episode(n, r) for n, r in enumerate(rewards)))


def test_weigh_takes_the_baseline_over_valid_siblings_only() -> None:
    weighed = weigh([group(1.0, None, 0.0, 0.0)], "rloo", skip_no_signal=True)
    assert [item.advantage for item in weighed] == pytest.approx([1.0, -0.5, -0.5])


def test_weigh_leaves_out_groups_without_signal() -> None:
    groups = [group(1.0, 1.0), group(0.0, 0.0), group(1.0, 0.0)]
    assert [i.advantage for i in weigh(groups, "rloo", skip_no_signal=True)] == [1.0, -1.0]
    assert len(weigh(groups, "rloo", skip_no_signal=False)) == 6


def test_weigh_leaves_out_a_group_with_one_valid_member() -> None:
    assert weigh([group(1.0, None)], "rloo", skip_no_signal=False) == []
