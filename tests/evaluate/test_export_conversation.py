"""Episodes taken apart: calls from text, results to calls, tokens to turns, text to plain text."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_runs import HOSTILE, made_episode

from agentgym.chat.template import ByteTemplate
from agentgym.chat.toolcalls import call, parse, render
from agentgym.evaluate.export.conversation import conversation
from agentgym.evaluate.export.plain import json_bytes, plain_text, plain_value
from agentgym.evaluate.export.spoken import spoken
from agentgym.evaluate.export.tokens import tokens
from agentgym.rollout.transcript import Transcript
from agentgym.types import Completion, Episode, Message, Turn

CALL = render(call("add", item="pear", count=2))


def episode_of(*messages: Message, turns: tuple[Turn, ...]) -> Episode:
    return Episode("t", 0, 0, "scored", 1.0, "", messages=messages, turns=turns)


def turn(action: str, *tools: str, observation: str = "") -> Turn:
    return Turn(action, observation, 1, 1, "stop", tools)


def test_conversation_ties_each_result_to_its_call() -> None:
    both = f"First.{CALL}Then.{render(call('check'))}"
    lines = conversation(
        episode_of(
            Message("user", "q"),
            Message("assistant", both),
            Message("tool", "2 added", "add"),
            Message("tool", "no such tool"),
            Message("assistant", "done"),
            turns=(turn(both, "add"), turn("done")),
        )
    )
    assert [line.role for line in lines] == ["user", "assistant", "tool", "tool", "assistant"]
    assert lines[1].content == "First.Then."
    assert lines[1].text == both
    assert [(c.name, dict(c.arguments)) for c in lines[1].calls] == [
        ("add", {"item": "pear", "count": 2}),
        ("check", {}),
    ]
    assert [line.answers for line in lines[2:4]] == [each.id for each in lines[1].calls]
    assert [line.turn for line in lines] == [None, 0, None, None, 1]
    assert not lines[4].calls


@pytest.mark.parametrize(
    "action",
    [
        "<tool_call>{broken</tool_call>",  # answered by an error
        f"{CALL}<tool_call>[]</tool_call>",  # a call and a malformed one
        f"{CALL}{CALL}",  # two calls, of which one was run
    ],
)
def test_conversation_leaves_as_text_what_cannot_be_taken_apart(action: str) -> None:
    lines = conversation(
        episode_of(
            Message("user", "q"),
            Message("assistant", action),
            Message("tool", "told", "add"),
            turns=(turn(action, "add"),),
        )
    )
    assert lines[1].content == lines[1].text == action
    assert not lines[1].calls
    assert lines[2].answers == ""


def test_conversation_takes_the_last_call_apart_if_it_was_run() -> None:
    ended = episode_of(Message("assistant", CALL), turns=(turn(CALL, "add", observation="ok"),))
    assert conversation(ended)[0].calls[0].name == "add"
    said = episode_of(Message("assistant", CALL), turns=(turn(CALL),))  # an answer, to some env
    assert conversation(said)[0].calls == ()


def test_conversation_tells_turns_from_what_the_environment_shows() -> None:
    lines = conversation(
        episode_of(
            Message("user", "like this:"),
            Message("assistant", "an example"),
            Message("user", "now you"),
            Message("assistant", "my turn"),
            turns=(turn("my turn"),),
        )
    )
    assert [line.turn for line in lines] == [None, None, None, 0]


def test_conversation_leaves_deep_arguments_as_text() -> None:
    deep = f'<tool_call>{{"name": "add", "arguments": {{"x": {"[" * 80}{"]" * 80}}}}}</tool_call>'
    lines = conversation(
        episode_of(Message("assistant", deep), Message("tool", "no"), turns=(turn(deep, "add"),))
    )
    assert lines[0].text == deep
    assert lines[0].calls == ()


@given(st.text(), st.text(), st.sampled_from(["", "<think>so, <tool_call> is a tag</think>"]))
@example("a", "b", "thought and thought</think>")
@settings(deadline=None)
def test_spoken_is_what_stands_around_a_call(before: str, after: str, thought: str) -> None:
    marks = ("<", "`", "{")
    before, after = (text if not any(m in text for m in marks) else "" for text in (before, after))
    assert spoken(f"{thought}{before}{CALL}{after}", 1) == f"{thought}{before}{after}".strip()


def test_spoken_keeps_the_words_around_a_code_fence() -> None:
    action = "I compute: ```python\nprint(1)\n```\nand wait.\n```py\nx```"
    assert len(parse(action, ["python"]).calls) == 2
    assert spoken(action, 2) == "I compute:\nand wait.".replace(":\n", ": \n")


def test_spoken_of_a_bare_object_is_nothing() -> None:
    assert spoken(' {"name": "add", "arguments": {}} ', 1) == ""


def test_spoken_is_unknown_where_the_count_is_another() -> None:
    assert spoken(CALL, 2) is None


FRAGMENTS = st.sampled_from(
    ["<tool_call>", "</tool_call>", "<think>", "</think>", "```python\n", "```", "\n", '{"name": '
     '"add", "arguments": {"a": 1}}', "{", "}", "say", HOSTILE]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=12).map("".join), st.integers(0, 3))
@settings(deadline=None, max_examples=200)
def test_conversation_never_fails_and_never_loses_text(action: str, results: int) -> None:
    told = [Message("tool", f"result {n}", "add") for n in range(results)]
    lines = conversation(
        episode_of(Message("assistant", action), *told, turns=(turn(action, "add"),))
    )
    assert lines[0].text == action
    assert len(lines) == 1 + results
    ids = [each.id for each in lines[0].calls]
    assert [line.answers for line in lines[1:] if line.answers] == ids[:results]


class Forgetful(ByteTemplate):
    """Shows of what was said only what follows the thought."""

    def render(self, messages: Any, tools: Any, generate: bool) -> str:
        shown = [
            replace(m, content=m.content.split("</think>")[-1]) if m.role == "assistant" else m
            for m in messages
        ]
        return super().render(shown, tools, generate)


@given(st.lists(st.tuples(st.text(max_size=8), st.booleans()), min_size=1, max_size=5))
@example([("long thought", True), ("", False), ("x", True)])
@settings(deadline=None)
def test_tokens_of_each_turn_are_those_that_were_sampled(said: list[tuple[str, bool]]) -> None:
    template = Forgetful()
    transcript = Transcript(template)
    transcript.observe([Message("user", "q")])
    sampled, prompts, turns = [], [], []
    for number, (text, thinks) in enumerate(said):
        action = template.defang(f"<think>{text * 9}</think>{number}" if thinks else text)
        ids = (*template.encode(action), ByteTemplate.END)
        sampled.append(ids)
        prompts.append(tuple(transcript.prompt_ids))
        turns.append(Turn(action, "", len(prompts[-1]), len(ids), "stop"))
        transcript.act(Completion(ids, tuple(-0.1 - n for n in range(len(ids))), "stop", number))
        transcript.observe([Message("user", "and?")])
    episode = replace(episode_of(turns=tuple(turns)), samples=transcript.samples())
    found = tokens(episode)
    assert [each and each.ids for each in found] == sampled
    assert [each and each.version for each in found] == list(range(len(said)))
    read: tuple[int, ...] = ()
    for number, each in enumerate(found):
        assert each is not None
        assert each.logprobs == tuple(-0.1 - n for n in range(len(each.ids)))
        if number and each.sample != found[number - 1].sample:  # type: ignore[union-attr]
            read = ()
        read += each.before
        assert read == prompts[number]
        read += each.ids


def test_tokens_are_none_of_a_policy_that_works_on_text() -> None:
    template = ByteTemplate()
    transcript = Transcript(template)
    transcript.observe([Message("user", "q")])
    ids = (*template.encode("said"), ByteTemplate.END)
    read = len(transcript.prompt_ids)
    transcript.act(Completion(ids, None, "stop"))
    turns = (Turn("said", "", read, len(ids), "stop"),)
    assert tokens(replace(episode_of(turns=turns), samples=transcript.samples())) == (None,)


def test_tokens_have_no_logprobs_where_one_is_no_number() -> None:
    episode = made_episode("t", 0, random.Random(0), turns=1)
    (sample,) = episode.samples
    first = sample.mask.index(1)
    broken = (*sample.logprobs[:first], -float("inf"), *sample.logprobs[first + 1 :])
    (found,) = tokens(replace(episode, samples=(replace(sample, logprobs=broken),)))
    assert found is not None
    assert found.logprobs is None


def test_plain_text_joins_pairs_and_replaces_lone_surrogates() -> None:
    assert plain_text("\ud83d\ude00 \ud800 x\ude00") == "\U0001f600 \ufffd x\ufffd"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(
            st.characters(exclude_categories=[]), max_size=5
        ),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)  # fmt: skip
@settings(deadline=None)
def test_json_bytes_is_what_a_strict_reader_takes(value: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = json_bytes(value).decode("utf-8", "strict")
    assert json.loads(text, parse_constant=refuse) == plain_value(value)
