"""The policy on plain transformers, against direct forwards of the same model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from agentgym.errors import ChatTemplateError, ConfigError, PolicyFault
from agentgym.policy.pretrained import load_model, load_tokenizer
from agentgym.policy.transformers import TransformersPolicy
from agentgym.types import Completion, SamplingParams

PROMPT = [40, 41, 42, 43, 44]
OTHERS = [[50, 51, 52, 53, 54, 55, 56, 57, 58], [60, 61], [70, 71, 72, 73, 74, 75]]


def decided(tiny: Path, seed: int = 3) -> Any:
    """The tiny model with weights so large that position and context move its choices."""
    model = load_model(tiny, torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture
def policy(tiny: Path) -> TransformersPolicy:
    made = TransformersPolicy(decided(tiny), load_tokenizer(tiny), device="cpu")
    made.template.stop_ids = (made.template.stop_ids[0],)
    return made


def sample(
    policy: TransformersPolicy, prompts: Sequence[Sequence[int]], **params: Any
) -> list[Completion]:
    async def together() -> list[Completion]:
        asked = SamplingParams(**params)
        return await asyncio.gather(*(policy.sample(prompt, asked) for prompt in prompts))

    return asyncio.run(together())


def direct(
    model: Any, prompt: Sequence[int], sampled: Sequence[int], temperature: float
) -> list[float]:
    """Log-probabilities of the sampled ids by one forward over prompt and answer, no padding."""
    ids = torch.tensor([[*prompt, *sampled]])
    with torch.no_grad():
        logs = torch.log_softmax(model(input_ids=ids).logits[0] / temperature, -1)
    first = len(prompt) - 1
    return [float(logs[first + n, token]) for n, token in enumerate(sampled)]


@pytest.mark.parametrize("temperature", [1.0, 0.6, 2.0])
def test_logprobs_are_those_of_a_direct_forward(
    policy: TransformersPolicy, temperature: float
) -> None:
    [done] = sample(policy, [PROMPT], max_tokens=20, temperature=temperature, seed=1)
    expected = direct(policy.model, PROMPT, done.ids, temperature)
    assert done.logprobs == pytest.approx(expected, abs=1e-5)
    assert min(expected) < -0.1  # some of it was uncertain, or this would show little


def absolute_positions() -> Any:
    """A model whose embeddings tell a token's absolute place, unlike the tiny model's."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=288, n_positions=64, n_embd=32, n_layer=1, n_head=1, initializer_range=0.3
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GPT2LMHeadModel(config).eval()


@pytest.mark.parametrize("positions", ["relative", "absolute"])
def test_batch_of_different_lengths_gives_each_row_its_own_logprobs(
    policy: TransformersPolicy, positions: str
) -> None:
    if positions == "absolute":
        policy.model = absolute_positions()
    rows: list[int] = []
    policy.model.register_forward_pre_hook(
        lambda _, __, given: rows.append(given["input_ids"].shape[0]), with_kwargs=True
    )
    prompts = [PROMPT, *OTHERS]
    together = sample(policy, prompts, max_tokens=12, seed=5)
    assert max(rows) == len(prompts)
    for prompt, done in zip(prompts, together, strict=True):
        expected = direct(policy.model, prompt, done.ids, 1.0)
        assert done.logprobs == pytest.approx(expected, abs=1e-5)


def test_batch_samples_what_one_by_one_does(policy: TransformersPolicy) -> None:
    prompts = [PROMPT, *OTHERS]
    together = sample(policy, prompts, max_tokens=12, seed=5)
    alone = [sample(policy, [prompt], max_tokens=12, seed=5)[0] for prompt in prompts]
    assert [done.ids for done in together] == [done.ids for done in alone]


def test_greedy_takes_the_likeliest_and_is_certain(policy: TransformersPolicy) -> None:
    [done] = sample(policy, [PROMPT], max_tokens=6, temperature=0.0)
    ids = list(PROMPT)
    for token in done.ids:
        with torch.no_grad():
            logits = policy.model(input_ids=torch.tensor([ids])).logits[0, -1]
        assert token == int(logits.argmax())
        ids.append(token)
    assert done.logprobs == (0.0,) * len(done.ids)


def test_seed_repeats_and_another_differs(policy: TransformersPolicy) -> None:
    first, again, other = (
        sample(policy, [PROMPT], max_tokens=20, temperature=2.0, seed=seed)[0] for seed in (1, 1, 2)
    )
    assert first == again
    assert first.ids != other.ids


def test_stop_token_ends_the_turn_and_is_recorded(policy: TransformersPolicy) -> None:
    [free] = sample(policy, [PROMPT], max_tokens=8, temperature=0.0)
    third = free.ids[2]
    assert third not in free.ids[:2]
    policy.template.stop_ids = (third,)
    [done] = sample(policy, [PROMPT], max_tokens=8, temperature=0.0)
    assert done.ids == free.ids[:3]
    assert done.finish_reason == "stop"


def test_row_that_stops_leaves_its_neighbours_alone(policy: TransformersPolicy) -> None:
    [free] = sample(policy, [PROMPT], max_tokens=8, temperature=0.0)
    [neighbour] = sample(policy, [OTHERS[0]], max_tokens=8, temperature=0.0)
    assert free.ids[2] not in neighbour.ids
    policy.template.stop_ids = (free.ids[2],)
    short, long = sample(policy, [PROMPT, OTHERS[0]], max_tokens=8, temperature=0.0)
    assert short.ids == free.ids[:3]
    assert long == neighbour


def test_max_tokens_ends_the_turn_by_length(policy: TransformersPolicy) -> None:
    policy.template.stop_ids = ()
    [done] = sample(policy, [PROMPT], max_tokens=7, seed=0)
    assert (len(done.ids), len(done.logprobs or ())) == (7, 7)
    assert done.finish_reason == "length"


def test_load_weights_changes_scores_and_the_version(
    policy: TransformersPolicy, tiny: Path
) -> None:
    other = decided(tiny, seed=4)
    ids = [*PROMPT, *OTHERS[0]]
    before = policy.score(ids)
    asyncio.run(policy.load_weights(other.named_parameters(), version=7))
    assert policy.score(ids) != pytest.approx(before, abs=0.1)
    assert policy.score(ids) == pytest.approx(direct(other, ids[:1], ids[1:], 1.0), abs=1e-5)
    [done] = sample(policy, [PROMPT], max_tokens=2)
    assert done.version == 7


def test_model_without_a_chat_template_is_refused_with_the_way_out(
    tiny: Path, tmp_path: Path
) -> None:
    load_model(tiny, torch.float32).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ChatTemplateError, match="has no chat template; use an instruction-tuned"):
        TransformersPolicy(tmp_path)


def test_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no usable model at"):
        TransformersPolicy(tmp_path)


def test_forward_that_fails_is_the_policys_fault_and_passes(policy: TransformersPolicy) -> None:
    def out_of_memory(*_: Any) -> None:
        raise RuntimeError("out of memory")

    hook = policy.model.register_forward_pre_hook(out_of_memory)
    with pytest.raises(PolicyFault, match=r"with transformers failed: .*out of memory"):
        sample(policy, [PROMPT], max_tokens=2)
    hook.remove()
    [done] = sample(policy, [PROMPT], max_tokens=2, temperature=0.0)
    assert done.ids


def test_context_limit_is_the_smaller_of_the_models_and_the_callers(tiny: Path) -> None:
    model, tokenizer = load_model(tiny, torch.float32), load_tokenizer(tiny)
    limits = [
        TransformersPolicy(model, tokenizer, context=asked).context_limit
        for asked in (None, 100, 1000)
    ]
    assert limits == [256, 100, 256]


async def under_way(policy: TransformersPolicy) -> None:
    """Wait until three tokens of a turn are sampled."""
    while not policy._running or len(policy._running[0].logprobs) < 3:
        await asyncio.sleep(0)


def test_turn_that_comes_later_joins_and_ends_while_another_is_sampled(
    policy: TransformersPolicy,
) -> None:
    policy.template.stop_ids = ()
    order: list[str] = []

    async def turn(name: str, tokens: int) -> None:
        await policy.sample(PROMPT, SamplingParams(tokens))
        order.append(name)

    async def both() -> None:
        long = asyncio.create_task(turn("long", 30))
        await under_way(policy)
        await turn("short", 2)
        assert not long.done()
        await long

    asyncio.run(both())
    assert order == ["short", "long"]


def test_weights_that_come_in_flight_sample_the_rest_of_the_turn(
    policy: TransformersPolicy, tiny: Path
) -> None:
    policy.template.stop_ids = ()
    before, other = policy.model.state_dict(), decided(tiny, seed=4)
    before = {name: tensor.clone() for name, tensor in before.items()}

    async def swapped() -> Completion:
        turn = asyncio.create_task(policy.sample(PROMPT, SamplingParams(40, seed=1)))
        await under_way(policy)
        await policy.load_weights(other.named_parameters(), version=1)
        return await turn

    done = asyncio.run(swapped())
    old = done.versions.count(0)
    assert 0 < old < 40
    assert done.versions == (0,) * old + (1,) * (40 - old)
    assert done.version == 1
    new = direct(policy.model, PROMPT, done.ids, 1.0)
    policy.model.load_state_dict(before)
    expected = direct(policy.model, PROMPT, done.ids, 1.0)[:old] + new[old:]
    assert done.logprobs == pytest.approx(expected, abs=1e-5)


def test_turn_nobody_waits_for_any_more_makes_room(policy: TransformersPolicy, tiny: Path) -> None:
    policy.template.stop_ids = ()
    small = TransformersPolicy(policy.model, load_tokenizer(tiny), batch=1, device="cpu")
    small.template.stop_ids = ()

    async def given_up() -> Completion:
        endless = asyncio.create_task(small.sample(PROMPT, SamplingParams(200)))
        await under_way(small)
        waiting = asyncio.create_task(small.sample(OTHERS[0], SamplingParams(3)))
        for _ in range(100):  # some dozens of steps
            await asyncio.sleep(0)
        assert not waiting.done()
        endless.cancel()
        return await asyncio.wait_for(waiting, 30)

    assert len(asyncio.run(given_up()).ids) == 3
