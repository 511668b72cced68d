"""The phone, the part of alarms; they are kept, never rung: the clock stands still."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agentgym_envs.world.apps._phone_store import app, update_given
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Snooze = Annotated[int, Field(ge=0, le=60)]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _my_alarm(ctx: Context, alarm_id: int) -> Row:
    query = "SELECT * FROM phone_alarms WHERE id = ? AND person_id = ?"
    row = ctx.db.first(query, alarm_id, ctx.person_id)
    if row is None:
        raise missing("alarm")
    return row


def _alarm(row: Row) -> Row:
    return {
        "alarm_id": row["id"],
        "time": row["time"],
        "label": row["label"],
        "repeat_days": [day for day in row["repeat_days"].split(",") if day],
        "enabled": bool(row["enabled"]),
        "snooze_minutes": row["snooze_minutes"],
    }


def _joined(days: list[Weekday]) -> str:
    return ",".join(day for day in _DAYS if day in days)


@app.api()
def show_alarms(
    ctx: Context, *, enabled: bool | None = None, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show your alarms by time of day.

    Args:
        enabled: Only those that are on, or only those that are off.
        page_index: Which page, from 0.
        page_limit: Alarms per page, at most 20.

    Returns:
        List of alarm_id, time, label, repeat_days, enabled and snooze_minutes.
    """
    rows = ctx.db.all(
        "SELECT * FROM phone_alarms WHERE person_id = ?1 AND (?2 IS NULL OR enabled = ?2)"
        " ORDER BY time, id",
        ctx.person_id,
        enabled,
    )
    return [_alarm(row) for row in page(rows, page_index, page_limit)]


@app.api()
def show_alarm(ctx: Context, *, alarm_id: int) -> Row:
    """Show one alarm.

    Args:
        alarm_id: The alarm.

    Returns:
        The alarm as in show_alarms.
    """
    return _alarm(_my_alarm(ctx, alarm_id))


@app.api(writes=True)
def create_alarm(
    ctx: Context,
    *,
    time: Time,
    label: str = "",
    repeat_days: list[Weekday] | None = None,
    enabled: bool = True,
    snooze_minutes: Snooze = 5,
) -> Row:
    """Create an alarm.

    Args:
        time: Time of day, HH:MM.
        label: What it is for.
        repeat_days: On which days it rings: mon, tue, wed, thu, fri, sat, sun; none: once.
        enabled: Whether it is on.
        snooze_minutes: How long it can be put off, 0 to 60.

    Returns:
        message and alarm_id.
    """
    row = {"person_id": ctx.person_id, "time": time, "label": label}
    row |= {"repeat_days": _joined(repeat_days or []), "enabled": int(enabled)}
    row |= {"snooze_minutes": snooze_minutes}
    return {"message": "Alarm created.", "alarm_id": ctx.db.insert("phone_alarms", row)}


@app.api(writes=True)
def update_alarm(
    ctx: Context,
    *,
    alarm_id: int,
    time: Time | None = None,
    label: str | None = None,
    repeat_days: list[Weekday] | None = None,
    enabled: bool | None = None,
    snooze_minutes: Snooze | None = None,
) -> Row:
    """Change an alarm; what you leave out stays.

    Args:
        alarm_id: The alarm.
        time: Time of day, HH:MM.
        label: What it is for.
        repeat_days: All days on which it rings; an empty list: once.
        enabled: Whether it is on.
        snooze_minutes: How long it can be put off, 0 to 60.

    Returns:
        message and alarm_id.
    """
    _my_alarm(ctx, alarm_id)
    new = {
        "time": time,
        "label": label,
        "repeat_days": None if repeat_days is None else _joined(repeat_days),
        "enabled": None if enabled is None else int(enabled),
        "snooze_minutes": snooze_minutes,
    }
    update_given(ctx, "phone_alarms", alarm_id, new)
    return {"message": "Alarm updated.", "alarm_id": alarm_id}


@app.api(writes=True)
def delete_alarm(ctx: Context, *, alarm_id: int) -> Row:
    """Delete an alarm.

    Args:
        alarm_id: The alarm.

    Returns:
        message and alarm_id.
    """
    ctx.db.delete("phone_alarms", _my_alarm(ctx, alarm_id)["id"])
    return {"message": "Alarm deleted.", "alarm_id": alarm_id}
