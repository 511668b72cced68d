"""Decoders, against forwards of the same model over whole conversations, one by one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import transformers as hf

from agentgym.policy.decoders import PaddedDecoder, Row, SlotDecoder, decoder_of

V = 50
SHAPE = {
    "vocab_size": V,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS: dict[str, Callable[[], Any]] = {
    "qwen2": lambda: hf.Qwen2Config(**SHAPE),
    "qwen2 with windows on some layers": lambda: hf.Qwen2Config(
        **SHAPE, use_sliding_window=True, sliding_window=5, max_window_layers=1
    ),
    "qwen3": lambda: hf.Qwen3Config(**SHAPE, head_dim=8),
    "llama": lambda: hf.LlamaConfig(**SHAPE),
    "mistral with a window": lambda: hf.MistralConfig(**SHAPE, sliding_window=5, head_dim=8),
    "gemma2": lambda: hf.Gemma2Config(**SHAPE, sliding_window=5, head_dim=8),
    "gpt2": lambda: hf.GPT2Config(
        vocab_size=V,
        n_positions=512,
        n_embd=32,
        n_layer=2,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
    ),
}
KINDS = {"slots": SlotDecoder, "padded": PaddedDecoder}


def made(name: str) -> Any:
    """A model whose weights are so large that position and context move its choices."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = hf.AutoModelForCausalLM.from_config(CONFIGS[name]()).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.copy_(0.3 * torch.randn(parameter.shape))
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return made("qwen2")


def direct(model: Any, tokens: Sequence[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=torch.tensor([list(tokens)])).logits[0, -1]
    return logits


def check(decoder: Any, model: Any, rows: Sequence[Row]) -> None:
    """The decoder's logits are those of each whole conversation by itself."""
    with torch.inference_mode():
        logits = decoder.logits(rows)
    assert logits.shape == (len(rows), V)
    for row, mine in zip(rows, logits, strict=True):
        torch.testing.assert_close(mine, direct(model, row.tokens), atol=2e-4, rtol=1e-4)


def words(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(3, V) for _ in range(count)]


@contextmanager
def reading(model: Any) -> Iterator[list[tuple[int, ...]]]:
    """Yield the shapes of what the model is given to read, padding included."""
    shapes: list[tuple[int, ...]] = []
    hook = model.register_forward_pre_hook(
        lambda _, __, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    yield shapes
    hook.remove()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_of_conversations_of_several_turns(name: str, kind: str) -> None:
    model, rng = made(name), random.Random(1)
    decoder = KINDS[kind](model, 4)
    system = words(rng, 20)
    said = [[*system, *words(rng, count)] for count in (1, 9, 30)]
    for _ in range(3):
        rows = [Row(list(tokens)) for tokens in said]
        for _ in range(6):
            check(decoder, model, rows)
            for row in rows:
                row.tokens.append(rng.randrange(3, V))
        said = [row.tokens + words(rng, rng.randint(1, 12)) for row in rows]


@pytest.mark.parametrize("seed", range(6))
def test_conversations_join_and_leave_at_any_step(model: Any, seed: int) -> None:
    rng = random.Random(seed)
    decoder = SlotDecoder(model, 5)
    systems = [words(rng, 18), words(rng, 3)]
    running: list[Row] = []
    ended: list[list[int]] = []
    for _ in range(40):
        while decoder.room(len(running)) and (not running or rng.random() < 0.5):
            known = rng.choice(ended) if ended and rng.random() < 0.6 else rng.choice(systems)
            running.append(Row([*known, *words(rng, rng.choice([0, 1, 4, 25]))]))
        rng.shuffle(running)
        check(decoder, model, running)
        for row in running:
            row.tokens.append(rng.randrange(3, V))
        ended += [row.tokens for row in running if len(row.tokens) > 150]
        running = [row for row in running if len(row.tokens) <= 150 and rng.random() < 0.8]
        if rng.random() < 0.1:
            decoder.forget()


def test_turn_reads_only_what_is_new(model: Any) -> None:
    rng = random.Random(0)
    decoder = SlotDecoder(model, 2)
    first = Row(words(rng, 40))
    check(decoder, model, [first])
    first.tokens.append(5)
    check(decoder, model, [first])
    second = Row([*first.tokens, 6, 7, 8])  # its last token was sampled and never read
    with reading(model) as shapes, torch.inference_mode():
        decoder.logits([second])
    assert shapes == [(1, 3)]


def test_siblings_read_their_prompt_once(model: Any) -> None:
    prompt = words(random.Random(0), 40)
    decoder = SlotDecoder(model, 8)
    rows = [Row(list(prompt)) for _ in range(8)]
    with reading(model) as shapes, torch.inference_mode():
        logits = decoder.logits(rows)
    assert shapes == [(1, 40), (7, 1)]
    assert torch.allclose(logits, logits[:1].expand_as(logits), atol=1e-5)
    with reading(model) as shapes, torch.inference_mode():
        for row in rows:
            row.tokens.append(9)
        decoder.logits(rows)
    assert shapes == [(8, 1)]


def test_prompts_that_begin_alike_by_a_little_do_not_wait_for_each_other(model: Any) -> None:
    rng = random.Random(0)
    rows = [Row([*range(3, 8), *words(rng, 35)]) for _ in range(4)]
    with reading(model) as shapes, torch.inference_mode():
        SlotDecoder(model, 4).logits(rows)
    assert shapes == [(4, 40)]


def test_slot_read_longest_ago_is_the_one_that_is_given_away(model: Any) -> None:
    rng = random.Random(0)
    decoder = SlotDecoder(model, 2)
    old, new, other = (words(rng, 30) for _ in range(3))
    for tokens in (old, new, other):  # the third takes the place of the first
        check(decoder, model, [Row(tokens)])
    with reading(model) as shapes, torch.inference_mode():
        decoder.logits([Row([*new, 4])])
        decoder.logits([Row([*old, 4])])
    assert shapes == [(1, 1), (1, 31)]


def test_nothing_is_kept_after_forget(model: Any) -> None:
    decoder = SlotDecoder(model, 2)
    row = Row(words(random.Random(0), 30))
    check(decoder, model, [row])
    decoder.forget()
    row.tokens.append(4)
    with reading(model) as shapes, torch.inference_mode():
        decoder.logits([row])
    assert shapes == [(1, 31)]


def test_nothing_that_was_before_forget_decides_a_bit_after_it(model: Any) -> None:
    rng = random.Random(0)
    prompts = [words(rng, count) for count in (30, 7, 19, 12, 3)]

    def orders(decoder: SlotDecoder) -> list[int]:
        with torch.inference_mode():
            decoder.logits([Row(list(prompt)) for prompt in prompts])
        return [
            next(slot.number for slot in decoder._slots if slot.tokens == prompt)
            for prompt in prompts
        ]

    used = SlotDecoder(model, 5)
    for _ in range(3):  # slots are given away in another order than at first
        with torch.inference_mode():
            used.logits([Row(words(rng, 9)) for _ in range(3)])
    used.forget()
    assert orders(used) == orders(SlotDecoder(model, 5))


def test_padded_batch_is_joined_by_nobody_until_it_is_done(model: Any) -> None:
    decoder = PaddedDecoder(model, 4)
    assert (decoder.room(0), decoder.room(1)) == (4, 0)
    assert SlotDecoder(model, 4).room(1) == 3


def test_padded_batch_is_read_again_after_forget(model: Any) -> None:
    rng = random.Random(0)
    decoder = PaddedDecoder(model, 4)
    rows = [Row(words(rng, count)) for count in (5, 9, 2)]
    for step in range(6):
        check(decoder, model, rows)
        for row in rows:
            row.tokens.append(rng.randrange(3, V))
        if step == 2:
            decoder.forget()
            rows = rows[1:]


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (hf.Qwen2Config(**SHAPE), SlotDecoder),
        (hf.MambaConfig(vocab_size=V, hidden_size=32, num_hidden_layers=1), PaddedDecoder),
        (hf.BloomConfig(vocab_size=V, hidden_size=32, n_layer=1, n_head=2), PaddedDecoder),
    ],
    ids=["keys and values", "a recurrent state", "positions in the attention"],
)
def test_decoder_fits_what_the_model_remembers(config: Any, kind: type) -> None:
    model = hf.AutoModelForCausalLM.from_config(config)
    assert type(decoder_of(model, 4)) is kind


def test_recurrent_model_without_a_cache_of_keys_is_read_whole() -> None:
    config = hf.MambaConfig(vocab_size=V, hidden_size=32, num_hidden_layers=2, state_size=4)
    model, rng = hf.AutoModelForCausalLM.from_config(config).eval(), random.Random(0)
    decoder, rows = decoder_of(model, 4), [Row(words(rng, 9)), Row(words(rng, 9))]
    for _ in range(3):
        check(decoder, model, rows)
        for row in rows:
            row.tokens.append(rng.randrange(3, V))


def test_model_that_slots_do_not_suit_is_decoded_by_its_own_cache() -> None:
    """One that remembers something else, and does not say so."""
    model = made("qwen2")
    attention = model.model.layers[0].self_attn
    forward, remembered = attention.forward, [torch.zeros(())]

    def remembering(*args: Any, **kwargs: Any) -> Any:
        states, weights = forward(*args, **kwargs)
        states = states + remembered[0]
        remembered[0] = states.mean()
        return states, weights

    attention.forward = remembering
    assert type(decoder_of(model, 4)) is PaddedDecoder
    attention.forward = forward
    assert type(decoder_of(model, 4)) is SlotDecoder


def test_model_with_an_attention_that_takes_no_mask_is_decoded_by_its_own_cache() -> None:
    model = made("qwen2")
    model.config._attn_implementation = "flash_attention_2"
    assert type(decoder_of(model, 4)) is PaddedDecoder


def test_long_prompts_are_read_a_few_at_a_time(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentgym.policy.decoders._MOST_TOKENS", 100)
    rng = random.Random(0)
    decoder, rows = SlotDecoder(model, 5), [Row(words(rng, 40)) for _ in range(5)]
    with reading(model) as shapes, torch.inference_mode():
        logits = decoder.logits(rows)
    assert shapes == [(2, 40), (2, 40), (1, 40)]
    for row, mine in zip(rows, logits, strict=True):
        torch.testing.assert_close(mine, direct(model, row.tokens), atol=2e-4, rtol=1e-4)
