from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentgym as ag
from agentgym.errors import ToolDefinitionError
from agentgym.tools import Toolbox


class Kitchen:
    """Tools of every kind."""

    def __init__(self):
        self.ran = []

    @ag.tool
    def cook(
        self, dish: str, minutes: int = 5, *, heat: Literal["low", "high"] = "low"
    ) -> dict[str, object]:
        """Cook a dish.

        Takes a while.

        Args:
            dish: What to cook.
            minutes: How long.
        """
        self.ran.append((dish, minutes, heat))
        return {"dish": dish, "minutes": minutes}

    @ag.tool
    def mix(self, parts: list[int], schema: dict[str, float] | None = None) -> None:
        """Mix."""
        self.ran.append((parts, schema))

    @ag.tool
    def burn(self) -> str:
        """Burn."""
        raise OSError("smoke")


@pytest.fixture
def kitchen():
    return Kitchen()


def run(owner, name, **arguments):
    return Toolbox(owner).run(ag.ToolCall(name, arguments))


def test_schema_says_what_signature_and_docstring_say(kitchen):
    assert Toolbox(kitchen).schemas[0] == {
        "type": "function",
        "function": {
            "name": "cook",
            "description": "Cook a dish.\n\nTakes a while.",
            "parameters": {
                "type": "object",
                "properties": {
                    "dish": {"type": "string", "description": "What to cook."},
                    "minutes": {"type": "integer", "description": "How long.", "default": 5},
                    "heat": {"type": "string", "enum": ["low", "high"], "default": "low"},
                },
                "required": ["dish"],
                "additionalProperties": False,
            },
        },
    }


def test_tools_stand_in_the_order_of_definition(kitchen):
    assert list(Toolbox(kitchen)) == ["cook", "mix", "burn"]


def test_run_gives_the_result_as_json(kitchen):
    assert run(kitchen, "cook", dish="soup") == '{"dish": "soup", "minutes": 5}'
    assert kitchen.ran == [("soup", 5, "low")]


def test_run_reads_numbers_in_text(kitchen):
    run(kitchen, "cook", dish="soup", minutes="7", heat="high")
    assert kitchen.ran == [("soup", 7, "high")]


def test_run_says_done_for_nothing(kitchen):
    assert run(kitchen, "mix", parts=[1, "2"], schema={"a": 1}) == "done"
    assert kitchen.ran == [([1, 2], {"a": 1.0})]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "error: cook: missing argument 'dish'"),
        (
            {"dish": "x", "minuets": 3},
            "error: cook: unexpected argument 'minuets'; did you mean 'minutes'?",
        ),
        (
            {"dish": "x", "zzz": 3},
            "error: cook: unexpected argument 'zzz'; there are: dish, minutes, heat",
        ),
        (
            {"dish": "x", "heat": "mid"},
            "error: cook: argument 'heat': input should be 'low' or 'high'",
        ),
        (
            {"dish": ["x"]},
            "error: cook: argument 'dish': input should be a valid string",
        ),
    ],
)
def test_run_explains_a_bad_call(kitchen, arguments, expected):
    assert Toolbox(kitchen).run(ag.ToolCall("cook", arguments)) == expected
    assert kitchen.ran == []


def test_run_explains_an_unknown_tool(kitchen):
    assert run(kitchen, "cok") == "error: no tool 'cok'; did you mean 'cook'?"
    assert run(kitchen, "zz") == "error: no tool 'zz'; there are: cook, mix, burn"


def test_run_lets_other_exceptions_pass(kitchen):
    with pytest.raises(OSError, match="smoke"):
        run(kitchen, "burn")


@given(
    st.dictionaries(
        st.sampled_from(["dish", "minutes", "heat", "self", "", "x"]),
        st.none() | st.text() | st.floats() | st.lists(st.integers(), max_size=2),
    )
)
def test_run_answers_any_arguments_with_text(arguments):
    assert isinstance(Toolbox(Kitchen()).run(ag.ToolCall("cook", arguments)), str)


def test_functions_can_be_tools():
    def double(x: int) -> int:
        """Double a number."""
        return 2 * x

    box = Toolbox(functions=[double])
    assert box.run(ag.ToolCall("double", {"x": "4"})) == "8"


def test_a_subclass_adds_tools_and_can_drop_one():
    class Bigger(Kitchen):
        def burn(self):
            return "safe"

        @ag.tool
        def wash(self) -> str:
            """Wash up."""
            return "clean"

    assert list(Toolbox(Bigger())) == ["cook", "mix", "wash"]


def test_tool_leaves_the_function_as_it_was(kitchen):
    assert kitchen.cook("soup", 2) == {"dish": "soup", "minutes": 2}


def test_definition_without_a_docstring_is_refused():
    with pytest.raises(ToolDefinitionError, match="has no docstring"):

        @ag.tool
        def silent(x: int) -> int:
            return x


def test_definition_without_a_type_is_refused():
    with pytest.raises(ToolDefinitionError, match="has no type for 'x'; write 'x: str'"):

        @ag.tool
        def untyped(x):
            """Do."""


def test_definition_with_any_number_of_arguments_is_refused():
    with pytest.raises(ToolDefinitionError, match="give each argument its own name"):

        @ag.tool
        def many(*items: str) -> None:
            """Do."""


def test_definition_that_is_asynchronous_is_refused():
    with pytest.raises(ToolDefinitionError, match="asynchronous"):

        @ag.tool
        async def later(x: int) -> None:
            """Do."""


@pytest.mark.parametrize("kind", [Kitchen, Callable[[], int]])
def test_definition_with_a_type_that_has_no_schema_is_refused(kind):
    class Odd:
        @ag.tool
        def use(self, thing: kind) -> None:
            """Use."""

    with pytest.raises(ToolDefinitionError, match="cannot become a schema"):
        Toolbox(Odd())


def test_definition_with_an_unknown_name_is_refused():
    class Odd:
        @ag.tool
        def use(self, thing: "Nowhere") -> None:  # noqa: F821
            """Use."""

    with pytest.raises(ToolDefinitionError, match="Nowhere"):
        Toolbox(Odd())
