"""The verb `world`: serve an episode of the API world to an MCP client, and count goals.

The world is imported by name, for the framework does not depend on it. While an episode is served
the standard output is the protocol's; what the episode comes to is written to the standard error,
once the client has gone.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.errors import AgentGymError, ConfigError, EnvironmentFault, RunError
from agentgym.flags import parse, take
from agentgym.suggest import perhaps_you_meant
from agentgym.terminal import print_json, text_console
from agentgym.types import Verdict

__all__ = ["GoalsConfig", "McpConfig", "world"]

_ENV = "agentgym/ApiWorld-v0"
_USAGE = """usage: agentgym world TASK ...

tasks:
  mcp    serve one episode to an MCP client over the standard input and output
  goals  count the goals that an evaluation reached, by task and by scenario

agentgym world TASK --help tells the settings of a task."""


class McpConfig(BaseModel):
    """Which episode to serve."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str | None = Field(None, description="Task id; default: the seed chooses.")
    split: str = Field("train", description="Split that the task is from.")
    seed: int = Field(0, ge=0, description="Of the episode.")
    size: Literal["full", "small"] = Field("full", description="Of the world.")
    env_kwargs: dict[str, Any] = Field(
        default_factory=dict, description=f"Further keyword arguments of {_ENV}."
    )


class GoalsConfig(BaseModel):
    """Which evaluation to count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Annotated[Path, Positional, arg(metavar="RUN")] = Field(
        description="Run folder of an evaluation of ApiWorld or AppWorld."
    )


def world(argv: list[str]) -> int:
    """Do one task of the API world."""
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE + "\n")
        return 0 if argv else 2
    task, *rest = argv
    if task not in _TASKS:
        raise ConfigError(f"world has no task '{task}'; {perhaps_you_meant(task, _TASKS)}")
    return _TASKS[task](rest)


def _mcp(argv: list[str]) -> int:
    as_json = take(argv, "--json")
    about = "Serve one episode of the API world to an MCP client, and judge it at the end."
    config = parse(McpConfig, "world mcp", argv, about)
    from agentgym.registry import make

    package = _package("mcp")
    env = make(_ENV, split=config.split, size=config.size, **config.env_kwargs)
    with contextlib.closing(env):
        options = {"task_id": config.task} if config.task else None
        _, info = env.reset(seed=config.seed, options=options)
        core: Any = env.unwrapped
        with contextlib.suppress(KeyboardInterrupt):  # clients end a server by a signal
            package.serve(core.run)
        fault = core.run.service.fault
        verdict = core.run.verdict()
    if fault is not None:
        raise EnvironmentFault(f"an API failed, so there is no score: {fault}") from fault
    _tell(info["task_id"], verdict, as_json)
    return 0


def _goals(argv: list[str]) -> int:
    as_json = take(argv, "--json")
    about = "Count the goals that an evaluation reached, by task and by scenario, and its habits."
    config = parse(GoalsConfig, "world goals", argv, about)
    found = _counted(config.run)
    if as_json:
        blocks = {label: asdict(goals) for label, goals in found.items()}
        print_json({"run": str(config.run), "environments": blocks})
        return 0
    for label, goals in found.items():
        _show_goals(label, goals)
    return 0


def _counted(path: Path) -> dict[str, Any]:
    """Return the goals of each environment of an evaluation.

    Raises:
        RunError: If the folder is none of an evaluation, or holds no episode.
    """
    from agentgym.evaluate.saved import open_run

    package = _package("goals")
    run = open_run(path)
    if run.kind != "eval":
        raise RunError(f"'{path}' is the run of a training; evaluate what it made, and give that")
    episodes: dict[str, list[Any]] = {}
    for glance in run.glances():
        episodes.setdefault(glance.saved.env, []).append(glance.saved.episode)
    if not episodes:
        raise RunError(f"'{path}' holds no whole episode yet; let the evaluation go on")
    return {label: package.Goals.of(some) for label, some in episodes.items()}


def _show_goals(label: str, goals: Any) -> None:
    from agentgym.evaluate.display import printable

    counted = f"{goals.scored} episodes of {goals.tasks} tasks, {goals.unscored} unscored"
    table = Table(box=None, show_header=False)
    table.add_row("environment", Text(printable(label)))
    table.add_row("task goal completion", f"{_share(goals.tgc)} ({counted})")
    whole = f"{goals.scenarios} attempts at whole scenarios"
    table.add_row("scenario goal completion", f"{_share(goals.sgc)} ({whole})")
    for k, value in goals.pass_hat_k.items():
        table.add_row(f"pass^{k}", _share(value))
    for name, mean in goals.behaviour.items():
        table.add_row(Text(printable(name)), f"{mean:.2f} an episode")
    text_console().print(table)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _package(name: str) -> Any:
    try:
        return importlib.import_module(f"agentgym_envs.world.{name}")
    except ImportError as error:
        raise AgentGymError(f"no world here: {error}; install agentgym-rl again") from error


def _tell(task_id: str, verdict: Verdict, as_json: bool) -> None:
    """Write the verdict where the protocol is not."""
    if as_json:
        sys.stderr.write(json.dumps({"task_id": task_id, **asdict(verdict)}) + "\n")
        return
    console = text_console(stderr=True)
    head = Text(f"{task_id}: score {verdict.score:g}: {verdict.reason}", style="bold")
    rules = (Text(f"  {rule.name}: {rule.score:g} {rule.reason}") for rule in verdict.rules)
    for line in (head, *rules):
        console.print(line, soft_wrap=True)


_TASKS: Mapping[str, Callable[[list[str]], int]] = {"mcp": _mcp, "goals": _goals}
