"""Suites: named lists of environments, with how much of each is played.

A suite is registered by a plug-in (`register_suite`, in the callable of its entry point) or written
as a TOML file, whose path then stands for its name:

    description = "what we look at before a release"

    [[entries]]
    env = "agentgym/Math-v0"
    kwargs = {level = 2}
    tasks = 100
    rollouts = 4

Nothing is imported or made when a suite is registered.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = [
    "Suite",
    "SuiteEntry",
    "entries_of",
    "labelled",
    "list_suites",
    "load_suite",
    "register_suite",
    "suite",
]

_IS_ENV = re.compile(r".+-v\d+\Z")  # as Gymnasium wants ids


@dataclass(frozen=True, slots=True)
class SuiteEntry:
    """One environment of a suite.

    Attributes:
        env: Its id.
        kwargs: Its keyword arguments.
        split: Of its tasks.
        tasks: How many of the split's first tasks, or which ones by their ids.
        rollouts: Episodes of each.
        name: Tells entries of the same environment apart; by default what their arguments say.
    """

    env: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    split: str = "test"
    tasks: int | tuple[str, ...] = 50
    rollouts: int = 1
    name: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A named list of entries."""

    name: str
    entries: tuple[SuiteEntry, ...]
    description: str = ""


_suites: dict[str, Suite] = {}


def register_suite(
    name: str, entries: Iterable[SuiteEntry | Mapping[str, Any] | str], description: str = ""
) -> None:
    """Register a suite; doing so twice in the same way changes nothing.

    Args:
        name: A word, by which it is asked for.
        entries: Of each environment a `SuiteEntry`, a mapping of its attributes, or the id alone.
        description: One line for listings.

    Raises:
        ConfigError: If the name or an entry cannot be used, or another suite has this name.
    """
    if not re.fullmatch(r"[\w.-]+", name) or _IS_ENV.match(name) or name.endswith(".toml"):
        raise ConfigError(f"a suite's name must be a word, and no environment's id, not '{name}'")
    new = Suite(name, _entries(entries, f"suite '{name}'"), description)
    if _suites.setdefault(name, new) != new:
        raise ConfigError(
            f"suite '{name}' is registered already, with other entries; give the new one another "
            "name"
        )


def list_suites() -> list[Suite]:
    """Load every plug-in and return the suites that there are, by name."""
    from agentgym.registry import list_envs

    list_envs()  # what it loads registers suites too
    return [_suites[name] for name in sorted(_suites)]


def suite(name: str) -> Suite:
    """Return a suite by its name.

    Raises:
        ConfigError: If there is none, with the nearest name.
    """
    known = {each.name: each for each in list_suites()}
    if name not in known:
        raise ConfigError(
            f"no suite '{name}'; {perhaps_you_meant(name, known)} (or give an environment's id, or "
            "a .toml file)"
        )
    return known[name]


def load_suite(path: Path) -> Suite:
    """Read a suite from a TOML file.

    Raises:
        ConfigError: If it cannot be read, or says something else than a suite.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the suite '{path}': {error}") from error
    for key in found:
        if key not in ("description", "entries"):
            hint = perhaps_you_meant(key, ("description", "entries"))
            raise ConfigError(f"'{path}' has an unknown key '{key}'; {hint}")
    rows = found.get("entries", [])
    if not isinstance(rows, list):
        raise ConfigError(f"'{path}': write each of its entries under [[entries]]")
    return Suite(path.stem, _entries(rows, f"'{path}'"), str(found.get("description", "")))


def entries_of(words: Iterable[str]) -> list[SuiteEntry]:
    """Return what ids, suites' names and files stand for, in order and each once.

    Raises:
        ConfigError: If a word is none of them.
        UnknownEnvironment: If there is no environment of such an id.
    """
    from agentgym.registry import spec

    found: list[SuiteEntry] = []
    for word in words:
        if word.endswith(".toml"):
            found += load_suite(Path(word).expanduser()).entries
        elif _IS_ENV.match(word):
            found.append(SuiteEntry(word))
        else:
            found += suite(word).entries
    for entry in found:
        spec(entry.env)  # a misspelt id is told before anything starts
    return [entry for position, entry in enumerate(found) if entry not in found[:position]]


def labelled(entries: Iterable[SuiteEntry]) -> dict[str, SuiteEntry]:
    """Return label to entry: the environment's id, and ``id#name`` where it is there twice."""
    rows = list(entries)
    times = Counter(entry.env for entry in rows)
    found: dict[str, SuiteEntry] = {}
    for entry in rows:
        label = entry.env if times[entry.env] == 1 else f"{entry.env}#{entry.name or _told(entry)}"
        stem, number = label, 2
        while label in found:
            label, number = f"{stem}.{number}", number + 1
        found[label] = entry
    return found


def _told(entry: SuiteEntry) -> str:
    """Return what an entry's arguments say, in one word."""
    said = [f"{key}={value}" for key, value in sorted(entry.kwargs.items())]
    return ",".join([*said, entry.split])


def _entries(
    rows: Iterable[SuiteEntry | Mapping[str, Any] | str], where: str
) -> tuple[SuiteEntry, ...]:
    found = tuple(_entry(row, where) for row in rows)
    if not found:
        raise ConfigError(f"{where} has no entries; a suite needs at least one environment")
    return found


def _entry(row: SuiteEntry | Mapping[str, Any] | str, where: str) -> SuiteEntry:
    if isinstance(row, str):
        return SuiteEntry(row)
    if not isinstance(row, SuiteEntry):
        known = [field.name for field in fields(SuiteEntry)]
        for key in row:
            if key not in known:
                hint = perhaps_you_meant(str(key), known)
                raise ConfigError(f"{where}: an entry has no '{key}'; {hint}")
        if "env" not in row:
            raise ConfigError(f'{where}: an entry names no environment; give it env = "..."')
        row = SuiteEntry(**row)
    if isinstance(row.tasks, list):
        row = replace(row, tasks=tuple(row.tasks))
    _check(row, where)
    return row


def _check(entry: SuiteEntry, where: str) -> None:
    rules = {
        "env": (_is_text(entry.env) and entry.env != "", "an environment's id"),
        "kwargs": (isinstance(entry.kwargs, Mapping), "a table of keyword arguments"),
        "split": (_is_text(entry.split), "a split's name"),
        "tasks": (_is_count(entry.tasks) or _are_ids(entry.tasks), "a number, or a list of ids"),
        "rollouts": (_is_count(entry.rollouts), "a number"),
        "name": (_is_text(entry.name), "a text"),
    }
    for key, (is_right, what) in rules.items():
        if not is_right:
            value = getattr(entry, key)
            raise ConfigError(f"{where}: '{key}' of an entry cannot be {value!r}; it is {what}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_ids(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(each, str) for each in value)
