import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.chat.toolcalls import MAX_CALLS, Parsed, answer, call, parse, render, spell
from agentgym.types import Answer, ToolCall

TOOLS = ("python", "add")
ADD = ToolCall("add", {"a": 1})
HERMES = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "text",
    [
        HERMES,
        f"Let me see.\n{HERMES}\nNow I wait.",
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>',
        '<tool_call>{"name": "add", "arguments": {"a": 1}}',
        '<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}</tool_call>',
        '<tool_call>{"name": "add", "parameters": {"a": 1}}</tool_call>',
        '{"name": "add", "arguments": {"a": 1}}',
        ' \n{"arguments": {"a": 1}, "name": "add"}\n',
        f"<think>I call {render(ToolCall('python', {}))}</think>{HERMES}",
        f"the rest of a thought {render(ToolCall('python', {}))}</think>{HERMES}",
        f"<think>never closed {HERMES}",
    ],
)
def test_parse_finds_the_call(text):
    assert parse(text, TOOLS) == Parsed((ADD,))


def test_parse_finds_several_calls_in_order():
    parsed = parse(render(ADD) + "and" + render(ToolCall("python", {"code": "1"})), TOOLS)
    assert parsed.calls == (ADD, ToolCall("python", {"code": "1"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is 42.",
        "42",
        '{"x": 1}',
        '{"name": "Ann", "age": 3}',
        "```\nprint(1)\n```",
        "```json\n{}\n```",
        f"<think>{HERMES}</think> 42",
        "[1, 2]",
    ],
)
def test_parse_takes_other_text_for_an_answer(text):
    assert parse(text, TOOLS) == Parsed()


def test_parse_finds_nothing_where_there_are_no_tools():
    assert parse(HERMES, ()) == Parsed()


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "<tool_call></tool_call>",
        "</tool_call>",
        '<tool_call>{"name": "add", "arguments": {"a": 1}</tool_call>',
        '<tool_call>{"name": "add", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "add", "arguments": "[1]"}</tool_call>',
        '<tool_call>{"name": "add", "arguments": "{"}</tool_call>',
        '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
        '<tool_call>["add"]</tool_call>',
        '{"name": "add", "arguments": {"a": 1}',
        '{"name": "add", "arguments": {"a": 1}} and more',
        "```python\nprint(1)",
        "<tool_call>" + "[" * 50_000,
        '<tool_call>{"name": "add", "arguments": {"a": ' + "9" * 9_999 + "}}</tool_call>",
    ],
)
def test_parse_reports_a_malformed_call(text):
    parsed = parse(text, TOOLS)
    assert parsed.calls == ()
    assert len(parsed.errors) == 1


def test_parse_runs_the_good_call_beside_a_broken_one():
    parsed = parse(f"<tool_call>nonsense</tool_call>{HERMES}", TOOLS)
    assert parsed.calls == (ADD,)
    assert "malformed tool call: expecting value at character 0" in parsed.errors[0]


def test_parse_is_not_confused_by_tags_inside_strings():
    inner = ToolCall("python", {"code": "print('</tool_call><tool_call>')"})
    assert parse(render(inner), TOOLS).calls == (inner,)


def test_parse_stops_after_so_many_calls():
    parsed = parse(HERMES * (MAX_CALLS + 5), TOOLS)
    assert parsed.calls == (ADD,) * MAX_CALLS
    assert parsed.errors == (f"more than {MAX_CALLS} tool calls at once; the rest was not run",)


@pytest.mark.parametrize("fence", ["```python", "```py", "```python3", "Try: ```Python"])
def test_parse_runs_a_python_fence(fence):
    text = f"I compute.\n{fence}\nx = 1\nprint(x)\n```\nThen I wait."
    assert parse(text, TOOLS).calls == (ToolCall("python", {"code": "x = 1\nprint(x)\n"}),)


def test_parse_runs_each_python_fence():
    parsed = parse("```py\n1\n```\nthen\n```python\n2\n```", TOOLS)
    assert [c.arguments["code"].strip() for c in parsed.calls] == ["1", "2"]


def test_parse_accepts_a_fence_closed_on_the_last_line_of_code():
    assert parse("```python\nprint(1)```", TOOLS).calls == (
        ToolCall("python", {"code": "print(1)"}),
    )


def test_parse_ignores_python_fences_without_such_a_tool():
    assert parse("```python\n1\n```", ("add",)) == Parsed()


def test_parse_replaces_surrogates_in_arguments():
    text = '<tool_call>{"name": "add", "arguments": {"\\ud800": ["\\udfff"]}}</tool_call>'
    assert parse(text, TOOLS).calls == (ToolCall("add", {"?": ["?"]}),)


@given(TEXT, st.dictionaries(TEXT, JSON, max_size=4))
def test_parse_reads_what_render_writes(name, arguments):
    assert parse(render(ToolCall(name, arguments)), TOOLS).calls == (ToolCall(name, arguments),)


def test_render_hides_thinking_tags_in_strings():
    thought = ToolCall("add", {"a": "<think>x</think>"})
    assert parse(render(thought), TOOLS).calls == (thought,)


PIECES = st.sampled_from(
    [
        *("<tool_call>", "</tool_call>", "<think>", "</think>", "```python\n", "```", "\n", '"'),
        *('{"name": "add", "arguments": ', "{", "}", "[", ",", ":", "x", "\ud800", "\x00", " "),
        *("9", "\\"),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_parse_is_total(text):
    parsed = parse(text, TOOLS)
    assert all(isinstance(found, ToolCall) for found in parsed.calls)
    assert all(isinstance(error, str) and error for error in parsed.errors)


@pytest.mark.parametrize(
    "unit",
    [
        *("<tool_call>", "</tool_call>", "<think>", "</think>", "<think></think>", "```python\n"),
        *(
            "```py\n```\n",
            '<tool_call>{"name":',
            '<tool_call>["',
            '<tool_call>"\\',
            "{",
            "[{",
            "\n",
        ),
        *('{"name": "arguments"', "<tool_call> ", '"<tool_call>[",', "<tool_call>[[],"),
        '<tool_call>{"name": "add", "arguments": {"a": "',
    ],
)
def test_parse_of_100_kb_takes_less_than_50_ms(unit):
    text = (unit * (100_000 // len(unit) + 1))[:100_000]
    best = float("inf")
    for _ in range(3):  # the box may be busy: the best of three is what the code costs
        started = time.process_time()
        parse(text, TOOLS)
        best = min(best, time.process_time() - started)
    assert best < 0.05


def test_call_takes_any_argument_name():
    assert call("add", tool=1, name=2) == ToolCall("add", {"tool": 1, "name": 2})


def test_spell_writes_every_kind_of_action():
    assert [spell(a) for a in ("x", answer("y"), Answer("z"))] == ["x", "y", "z"]
    assert json.loads(spell(ADD).split("\n")[1]) == {"name": "add", "arguments": {"a": 1}}
