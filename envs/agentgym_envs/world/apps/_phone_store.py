"""The tables of the phone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import invalid
from agentgym_envs.world.registry import App, Context

__all__ = ["Name", "Number", "app", "update_given"]

SCHEMA = """
CREATE TABLE phone_contacts (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, first_name TEXT NOT NULL,
  last_name TEXT NOT NULL, phone_number TEXT NOT NULL, email TEXT NOT NULL,
  relationship TEXT NOT NULL, home_address TEXT NOT NULL, UNIQUE (person_id, phone_number));
CREATE TABLE phone_texts (
  id INTEGER PRIMARY KEY, sender_id INTEGER NOT NULL REFERENCES people,
  receiver_id INTEGER NOT NULL REFERENCES people, text TEXT NOT NULL, sent_at TEXT NOT NULL,
  sender_deleted INTEGER NOT NULL, receiver_deleted INTEGER NOT NULL);
CREATE INDEX phone_texts_sent ON phone_texts (sender_id, receiver_id, sent_at, sender_deleted);
CREATE INDEX phone_texts_received
  ON phone_texts (receiver_id, sender_id, sent_at, receiver_deleted);
CREATE TABLE phone_alarms (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, time TEXT NOT NULL,
  label TEXT NOT NULL, repeat_days TEXT NOT NULL, enabled INTEGER NOT NULL,
  snooze_minutes INTEGER NOT NULL);
"""

app = App("phone", "Contacts, text messages and alarms.", SCHEMA)
add_account_apis(app)

Name = Annotated[str, Field(min_length=1)]
Number = Annotated[str, Field(pattern=r"^\+?[0-9]{3,20}$")]


def update_given(ctx: Context, table: str, id_: int, new: Row) -> None:
    """Write the columns that are given, of which there must be one."""
    given = {name: value for name, value in new.items() if value is not None}
    if not given:
        raise invalid("Nothing to change is given.")
    ctx.db.update(table, id_, **given)
