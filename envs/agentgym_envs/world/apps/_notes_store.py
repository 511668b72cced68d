"""The tables of the notes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.registry import App

__all__ = ["Name", "app"]

SCHEMA = """
CREATE TABLE notes_notes (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, title TEXT NOT NULL,
  body TEXT NOT NULL, pinned INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE INDEX notes_notes_person ON notes_notes (person_id);
CREATE TABLE notes_tags (
  id INTEGER PRIMARY KEY, note_id INTEGER NOT NULL REFERENCES notes_notes ON DELETE CASCADE,
  name TEXT NOT NULL, UNIQUE (note_id, name));
CREATE TABLE notes_lists (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, title TEXT NOT NULL,
  created_at TEXT NOT NULL);
CREATE INDEX notes_lists_person ON notes_lists (person_id);
CREATE TABLE notes_items (
  id INTEGER PRIMARY KEY, list_id INTEGER NOT NULL REFERENCES notes_lists ON DELETE CASCADE,
  text TEXT NOT NULL, checked INTEGER NOT NULL);
CREATE INDEX notes_items_list ON notes_items (list_id);
"""

app = App("notes", "Notes with tags and pins, and to-do lists.", SCHEMA)
add_account_apis(app)

Name = Annotated[str, Field(min_length=1)]
