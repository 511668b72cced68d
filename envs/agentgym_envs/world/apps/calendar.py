"""Calendar: events with attendees, invitations and reminders.

Here are the events; see `_calendar_store` for the tables and `_calendar_people` for attendees,
reminders and free time. An event belongs to its organizer; everybody invited sees it.

Left out: repeated events, time zones and whole-day events.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from agentgym_envs.world.apps import _calendar_data, _calendar_people  # noqa: F401  # their APIs
from agentgym_envs.world.apps._calendar_store import (
    MINE,
    Moment,
    app,
    checked_span,
    event_view,
    my_event,
    own_event,
    people_to_invite,
)
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import invalid
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

app.populated_by(_calendar_data.fill)

Title = Annotated[str, Field(min_length=1)]
Emails = Annotated[list[str], Field(max_length=20)]
Edge = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?$")]
Status = Literal["organizer", "pending", "accepted", "declined", "tentative"]


@app.api()
def show_events(
    ctx: Context,
    *,
    range_start: Edge | None = None,
    range_end: Edge | None = None,
    status: Status | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show events that you organize or are invited to, the earliest first.

    Args:
        range_start: Only events that start on this day (YYYY-MM-DD) or at this moment
            (YYYY-MM-DDTHH:MM:SS), or later.
        range_end: Only events that start on this day or at this moment, or earlier.
        status: Only events in which this is what you are: organizer, or your answer.
        page_index: Which page, from 0.
        page_limit: Events per page, at most 20.

    Returns:
        List of event_id, title, description, location, starts_at, ends_at, organizer (name, email),
        attendees (name, email, status) and my_status.
    """
    query = (
        MINE
        + """ AND (?2 IS NULL OR substr(starts_at, 1, length(?2)) >= ?2)
 AND (?3 IS NULL OR substr(starts_at, 1, length(?3)) <= ?3) AND (?4 IS NULL OR my_status = ?4)
ORDER BY starts_at, id"""
    )
    rows = ctx.db.all(query, ctx.person_id, range_start, range_end, status)
    return [event_view(ctx, row) for row in page(rows, page_index, page_limit)]


@app.api()
def search_events(
    ctx: Context, *, query: str, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Search events that you organize or are invited to, the earliest first.

    Args:
        query: Text in the title, the description or the location; case does not matter.
        page_index: Which page, from 0.
        page_limit: Events per page, at most 20.

    Returns:
        List of events as in show_events.
    """
    wanted = MINE + (
        " AND instr(lower(title || char(10) || description || char(10) || location), lower(?2))"
        " ORDER BY starts_at, id"
    )
    rows = ctx.db.all(wanted, ctx.person_id, query)
    return [event_view(ctx, row) for row in page(rows, page_index, page_limit)]


@app.api()
def show_event(ctx: Context, *, event_id: int) -> Row:
    """Show one event with your reminders of it.

    Args:
        event_id: The event.

    Returns:
        The event as in show_events, and reminders (reminder_id, minutes_before).
    """
    reminders = ctx.db.all(
        "SELECT id AS reminder_id, minutes_before FROM calendar_reminders"
        " WHERE event_id = ? AND person_id = ? ORDER BY minutes_before, id",
        event_id,
        ctx.person_id,
    )
    return {**event_view(ctx, my_event(ctx, event_id)), "reminders": reminders}


@app.api(writes=True)
def create_event(
    ctx: Context,
    *,
    title: Title,
    starts_at: Moment,
    ends_at: Moment,
    description: str = "",
    location: str = "",
    attendee_emails: Emails | None = None,
) -> Row:
    """Create an event that you organize.

    Args:
        title: What it is.
        starts_at: When it starts, YYYY-MM-DDTHH:MM:SS.
        ends_at: When it ends, later than its start.
        description: More about it.
        location: Where it is.
        attendee_emails: Whom to invite; their invitations are pending at first.

    Returns:
        message and event_id.
    """
    checked_span(starts_at, ends_at)
    people = people_to_invite(ctx, attendee_emails or [])
    row = {"organizer_id": ctx.person_id, "title": title, "description": description}
    row |= {"location": location, "starts_at": starts_at, "ends_at": ends_at}
    event_id = ctx.db.insert("calendar_events", row)
    for person in people:
        attendee = {"event_id": event_id, "person_id": person, "status": "pending"}
        ctx.db.insert("calendar_attendees", attendee)
    return {"message": "Event created.", "event_id": event_id}


@app.api(writes=True)
def update_event(
    ctx: Context,
    *,
    event_id: int,
    title: Title | None = None,
    starts_at: Moment | None = None,
    ends_at: Moment | None = None,
    description: str | None = None,
    location: str | None = None,
) -> Row:
    """Change an event that you organize; what you leave out stays, and so do the answers.

    Args:
        event_id: The event.
        title: What it is.
        starts_at: When it starts; without ends_at, the event is moved and keeps its length.
        ends_at: When it ends.
        description: More about it.
        location: Where it is.

    Returns:
        message and event_id.
    """
    row = own_event(ctx, event_id)
    if starts_at is not None and ends_at is None:
        ends_at = _moved(row, starts_at)
    checked_span(starts_at or row["starts_at"], ends_at or row["ends_at"])
    new = {
        "title": title,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "description": description,
        "location": location,
    }
    given = {name: value for name, value in new.items() if value is not None}
    if not given:
        raise invalid("Nothing to change is given.")
    ctx.db.update("calendar_events", event_id, **given)
    return {"message": "Event updated.", "event_id": event_id}


def _moved(row: Row, starts_at: str) -> str:
    """Return the end of an event that starts at another time."""
    start, end = (datetime.fromisoformat(row[name]) for name in ("starts_at", "ends_at"))
    try:
        return (datetime.fromisoformat(starts_at) + (end - start)).isoformat()
    except (ValueError, OverflowError):
        raise invalid(f"There is no moment {starts_at}.") from None


@app.api(writes=True)
def delete_event(ctx: Context, *, event_id: int) -> Row:
    """Delete an event that you organize, with its invitations and reminders.

    Args:
        event_id: The event.

    Returns:
        message and event_id.
    """
    ctx.db.delete("calendar_events", own_event(ctx, event_id)["id"])
    return {"message": "Event deleted.", "event_id": event_id}
