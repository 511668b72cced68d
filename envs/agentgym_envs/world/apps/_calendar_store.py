"""The tables of the calendar, and how events are found and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, invalid, missing
from agentgym_envs.world.registry import App, Context

__all__ = [
    "MINE",
    "Moment",
    "app",
    "checked_span",
    "event_view",
    "my_event",
    "own_event",
    "people_to_invite",
    "person_at",
]

SCHEMA = """
CREATE TABLE calendar_events (
  id INTEGER PRIMARY KEY, organizer_id INTEGER NOT NULL REFERENCES people, title TEXT NOT NULL,
  description TEXT NOT NULL, location TEXT NOT NULL, starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL);
CREATE INDEX calendar_events_organizer ON calendar_events (organizer_id);
CREATE TABLE calendar_attendees (
  id INTEGER PRIMARY KEY, event_id INTEGER NOT NULL REFERENCES calendar_events ON DELETE CASCADE,
  person_id INTEGER NOT NULL REFERENCES people, status TEXT NOT NULL
  CHECK (status IN ('pending', 'accepted', 'declined', 'tentative')), UNIQUE (event_id, person_id));
CREATE INDEX calendar_attendees_person ON calendar_attendees (person_id);
CREATE TABLE calendar_reminders (
  id INTEGER PRIMARY KEY, event_id INTEGER NOT NULL REFERENCES calendar_events ON DELETE CASCADE,
  person_id INTEGER NOT NULL REFERENCES people, minutes_before INTEGER NOT NULL,
  UNIQUE (event_id, person_id, minutes_before));
"""

app = App("calendar", "Events with attendees, invitations and reminders.", SCHEMA)
add_account_apis(app)

Moment = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$")]

# The caller's events, with the caller's status in them.
MINE = """
SELECT * FROM (
  SELECT e.*, 'organizer' AS my_status FROM calendar_events e WHERE e.organizer_id = ?1
  UNION ALL SELECT e.*, a.status FROM calendar_attendees a JOIN calendar_events e
    ON e.id = a.event_id WHERE a.person_id = ?1 AND e.organizer_id <> ?1)
WHERE my_status IS NOT NULL"""


def my_event(ctx: Context, event_id: int) -> Row:
    """Return an event that the caller organizes or is invited to, or refuse."""
    row = ctx.db.first(MINE + " AND id = ?2", ctx.person_id, event_id)
    if row is None:
        raise missing("event")
    return row


def own_event(ctx: Context, event_id: int) -> Row:
    """Return an event that the caller organizes, or refuse."""
    row = my_event(ctx, event_id)
    if row["my_status"] != "organizer":
        raise conflict("Only the organizer of an event can do this.")
    return row


def event_view(ctx: Context, row: Row) -> Row:
    """Return an event as the APIs show it."""
    attendees = ctx.db.all(
        "SELECT p.first_name || ' ' || p.last_name AS name, p.email, a.status"
        " FROM calendar_attendees a JOIN people p ON p.id = a.person_id WHERE a.event_id = ?"
        " ORDER BY a.id",
        row["id"],
    )
    query = "SELECT first_name || ' ' || last_name AS name, email FROM people WHERE id = ?"
    return {
        "event_id": row["id"],
        "title": row["title"],
        "description": row["description"],
        "location": row["location"],
        "starts_at": row["starts_at"],
        "ends_at": row["ends_at"],
        "organizer": ctx.db.one(query, row["organizer_id"]),
        "attendees": attendees,
        "my_status": row["my_status"],
    }


def checked_span(starts_at: str, ends_at: str) -> None:
    """Refuse moments that do not exist and ends that come before their start."""
    for moment in (starts_at, ends_at):
        try:
            datetime.fromisoformat(moment)
        except ValueError:
            raise invalid(f"There is no moment {moment}.") from None
    if ends_at <= starts_at:
        raise invalid("ends_at must be after starts_at.")


def person_at(ctx: Context, email: str) -> int:
    """Return whose address it is, or refuse."""
    row = ctx.db.first("SELECT id FROM people WHERE email = ?", email.strip().lower())
    if row is None:
        raise invalid(f"No calendar account has the address '{email[:80]}'.")
    return int(row["id"])


def people_to_invite(ctx: Context, emails: list[str]) -> list[int]:
    """Return whose addresses these are, each once; the caller's own is refused."""
    found = list(dict.fromkeys(person_at(ctx, email) for email in emails))
    if ctx.person_id in found:
        raise conflict("You are the organizer; you cannot be invited as well.")
    return found
