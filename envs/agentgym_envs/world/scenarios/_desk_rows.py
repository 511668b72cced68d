"""Rows of the calendar and of files that scenarios add, and how texts of files are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentgym_envs.world.database import Database
from agentgym_envs.world.people import NOW

__all__ = ["Lines", "add_event", "add_file"]


@dataclass(frozen=True, slots=True)
class Lines:
    """Holds for a text of these lines, whatever space is around them and between them.

    Attributes:
        lines: The lines.
        ordered: Whether they must be in this order.
    """

    lines: tuple[str, ...]
    ordered: bool = True

    def __call__(self, value: Any) -> bool:
        """Tell whether it holds."""
        if not isinstance(value, str):
            return False
        found = [line.strip() for line in value.splitlines() if line.strip()]
        wanted = list(self.lines)
        return found == wanted if self.ordered else sorted(found) == sorted(wanted)


def add_event(
    db: Database,
    organizer: int,
    title: str,
    span: tuple[str, str],
    guests: Mapping[int, str] | None = None,
) -> int:
    """Add an event from one moment to another, with guests and their answers."""
    row = {"organizer_id": organizer, "title": title, "description": "", "location": ""}
    event_id = db.insert("calendar_events", {**row, "starts_at": span[0], "ends_at": span[1]})
    for guest, status in (guests or {}).items():
        attendee = {"event_id": event_id, "person_id": guest, "status": status}
        db.insert("calendar_attendees", attendee)
    return event_id


def add_file(
    db: Database,
    owner: int,
    path: str,
    content: str,
    *,
    reader: int | None = None,
    can_edit: bool = False,
) -> int:
    """Add a file, shared with somebody if a reader is named."""
    row = {"person_id": owner, "path": path, "content": content}
    file_id = db.insert("files_files", {**row, "created_at": NOW, "updated_at": NOW})
    if reader is not None:
        share = {"file_id": file_id, "person_id": reader, "can_edit": int(can_edit)}
        db.insert("files_shares", {**share, "created_at": "2025-05-17T10:00:00"})
    return file_id
