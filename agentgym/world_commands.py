"""The verb `world`: serve an episode of the API world to an MCP client.

The world is imported by name, for the framework does not depend on it. The standard output is the
protocol's; what the episode comes to is written to the standard error, once the client has gone.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.text import Text

from agentgym.errors import AgentGymError, ConfigError, EnvironmentFault
from agentgym.flags import parse, take
from agentgym.suggest import perhaps_you_meant
from agentgym.types import Verdict

__all__ = ["McpConfig", "world"]

_ENV = "agentgym/ApiWorld-v0"
_USAGE = """usage: agentgym world TASK ...

tasks:
  mcp  serve one episode to an MCP client over the standard input and output

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

    package = _package()
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


def _package() -> Any:
    try:
        return importlib.import_module("agentgym_envs.world.mcp")
    except ImportError as error:
        raise AgentGymError(f"no world here: {error}; install agentgym-rl again") from error


def _tell(task_id: str, verdict: Verdict, as_json: bool) -> None:
    """Write the verdict where the protocol is not."""
    if as_json:
        sys.stderr.write(json.dumps({"task_id": task_id, **asdict(verdict)}) + "\n")
        return
    console = Console(stderr=True, highlight=False, markup=False)
    head = Text(f"{task_id}: score {verdict.score:g}: {verdict.reason}", style="bold")
    rules = (Text(f"  {rule.name}: {rule.score:g} {rule.reason}") for rule in verdict.rules)
    for line in (head, *rules):
        console.print(line, soft_wrap=True)


_TASKS: Mapping[str, Callable[[list[str]], int]] = {"mcp": _mcp}
