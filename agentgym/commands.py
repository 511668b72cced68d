"""The verbs of the command line, one function each.

Results go to the standard output, progress and whatever libraries print to the standard error. Text
that a model wrote is never read as markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.check_commands import check
from agentgym.compare_commands import compare_runs
from agentgym.errors import EnvironmentFault, RunError
from agentgym.eval_commands import evaluate, suites
from agentgym.export_commands import export
from agentgym.flags import parse, take
from agentgym.math_commands import math
from agentgym.report_commands import report
from agentgym.reward_commands import dpo, reward_model
from agentgym.sandbox_commands import sandbox
from agentgym.score_commands import score
from agentgym.terminal import full_disk_told, output_kept, print_json, saying, text_console
from agentgym.view_commands import view
from agentgym.world_commands import world

__all__ = ["COMMANDS"]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EnvsConfig(_Config):
    """Nothing to set."""


class DoctorConfig(_Config):
    """Nothing to set."""


class PlayConfig(_Config):
    """Which episode to play."""

    env: Annotated[str, Positional, arg(metavar="ENV")] = Field(description="Environment id.")
    task: str | None = Field(None, description="Task id; default: the seed chooses.")
    split: str = Field("train", description="Split that the task is from.")
    seed: int = Field(0, ge=0, description="Of the episode.")
    env_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the environment."
    )


class SftConfig(_Config):
    """How the starter policy is made; the defaults are the starter of `agentgym train`."""

    env: str = Field("agentgym/PythonMath-v0", description="Environment that demonstrates.")
    env_kwargs: dict[str, Any] = Field(default_factory=dict, description="Its keyword arguments.")
    flawed: float = Field(0.7, ge=0, le=1, description="Share of demonstrations with a bad habit.")
    demonstrations: int | None = Field(None, ge=1, description="Episodes; default: the recipe's.")
    steps: int | None = Field(None, ge=1, description="Optimizer steps; default: the recipe's.")
    seed: int = Field(0, ge=0, description="Of weights and demonstrations.")


def envs(argv: list[str]) -> int:
    """List the environments."""
    as_json = take(argv, "--json")
    parse(EnvsConfig, "envs", argv, "List the environments that are installed.")
    from agentgym.registry import list_envs

    rows = list_envs()
    if as_json:
        print_json([asdict(row) for row in rows])
        return 0
    table = Table("environment", "from", "description", box=None, header_style="bold")
    for row in rows:
        broken = Text(f"cannot be loaded: {row.error}", style="red")
        table.add_row(Text(row.id), Text(row.source), broken if row.error else row.description)
    text_console().print(table)
    return 0


def play(argv: list[str]) -> int:
    """Let a person play one episode."""
    as_json = take(argv, "--json")
    config = parse(PlayConfig, "play", argv, "Play one episode yourself.")
    from agentgym.registry import make

    console = text_console(stderr=as_json)
    env = make(config.env, split=config.split, **config.env_kwargs)
    try:
        options = {"task_id": config.task} if config.task else None
        observation, info = env.reset(seed=config.seed, options=options)
        core: Any = env.unwrapped
        for schema in core.tools:
            _show_tool(console, schema)
        verdict = None
        while verdict is None:
            console.print(Text(observation))
            action = _read_action(console)
            if action is None:
                console.print(Text("left before the end: no score", style="yellow"))
                return 0
            observation, reward, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                verdict = info.get("verdict")
                break
    except EnvironmentFault as fault:
        raise RunError(f"the environment failed: {fault}") from fault
    finally:
        env.close()
    if as_json:
        print_json({"reward": reward, "verdict": asdict(verdict) if verdict else None})
        return 0
    if observation:
        console.print(Text(observation))
    console.print(Text(f"reward {reward:g}: {verdict.reason if verdict else ''}", style="bold"))
    for rule in verdict.rules if verdict else ():
        console.print(Text(f"  {rule.name}: {rule.score:g} {rule.reason}"))
    return 0


def _show_tool(console: Console, schema: Mapping[str, Any]) -> None:
    function = schema.get("function", schema)
    names = ", ".join(function.get("parameters", {}).get("properties", {}))
    lines = str(function.get("description", "")).splitlines()
    console.print(Text(f"tool {function['name']}({names}): {lines[0] if lines else ''}"))
    call = json.dumps({"name": function["name"], "arguments": {}})
    console.print(Text(f"  call it by <tool_call>{call}</tool_call>", style="dim"))


def _read_action(console: Console) -> str | None:
    """Read a line, or the lines between two lines of three quotes; None at the end of input."""
    if sys.stdin.isatty():
        console.print(Text('your action (""" opens and closes several lines, Ctrl-D leaves):'))
    line = sys.stdin.readline()
    if not line:
        return None
    if line.strip() != '"""':
        return line.rstrip("\r\n")
    lines: list[str] = []
    for line in sys.stdin:
        if line.strip() == '"""':
            break
        lines.append(line.rstrip("\r\n"))
    return "\n".join(lines)


def _with_interval(mean: float | None, ci95: list[float | None] | None) -> str:
    if mean is None or ci95 is None:
        return "none: nothing was scored"
    low, high = ci95
    if low is None or high is None:
        return f"{mean:.3f} (one task: no interval)"
    return f"{mean:.3f} (95% interval over tasks {low:.3f} to {high:.3f})"


def sft(argv: list[str]) -> int:
    """Make the starter policy, or find it in the cache."""
    as_json = take(argv, "--json")
    config = parse(SftConfig, "sft", argv, "Make the starter policy from demonstrations.")
    from agentgym.train.starter import StarterRecipe, cache_folder, ensure_starter

    asked = {name: value for name, value in dict(config).items() if value is not None}
    with output_kept(), full_disk_told(cache_folder()):
        folder = ensure_starter(replace(StarterRecipe(), **asked), progress=saying())
    if as_json:
        print_json({"model": str(folder)})
    else:
        text_console().print(Text(str(folder)), soft_wrap=True)
    return 0


def train(argv: list[str]) -> int:
    """Train a model."""
    from agentgym.train.config import TrainConfig

    as_json = take(argv, "--json")
    config = parse(TrainConfig, "train", argv, "Train a model by reinforcement learning.")
    from agentgym.train.loop import train as run
    from agentgym.train.starter import cache_folder

    with output_kept(), full_disk_told(config.folder, cache_folder()):
        result = run(config, say=saying())
    if as_json:
        print_json(result.summary)
    else:
        _show_run(result.path, result.summary)
    return 0


def _show_run(path: Path, summary: Mapping[str, Any]) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("run", Text(str(path)))
    table.add_row("steps", str(summary.get("steps")))
    for when in ("before", "after", "gain"):
        found = summary.get(when)
        if found:
            table.add_row(when, _with_interval(found["mean"], found["ci95"]))
    text_console().print(table)


def doctor(argv: list[str]) -> int:
    """Say what this machine can do."""
    as_json = take(argv, "--json")
    parse(DoctorConfig, "doctor", argv, "Say what this machine can do, and what is missing.")
    from agentgym.doctor import examine

    with output_kept():
        rows = examine()
    failed = any(row.status == "failed" for row in rows)
    if as_json:
        print_json([asdict(row) for row in rows])
        return 1 if failed else 0
    colours = {"ok": "green", "absent": "yellow", "failed": "bold red"}
    table = Table(box=None, show_header=False)
    for row in rows:
        mark = Text(row.status, style=colours[row.status])
        table.add_row(mark, row.name, Text(row.detail), Text(row.advice, style="dim"))
    text_console().print(table)
    return 1 if failed else 0


COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "envs": envs,
    "play": play,
    "check": check,
    "train": train,
    "sft": sft,
    "eval": evaluate,
    "compare": compare_runs,
    "score": score,
    "export": export,
    "suites": suites,
    "report": report,
    "view": view,
    "sandbox": sandbox,
    "reward-model": reward_model,
    "dpo": dpo,
    "math": math,
    "world": world,
    "doctor": doctor,
}
