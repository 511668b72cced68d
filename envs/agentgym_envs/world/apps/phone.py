"""Phone: contacts, text messages and alarms.

Here are the clock and the texts; see `_phone_store` for the tables, `_phone_contacts` and
`_phone_alarms`. A text is one row that its sender and its receiver share; whoever deletes it only
hides it from themselves.

Left out: groups, voice messages and calls.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentgym_envs.world.apps import _phone_alarms, _phone_contacts, _phone_data  # noqa: F401  # their APIs
from agentgym_envs.world.apps._phone_store import Name, Number, app
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, invalid, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

app.populated_by(_phone_data.fill)

Moment = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?$")]

_TEXTS = """
SELECT t.*, s.first_name || ' ' || s.last_name AS sender, s.phone AS sender_number,
 r.first_name || ' ' || r.last_name AS receiver, r.phone AS receiver_number
FROM phone_texts t JOIN people s ON s.id = t.sender_id JOIN people r ON r.id = t.receiver_id
WHERE ((t.sender_id = ?1 AND NOT t.sender_deleted)
 OR (t.receiver_id = ?1 AND NOT t.receiver_deleted))"""

# Beside a lone MAX the other columns are of the row that has it; equal times go by the id.
_LATEST = "COUNT(*) AS n, MAX(sent_at || substr(10000000000 + id, 2)) AS last FROM phone_texts"
_CONVERSATIONS = f"""
SELECT id, received, SUM(n) AS messages, MAX(last) AS last FROM (
 SELECT id, 0 AS received, receiver_id AS other, {_LATEST}
  WHERE sender_id = ?1 AND NOT sender_deleted GROUP BY receiver_id
 UNION ALL SELECT id, 1, sender_id, {_LATEST}
  WHERE receiver_id = ?1 AND NOT receiver_deleted GROUP BY sender_id)
GROUP BY other ORDER BY last DESC"""


@app.api(login=False)
def get_current_date_and_time(ctx: Context) -> Row:
    """Show what the time is.

    Returns:
        date (YYYY-MM-DD), time (HH:MM:SS) and datetime (YYYY-MM-DDTHH:MM:SS).
    """
    date, time = ctx.now.split("T")
    return {"date": date, "time": time, "datetime": ctx.now}


def _text(row: Row) -> Row:
    return {
        "message_id": row["id"],
        "sender": {"name": row["sender"], "phone_number": row["sender_number"]},
        "receiver": {"name": row["receiver"], "phone_number": row["receiver_number"]},
        "text": row["text"],
        "sent_at": row["sent_at"],
    }


def _my_text(ctx: Context, message_id: int) -> Row:
    row = ctx.db.first(_TEXTS + " AND t.id = ?2", ctx.person_id, message_id)
    if row is None:
        raise missing("text message")
    return row


def _person_at(ctx: Context, phone_number: str) -> int:
    row = ctx.db.first("SELECT id FROM people WHERE phone = ?", phone_number)
    if row is None:
        raise invalid(f"Nobody has the phone number {phone_number[:40]}.")
    return int(row["id"])


@app.api(writes=True)
def send_text_message(ctx: Context, *, phone_number: Number, text: Name) -> Row:
    """Send a text message.

    Args:
        phone_number: Whose phone it goes to; it need not be a contact.
        text: What it says.

    Returns:
        message and message_id.
    """
    receiver = _person_at(ctx, phone_number)
    if receiver == ctx.person_id:
        raise conflict("You cannot send a text message to yourself.")
    row = {"sender_id": ctx.person_id, "receiver_id": receiver, "text": text, "sent_at": ctx.now}
    row |= {"sender_deleted": 0, "receiver_deleted": 0}
    return {"message": "Text message sent.", "message_id": ctx.db.insert("phone_texts", row)}


@app.api()
def show_conversations(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show whom you exchanged texts with, the latest conversation first.

    Args:
        page_index: Which page, from 0.
        page_limit: Conversations per page, at most 20.

    Returns:
        List of name, phone_number, messages (their number), and last_message as in
        show_text_message.
    """
    shown = []
    for row in page(ctx.db.all(_CONVERSATIONS, ctx.person_id), page_index, page_limit):
        last = _text(_my_text(ctx, row["id"]))
        other = last["sender" if row["received"] else "receiver"]
        shown.append({**other, "messages": row["messages"], "last_message": last})
    return shown


@app.api()
def show_conversation(
    ctx: Context,
    *,
    phone_number: Number,
    sent_from: Moment | None = None,
    sent_until: Moment | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show the texts between you and one other, newest first.

    Args:
        phone_number: The other's number.
        sent_from: Only texts of this day or moment (YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS) or later.
        sent_until: Only texts of this day or moment or earlier.
        page_index: Which page, from 0.
        page_limit: Texts per page, at most 20.

    Returns:
        List of texts as in show_text_message.
    """
    return _searched(ctx, "", phone_number, sent_from, sent_until, page_index, page_limit)


def _searched(
    ctx: Context,
    query: str,
    phone_number: str | None,
    sent_from: str | None,
    sent_until: str | None,
    page_index: int,
    page_limit: int,
) -> list[Row]:
    """Return one page of the caller's texts, newest first."""
    other = None if phone_number is None else _person_at(ctx, phone_number)
    wanted = (
        _TEXTS
        + """ AND instr(lower(t.text), lower(?2))
 AND (?3 IS NULL OR ?3 IN (t.sender_id, t.receiver_id))
 AND (?4 IS NULL OR substr(t.sent_at, 1, length(?4)) >= ?4)
 AND (?5 IS NULL OR substr(t.sent_at, 1, length(?5)) <= ?5)
ORDER BY t.sent_at DESC, t.id DESC"""
    )
    rows = ctx.db.all(wanted, ctx.person_id, query, other, sent_from, sent_until)
    return [_text(row) for row in page(rows, page_index, page_limit)]


@app.api()
def search_text_messages(
    ctx: Context,
    *,
    query: str,
    phone_number: Number | None = None,
    sent_from: Moment | None = None,
    sent_until: Moment | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Search your texts, newest first.

    Args:
        query: What they say; case does not matter.
        phone_number: Only texts from or to this number.
        sent_from: Only texts of this day or moment (YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS) or later.
        sent_until: Only texts of this day or moment or earlier.
        page_index: Which page, from 0.
        page_limit: Texts per page, at most 20.

    Returns:
        List of texts as in show_text_message.
    """
    return _searched(ctx, query, phone_number, sent_from, sent_until, page_index, page_limit)


@app.api()
def show_text_message(ctx: Context, *, message_id: int) -> Row:
    """Show one text.

    Args:
        message_id: The text message.

    Returns:
        message_id, sender and receiver (each with name and phone_number), text and sent_at.
    """
    return _text(_my_text(ctx, message_id))


@app.api(writes=True)
def delete_text_message(ctx: Context, *, message_id: int) -> Row:
    """Delete a text from your phone; the other keeps it.

    Args:
        message_id: The text message.

    Returns:
        message and message_id.
    """
    sent = _my_text(ctx, message_id)["sender_id"] == ctx.person_id
    ctx.db.update("phone_texts", message_id, **{f"{'sender' if sent else 'receiver'}_deleted": 1})
    return {"message": "Text message deleted.", "message_id": message_id}
