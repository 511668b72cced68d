"""The formats that a run can be exported to, and the export itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agentgym.errors import ConfigError
from agentgym.evaluate.export.atif import write_atif
from agentgym.evaluate.export.inspect_log import write_inspect
from agentgym.evaluate.export.openai import write_openai
from agentgym.evaluate.export.parquet import write_parquet
from agentgym.evaluate.export.source import Source
from agentgym.suggest import perhaps_you_meant

__all__ = ["FORMATS", "Exported", "Format", "export"]


@dataclass(frozen=True, slots=True)
class Format:
    """How a run is written.

    Attributes:
        name: Of the file or folder, where none is asked for.
        write: Writes the episodes of a source to a path, and returns how many.
    """

    name: str
    write: Callable[[Source, Path], int]


FORMATS: Mapping[str, Format] = {
    "inspect": Format("inspect", write_inspect),
    "atif": Format("trajectories.atif.jsonl", write_atif),
    "openai": Format("conversations.jsonl", write_openai),
    "parquet": Format("episodes.parquet", write_parquet),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: where, and how many episodes."""

    path: Path
    episodes: int


def export(source: Source, to: str, out: Path | None = None) -> Exported:
    """Write a run in another format; it appears only once it is whole.

    Args:
        source: The run.
        to: A name in `FORMATS`.
        out: The file, or for ``inspect`` the folder; None is a place in the run's ``export/``.

    Raises:
        ConfigError: If there is no such format.
        MissingExtra: If it needs a package that is not installed.
        RunError: If a line of the run cannot be read.
    """
    if to not in FORMATS:
        raise ConfigError(f"no format '{to}'; {perhaps_you_meant(to, FORMATS)}")
    chosen = FORMATS[to]
    path = out or source.run.path / "export" / chosen.name
    known = replace(source, tasks=source.run.tasks())
    return Exported(path, chosen.write(known, path))
