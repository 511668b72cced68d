from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgym_envs.python.values import CLAIM, BadValue, decode, encode, same

KEYS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
LEAVES = KEYS | st.floats(allow_nan=False)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


def claimed(value: object) -> str:
    """What a session would answer."""
    space: dict[str, Any] = {}
    exec(CLAIM, space)
    return repr(space["_agentgym_claim"](value))


@given(PLAIN)
def test_plain_value_comes_back_as_it_was(value: object) -> None:
    assert same(decode(encode(value)), value)


@given(PLAIN)
def test_claim_of_a_session_is_read_as_the_value(value: object) -> None:
    assert same(decode(claimed(value)), value)


@given(PLAIN, PLAIN)
def test_same_is_never_looser_than_equality(one: object, other: object) -> None:
    assert same(one, one)
    if same(one, other):
        assert one == other


@settings(max_examples=300)
@given(
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["float", "tuple", "set", "dict", "bytes", "other"]),
                inner,
                max_size=2,
            )
        ),
        max_leaves=8,
    ).map(json.dumps)
)
def test_decode_answers_any_text_with_a_value_or_a_refusal(text: str) -> None:
    with contextlib.suppress(BadValue):
        same(decode(text), 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("1", 1),
        ([1], (1,)),
        ([1], [True]),
        ({1}, {True}),
        ({1}, frozenset({1})),
        ({1: 2}, {1.0: 2}),
        ({1: [2]}, {1: (2,)}),
        (b"a", "a"),
        (None, 0),
        (float("nan"), float("nan")),
    ],
)
def test_values_of_other_types_are_not_the_same(one: object, other: object) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6 6",
        "1.5",
        "NaN",
        "Infinity",
        "{}",
        '{"set": [[1]]}',
        '{"dict": [[1]]}',
        '{"dict": [[[], 1]]}',
        '{"float": "one"}',
        '{"float": 1}',
        '{"bytes": "xyz"}',
        '{"tuple": 1}',
        '{"tuple": [], "list": []}',
        '{"class": []}',
        "9" * 5000,
        "[" * 30_000 + "]" * 30_000,
        '{"tuple": [' * 60 + "]}" * 60,
    ],
    ids=range(18),
)
def test_text_that_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        decode(text)


@pytest.mark.parametrize("value", [float("nan"), 1j, object(), [range(3)], {"a": print}])
def test_value_that_is_not_plain_cannot_be_expected(value: object) -> None:
    with pytest.raises(BadValue):
        encode(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1j, "a value of type 'complex'"), ([iter("")], "a value of type 'str_ascii_iterator'")],
)
def test_claim_names_the_type_that_is_not_plain(value: object, text: str) -> None:
    with pytest.raises(BadValue, match=text):
        decode(claimed(value))
