"""What a check found: one row for each promise, kept, broken or not applicable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CheckReport", "CheckRow", "Failed", "NotApplicable", "Seen", "Status"]

Status = Literal["ok", "failed", "not applicable"]


class Failed(Exception):
    """A promise of the contract is not kept."""


class NotApplicable(Exception):
    """A promise that this environment does not make, or that cannot be looked at; says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check saw where the promise is kept.

    Attributes:
        detail: One line.
        figures: The numbers in it, by name; the unit is in the name.
    """

    detail: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One promise: whether it is kept, and what was seen."""

    name: str
    status: Status
    detail: str
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong; also where there was nothing to look at."""
        return self.status != "failed"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found out about an environment."""

    env_id: str
    rows: tuple[CheckRow, ...]

    @property
    def ok(self) -> bool:
        """Whether no promise is broken."""
        return all(row.ok for row in self.rows)
