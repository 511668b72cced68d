"""The verb `sandbox`: make an image for the Docker backend, say what isolation is in force.

The sandbox is imported by name, for the framework does not depend on it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table
from rich.text import Text

from agentgym.errors import AgentGymError, ConfigError
from agentgym.flags import parse, take
from agentgym.suggest import perhaps_you_meant
from agentgym.terminal import print_json, text_console

__all__ = ["BuildImageConfig", "ReportConfig", "sandbox"]

_IMAGE = "agentgym-sandbox:latest"
_USAGE = """usage: agentgym sandbox TASK ...

tasks:
  build-image  make an image for the Docker sandbox, without a registry
  report       say what isolation is in force on this machine

agentgym sandbox TASK --help tells the settings of a task."""


class BuildImageConfig(BaseModel):
    """Which image to make."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["interpreter", "debian"] = Field(
        "interpreter", description="Take the running Python, or Debian 12's packages."
    )
    packages: str = Field(
        "", description="To take along, with commas: modules, or with debian its packages."
    )
    name: str = Field(_IMAGE, min_length=1, description="As REPOSITORY:TAG.")


class ReportConfig(BaseModel):
    """Which backend to ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: Literal["local", "docker"] = Field("local", description="Backend to ask.")


def sandbox(argv: list[str]) -> int:
    """Do one task of the sandbox."""
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE + "\n")
        return 0 if argv else 2
    task, *rest = argv
    if task not in _TASKS:
        raise ConfigError(f"sandbox has no task '{task}'; {perhaps_you_meant(task, _TASKS)}")
    package = _module("agentgym_sandbox")
    try:
        return _TASKS[task](rest)
    except package.SandboxError as error:
        raise AgentGymError(str(error)) from error


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise AgentGymError(f"no sandbox here: {error}; install agentgym-rl again") from error


def _build_image(argv: list[str]) -> int:
    as_json = take(argv, "--json")
    about = "Make an image for the Docker sandbox, without a registry."
    config = parse(BuildImageConfig, "sandbox build-image", argv, about)
    images = _module("agentgym_sandbox.images")
    packages = [name for name in map(str.strip, config.packages.split(",")) if name]
    made = images.build_image(config.name, source=config.source, packages=packages)
    if as_json:
        print_json({"name": config.name, "id": made})
    else:
        text_console().print(f"{config.name} {made}", soft_wrap=True)
    return 0


def _report(argv: list[str]) -> int:
    as_json = take(argv, "--json")
    about = "Say what isolation is in force, by probes in a real session."
    config = parse(ReportConfig, "sandbox report", argv, about)
    package = _module("agentgym_sandbox")
    maker = {"local": package.LocalSandbox, "docker": package.DockerSandbox}[config.backend]
    with maker() as made:
        report = made.report()
    if as_json:
        print_json({**asdict(report), "missing": report.missing})
    else:
        _show(report)
    return 1 if report.missing else 0


def _show(report: Any) -> None:
    table = Table(box=None, show_header=False)
    table.add_row(Text("backend"), Text(report.backend))
    table.add_row(Text("tier"), Text(report.tier))
    for name, there in report.mechanisms.items():
        mark = Text("in force", style="green") if there else Text("missing", style="bold red")
        table.add_row(Text(name), mark)
    for note in report.notes:
        table.add_row(Text("note"), Text(note))
    text_console().print(table)


_TASKS: Mapping[str, Callable[[list[str]], int]] = {
    "build-image": _build_image,
    "report": _report,
}
