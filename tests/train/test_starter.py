"""The starter policy: its tokenizer, its recipe, and the folder that it is cached in."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.chat.template import ChatTemplate
from agentgym.policy.pretrained import load_tokenizer
from agentgym.policy.transformers import TransformersPolicy
from agentgym.train.starter import (
    CONTROL,
    PIECES,
    StarterRecipe,
    cache_folder,
    ensure_starter,
    make_model,
    make_tokenizer,
)
from agentgym.types import SamplingParams

SMALL = StarterRecipe(
    demonstrations=6, steps=2, batch=3, hidden=32, heads=1, layers=1, intermediate=64
)
TOKENIZER = make_tokenizer()
TEXTS = st.lists(st.one_of(st.text(), st.sampled_from(CONTROL + PIECES))).map("".join)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTGYM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encode(text: str) -> list[int]:
    return list(TOKENIZER.encode(text, add_special_tokens=False))


@given(TEXTS)
def test_tokenizer_gives_any_text_back(text: str) -> None:
    ids = encode(text)
    decoded = TOKENIZER.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert decoded == text


@given(st.text(alphabet=st.characters(exclude_characters="<`\n\\", exclude_categories=["Cs"])))
def test_tokenizer_spends_one_id_a_byte(text: str) -> None:
    assert len(encode(text)) == len(text.encode())


@pytest.mark.parametrize("token", CONTROL + PIECES)
def test_control_tokens_and_pieces_are_single_ids(token: str) -> None:
    assert len(encode(token)) == 1
    assert len(encode(f"a{token}b")) == 3


SPOKEN = ["Mail Nora Petrov at nora.petrov@example.com", "mail('Nora Petrov', 'nora.petrov@a')"] * 9
LEARNED = make_tokenizer(60, SPOKEN)


@given(TEXTS)
def test_learned_subwords_give_any_text_back(text: str) -> None:
    ids = LEARNED.encode(text, add_special_tokens=False)
    decoded = LEARNED.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert decoded == text


@pytest.mark.parametrize("name", ["Nora", "Petrov", "nora.petrov@"])
def test_name_is_the_same_subword_wherever_it_stands(name: str) -> None:
    [subword] = LEARNED.encode(name, add_special_tokens=False)
    assert all(subword in LEARNED.encode(text) for text in SPOKEN)


@pytest.mark.parametrize("token", CONTROL + PIECES)
def test_control_tokens_stay_single_beside_subwords(token: str) -> None:
    assert len(LEARNED.encode(f"@{token}@", add_special_tokens=False)) == 3


def test_learned_subwords_are_the_same_when_loaded(tmp_path: Path) -> None:
    make_model(SMALL, LEARNED).save_pretrained(tmp_path)  # a tokenizer is looked up by the model's
    LEARNED.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert [loaded.encode(text) for text in SPOKEN] == [LEARNED.encode(text) for text in SPOKEN]
    assert loaded.chat_template == LEARNED.chat_template


def test_subwords_follow_from_the_texts_alone() -> None:
    assert make_tokenizer(60, SPOKEN).get_vocab() == LEARNED.get_vocab()
    assert len(LEARNED) <= 256 + 60 + len(CONTROL + PIECES)


def test_end_of_turn_is_the_stop_token() -> None:
    assert ChatTemplate(TOKENIZER).stop_ids == (encode("<|end|>")[0],)


def test_template_writes_turns_and_opens_the_next() -> None:
    messages = [
        {"role": "user", "content": "What is 1+1?"},
        {"role": "assistant", "content": "\\boxed{2}"},
        {"role": "tool", "name": "python", "content": "2"},
    ]
    text = TOKENIZER.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|user|>What is 1+1?<|end|><|assistant|>\\boxed{2}<|end|><|tool|>2<|end|><|assistant|>"
    )


@pytest.mark.parametrize("wrapped", [True, False])
def test_template_carries_tool_calls(wrapped: bool) -> None:
    function = {"name": "python", "arguments": {"code": "1+1"}}
    call: dict[str, Any] = {"type": "function", "function": function} if wrapped else function
    messages = [{"role": "assistant", "content": "so:", "tool_calls": [call]}]
    text = TOKENIZER.apply_chat_template(messages, tokenize=False)
    assert text.startswith("<|assistant|>so:<tool_call>")
    assert text.endswith("</tool_call><|end|>")
    body = text.partition("<tool_call>")[2].partition("</tool_call>")[0]
    assert json.loads(body) == function


def test_template_leaves_out_the_system_message() -> None:
    messages = [{"role": "system", "content": "long"}, {"role": "user", "content": "hi"}]
    text = TOKENIZER.apply_chat_template(messages, tokenize=False)
    assert text == "<|user|>hi<|end|>"


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    return {"level": 2} if isinstance(value, dict) else value + 1


@pytest.mark.parametrize("name", [field.name for field in fields(StarterRecipe)])
def test_digest_changes_with_every_field(name: str) -> None:
    recipe = StarterRecipe()
    other = replace(recipe, **{name: changed(getattr(recipe, name))})
    assert recipe.digest() == StarterRecipe().digest()
    assert other.digest() != recipe.digest()


def test_digest_ignores_the_order_of_arguments() -> None:
    one = StarterRecipe(env_kwargs={"level": 1, "max_turns": 4})
    other = StarterRecipe(env_kwargs={"max_turns": 4, "level": 1})
    assert one.digest() == other.digest()


def test_cache_follows_the_environment_variable(cache: Path) -> None:
    assert cache_folder() == cache


@pytest.mark.parametrize("tied", [True, False])
def test_ensure_starter_writes_a_folder_that_loads_and_samples(cache: Path, tied: bool) -> None:
    recipe = replace(SMALL, tied=tied)
    folder = ensure_starter(recipe)
    assert folder == cache / f"starter-{recipe.digest()}"
    policy = TransformersPolicy(folder)
    head, embeddings = policy.model.lm_head.weight, policy.model.get_input_embeddings().weight
    assert (head is embeddings) == tied
    ids = policy.template.encode("<|user|>What is 1+1?<|end|><|assistant|>")
    done = asyncio.run(policy.sample(ids, SamplingParams(max_tokens=3)))
    assert 1 <= len(done.ids) <= 3


def test_ensure_starter_saves_its_tokenizer_and_recipe(cache: Path) -> None:
    folder = ensure_starter(SMALL)
    saved = load_tokenizer(folder)
    text = "<|user|>né <tool_call>\n"
    assert saved.encode(text, add_special_tokens=False) == encode(text)
    assert saved.chat_template == TOKENIZER.chat_template
    assert StarterRecipe(**json.loads((folder / "recipe.json").read_text())) == SMALL


def test_ensure_starter_makes_a_recipe_once(cache: Path) -> None:
    lines: list[str] = []
    folder = ensure_starter(SMALL, lines.append)
    assert lines
    stamps = {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())}
    again = ensure_starter(SMALL, lambda line: pytest.fail(f"made again: {line}"))
    assert again == folder
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())} == stamps


def test_same_recipe_makes_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for name in ("one", "other"):
        monkeypatch.setenv("AGENTGYM_CACHE", str(tmp_path / name))
        made.append((ensure_starter(SMALL) / "model.safetensors").read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize("at", ["sft step 1 ", "sft step 2 "])
def test_interrupted_teaching_leaves_nothing(cache: Path, at: str) -> None:
    def interrupt(line: str) -> None:
        if line.startswith(at):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_starter(SMALL, interrupt)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_full_disk_while_saving_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_text", full)  # the recipe, after weights and tokenizer
        with pytest.raises(OSError, match="No space left"):
            ensure_starter(SMALL)
    assert list(cache.iterdir()) == []


def test_starter_learns_what_is_demonstrated(cache: Path) -> None:
    losses: list[float] = []

    def note(line: str) -> None:
        if "loss" in line:
            losses.append(float(line.partition("loss ")[2].partition(",")[0]))

    ensure_starter(replace(SMALL, steps=100, demonstrations=40, batch=8), note)
    assert losses[0] > 5.0  # nearly uniform over 288 ids: ln(288) = 5.66
    assert losses[-1] < 2.0
