"""Settings from the command line: a pydantic model, an optional file, then flags over it.

tyro reads the flags and writes the help. It is handed a looser twin of the model, in which
mappings are JSON texts and nothing is checked: the model itself then checks file and flags
together, so every mistake is told in one line, wherever it was made.
"""

from __future__ import annotations

import contextlib
import io
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin

import tyro
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["parse", "take"]

Model = TypeVar("Model", bound=BaseModel)

_COMMON = "Also: --config FILE (.toml or .json; flags override it), --json (one JSON object)."


def take(argv: list[str], flag: str) -> bool:
    """Remove a flag without a value from the arguments; return whether it was there."""
    found = flag in argv
    argv[:] = [word for word in argv if word != flag]
    return found


def parse(model: type[Model], verb: str, argv: Sequence[str], description: str) -> Model:
    """Return the settings of one verb.

    Args:
        model: What to make; fields with tyro's annotations keep them.
        verb: For the texts.
        argv: Arguments behind the verb.
        description: First lines of the help.

    Raises:
        ConfigError: If a key, a flag or a value is wrong.
        SystemExit: After the help.
    """
    words = list(argv)
    file = _take_config(words)
    _refuse_unknown_flags(model, verb, words)
    given = _load(file) if file is not None else {}
    for key in given:
        if key not in model.model_fields:
            hint = perhaps_you_meant(key, model.model_fields)
            raise ConfigError(f"'{file}' has an unknown key '{key}'; {hint}")
    twin = _twin(model)
    with _one_line(verb):
        flags = tyro.cli(
            twin,
            prog=f"agentgym {verb}",
            description=f"{description} {_COMMON}",
            args=words,
            default=_defaults(twin, model, given, file),
            config=(tyro.conf.OmitSubcommandPrefixes,),
        )
    return _checked(model, {name: getattr(flags, name) for name in model.model_fields})


@contextlib.contextmanager
def _one_line(verb: str) -> Iterator[None]:
    """Turn the box in which tyro says what it cannot read into an error of one line.

    Raises:
        ConfigError: With the first paragraph of the box.
    """
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            yield
    except SystemExit as leave:
        if not leave.code:
            raise
        lines = [line.strip("│ ") for line in told.getvalue().splitlines() if line[:1] == "│"]
        first = " ".join(takewhile(lambda line: not line.startswith("─"), lines))
        text = first.removeprefix("Error ").rstrip(".")
        text = f"{text[:1].lower()}{text[1:]}" or "the arguments cannot be read"
        raise ConfigError(f"{text}; see agentgym {verb} --help") from None


def _take_config(words: list[str]) -> Path | None:
    """Remove ``--config FILE`` or ``--config=FILE`` from the arguments; return the file."""
    for position, word in enumerate(words):
        if word.startswith("--config="):
            del words[position]
            return Path(word.removeprefix("--config="))
        if word == "--config":
            if position + 1 == len(words):
                raise ConfigError("--config needs a file: --config run.toml")
            file = Path(words[position + 1])
            del words[position : position + 2]
            return file
    return None


def _load(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read '{file}': {error}") from error
    try:
        values = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"'{file}' is malformed: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"'{file}' must hold keys and values, not {type(values).__name__}")
    return values


def _refuse_unknown_flags(model: type[BaseModel], verb: str, words: Sequence[str]) -> None:
    names = [name.replace("_", "-") for name in model.model_fields]
    known = {"--help", "--config", "--json", *(f"--{name}" for name in names)}
    negated = {f"--no-{name}" for name in names}
    for word in words:
        flag = word.partition("=")[0].replace("_", "-")
        if flag.startswith("--") and flag not in known | negated:
            raise ConfigError(f"{verb} has no flag '{flag}'; {perhaps_you_meant(flag, known)}")


def _is_mapping(field: FieldInfo) -> bool:
    return (get_origin(field.annotation) or field.annotation) in (dict, Mapping)


def _twin(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model that tyro sees: same names and help, no checks, mappings as JSON."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind: Any = str if _is_mapping(field) else field.annotation
        marks = [mark for mark in field.metadata if type(mark).__module__.startswith("tyro")]
        for mark in marks:
            kind = Annotated[kind, mark]
        text = f"{field.description or ''}{' As JSON.' if _is_mapping(field) else ''}"
        fields[name] = (kind, Field(description=text))
    return create_model(model.__name__, **fields)


def _defaults(
    twin: type[BaseModel], model: type[BaseModel], given: Mapping[str, Any], file: Path | None
) -> BaseModel:
    """Return the twin with the file's values, each checked alone, over the defaults."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name in given:
            value = _field_value(name, field, given[name], file)
        else:
            value = (
                tyro.MISSING
                if field.is_required()
                else field.get_default(call_default_factory=True)
            )
        values[name] = json.dumps(value) if _is_mapping(field) else value
    return twin.model_construct(**values)


def _field_value(name: str, field: FieldInfo, value: Any, file: Path | None) -> Any:
    kind: Any = field.annotation
    for mark in field.metadata:
        kind = Annotated[kind, mark]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"'{file}': {name}: {_why(error)}") from error


def _checked(model: type[Model], values: dict[str, Any]) -> Model:
    for name, field in model.model_fields.items():
        if _is_mapping(field):
            values[name] = _decoded(name, values[name])
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_why(error)) from error


def _decoded(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        flag = f"--{name.replace('_', '-')}"
        raise ConfigError(f"{flag} must be JSON such as '{{\"level\": 2}}': {error}") from error


def _why(error: ValidationError) -> str:
    """Return what is wrong, one clause per mistake."""
    parts = []
    for detail in error.errors():
        where = ".".join(map(str, detail["loc"]))
        text = detail["msg"].removeprefix("Value error, ")
        text = f"{text[:1].lower()}{text[1:]}"
        if detail["type"] != "value_error":  # those are ours and say it themselves
            text = f"{text} (it is {detail['input']!r})"
        parts.append(f"{where}: {text}" if where else text)
    return "; ".join(parts)
