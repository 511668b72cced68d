"""A run folder read back, of a training or of an evaluation, while it runs or after it.

    config.json        the settings; an evaluation has ``policy``, a training ``algorithm``
    episodes.jsonl     one whole episode a line; lines of an evaluation name their ``env``
    tasks.jsonl        each task that was played: ``env, id, split, hash, prompt, gold``
    metrics.jsonl      a training's figures, step by step
    evaluations.jsonl  its evaluations, task by task
    learned.jsonl      what its gradient saw of each sample: see `agentgym.train.learned`
    summary.json       at the end

Nothing is locked and nothing is written, so a running run may be read; a last line that is not
whole yet is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agentgym.errors import RunError
from agentgym.rollout.ledger import episode_from_json
from agentgym.rollout.spec import EnvSpec
from agentgym.types import Episode

__all__ = ["SavedEpisode", "SavedGlance", "SavedRun", "SavedTask", "open_run"]

# How `episode_to_json` writes the end of one part and the start of the next. In a JSON string every
# quotation mark has a backslash before it, so no text that a model wrote can hold these.
_SAMPLES, _BEHIND = b', "samples": [', b'], "terminated": '


@dataclass(frozen=True, slots=True)
class SavedEpisode:
    """One line of ``episodes.jsonl``.

    Attributes:
        env: The environment it was played in; in an evaluation, its label.
        step: Optimizer steps that the policy had taken when it was wanted; 0 in an evaluation.
        episode: What was played.
    """

    env: str
    step: int
    episode: Episode


@dataclass(frozen=True, slots=True)
class SavedGlance:
    """An episode without its samples, which are most of a line and slow to read.

    Attributes:
        saved: The episode; its ``samples`` are empty.
        place: Where its line begins in the file, for `SavedRun.episode_at`.
        end: Where it ends, for `SavedRun.glances`.
    """

    saved: SavedEpisode
    place: int
    end: int


@dataclass(frozen=True, slots=True)
class SavedTask:
    """One line of ``tasks.jsonl``.

    Attributes:
        env: As of `SavedEpisode`.
        id: The task's id.
        split: Where it is from.
        hash: Changes only if what is asked or expected changes.
        prompt: What was asked.
        gold: What the verifier compares with, as JSON; None where there is no such thing.
    """

    env: str
    id: str
    split: str
    hash: str
    prompt: str
    gold: Any


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run folder; everything is read when it is asked for.

    Attributes:
        path: The folder.
        kind: What the run was.
        config: Its settings.
    """

    path: Path
    kind: Literal["train", "eval"]
    config: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Return the folder's name, by which reports call the run."""
        return self.path.resolve().name

    def episodes(self) -> Iterator[SavedEpisode]:
        """Yield every whole episode, in the order in which groups were finished.

        Raises:
            RunError: If a line cannot be read, with its number.
        """
        for number, line in self._lines("episodes.jsonl"):
            yield self._episode(number, line)

    def glances(self, start: int = 0) -> Iterator[SavedGlance]:
        """Yield every whole episode without its samples, and where its line begins.

        Args:
            start: Where to begin: the end of a line, for whoever has read up to there.

        Raises:
            RunError: If a line cannot be read, with its number.
        """
        place = start
        for number, line in self._lines("episodes.jsonl", start):
            first, last = line.find(_SAMPLES), line.rfind(_BEHIND)
            short = line
            if 0 <= first < last:
                short = line[: first + len(_SAMPLES)] + line[last:]
            yield SavedGlance(self._episode(number, short), place, place + len(line))
            place += len(line)

    def episode_at(self, place: int) -> SavedEpisode:
        """Return one whole episode, by what `glances` told of it.

        Raises:
            RunError: If there is none: the run has been taken up from an earlier step since.
        """
        with (self.path / "episodes.jsonl").open("rb") as lines:
            lines.seek(place)
            return self._episode(f"at byte {place}", lines.readline())

    def specs(self) -> dict[str, EnvSpec]:
        """Return what was played, by its label; a training's is its environment's id."""
        config = self.config
        if self.kind == "train":
            split = {"split": config["split"]} if "split" in config else {}
            return {
                config["env"]: EnvSpec(config["env"], {**split, **config.get("env_kwargs", {})})
            }
        rows = config.get("environments", {}).items()
        return {
            label: EnvSpec(row["env"], {"split": row["split"], **row["kwargs"]})
            for label, row in rows
        }

    def tasks(self) -> dict[tuple[str, str], SavedTask]:
        """Return each task that is on record, by environment and id; empty for older runs."""
        found = {}
        for number, row in self._rows("tasks.jsonl"):
            try:
                task = SavedTask(**row)
            except TypeError as error:
                raise self._malformed("tasks.jsonl", number, error) from error
            found[task.env, task.id] = task
        return found

    def metrics(self) -> list[dict[str, Any]]:
        """Return a training's figures, step by step; nothing of an evaluation."""
        return [row for _, row in self._rows("metrics.jsonl")]

    def evaluations(self) -> list[dict[str, Any]]:
        """Return a training's evaluations: ``step``, ``rewards`` by task, ``unscored``."""
        return [row for _, row in self._rows("evaluations.jsonl")]

    def learned(self) -> Iterator[dict[str, Any]]:
        """Yield what the gradient saw, a row a sample; see `agentgym.train.learned`."""
        for _, row in self._rows("learned.jsonl"):
            yield row

    def summary(self) -> dict[str, Any] | None:
        """Return the summary; None where the run has not reached an end."""
        path = self.path / "summary.json"
        return _object(path) if path.exists() else None

    def _rows(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the objects of a JSON Lines file with their line numbers; none without the file."""
        for number, line in self._lines(name):
            yield number, self._row(name, number, line)

    def _lines(self, name: str, start: int = 0) -> Iterator[tuple[int, bytes]]:
        path = self.path / name
        if not path.exists():
            return
        with path.open("rb") as lines:
            lines.seek(start)
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return  # it is being written, or a kill cut it
                yield number, line

    def _row(self, name: str, number: int | str, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise self._malformed(name, number, error) from error
        if not isinstance(row, dict):
            raise self._malformed(name, number, "it is no object")
        return row

    def _episode(self, number: int | str, line: bytes) -> SavedEpisode:
        row = self._row("episodes.jsonl", number, line)
        env = row.get("env", self.config.get("env", ""))
        try:
            return SavedEpisode(env, row["step"], episode_from_json(row))
        except (LookupError, TypeError) as error:
            raise self._malformed("episodes.jsonl", number, error) from error

    def _malformed(self, name: str, number: int | str, why: object) -> RunError:
        return RunError(
            f"'{self.path / name}' line {number} cannot be read ({why}); remove that line, or run "
            "the same command again where it was written"
        )


def open_run(path: str | Path) -> SavedRun:
    """Open a run folder for reading.

    Raises:
        RunError: If it is none.
    """
    folder = Path(path).expanduser()
    file = folder / "config.json"
    if not file.is_file():
        raise RunError(f"'{folder}' is no run folder: it has no config.json; give the --out of one")
    config = _object(file)
    if "policy" in config:
        return SavedRun(folder, "eval", config)
    if "algorithm" in config and "env" in config:
        return SavedRun(folder, "train", config)
    raise RunError(
        f"'{folder}' is a folder of another kind (a model, perhaps); give the --out of a run"
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"'{path}' cannot be read ({error})") from error
    if not isinstance(value, dict):
        raise RunError(f"'{path}' does not hold an object")
    return value
