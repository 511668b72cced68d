"""What an export is made from: a run's episodes, with what is known of their tasks and tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from agentgym.evaluate.saved import SavedEpisode, SavedRun, SavedTask

__all__ = ["Source", "agentgym_version", "fresh", "outcome", "tools_of"]


@dataclass(frozen=True, slots=True)
class Source:
    """A run on its way into another format.

    Attributes:
        run: Where it is from.
        solved: Whether only episodes of full reward are wanted.
        tools: JSON schemas of the tools of each environment, as far as they are known.
        tasks: What is on record of the tasks.
    """

    run: SavedRun
    solved: bool = False
    tools: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    tasks: Mapping[tuple[str, str], SavedTask] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Return the name of the policy or the model that spoke."""
        return str(self.run.config.get("policy") or self.run.config.get("model") or "unknown")

    def episodes(self, *, with_samples: bool) -> Iterator[SavedEpisode]:
        """Yield the episodes that are wanted, one at a time.

        Args:
            with_samples: Whether tokens are needed, which are most of a line and slow to read.
        """
        glances = (glance.saved for glance in self.run.glances())
        for saved in self.run.episodes() if with_samples else glances:
            if not self.solved or (saved.episode.reward or 0.0) >= 1.0:
                yield saved

    def task(self, saved: SavedEpisode) -> SavedTask | None:
        """Return what is on record of an episode's task."""
        return self.tasks.get((saved.env, saved.episode.task_id))


def tools_of(run: SavedRun) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Ask a run's environments for their tools, which a run does not keep.

    Returns:
        Label to JSON schemas; and label to the reason where an environment cannot be made here.
    """
    from agentgym.registry import make

    tools: dict[str, list[dict[str, Any]]] = {}
    unknown: dict[str, str] = {}
    for label, spec in run.specs().items():
        try:
            with closing(make(spec.id, **spec.kwargs)) as env:
                tools[label] = list(getattr(env.unwrapped, "tools", ()))
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises
            unknown[label] = f"{type(error).__name__}: {error}"
    return tools, unknown


def outcome(saved: SavedEpisode) -> str:
    """Return how it ended: ``error`` where nothing was scored, ``limit``, or ``scored``."""
    if saved.episode.reward is None:
        return "error"
    return "limit" if saved.episode.limit else "scored"


def agentgym_version() -> str:
    """Return the version of the package that is installed."""
    try:
        return version("agentgym-rl")
    except PackageNotFoundError:  # run from a checkout
        return "0"


@contextmanager
def fresh(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be written aside; it takes its place only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    try:
        with aside.open("wb") as file:
            yield file
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
