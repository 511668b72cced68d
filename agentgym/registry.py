"""Environments by id, in Gymnasium's registry, and the plug-ins that put them there.

A package offers environments through the entry-point group ``agentgym.envs``: the name is its
namespace, the value a callable without arguments that calls `register`. It is loaded when an id of
that namespace is first asked for. One that fails costs a warning and a row, never an import.
"""

from __future__ import annotations

import difflib
import importlib
import json
import re
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, cast

from agentgym.errors import ConfigError, DuplicateEnvironment, UnknownEnvironment, UsageError

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec
    from gymnasium.vector import VectorEnv

    from agentgym.env import Env

__all__ = [
    "GROUP",
    "EnvRow",
    "ids",
    "list_envs",
    "load_namespace",
    "make",
    "make_vec",
    "register",
    "spec",
]

GROUP = "agentgym.envs"


@dataclass(frozen=True, slots=True)
class EnvRow:
    """One line of a listing.

    Attributes:
        id: The environment, or ``namespace/*`` for a plug-in that cannot be loaded.
        description: One line by its author.
        source: The package it comes from.
        error: Why the plug-in cannot be loaded; empty where it can.
    """

    id: str
    description: str = ""
    source: str = ""
    error: str = ""


# What Gymnasium's registry, which is one to a process, has no room for.
_descriptions: dict[str, str] = {}
_loaded: set[str] = set()
_broken: dict[str, EnvRow] = {}
# Environments are made by many threads: none may see a namespace that is half loaded.
_loading = threading.RLock()


def register(
    id: str,
    entry_point: str,
    *,
    kwargs: Mapping[str, Any] | None = None,
    description: str = "",
    nondeterministic: bool = False,
) -> None:
    """Register an environment; doing so twice in the same way changes nothing.

    Args:
        id: ``namespace/Name-v0``. The version rises when a change would change scores.
        entry_point: ``module:Class``, imported when the environment is first made.
        kwargs: Arguments of the constructor that can be written as JSON.
        description: One line for listings.
        nondeterministic: Its episodes differ even with the same seed.

    Raises:
        DuplicateEnvironment: If another environment has this id.
        UsageError: If the id or the entry point is malformed, or ``kwargs`` are not JSON.
    """
    from gymnasium.envs import registration
    from gymnasium.error import Error

    _check_entry_point(id, entry_point, kwargs)
    try:
        new = registration.EnvSpec(
            id,
            entry_point,
            nondeterministic=nondeterministic,
            order_enforce=False,  # our environments say so themselves
            disable_env_checker=True,  # `agentgym check` looks at much more, once
            kwargs=dict(kwargs or {}),
        )
        old = registration.registry.get(id)
        if old is not None and old != new:
            raise DuplicateEnvironment(
                f"environment '{id}' is registered already, as {old.entry_point} with "
                f"{old.kwargs}; give the new one another name or version"
            )
        if old is None:
            registration._check_spec_register(new)
            registration.registry[id] = new
            _descriptions[id] = description
    except Error as error:
        raise UsageError(f"cannot register '{id}': {error}") from error


def _check_entry_point(id: str, entry_point: object, kwargs: Mapping[str, Any] | None) -> None:
    if not isinstance(entry_point, str) or not re.fullmatch(r"[\w.]+:\w+", entry_point):
        raise UsageError(f"entry point of '{id}' must be a text 'module:Class', not {entry_point}")
    try:
        same = json.loads(json.dumps(dict(kwargs or {}))) == dict(kwargs or {})
    except (TypeError, ValueError):
        same = False
    if not same:
        raise UsageError(f"arguments of '{id}' must be plain JSON, not {kwargs}")


def load_namespace(namespace: str) -> None:
    """Load the plug-ins of a namespace, once."""
    import gymnasium  # noqa: F401 - before taking the lock: importing it may come back here

    with _loading:
        if namespace in _loaded:
            return
        _loaded.add(namespace)
        for point in entry_points(group=GROUP, name=namespace):
            _load(point)


def _load(point: EntryPoint) -> None:
    try:
        point.load()()
    except Exception as error:  # noqa: BLE001 - somebody else's code: report it and go on
        text = f"{type(error).__name__}: {error}"
        source = point.dist.name if point.dist else point.module
        _broken[point.name] = EnvRow(f"{point.name}/*", "", source, text)
        warnings.warn(
            f"environment plug-in '{point.name}' ({point.value}) cannot be loaded: {text}",
            RuntimeWarning,
            stacklevel=4,
        )


def spec(id: str) -> EnvSpec:
    """Return Gymnasium's spec of an environment, a copy.

    Args:
        id: ``namespace/Name-v0``, or ``module:namespace/Name-v0`` to import a module first.

    Raises:
        UnknownEnvironment: If there is none, with the nearest ids.
    """
    import copy

    from gymnasium.envs.registration import registry

    module, _, name = id.rpartition(":")
    if module:
        _import(module, id)
    if name not in registry:
        load_namespace(name.rpartition("/")[0])
    if name not in registry:
        raise UnknownEnvironment(f"no environment '{name}'; {_hint(name)}")
    return copy.deepcopy(registry[name])


def _import(module: str, id: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UnknownEnvironment(
            f"no module '{error.name}' for environment '{id}'; install it or mind PYTHONPATH"
        ) from error


def _hint(name: str) -> str:
    namespace = name.rpartition("/")[0]
    if namespace in _broken:
        return f"its plug-in cannot be loaded: {_broken[namespace].error}"
    known = ids()
    by_lower = {id.lower(): id for id in known}
    near = difflib.get_close_matches(name.lower(), list(by_lower), 1)
    if near:
        return f"did you mean '{by_lower[near[0]]}'?"
    return f"there are: {', '.join(known) or 'none; install or register one'}"


def make(id: str, **kwargs: Any) -> Env:
    """Make an environment.

    Args:
        id: As for `spec`.
        kwargs: Arguments of its constructor, such as ``split``.

    Raises:
        UnknownEnvironment: If there is none of this id.
        ConfigError: If it takes no such argument.
    """
    import gymnasium

    found = spec(id)
    try:
        return cast("Env", gymnasium.make(found, disable_env_checker=True, **kwargs))
    except TypeError as error:
        raise _explained(found.id, kwargs, error) from error


def make_vec(
    id: str,
    num_envs: int = 1,
    *,
    mode: Literal["sync", "async"] = "sync",
    autoreset: Literal["disabled", "same_step"] = "disabled",
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    """Make several environments that step together.

    Args:
        id: As for `spec`.
        num_envs: How many.
        mode: ``async`` gives each its own process, without shared memory, which loses texts.
        autoreset: Whether an episode that ended is followed by another in the same step.
            Gymnasium's default, a step later, would waste an action.
        kwargs: Arguments of the constructor.

    Raises:
        UnknownEnvironment: If there is none of this id.
        ConfigError: If it takes no such argument.
    """
    import gymnasium
    from gymnasium.vector import AutoresetMode

    found = spec(id)
    settings: dict[str, Any] = {"autoreset_mode": AutoresetMode[autoreset.upper()]}
    if mode == "async":
        settings["shared_memory"] = False
    try:
        return gymnasium.make_vec(
            found, num_envs, vectorization_mode=mode, vector_kwargs=settings, **kwargs
        )
    except TypeError as error:
        raise _explained(found.id, kwargs, error) from error


def _explained(id: str, kwargs: Mapping[str, Any], error: TypeError) -> Exception:
    """Name the argument that an environment does not take; other type errors stay as they are."""
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if found is None or found[1] not in kwargs:
        return error
    return ConfigError(f"environment '{id}' takes no argument '{found[1]}'; see its constructor")


def list_envs() -> list[EnvRow]:
    """Load every plug-in and return a row for each environment, and for each broken plug-in."""
    from gymnasium.envs.registration import registry

    namespaces = {point.name for point in entry_points(group=GROUP)}
    for namespace in sorted(namespaces):
        load_namespace(namespace)
    rows = [
        EnvRow(id, _descriptions.get(id, ""), str(found.entry_point).split(":")[0].split(".")[0])
        for id, found in registry.items()
        if id in _descriptions or found.namespace in namespaces
    ]
    return sorted([*rows, *_broken.values()], key=lambda row: row.id)


def ids() -> list[str]:
    """Return the ids of all environments that can be made."""
    return [row.id for row in list_envs() if not row.error]
