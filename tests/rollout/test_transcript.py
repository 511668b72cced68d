"""The transcript: what was sampled is the record, whatever the chat template does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.chat.template import ByteTemplate, ChatTemplate, Template
from agentgym.rollout.transcript import Transcript
from agentgym.train.starter import CHAT_TEMPLATE, make_tokenizer
from agentgym.types import Completion, Message

# Four ways in which real templates treat a conversation.
CHATML = """{%- for m in messages -%}<|user|>{{ m.role }}
{{ m.content }}<|end|>
{% endfor -%}{%- if add_generation_prompt -%}<|user|>assistant
{% endif -%}"""
TRIMS = CHATML.replace("m.content", "(m.content | trim)")
SHOWS_TOOLS = "{% if tools %}tools: {{ tools | tojson }}\n{% endif %}" + CHATML
STRIPS_THINKING = """{%- for m in messages -%}<|user|>{{ m.role }}
{{ m.content.split('</think>')[-1] if m.role == 'assistant' else m.content }}<|end|>
{% endfor -%}{%- if add_generation_prompt -%}<|user|>assistant
{% endif -%}"""
TEMPLATES = {
    "starter": CHAT_TEMPLATE.strip(),
    "chatml": CHATML,
    "trims": TRIMS,
    "shows_tools": SHOWS_TOOLS,
    "strips_thinking": STRIPS_THINKING,
}
TOOLS = ({"type": "function", "function": {"name": "python"}},)


def template_of(name: str) -> Template:
    if name == "bytes":
        return ByteTemplate()
    tokenizer: Any = make_tokenizer()
    tokenizer.chat_template = TEMPLATES[name]
    return ChatTemplate(tokenizer)


ALL = {name: template_of(name) for name in [*TEMPLATES, "bytes"]}


def played(
    template: Template, turns: list[tuple[str, bool, str]]
) -> tuple[Transcript, list[tuple[int, ...]]]:
    """Play turns of (what is sampled, whether it stops, what is heard); return what was sampled."""
    transcript = Transcript(template, TOOLS)
    transcript.observe([Message("system", "be brief"), Message("user", "2+2?")])
    sampled = []
    for said, stops, heard in turns:
        ids = tuple(template.encode(said)) + ((template.stop_ids[0],) if stops else ())
        logprobs = tuple(-0.5 - 0.25 * n for n in range(len(ids)))
        transcript.act(Completion(ids, logprobs, "stop" if stops else "length", 3))
        sampled.append(ids)
        transcript.observe([Message("tool", heard, "python")])
    return transcript, sampled


TURN = st.tuples(st.text(max_size=30), st.booleans(), st.text(max_size=30))


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(ALL)), turns=st.lists(TURN, min_size=1, max_size=4))
def test_transcript_keeps_every_sampled_id_and_masks_exactly_them(
    name: str, turns: list[tuple[str, bool, str]]
) -> None:
    transcript, sampled = played(ALL[name], turns)
    samples = transcript.samples()
    masked = [i for s in samples for i, m in zip(s.ids, s.mask, strict=True) if m]
    assert masked == [token for ids in sampled for token in ids]
    logprobs = [p for s in samples for p, m in zip(s.logprobs, s.mask, strict=True) if m]
    assert logprobs == [-0.5 - 0.25 * n for ids in sampled for n in range(len(ids))]
    unmasked = [p for s in samples for p, m in zip(s.logprobs, s.mask, strict=True) if not m]
    assert set(unmasked) <= {0.0}


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(ALL)), turns=st.lists(TURN, min_size=1, max_size=4))
def test_transcript_never_changes_a_recorded_id(
    name: str, turns: list[tuple[str, bool, str]]
) -> None:
    for count in range(1, len(turns)):
        shorter, _ = played(ALL[name], turns[:count])
        longer, _ = played(ALL[name], turns[: count + 1])
        for before, after in zip(shorter.samples(), longer.samples(), strict=False):
            assert after.ids[: len(before.ids)] == before.ids


PLAIN = st.text(
    st.characters(codec="ascii", exclude_characters="<>|"), min_size=1, max_size=20
).filter(lambda text: text == text.strip())


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(set(ALL) - {"strips_thinking"})),
    turns=st.lists(st.tuples(PLAIN, st.just(True), PLAIN), min_size=1, max_size=4),
)
def test_transcript_decodes_to_what_the_template_renders(
    name: str, turns: list[tuple[str, bool, str]]
) -> None:
    template = ALL[name]
    transcript, _ = played(template, turns)
    (sample,) = transcript.samples()
    assert template.decode(sample.ids) == template.render(transcript.messages, TOOLS, generate=True)


def test_transcript_closes_a_turn_that_ran_out_of_tokens() -> None:
    template = ALL["starter"]
    transcript, _ = played(template, [("abc", False, "heard")])
    text = template.decode(transcript.prompt_ids)
    assert text.endswith("<|assistant|>abc<|end|><|tool|>heard<|end|><|assistant|>")
    (sample,) = transcript.samples()
    assert sum(sample.mask) == 3  # the closing token was not sampled


def test_transcript_forks_where_the_template_strips_thinking() -> None:
    template = ALL["strips_thinking"]
    transcript, sampled = played(template, [("<think>x</think>one", True, "a"), ("two", True, "b")])
    first, second = transcript.samples()
    assert first.ids[-len(sampled[0]) :] == sampled[0]
    assert "think" not in template.decode(second.ids)
    assert sum(second.mask) == len(sampled[1])


def test_transcript_does_not_fork_where_nothing_was_stripped() -> None:
    transcript, _ = played(ALL["strips_thinking"], [("one", True, "a"), ("two", True, "b")])
    assert len(transcript.samples()) == 1


def test_transcript_keeps_sampled_white_space_that_the_template_trims() -> None:
    template = ALL["trims"]
    transcript, _ = played(template, [("  one \n", True, "a")])
    text = template.decode(transcript.prompt_ids)
    assert "assistant\n  one \n<|end|>\n<|user|>tool\na<|end|>\n" in text
    assert len(transcript.samples()) == 1


@pytest.mark.parametrize("name", sorted(ALL))
def test_transcript_defangs_control_tokens_in_observations(name: str) -> None:
    template = ALL[name]
    stop = template.decode(template.stop_ids[:1])
    transcript = Transcript(template, TOOLS)
    transcript.observe([Message("user", "q")])
    plain = list(transcript.prompt_ids).count(template.stop_ids[0])
    hostile = Transcript(template, TOOLS)
    hostile.observe([Message("user", f"q{stop}")])
    assert list(hostile.prompt_ids).count(template.stop_ids[0]) == plain


def test_samples_is_empty_before_anything_was_sampled() -> None:
    transcript = Transcript(ALL["starter"])
    transcript.observe([Message("user", "q")])
    assert transcript.samples() == ()


def test_every_token_carries_the_version_that_sampled_it() -> None:
    transcript = Transcript(ByteTemplate())
    transcript.observe([Message("user", "2+2?")])
    told = len(transcript.prompt_ids)
    transcript.act(Completion((50, 51, 52), (-1.0,) * 3, "length", 8, versions=(7, 7, 8)))
    transcript.observe([Message("tool", "4", "python")])
    heard = len(transcript.prompt_ids) - told - 3
    transcript.act(Completion((53, 54), (-1.0,) * 2, "length", 9))
    (sample,) = transcript.samples()
    assert sample.versions == (-1,) * told + (7, 7, 8) + (-1,) * heard + (9, 9)
    assert sample.version == 9
