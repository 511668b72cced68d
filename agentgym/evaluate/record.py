"""What was played, once: the files to which an evaluation appends as its episodes end.

A line is written whole, as soon as its episode has ended. When a run is taken up again, unscored
episodes and a line that a kill cut are dropped: these are played again, all others are not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from agentgym.errors import RunError
from agentgym.evaluate.outcomes import Outcome
from agentgym.policy.usage import Usage
from agentgym.rollout.ledger import episode_to_json
from agentgym.types import Episode

__all__ = ["Place", "Record"]

Place = tuple[str, int]  # a task, and which rollout of it


class Record:
    """The files ``episodes.jsonl`` and ``usage.jsonl`` of an evaluation; a context manager.

    Args:
        folder: Where they are.

    Attributes:
        scored: Label to the outcomes that are on record.
        lost: Label to the places of episodes that were unscored, and have been dropped.
        used: Label to what an endpoint charged for, unscored attempts included.
        elapsed_s: Label to the seconds that went into it.

    Raises:
        RunError: If a line cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._episodes = folder / "episodes.jsonl"
        self._usage = folder / "usage.jsonl"
        self.scored: dict[str, dict[Place, Outcome]] = {}
        self.lost: dict[str, set[Place]] = {}
        self.used: dict[str, Usage] = {}
        self.elapsed_s: dict[str, float] = {}
        self._turns: dict[str, tuple[int, int]] = {}  # sampled and read tokens, as turns have them
        self._read_episodes()
        self._read_usage()
        self._file: IO[bytes] = self._episodes.open("ab")
        self._spending: IO[bytes] | None = None  # only endpoints need it

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._spending is not None:
            self._spending.close()

    def tokens(self, label: str) -> tuple[int, int]:
        """Return sampled and read tokens: what an endpoint counted, else those of the turns."""
        used = self.used.get(label)
        if used is not None:
            return used.sampled_tokens, used.prompt_tokens
        return self._turns.get(label, (0, 0))

    def append(self, label: str, episode: Episode, used: Usage, elapsed_s: float) -> Outcome:
        """Write an episode that ended, what it used first.

        Args:
            label: Of its environment.
            episode: Scored or not.
            used: What an endpoint charged for it, all attempts together.
            elapsed_s: Seconds that went into this environment so far.
        """
        if used.requests:
            self._charge(label, episode, used)
        line = episode_to_json(0, episode, env=label, elapsed_s=elapsed_s)
        self._file.write(f"{line}\n".encode())
        self._file.flush()
        outcome = Outcome.of(episode)
        self._note(label, outcome, elapsed_s)
        return outcome

    def _charge(self, label: str, episode: Episode, used: Usage) -> None:
        if self._spending is None:
            self._spending = self._usage.open("ab")
        row = {"env": label, "task_id": episode.task_id, "index": episode.index, **asdict(used)}
        self._spending.write(f"{json.dumps(row)}\n".encode())
        self._spending.flush()
        self.used.setdefault(label, Usage()).add(used)

    def sync(self) -> None:
        """Force what was written to the disk."""
        os.fsync(self._file.fileno())

    def _note(self, label: str, outcome: Outcome, elapsed_s: float) -> None:
        place = outcome.task_id, outcome.index
        if outcome.reward is None:
            self.lost.setdefault(label, set()).add(place)
        else:
            self.scored.setdefault(label, {})[place] = outcome
        self.elapsed_s[label] = max(elapsed_s, self.elapsed_s.get(label, 0.0))
        sampled, prompt = self._turns.get(label, (0, 0))
        self._turns[label] = sampled + outcome.sampled_tokens, prompt + outcome.prompt_tokens

    def _read_episodes(self) -> None:
        """Take what is on record; where not all of it is to stay, write the rest anew."""
        dropped = set()
        for number, (_, row) in enumerate(_rows(self._episodes)):
            outcome = self._outcome(row) if row is not None else None
            if outcome is None or outcome.reward is None:
                dropped.add(number)
        if dropped:
            self._drop(dropped)

    def _drop(self, numbers: AbstractSet[int]) -> None:
        aside = self._episodes.with_suffix(".tmp")
        with aside.open("wb") as kept, self._episodes.open("rb") as lines:
            kept.writelines(line for number, line in enumerate(lines) if number not in numbers)
            kept.flush()
            os.fsync(kept.fileno())
        aside.replace(self._episodes)

    def _outcome(self, row: Mapping[str, Any]) -> Outcome | None:
        """Note an episode's outcome and return it; None if it is on record already."""
        try:
            label, outcome = row["env"], Outcome.from_row(row)
            if (outcome.task_id, outcome.index) in self.scored.get(label, {}):
                return None
            self._note(label, outcome, float(row.get("elapsed_s", 0.0)))
        except (LookupError, TypeError, ValueError) as error:
            raise RunError(
                f"'{self._episodes}' has a line that is no episode ({error!r}); remove it, or "
                "choose another --out"
            ) from error
        return outcome

    def _read_usage(self) -> None:
        whole = 0
        for line, row in _rows(self._usage):
            if row is None:
                os.truncate(self._usage, whole)
                break
            whole += len(line)
            used = Usage(**{name: row[name] for name in Usage.__slots__})
            self.used.setdefault(row["env"], Usage()).add(used)


def _rows(path: Path) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Yield each line with its object; None for the object of a last line that was cut.

    Raises:
        RunError: If another line is no JSON.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                yield line, None
                return
            try:
                yield line, json.loads(line)
            except ValueError as error:
                raise RunError(
                    f"'{path}' line {number} is no JSON ({error}); remove that line, or choose "
                    "another --out"
                ) from error
