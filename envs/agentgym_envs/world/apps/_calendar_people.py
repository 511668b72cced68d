"""The calendar, the part of attendees and invitations, reminders and free time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from agentgym_envs.world.apps._calendar_store import (
    MINE,
    app,
    checked_span,
    event_view,
    my_event,
    own_event,
    people_to_invite,
    person_at,
)
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Minutes = Annotated[int, Field(ge=0, le=40_320)]
Answer = Literal["accepted", "declined", "tentative"]
Status = Literal["pending", "accepted", "declined", "tentative"]
Emails = Annotated[list[str], Field(max_length=20)]


# -- attendees --------------------------------------------------------------------------------


@app.api(writes=True)
def invite_attendee(ctx: Context, *, event_id: int, email: str) -> Row:
    """Invite somebody to an event that you organize; the invitation is pending at first.

    Args:
        event_id: The event.
        email: Whom.

    Returns:
        message and event_id.
    """
    own_event(ctx, event_id)
    [person] = people_to_invite(ctx, [email])
    query = "SELECT 1 FROM calendar_attendees WHERE event_id = ? AND person_id = ?"
    if ctx.db.first(query, event_id, person):
        raise conflict("They are invited already.")
    row = {"event_id": event_id, "person_id": person, "status": "pending"}
    ctx.db.insert("calendar_attendees", row)
    return {"message": "Attendee invited.", "event_id": event_id}


@app.api(writes=True)
def remove_attendee(ctx: Context, *, event_id: int, email: str) -> Row:
    """Take somebody off an event that you organize, with their reminders of it.

    Args:
        event_id: The event.
        email: Whom.

    Returns:
        message and event_id.
    """
    own_event(ctx, event_id)
    person = person_at(ctx, email)
    statement = "DELETE FROM calendar_attendees WHERE event_id = ? AND person_id = ?"
    if not ctx.db.run(statement, event_id, person):
        raise missing("attendee")
    ctx.db.run(
        "DELETE FROM calendar_reminders WHERE event_id = ? AND person_id = ?", event_id, person
    )
    return {"message": "Attendee removed.", "event_id": event_id}


@app.api()
def show_invitations(
    ctx: Context,
    *,
    status: Status | None = "pending",
    upcoming: bool = True,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show events that others invited you to, the earliest first.

    Args:
        status: How you answered; none (null): any answer.
        upcoming: Only events that are not over yet.
        page_index: Which page, from 0.
        page_limit: Events per page, at most 20.

    Returns:
        List of events as in show_event, without your reminders.
    """
    query = MINE + " AND my_status <> 'organizer' AND (?2 IS NULL OR my_status = ?2)"
    query += " AND (NOT ?3 OR ends_at > ?4) ORDER BY starts_at, id"
    rows = ctx.db.all(query, ctx.person_id, status, upcoming, ctx.now)
    return [event_view(ctx, row) for row in page(rows, page_index, page_limit)]


@app.api(writes=True)
def respond_to_invitation(ctx: Context, *, event_id: int, status: Answer) -> Row:
    """Answer an invitation, or change your answer.

    Args:
        event_id: The event.
        status: accepted, declined or tentative.

    Returns:
        message and event_id.
    """
    if my_event(ctx, event_id)["my_status"] == "organizer":
        raise conflict("You organize this event; there is nothing to answer.")
    statement = "UPDATE calendar_attendees SET status = ? WHERE event_id = ? AND person_id = ?"
    ctx.db.run(statement, status, event_id, ctx.person_id)
    return {"message": f"Invitation {status}.", "event_id": event_id}


# -- reminders --------------------------------------------------------------------------------


@app.api()
def show_reminders(
    ctx: Context, *, upcoming: bool = True, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show your reminders by the start of their events.

    Args:
        upcoming: Only those of events that have not started yet.
        page_index: Which page, from 0.
        page_limit: Reminders per page, at most 20.

    Returns:
        List of reminder_id, event_id, title, starts_at and minutes_before.
    """
    rows = ctx.db.all(
        "SELECT r.id AS reminder_id, e.id AS event_id, e.title, e.starts_at, r.minutes_before"
        " FROM calendar_reminders r JOIN calendar_events e ON e.id = r.event_id"
        " WHERE r.person_id = ? AND (NOT ? OR e.starts_at > ?)"
        " ORDER BY e.starts_at, r.minutes_before DESC, r.id",
        ctx.person_id,
        upcoming,
        ctx.now,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def add_reminder(ctx: Context, *, event_id: int, minutes_before: Minutes) -> Row:
    """Have yourself reminded of an event.

    Args:
        event_id: The event.
        minutes_before: How long before its start, 0 to 40320 (four weeks).

    Returns:
        message and reminder_id.
    """
    my_event(ctx, event_id)
    row = {"event_id": event_id, "person_id": ctx.person_id, "minutes_before": minutes_before}
    query = "SELECT 1 FROM calendar_reminders WHERE event_id = ? AND person_id = ?"
    if ctx.db.first(query + " AND minutes_before = ?", *row.values()):
        raise conflict("You have this reminder already.")
    reminder_id = ctx.db.insert("calendar_reminders", row)
    return {"message": "Reminder added.", "reminder_id": reminder_id}


@app.api(writes=True)
def remove_reminder(ctx: Context, *, reminder_id: int) -> Row:
    """Remove one of your reminders.

    Args:
        reminder_id: The reminder.

    Returns:
        message and reminder_id.
    """
    statement = "DELETE FROM calendar_reminders WHERE id = ? AND person_id = ?"
    if not ctx.db.run(statement, reminder_id, ctx.person_id):
        raise missing("reminder")
    return {"message": "Reminder removed.", "reminder_id": reminder_id}


# -- free time --------------------------------------------------------------------------------


@app.api()
def find_free_time(
    ctx: Context,
    *,
    date: Day,
    duration_minutes: Annotated[int, Field(ge=1, le=1440)] = 60,
    with_emails: Emails | None = None,
    day_start: Time = "09:00",
    day_end: Time = "18:00",
) -> list[Row]:
    """Find the gaps of a day in which you, and others if you name them, are free.

    Somebody is busy in events that they organize, accepted or marked as tentative. Of others you
    learn no more than when all of you are free.

    Args:
        date: The day, YYYY-MM-DD.
        duration_minutes: How long a gap must be at least.
        with_emails: Others who must be free as well.
        day_start: Earliest time of day, HH:MM.
        day_end: Latest time of day, HH:MM.

    Returns:
        List of starts_at and ends_at of every gap, whole gaps, the earliest first.
    """
    start, end = f"{date}T{day_start}:00", f"{date}T{day_end}:00"
    checked_span(start, end)
    people = {ctx.person_id, *(person_at(ctx, email) for email in with_emails or [])}
    shortest = timedelta(minutes=duration_minutes)
    return [
        {"starts_at": one, "ends_at": two}
        for one, two in _gaps(_busy(ctx, people, start, end), start, end)
        if datetime.fromisoformat(two) - datetime.fromisoformat(one) >= shortest
    ]


def _busy(ctx: Context, people: set[int], start: str, end: str) -> list[Row]:
    marks = ", ".join("?" * len(people))
    return ctx.db.all(
        "SELECT e.starts_at, e.ends_at FROM calendar_events e WHERE e.starts_at < ? AND e.ends_at"
        f" > ? AND (e.organizer_id IN ({marks}) OR EXISTS (SELECT 1 FROM calendar_attendees a"
        f" WHERE a.event_id = e.id AND a.person_id IN ({marks})"
        " AND a.status IN ('accepted', 'tentative'))) ORDER BY e.starts_at, e.id",
        end,
        start,
        *people,
        *people,
    )


def _gaps(busy: list[Row], start: str, end: str) -> list[tuple[str, str]]:
    """Return the spans between start and end that no event covers; events come by their start."""
    found, free_from = [], start
    for event in busy:
        if event["starts_at"] > free_from:
            found.append((free_from, event["starts_at"]))
        free_from = max(free_from, event["ends_at"])
    return [*found, (free_from, end)] if free_from < end else found
