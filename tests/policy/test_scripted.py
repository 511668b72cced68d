from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym.chat.template import ByteTemplate
from agentgym.errors import PolicyFault, UsageError
from agentgym.policy.base import Policy, TurnContext
from agentgym.policy.scripted import NullPolicy, OraclePolicy, RandomPolicy, ScriptedPolicy
from agentgym.types import Completion, Message, SamplingParams

ASK = Message("user", "1+1?")


def sample(
    policy: Policy,
    context: TurnContext | None = None,
    params: SamplingParams | None = None,
) -> Completion:
    return asyncio.run(policy.sample([], params or SamplingParams(), context))


def test_scripted_says_one_text_a_turn_and_repeats_the_last() -> None:
    policy = ScriptedPolicy(["one", "two"])
    said = Message("assistant", "")
    contexts = [TurnContext((ASK,)), TurnContext((ASK, said)), TurnContext((ASK, said, said))]
    assert [sample(policy, context).text for context in contexts] == ["one", "two", "two"]


def test_scripted_asks_a_function_of_the_conversation() -> None:
    policy = ScriptedPolicy(lambda messages: messages[-1].content.upper())
    assert sample(policy, TurnContext((Message("user", "abc"),))).text == "ABC"


def test_scripted_takes_a_single_string_as_one_text() -> None:
    assert sample(ScriptedPolicy("abc"), TurnContext((ASK,))).text == "abc"


def test_scripted_without_a_text_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one text"):
        ScriptedPolicy([])


@settings(deadline=None)
@given(st.text())
def test_scripted_ids_are_the_bytes_and_one_end(text: str) -> None:
    completion = sample(ScriptedPolicy(lambda _: text))
    policy = ScriptedPolicy("x")
    assert completion.text == text
    assert completion.ids[-1] == ByteTemplate.END
    assert ByteTemplate.END not in completion.ids[:-1]
    assert completion.logprobs == (0.0,) * len(completion.ids)
    assert policy.template.decode(completion.ids[:-1]) == policy.template.defang(text)


def test_oracle_says_what_it_is_told() -> None:
    assert OraclePolicy.needs_oracle
    assert sample(OraclePolicy(), TurnContext((ASK,), oracle="2")).text == "2"


def test_oracle_without_a_further_action_is_a_fault() -> None:
    with pytest.raises(PolicyFault, match="no further action"):
        sample(OraclePolicy(), TurnContext((ASK,)))


def test_null_says_nothing() -> None:
    completion = sample(NullPolicy())
    assert (completion.text, completion.ids) == ("", (ByteTemplate.END,))


def test_random_repeats_for_a_seed() -> None:
    first = [sample(RandomPolicy(3)).ids for _ in range(2)]
    assert first[0] == first[1]
    assert sample(RandomPolicy(4)).ids != first[0]


def test_random_repeats_for_a_request_with_a_seed() -> None:
    policy, params = RandomPolicy(), SamplingParams(seed=5)
    assert sample(policy, params=params).ids == sample(policy, params=params).ids


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 200))
def test_random_reports_the_uniform_probability_of_what_it_drew(seed: int, limit: int) -> None:
    policy = RandomPolicy(seed)
    completion = sample(policy, params=SamplingParams(max_tokens=limit))
    ended = completion.ids[-1] == ByteTemplate.END
    assert 1 <= len(completion.ids) <= limit
    assert completion.finish_reason == ("stop" if ended else "length")
    assert ByteTemplate.END not in completion.ids[:-1]
    assert completion.logprobs == (-math.log(97),) * len(completion.ids)


@pytest.mark.parametrize(
    "policy", [ScriptedPolicy("x"), OraclePolicy(), NullPolicy(), RandomPolicy()]
)
def test_policies_without_a_model_keep_the_protocol_and_refuse_weights(policy: Policy) -> None:
    assert isinstance(policy, Policy)
    with pytest.raises(UsageError, match="has no weights"):
        asyncio.run(policy.load_weights([], 1))
    policy.close()
    policy.close()
