"""What was sampled, once: every episode of a run, one whole episode a line.

A line is written as soon as its group is finished. After a crash the groups that were sampled from
the very weights of the checkpoint are taken from here instead of being sampled again, and lines
that belong to steps which the checkpoint does not know are dropped.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from agentgym.types import Episode, Group, Message, Rule, Sample, Turn, Verdict

__all__ = ["Ledger", "episode_from_json", "episode_to_json"]

_STEP = re.compile(rb'^\{"step": (\d+), ')
_LAUNCH = re.compile(rb'^\{"step": (\d+), "launch": (\d+), ')


def episode_to_json(step: int, episode: Episode, **place: Any) -> str:
    """Return one line, which begins with the step so that it can be sorted out unread.

    Args:
        step: That the episode belongs to.
        episode: All of it.
        place: What else tells where it belongs; it stands before the episode itself.
    """
    return json.dumps({"step": step, **place, **_fields(episode)}, default=_fields)


def _fields(value: Any) -> dict[str, Any]:
    """Return a dataclass as `asdict` does, but not what is in it: that copies token by token."""
    return {name: getattr(value, name) for name in value.__slots__}


def episode_from_json(row: dict[str, Any]) -> Episode:
    """Return the episode of a line that `episode_to_json` wrote."""
    fields = {name: row[name] for name in Episode.__slots__}
    if (verdict := fields["verdict"]) is not None:
        rules = tuple(Rule(**rule) for rule in verdict["rules"])
        fields["verdict"] = Verdict(**{**verdict, "rules": rules})
    fields["messages"] = tuple(Message(**message) for message in fields["messages"])
    fields["turns"] = tuple(
        Turn(**{**turn, "tool_calls": tuple(turn["tool_calls"])}) for turn in fields["turns"]
    )
    fields["samples"] = tuple(
        Sample(
            tuple(sample["ids"]),
            tuple(sample["mask"]),
            tuple(sample["logprobs"]),
            sample["version"],
            sample["agent"],
            tuple(sample.get("versions", ())),  # older ledgers have one version a sample
        )
        for sample in fields["samples"]
    )
    return Episode(**fields)


class Ledger:
    """The file ``episodes.jsonl`` of a run; a context manager.

    Args:
        path: The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, step: int, group: Group, launch: int | None = None) -> None:
        """Write a finished group, all of its lines at once.

        Args:
            step: That it belongs to; where sampling is asynchronous, in which it was finished.
            group: All of its episodes.
            launch: Its number, where sampling is asynchronous.
        """
        place = {} if launch is None else {"launch": launch}
        lines = "".join(episode_to_json(step, each, **place) + "\n" for each in group.episodes)
        self._file.write(lines.encode())
        self._file.flush()

    def sync(self) -> None:
        """Force what was written to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def rewind(self, step: int, group_size: int, least: int = 0) -> list[Group]:
        """Forget what came after a checkpoint; return the whole groups of its own next step.

        Args:
            step: Steps that the checkpoint has taken; lines of later steps are dropped.
            group_size: Episodes of a whole group; those of lesser ones are dropped.
            least: With fewer whole groups than this the next step's are dropped too.
        """
        aside = self._path.with_suffix(".tmp")
        current: dict[str, list[tuple[bytes, Episode]]] = defaultdict(list)
        with aside.open("wb") as kept, self._path.open("rb") as lines:
            for line in lines:
                match = _STEP.match(line)
                if match is None or not line.endswith(b"\n"):
                    continue
                if int(match[1]) < step:
                    kept.write(line)
                elif int(match[1]) == step:
                    episode = episode_from_json(json.loads(line))
                    current[episode.task_id].append((line, episode))
            whole = _whole(current.values(), group_size)
            if len(whole) < least:
                whole = []
            kept.writelines(line for rows in whole for line, _ in rows)
            kept.flush()
            os.fsync(kept.fileno())
        self._take_over(aside)
        return [
            Group(rows[0][1].task_id, rows[0][1].seed, tuple(episode for _, episode in rows))
            for rows in whole
        ]

    def sift(
        self, first: int, group_size: int, wanted: Callable[[int, Group], bool]
    ) -> dict[int, Group]:
        """Drop the groups that are not wanted, of those that steps from ``first`` on finished.

        Args:
            first: Lines of earlier steps are kept unread.
            group_size: Episodes of a whole group; those of lesser ones are dropped.
            wanted: Tells of the number of a launch, and its group, whether to keep it.

        Returns:
            The groups that were read and kept, by the numbers of their launches.
        """
        aside = self._path.with_suffix(".tmp")
        read: dict[int, list[tuple[bytes, Episode]]] = defaultdict(list)
        with aside.open("wb") as kept, self._path.open("rb") as lines:
            for line in lines:
                match = _STEP.match(line)
                if match is None or not line.endswith(b"\n"):
                    continue
                if int(match[1]) < first:
                    kept.write(line)
                    continue
                row = json.loads(line)
                read[row["launch"]].append((line, episode_from_json(row)))
            groups = {
                number: Group(rows[0][1].task_id, rows[0][1].seed, tuple(e for _, e in rows))
                for number, rows in read.items()
                if len(rows) == group_size
            }
            groups = {number: group for number, group in groups.items() if wanted(number, group)}
            kept.writelines(line for number in groups for line, _ in read[number])
            kept.flush()
            os.fsync(kept.fileno())
        self._take_over(aside)
        return groups

    def steps(self) -> dict[int, int]:
        """Return in which step each launch was finished, where sampling is asynchronous."""
        with self._path.open("rb") as lines:
            matches = filter(None, map(_LAUNCH.match, lines))
            return {int(match[2]): int(match[1]) for match in matches}

    def _take_over(self, aside: Path) -> None:
        self._file.close()
        aside.replace(self._path)
        self._file = self._path.open("ab")


def _whole(
    tasks: Iterable[list[tuple[bytes, Episode]]], size: int
) -> list[list[tuple[bytes, Episode]]]:
    """Return the rows of whole groups: a group is written at once, so it stands together."""
    return [
        rows[first : first + size]
        for rows in tasks
        for first in range(0, len(rows) - size + 1, size)
    ]
