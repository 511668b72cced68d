"""The verb `export`: a run in the format of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.flags import parse, take
from agentgym.terminal import full_disk_told, output_kept, print_json, text_console

__all__ = ["ExportConfig", "export"]


class ExportConfig(BaseModel):
    """What to export, and to which format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Annotated[Path, Positional, arg(metavar="RUN")] = Field(description="Run folder.")
    to: str = Field(description="inspect, atif, openai or parquet.")
    out: Path | None = Field(
        None,
        description="The file, or for inspect the folder. Default: a place in RUN/export.",
    )
    solved: bool = Field(False, description="Only episodes with a reward of 1 or more.")


def export(argv: list[str]) -> int:
    """Write a run in another format and say where."""
    as_json = take(argv, "--json")
    about = "Write a run in the format of another program: Inspect AI, Harbor, OpenAI or Parquet."
    config = parse(ExportConfig, "export", argv, about)
    from agentgym.evaluate.export.formats import export as write
    from agentgym.evaluate.export.source import Source, tools_of
    from agentgym.evaluate.saved import open_run

    run = open_run(config.run)
    with output_kept(), full_disk_told(config.out or config.run):
        tools, unknown = tools_of(run)
        made = write(Source(run, config.solved, tools), config.to, config.out)
    for label, why in unknown.items():
        line = f"the tools of '{label}' are left out: {why}"
        text_console(stderr=True).print(Text(line), soft_wrap=True)
    if as_json:
        row = {"path": str(made.path), "episodes": made.episodes, "to": config.to}
        print_json(row)
    else:
        line = f"{made.episodes} episodes in {made.path}"
        text_console().print(Text(line), soft_wrap=True)
    return 0
