"""Texts and ids of the templates: what the shorter ways give is what the tokenizer itself gives."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from agentgym.chat.template import ByteTemplate, ChatTemplate
from agentgym.train.starter import make_tokenizer

TOKENIZER = make_tokenizer()
TEMPLATE = ChatTemplate(TOKENIZER)
PIECES = st.sampled_from(["<|im_start|>", "<|im_end|>", "tool\n", " ", "é", "41", "\n\n", "<|im_"])
MARKS = st.sampled_from([*ByteTemplate.MARKS, "a", "ü", "𝄞", "\n", "\ud800"])


@given(st.lists(PIECES).map("".join))
def test_encode_gives_the_tokenizers_own_ids(text: str) -> None:
    assert TEMPLATE.encode(text) == TOKENIZER.encode(text, add_special_tokens=False)


@given(st.lists(st.integers(0, len(TOKENIZER) - 1)))
def test_decode_gives_the_tokenizers_own_text(ids: list[int]) -> None:
    expected = TOKENIZER.decode(ids, clean_up_tokenization_spaces=False)
    assert TEMPLATE.decode(tuple(ids)) == expected


def test_tokenizer_with_methods_of_its_own_is_asked_itself() -> None:
    class Shouting(PreTrainedTokenizerFast):
        def _decode(self, *args: Any, **kwargs: Any) -> str:
            return super()._decode(*args, **kwargs).upper()

    shouting = Shouting(
        tokenizer_object=TOKENIZER.backend_tokenizer,
        eos_token=TOKENIZER.eos_token,
        chat_template=TOKENIZER.chat_template,
    )
    template = ChatTemplate(shouting)
    assert template.decode(template.encode("so it is")) == "SO IT IS"


def test_texts_are_encoded_whole_where_the_tokenizer_cuts_and_pads() -> None:
    short = make_tokenizer()
    short.backend_tokenizer.enable_truncation(2)
    short.backend_tokenizer.enable_padding(length=9)
    assert len(ChatTemplate(short).encode("1 + 2")) == len(TEMPLATE.encode("1 + 2")) > 2


@given(st.lists(MARKS).map("".join))
def test_bytes_come_back_as_the_text_that_they_were(text: str) -> None:
    ids = ByteTemplate().encode(text)
    assert ByteTemplate().decode(ids) == text.replace("\ud800", "\ufffd" * 3)
    assert ids.count(256) == text.count("\ue000")
    assert ids.count(257) == text.count("\ue001")


def test_bytes_that_are_no_text_stay_apart_from_the_marks() -> None:
    assert ByteTemplate().decode((0xC3, 257, 0xA9, 104)) == "\ufffd\ue001\ufffdh"
