"""Tools: a typed function becomes a JSON schema, and a call by a model becomes a validated call.

A bad definition raises, at once where the signature shows it. A bad call is the model's mistake:
the model reads what was wrong with it.
"""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agentgym.errors import ToolDefinitionError
from agentgym.types import ToolCall

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ["Tool", "ToolError", "Toolbox", "tool"]

_MARK = "__agentgym_tool__"
_F = TypeVar("_F", bound=Callable[..., Any])


class ToolError(Exception):
    """Raised by a tool for a mistake of the model's; the model reads ``error: <text>``."""


class _BadCall(Exception):
    """The arguments do not fit the tool's signature."""


def tool(function: _F) -> _F:
    """Mark a function or method as a tool.

    Its signature and Google docstring become the JSON schema that the model is shown.

    Raises:
        ToolDefinitionError: If an argument has no type, or there is no docstring.
    """
    setattr(function, _MARK, Tool(function))
    return function


@dataclass(frozen=True)
class Tool:
    """A function with the schema that its signature and docstring give.

    Args:
        function: Typed and documented; for a method, its first parameter is left out.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if inspect.iscoroutinefunction(self.function):
            raise self._refused("is asynchronous; write a plain function")
        if not (self.function.__doc__ or "").strip():
            raise self._refused("has no docstring; say in it what the tool does")
        for parameter in self._parameters:
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise self._refused(f"takes '{parameter}'; give each argument its own name")
            if parameter.annotation is parameter.empty:
                raise self._refused(
                    f"has no type for '{parameter.name}'; write '{parameter.name}: str'"
                )

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return self.function.__name__

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema, in OpenAI's format."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self._description,
                "parameters": self._compiled[1],
            },
        }

    @property
    def returns(self) -> str:
        """What the docstring says of the result; empty if nothing."""
        said = self._docstring.returns
        return str(said.description or "") if said else ""

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with the types of the signature; defaults stay out.

        Raises:
            pydantic.ValidationError: If they do not fit.
        """
        return dict(self._compiled[0].validate_python(dict(arguments)))

    def run(self, owner: Any, arguments: Mapping[str, Any]) -> str:
        """Validate the arguments and call the function.

        Args:
            owner: The object whose method it is; None for a plain function.
            arguments: As the model gave them.

        Returns:
            What the model reads: the result as text, or ``error: ...``. Exceptions other than
            `ToolError` pass through: they are faults, not the model's mistakes.
        """
        try:
            given = self._validated(arguments)
            result = self.function(*self._self(owner), **given)
        except (ToolError, _BadCall) as error:
            return f"error: {error}"
        return _as_text(result)

    def _validated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        from pydantic import ValidationError

        try:
            return self.validate(arguments)
        except ValidationError as error:
            raise _BadCall(f"{self.name}: {_explain(error, self._names)}") from error

    def _self(self, owner: Any) -> tuple[Any, ...]:
        return (owner,) if self._is_method else ()

    @functools.cached_property
    def _is_method(self) -> bool:
        return next(iter(inspect.signature(self.function).parameters), None) == "self"

    @functools.cached_property
    def _parameters(self) -> list[inspect.Parameter]:
        found = list(inspect.signature(self.function).parameters.values())
        return found[1:] if self._is_method else found

    @property
    def _names(self) -> list[str]:
        return [parameter.name for parameter in self._parameters]

    @functools.cached_property
    def _docstring(self) -> Any:
        from docstring_parser import DocstringStyle, parse

        return parse(inspect.getdoc(self.function) or "", DocstringStyle.GOOGLE)

    @property
    def _description(self) -> str:
        parts = (self._docstring.short_description, self._docstring.long_description)
        return "\n\n".join(part for part in parts if part)

    @functools.cached_property
    def _compiled(self) -> tuple[TypeAdapter[Any], dict[str, Any]]:
        """What validates a dictionary of arguments, and its JSON schema."""
        from pydantic import ConfigDict, PydanticUserError, TypeAdapter
        from pydantic.errors import PydanticSchemaGenerationError

        try:
            shape = self._shape(ConfigDict(extra="forbid", coerce_numbers_to_str=True))
            adapter = TypeAdapter(shape)
            schema = _untitled(adapter.json_schema())
        except (NameError, PydanticUserError, PydanticSchemaGenerationError) as error:
            raise self._refused(f"has a type that cannot become a schema: {error}") from error
        return adapter, {key: schema[key] for key in schema if key != "description"}

    def _shape(self, config: Any) -> Any:
        """Return a typed dictionary of the parameters, where any name will do.

        What the model leaves out stays out: defaults are the function's own affair.
        """
        from typing import Annotated, NotRequired, get_type_hints

        from pydantic import Field, with_config
        from typing_extensions import TypedDict

        hints = get_type_hints(self.function, include_extras=True)
        said = {p.arg_name: p.description for p in self._docstring.params}
        fields: dict[str, Any] = {}
        for parameter in self._parameters:
            optional = parameter.default is not parameter.empty
            extra = {"default": parameter.default} if _plain(parameter.default) else None
            about = Field(description=said.get(parameter.name), json_schema_extra=extra)
            kind: Any = Annotated[hints[parameter.name], about]
            fields[parameter.name] = NotRequired[kind] if optional else kind
        shape: Any = TypedDict("Arguments", fields)  # type: ignore[misc]  # made from a signature
        return with_config(config)(shape)

    def _refused(self, why: str) -> ToolDefinitionError:
        name = getattr(self.function, "__qualname__", repr(self.function))
        return ToolDefinitionError(f"tool '{name}' {why}")


class Toolbox:
    """The tools of an object, or a few functions, called by name.

    Args:
        owner: The object whose marked methods are tools, bases first, in the order of definition.
        functions: Marked or plain functions besides.

    Raises:
        ToolDefinitionError: If a definition cannot become a schema.
    """

    def __init__(self, owner: Any = None, functions: Iterable[Callable[..., Any]] = ()) -> None:
        self._owner = owner
        found = [*_marked(type(owner)), *(getattr(f, _MARK, None) or Tool(f) for f in functions)]
        self._tools = {each.name: each for each in found}
        self._schemas = [each.schema for each in self._tools.values()]

    @property
    def schemas(self) -> list[dict[str, Any]]:
        """JSON schemas in OpenAI's format, copied."""
        return copy.deepcopy(self._schemas)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def run(self, call: ToolCall) -> str:
        """Run a model's call and return what the model reads; see `Tool.run`."""
        if call.name not in self._tools:
            return f"error: no tool '{call.name[:80]}'; {_nearest(call.name, list(self._tools))}"
        return self._tools[call.name].run(self._owner, call.arguments)


def _marked(kind: type) -> list[Tool]:
    names = dict.fromkeys(name for base in reversed(kind.__mro__) for name in vars(base))
    # An override without the decorator takes the tool away: the class says what it has.
    marks = (getattr(inspect.getattr_static(kind, name), _MARK, None) for name in names)
    return [mark for mark in marks if isinstance(mark, Tool)]


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name[:80], names, 1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}"


def _explain(error: ValidationError, names: list[str]) -> str:
    """Return one line that says what is wrong with the arguments of a call."""
    lines = []
    for line in error.errors(include_url=False, include_input=False, include_context=False)[:4]:
        place = ".".join(str(part)[:80] for part in line["loc"])
        if line["type"] == "missing":
            lines.append(f"missing argument '{place}'")
        elif line["type"] == "extra_forbidden":
            lines.append(f"unexpected argument '{place}'; {_nearest(place, names)}")
        else:
            lines.append(f"argument '{place}': {line['msg'][:1].lower()}{line['msg'][1:]}")
    return "; ".join(lines)


def _as_text(result: Any) -> str:
    if isinstance(result, str):
        return result
    if result is None:
        return "done"
    return json.dumps(result, ensure_ascii=False, default=str)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | list | dict)


def _untitled(schema: Any) -> Any:
    """Drop the titles that pydantic makes out of names: the model gains nothing from them."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    keep = ("default", "const", "enum", "examples")
    return {
        key: value if key in keep else _untitled(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
