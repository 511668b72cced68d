"""Apps and their APIs: a typed, documented function is validated, described and called.

`App.api` takes the same typed functions with Google docstrings as `agentgym.tool`; from the
signature come validation, the JSON schema and the documentation that the agent reads.
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentgym.tools import Tool
from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.errors import ApiError, invalid
from agentgym_envs.world.people import Person

__all__ = ["Api", "App", "Context", "page"]

MAX_PAGE = 20


@dataclass(frozen=True, slots=True)
class Context:
    """What an API function works with.

    Attributes:
        db: The world.
        now: The world's clock, ``YYYY-MM-DDTHH:MM:SS``; it stands still.
        user: The row of ``accounts`` of whoever is logged in; empty where no login is needed.
        person: Whose assistant the agent is.
        app: The name of the app that is called.
        apps: All apps by name.
        instruction: What the person has asked for.
    """

    db: Database
    now: str
    user: Row
    person: Row
    app: str = ""
    apps: Mapping[str, App] = field(default_factory=dict)
    instruction: str = ""

    @property
    def person_id(self) -> int:
        """The person who is logged in."""
        return int(self.user["person_id"])


@dataclass(frozen=True)
class Api:
    """One API of an app.

    Attributes:
        app: Its app's name.
        function: Takes a `Context` and keyword arguments; returns what JSON can hold.
        login: Whether it needs an access token.
        writes: Whether it may change the world; so a read that writes is a bug that a test finds.
    """

    app: str
    function: Callable[..., Any]
    login: bool
    writes: bool

    @property
    def name(self) -> str:
        """The name that the agent calls."""
        return self.function.__name__

    @functools.cached_property
    def tool(self) -> Tool:
        """The function without its context, which validates and describes itself."""
        signature = inspect.signature(self.function)
        kept = [p for name, p in signature.parameters.items() if name != "ctx"]
        bare = functools.wraps(self.function)(lambda **_: None)
        bare.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        bare.__annotations__ = {
            k: v for k, v in self.function.__annotations__.items() if k != "ctx"
        }
        return Tool(bare)

    def validated(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with their types.

        Raises:
            ApiError: 422, with what is wrong.
        """
        from pydantic import ValidationError

        try:
            return self.tool.validate(arguments)
        except ValidationError as error:
            raise invalid(f"Validation error. Reason: \n{_reasons(error)}") from error

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments, the access token last."""
        own: dict[str, Any] = self.tool.schema["function"]["parameters"]
        if not self.login:
            return own
        said = f"Access token obtained from {self.app} app login."
        return own | {
            "properties": own.get("properties", {})
            | {"access_token": {"type": "string", "description": said}},
            "required": [*own.get("required", []), "access_token"],
        }

    @functools.cached_property
    def parameters(self) -> list[dict[str, Any]]:
        """The parameters as AppWorld documents them."""
        required = self.schema.get("required", [])
        return [
            {
                "name": name,
                "type": _type(about),
                "required": name in required,
                "description": about.get("description", ""),
                "default": about.get("default"),
                "constraints": _constraints(about),
            }
            for name, about in self.schema.get("properties", {}).items()
        ]

    @functools.cached_property
    def doc(self) -> dict[str, Any]:
        """The whole documentation of the API, in AppWorld's shape."""
        return {
            "app_name": self.app,
            "api_name": self.name,
            "path": f"/{self.app}/{self.name}",
            "method": "POST" if self.writes else "GET",
            "description": self.description,
            "parameters": self.parameters,
            "response_schemas": {
                "success": self.tool.returns or "A message.",
                "failure": {"message": "string"},
            },
        }

    @property
    def description(self) -> str:
        """What it does, in one paragraph."""
        return str(self.tool.schema["function"]["description"])


@dataclass
class App:
    """One app: its tables, its APIs and how it fills its tables.

    Args:
        name: As the agent calls it.
        description: One sentence.
        schema: SQL of its tables, each prefixed with the app's name.
        accounts: Whether people log in.

    Attributes:
        apis: By name, in the order of definition.
        populate: Fills the tables; set by the decorator `populated_by`.
    """

    name: str
    description: str
    schema: str = ""
    accounts: bool = True
    apis: dict[str, Api] = field(default_factory=dict)
    populate: Callable[[Database, random.Random, list[Person], float], None] | None = None

    def api(
        self, *, login: bool = True, writes: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add a function ``f(ctx: Context, *, ...)`` to the app.

        Args:
            login: Whether the caller must give an access token of this app.
            writes: Whether it changes the world.
        """

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            if function.__name__ in self.apis:
                raise ValueError(f"{self.name} has {function.__name__} twice")
            self.apis[function.__name__] = Api(self.name, function, login, writes)
            return function

        return add

    def populated_by(
        self, function: Callable[[Database, random.Random, list[Person], float], None]
    ) -> Callable[[Database, random.Random, list[Person], float], None]:
        """Set what fills the tables: ``f(db, rng, people, scale)``, scale 1.0 in the full size."""
        self.populate = function
        return function


def page(rows: list[Row], page_index: int, page_limit: int) -> list[Row]:
    """Return one page of rows.

    Raises:
        ApiError: 422 if the page cannot be.
    """
    if page_index < 0:
        raise invalid("page_index must be at least 0.")
    if not 1 <= page_limit <= MAX_PAGE:
        raise invalid(f"page_limit must be between 1 and {MAX_PAGE}.")
    return rows[page_index * page_limit : (page_index + 1) * page_limit]


def _reasons(error: Any) -> str:
    """Return lines in AppWorld's words, such as ``title: field required``."""
    # Not the words of `agentgym.tools`, which names a tool's arguments: one prompt serves both.
    lines = []
    for line in error.errors(include_url=False, include_input=False, include_context=False)[:4]:
        place = ".".join(str(part)[:80] for part in line["loc"])
        lines.append(f"{place}: {line['msg'][:1].lower()}{line['msg'][1:]}")
    return "\n".join(lines)


def _type(about: Mapping[str, Any]) -> str:
    options = [_type(option) for option in about.get("anyOf", [])]
    kind = about.get("type") or " | ".join(option for option in options if option != "null")
    if kind == "array":
        return f"list[{about.get('items', {}).get('type', 'object')}]"
    return str(kind or "object")


_CONSTRAINTS = {
    "minimum": "value >= ",
    "maximum": "value <= ",
    "exclusiveMinimum": "value > ",
    "exclusiveMaximum": "value < ",
    "minLength": "length >= ",
    "maxLength": "length <= ",
    "minItems": "length >= ",
    "maxItems": "length <= ",
    "pattern": "matches ",
    "enum": "value in ",
}


def _constraints(about: Mapping[str, Any]) -> list[str]:
    found = [f"{word}{about[key]}" for key, word in _CONSTRAINTS.items() if key in about]
    if "const" in about:
        found.append(f"value in {[about['const']]}")
    return [*found, *(line for option in about.get("anyOf", []) for line in _constraints(option))]


def refuse_unknown(name: str, known: list[str], what: str) -> ApiError:
    """Return the error for a name that nothing has."""
    return invalid(f"No {what} named '{name[:80]}' found. Available: {', '.join(known)}.")
