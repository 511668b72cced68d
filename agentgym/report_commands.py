"""The verb `report`: run folders become one HTML file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from rich.text import Text
from tyro.conf import Positional, arg

from agentgym.flags import parse, take
from agentgym.terminal import full_disk_told, output_kept, print_json, text_console

if TYPE_CHECKING:
    from agentgym.evaluate.report import Report

__all__ = ["ReportConfig", "report"]


class ReportConfig(BaseModel):
    """Which runs to report, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: Annotated[tuple[Path, ...], Positional, arg(metavar="RUN")] = Field(
        (),
        validate_default=True,
        description="Run folders, of trainings and evaluations, finished or not.",
    )
    out: Annotated[Path | None, arg(aliases=("-o",))] = Field(
        None, description="The file; default: report.html in the first run folder."
    )
    episodes: Annotated[int, arg(aliases=("-n",))] = Field(
        500, ge=0, description="Most episodes with a page of their own; all are listed."
    )
    watch: bool = Field(False, description="Write it again whenever a run grows, until the end.")
    every_s: float = Field(10.0, gt=0, description="Seconds between looks, with --watch.")
    open: bool = Field(False, description="Open it in the browser.")

    @field_validator("runs")
    @classmethod
    def _some(cls, runs: tuple[Path, ...]) -> tuple[Path, ...]:
        if not runs:
            raise ValueError("name at least one run folder")
        return runs

    @property
    def file(self) -> Path:
        """Return where the report goes."""
        return self.out or self.runs[0] / "report.html"


def report(argv: list[str]) -> int:
    """Write the report of one run, or of several side by side."""
    as_json = take(argv, "--json")
    about = "Write runs as one HTML file: scores, curves, episodes, what the gradient saw."
    config = parse(ReportConfig, "report", argv, about)
    from agentgym.evaluate.report import watch, write_report

    console = text_console(stderr=True)
    opened = False

    def told(written: Report) -> None:
        nonlocal opened
        if config.watch:
            console.print(Text(_line(written)), soft_wrap=True)
        if config.open and not opened:
            opened = _opened(written.path)

    with output_kept(), full_disk_told(config.file.parent):
        if config.watch:
            written = watch(
                config.runs,
                config.file,
                episodes=config.episodes,
                every_s=config.every_s,
                told=told,
            )
        else:
            written = write_report(config.runs, config.file, episodes=config.episodes)
            told(written)
    if as_json:
        print_json(asdict(written))
    elif not config.watch:
        text_console().print(Text(_line(written)), soft_wrap=True)
    return 0


def _line(written: Report) -> str:
    counts = f"{written.episodes} episodes, {written.pages} with a page"
    return f"{written.path}: {counts}, {written.size_bytes / 1e6:.2f} MB"


def _opened(path: Path) -> bool:
    import webbrowser

    return webbrowser.open(path.resolve().as_uri())
