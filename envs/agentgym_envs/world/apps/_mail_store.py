"""The tables of mail, and how messages are found, shown and written.

A message is one row that all share; whoever sent or received it has a copy of it, which holds what
is theirs: read or not, archived or not, its labels. To delete a message is to delete one's copy.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import invalid, missing
from agentgym_envs.world.registry import App, Context, page

__all__ = [
    "LABELLED",
    "MINE",
    "NEWEST",
    "Addresses",
    "Day",
    "Name",
    "UpTo20",
    "app",
    "brief",
    "listed",
    "my_message",
    "people_at",
    "recipients",
    "sent",
    "whole",
]

SCHEMA = """
CREATE TABLE mail_threads (id INTEGER PRIMARY KEY, subject TEXT NOT NULL);
CREATE TABLE mail_messages (
  id INTEGER PRIMARY KEY, thread_id INTEGER NOT NULL REFERENCES mail_threads,
  sender_id INTEGER NOT NULL REFERENCES people, subject TEXT NOT NULL, body TEXT NOT NULL,
  sent_at TEXT NOT NULL);
CREATE INDEX mail_messages_thread ON mail_messages (thread_id);
CREATE TABLE mail_recipients (
  id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL REFERENCES mail_messages,
  person_id INTEGER NOT NULL REFERENCES people, UNIQUE (message_id, person_id));
CREATE TABLE mail_attachments (
  id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL REFERENCES mail_messages,
  file_name TEXT NOT NULL);
CREATE INDEX mail_attachments_message ON mail_attachments (message_id);
CREATE TABLE mail_copies (
  id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL REFERENCES mail_messages,
  person_id INTEGER NOT NULL REFERENCES people, incoming INTEGER NOT NULL,
  is_read INTEGER NOT NULL, is_archived INTEGER NOT NULL, UNIQUE (person_id, message_id));
CREATE TABLE mail_labels (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, name TEXT NOT NULL,
  UNIQUE (person_id, name));
CREATE TABLE mail_labelled (
  id INTEGER PRIMARY KEY, copy_id INTEGER NOT NULL REFERENCES mail_copies ON DELETE CASCADE,
  label_id INTEGER NOT NULL REFERENCES mail_labels ON DELETE CASCADE, UNIQUE (copy_id, label_id));
CREATE TABLE mail_drafts (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, recipients TEXT NOT NULL,
  subject TEXT NOT NULL, body TEXT NOT NULL, updated_at TEXT NOT NULL);
"""

app = App("mail", "Read, search, send, answer, label and archive email.", SCHEMA)
add_account_apis(app)

Addresses = Annotated[list[str], Field(min_length=1, max_length=20)]
UpTo20 = Annotated[list[str], Field(max_length=20)]
Name = Annotated[str, Field(min_length=1)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]

MINE = """
SELECT m.*, c.id AS copy_id, c.incoming, c.is_read, c.is_archived
FROM mail_copies c JOIN mail_messages m ON m.id = c.message_id WHERE c.person_id = ?1"""
NEWEST = " ORDER BY m.sent_at DESC, m.id DESC"
LABELLED = """
 AND (?2 IS NULL OR c.id IN (SELECT d.copy_id FROM mail_labelled d JOIN mail_labels l
 ON l.id = d.label_id WHERE l.person_id = ?1 AND l.name = ?2))"""


def my_message(ctx: Context, message_id: int) -> Row:
    """Return a message with the caller's copy of it, or refuse."""
    row = ctx.db.first(MINE + " AND m.id = ?2", ctx.person_id, message_id)
    if row is None:
        raise missing("message")
    return row


def _person(row: Row) -> Row:
    return {"name": f"{row['first_name']} {row['last_name']}", "email": row["email"]}


def recipients(ctx: Context, message_id: int) -> list[Row]:
    """Return whom a message went to, as rows of ``people``."""
    return ctx.db.all(
        "SELECT p.* FROM mail_recipients r JOIN people p ON p.id = r.person_id"
        " WHERE r.message_id = ? ORDER BY r.id",
        message_id,
    )


def brief(ctx: Context, row: Row) -> Row:
    """Return what lists say about a message."""
    labels = ctx.db.all(
        "SELECT l.name FROM mail_labelled d JOIN mail_labels l ON l.id = d.label_id"
        " WHERE d.copy_id = ? ORDER BY l.name",
        row["copy_id"],
    )
    files = "SELECT file_name FROM mail_attachments WHERE message_id = ? ORDER BY id"
    return {
        "message_id": row["id"],
        "thread_id": row["thread_id"],
        "subject": row["subject"],
        "sender": _person(ctx.db.one("SELECT * FROM people WHERE id = ?", row["sender_id"])),
        "recipients": [_person(each) for each in recipients(ctx, row["id"])],
        "sent_at": row["sent_at"],
        "read": bool(row["is_read"]),
        "archived": bool(row["is_archived"]),
        "labels": [each["name"] for each in labels],
        "attachments": [each["file_name"] for each in ctx.db.all(files, row["id"])],
    }


def whole(ctx: Context, row: Row) -> Row:
    """Return a message with its body."""
    return {**brief(ctx, row), "body": row["body"]}


def listed(ctx: Context, rows: list[Row], page_index: int, page_limit: int) -> list[Row]:
    """Return one page of messages, without bodies."""
    return [brief(ctx, row) for row in page(rows, page_index, page_limit)]


def people_at(ctx: Context, addresses: list[str]) -> list[int]:
    """Return the ids of the people with these addresses, each once."""
    found = []
    for address in dict.fromkeys(each.strip().lower() for each in addresses):
        row = ctx.db.first("SELECT id FROM people WHERE email = ?", address)
        if row is None:
            raise invalid(f"No mail account has the address '{address[:80]}'.")
        found.append(int(row["id"]))
    return found


def sent(
    ctx: Context, to: list[int], subject: str, body: str, files: list[str], thread_id: int = 0
) -> Row:
    """Write a message, in a new thread unless one is given, and a copy for everybody in it."""
    db, me = ctx.db, ctx.person_id
    thread_id = thread_id or db.insert("mail_threads", {"subject": subject})
    row = {"thread_id": thread_id, "sender_id": me, "subject": subject, "body": body}
    message_id = db.insert("mail_messages", {**row, "sent_at": ctx.now})
    for person in to:
        db.insert("mail_recipients", {"message_id": message_id, "person_id": person})
    for name in files:
        db.insert("mail_attachments", {"message_id": message_id, "file_name": name})
    for person in dict.fromkeys([me, *to]):
        copy = {"message_id": message_id, "person_id": person, "incoming": int(person in to)}
        db.insert("mail_copies", {**copy, "is_read": int(person == me), "is_archived": 0})
    return {"message": "Message sent.", "message_id": message_id, "thread_id": thread_id}
