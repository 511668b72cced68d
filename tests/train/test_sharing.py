"""Prompts that are computed once: what whole sequences give, from fewer tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from varlen_kernel import by_definition

from agentgym.errors import ConfigError
from agentgym.policy.pretrained import load_model
from agentgym.train import packing
from agentgym.train.batch import WeightedSample, micro_batches, pad, shared_out
from agentgym.train.config import TrainConfig
from agentgym.train.critic import hidden_states
from agentgym.train.learner import Learner
from agentgym.train.logprobs import token_logprobs
from agentgym.train.packing import shares_prompts, use_packed_attention
from agentgym.types import Sample

CPU = torch.device("cpu")
# Of each prompt: its length, and of each sibling the lengths of turns, sampled and not, in turns.
GROUPS = (
    (40, ((5, 7, 9), (3,), (12, 2, 4, 6, 1))),
    (23, ((8, 3, 2),)),  # no sibling
    (1, ((4, 2, 3), (6,))),  # nothing to share
    (17, ((3, 3, 3), (3, 3, 3))),  # shares 16 tokens, the fewest
    (16, ((2, 5, 2), (4,))),  # one fewer
)


def conversation(prompt: Sequence[int], turns: Sequence[int], rng: random.Random) -> Sample:
    ids, mask = list(prompt), [0] * len(prompt)
    for number, length in enumerate(turns):
        ids += [rng.randrange(60, 200) for _ in range(length)]
        mask += [1 - number % 2] * length
    return Sample(tuple(ids), tuple(mask), tuple(-1.0 * each for each in mask))


def conversations(groups: Any) -> list[WeightedSample]:
    rng, made = random.Random(0), []
    for length, siblings in groups:
        prompt = [rng.randrange(60, 200) for _ in range(length)]
        samples = [conversation(prompt, turns, rng) for turns in siblings]
        made += [WeightedSample(sample, rng.choice((-1.0, 0.5, 2.0))) for sample in samples]
    return made


def items() -> list[WeightedSample]:
    """Conversations of `GROUPS`, siblings apart, the first of them twice."""
    made = conversations(GROUPS)
    made.append(made[0])
    random.Random(1).shuffle(made)
    return made


def model_of(kind: str, dtype: torch.dtype = torch.float64) -> Any:
    """A small model; queries of all but Llama share keys."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=288,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4 if kind == "Llama" else 2,
        **({"head_dim": 16} if kind == "Qwen3" else {}),
    )
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child).__name__ == f"{kind}RMSNorm":  # theirs rounds to float32
                setattr(module, name, torch.nn.RMSNorm(child.weight.shape, 1e-6))
    return model.to(dtype).eval()


def scored(model: Any, batch: Any, **how: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities, entropies and the gradient of something made of both."""
    model.zero_grad()
    logprobs, entropy = token_logprobs(
        model, batch.ids, batch.mask, 0.8, entropy_gradient=True, **how
    )
    weight = torch.linspace(-1, 1, logprobs.numel()).view(logprobs.shape)
    ((weight * logprobs.square()).sum() + entropy.sum()).backward()
    return logprobs.detach(), entropy.detach(), gradient(model)


def gradient(model: Any) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def weights(model: Any) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def seen_by(body: Any) -> list[int]:
    """Return a list that grows by the tokens of each row that the body sees."""
    seen: list[int] = []

    def count(_module: Any, _args: Any, values: dict[str, Any]) -> None:
        seen.append(values["input_ids"].numel())

    body.register_forward_pre_hook(count, with_kwargs=True)
    return seen


def agree(left: Sequence[Tensor], right: Sequence[Tensor], atol: float) -> None:
    for one, other in zip(left, right, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=atol)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tensors this small want no more; `conftest.py` puts it back."""
    torch.set_num_threads(1)


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3", "Llama"])
def test_shared_prompts_give_what_whole_sequences_give(kind: str) -> None:
    model, batch = model_of(kind), pad(items())
    padded = scored(model, batch)
    assert use_packed_attention(model)
    packed = scored(model, batch, lengths=batch.lengths)
    shared = scored(model, batch, lengths=batch.lengths, share=True)
    agree(packed, shared, 1e-10)
    agree(padded, shared, 1e-10)
    assert not torch.equal(packed[2], shared[2])  # or it was not another way


def test_shared_prompts_are_seen_once() -> None:
    """Of 40 tokens three (four rows) share 39, of 17 two share 16; of 16 nobody shares 15."""
    model, batch = model_of("Qwen2"), pad(items())
    use_packed_attention(model)
    seen = seen_by(model.base_model)
    for share in (False, True):
        token_logprobs(model, batch.ids, batch.mask, lengths=batch.lengths, share=share)
    everything = int(batch.lengths.sum())
    assert seen == [everything, everything - 3 * 39 - 16]


def test_critic_sees_the_states_of_whole_sequences() -> None:
    model, batch = model_of("Qwen3"), pad(items())
    use_packed_attention(model)
    whole = hidden_states(model, batch.ids, batch.mask, batch.lengths)
    shared = hidden_states(model, batch.ids, batch.mask, batch.lengths, share=True)
    assert torch.allclose(whole, shared, rtol=0, atol=1e-10)


def test_other_attention_shares_nothing() -> None:
    model, batch = model_of("Qwen2"), pad(items())
    seen = seen_by(model.base_model)
    token_logprobs(model, batch.ids, batch.mask, lengths=batch.lengths, share=True)
    assert seen == [int(batch.lengths.sum())]


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3", "Llama"])
def test_shared_prompts_are_handed_to_the_kernel_as_it_wants_them(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = model_of(kind), pad(items())
    padded = scored(model, batch)
    use_packed_attention(model)
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", by_definition)
    monkeypatch.setattr("agentgym.train.packing._has_kernel", lambda value: True)
    agree(padded, scored(model, batch, lengths=batch.lengths, share=True), 1e-10)


def to_the_top_left(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
    """What a kernel of the other alignment computes of one segment."""
    attended = torch.nn.functional.scaled_dot_product_attention(
        *(tensor.transpose(0, 1)[None] for tensor in (query, key, value)), is_causal=True
    )
    return attended[0].transpose(0, 1)


@pytest.mark.parametrize(("kernel", "seen"), [(by_definition, True), (to_the_top_left, False)])
def test_prompts_are_shared_only_where_the_kernel_shows_them_to_their_branches(
    kernel: Callable[..., Tensor], seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    assert packing._kernel_sees_prompts.__wrapped__(CPU) is seen
    monkeypatch.setattr(packing, "_sees_prompts", lambda device: seen)
    model = model_of("Qwen2")
    use_packed_attention(model)
    assert shares_prompts(None, True, model) is seen


def learned(dtype: torch.dtype, **settings: Any) -> tuple[Any, Any, list[int]]:
    """The learner and its figures after two steps, and the tokens that its model saw."""
    config = TrainConfig(packing=True, warmup_steps=0, lr=1e-3, **settings)
    learner = Learner(model_of("Qwen3", dtype), config, CPU)
    seen = seen_by(learner.model.base_model)
    for step in range(2):
        stats = learner.step(items(), step)
    return learner, stats, seen


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_learner_takes_the_same_steps_with_shared_prompts(
    algorithm: str, checkpointing: bool
) -> None:
    settings = {"algorithm": algorithm, "gradient_checkpointing": checkpointing}
    settings |= {"micro_batch_tokens": 150}
    whole, whole_stats, all_seen = learned(torch.float64, share_prompts=False, **settings)
    shared, stats, seen = learned(torch.float64, **settings)
    assert (whole.sharing, shared.sharing) == (False, True)
    assert torch.allclose(weights(whole.model), weights(shared.model), rtol=0, atol=1e-9)
    assert stats.grad_norm == pytest.approx(whole_stats.grad_norm, rel=1e-9)
    assert stats.loss == pytest.approx(whole_stats.loss, abs=1e-9)
    assert sum(seen) < 0.8 * sum(all_seen)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_learner_with_epochs_reference_and_critic_takes_the_same_steps(checkpointing: bool) -> None:
    settings = {"algorithm": "ppo", "kl": "reward", "kl_coefficient": 0.01, "epochs": 2}
    settings |= {"gradient_checkpointing": checkpointing, "micro_batch_tokens": 150}
    whole, whole_stats, all_seen = learned(torch.float32, share_prompts=False, **settings)
    shared, stats, seen = learned(torch.float32, **settings)
    assert torch.allclose(weights(whole.model), weights(shared.model), rtol=0, atol=1e-5)
    assert torch.allclose(weights(whole.critic), weights(shared.critic), rtol=0, atol=1e-5)
    assert whole_stats.reference_kl > 1e-6
    for name in ("loss", "grad_norm", "reference_kl", "value_loss", "ratio_mean"):
        expected = pytest.approx(getattr(whole_stats, name), rel=1e-3, abs=1e-6)
        assert getattr(stats, name) == expected, name
    assert sum(seen) < 0.9 * sum(all_seen)


def test_learner_with_an_adapter_shares_prompts() -> None:
    pytest.importorskip("peft")
    whole, _, _ = learned(torch.float64, share_prompts=False, lora_rank=4)
    shared, _, seen = learned(torch.float64, lora_rank=4)
    assert torch.allclose(weights(whole.model), weights(shared.model), atol=1e-6)
    assert seen[0] < sum(len(item.sample.ids) for item in items())


def test_micro_batches_keep_siblings_together_and_count_their_prompt_once() -> None:
    """Of 33 tokens 32 are shared: 41, and 19 + 2 and 29 + 2 for the siblings, make 93."""
    made = conversations([(33, ((7,), (17,), (27,))), (33, ((8,), (18,), (28,)))])

    def lengths(tokens: int, share: bool) -> list[list[int]]:
        parts = shared_out(made, tokens, packed=True, share=share)
        return [[len(item.sample.ids) for item in part] for part in parts]

    assert lengths(93, True) == [[40, 50, 60], [41, 51, 61]]
    assert lengths(89, True) == [[40, 50], [60], [41, 51], [61]]
    assert lengths(93, False) == [[40, 41], [50], [51], [60], [61]]


def test_micro_batches_hold_no_more_than_the_model_sees() -> None:
    model = model_of("Qwen2")
    use_packed_attention(model)
    seen, held = seen_by(model.base_model), 0
    for batch in micro_batches(items(), 120, packed=True, share=True):
        token_logprobs(model, batch.ids, batch.mask, lengths=batch.lengths, share=True)
        held += len(batch.ids)
    assert held == len(items())
    assert max(seen) <= 120
    whole = [int(b.lengths.sum()) for b in micro_batches(items(), 120, packed=True)]
    assert sum(seen) < sum(whole)


def test_micro_batches_leave_items_that_share_nothing_in_their_order() -> None:
    made = conversations([(length, ((3,),)) for length in (40, 5, 20, 12)])
    orders = [list(shared_out(made, 60, packed=True, share=share)) for share in (True, False)]
    assert orders[0] == orders[1]


def test_sharing_is_refused_without_packing(tiny: Path) -> None:
    with pytest.raises(ValueError, match="packing=False pads them: set packing=True"):
        TrainConfig(share_prompts=True, packing=False)
    with pytest.raises(ConfigError, match="rows are padded here: set packing=True"):
        Learner(load_model(tiny, torch.float32), TrainConfig(share_prompts=True), CPU)


def test_sharing_is_refused_where_the_model_keeps_its_attention() -> None:
    model = model_of("Qwen2")
    model.set_attn_implementation("eager")
    settings = {"packing": True, "micro_batch_tokens": 999}
    assert not Learner(model, TrainConfig(**settings), CPU).sharing
    with pytest.raises(ConfigError, match="here one of the two is missing"):
        Learner(model, TrainConfig(share_prompts=True, **settings), CPU)


def test_learner_shares_prompts_where_it_packs(tiny: Path) -> None:
    for packed, share, expected in ((None, None, False), (True, None, True), (True, False, False)):
        config = TrainConfig(packing=packed, share_prompts=share)
        assert Learner(load_model(tiny, torch.float32), config, CPU).sharing is expected
