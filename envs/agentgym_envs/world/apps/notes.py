"""Notes: notes with tags and pins, and to-do lists.

Here are the notes; see `_notes_store` for the tables and `_notes_lists` for to-do lists.

Left out: notebooks, sharing and formatted text.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agentgym_envs.world.apps import _notes_data, _notes_lists  # noqa: F401  # their APIs
from agentgym_envs.world.apps._notes_store import Name, app
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, invalid, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

app.populated_by(_notes_data.fill)

Tags = Annotated[list[Name], Field(max_length=20)]

_MINE = "SELECT * FROM notes_notes WHERE person_id = ?1"
_TAGGED = """
 AND (?2 IS NULL OR EXISTS (SELECT 1 FROM notes_tags WHERE note_id = notes_notes.id
 AND name = ?2)) AND (?3 IS NULL OR pinned = ?3)"""
_LATEST = " ORDER BY updated_at DESC, id DESC"
_ORDERS = {"updated_at": _LATEST, "created_at": " ORDER BY created_at DESC, id DESC"}
_ORDERS |= {"title": " ORDER BY title, id"}


def _my_note(ctx: Context, note_id: int) -> Row:
    row = ctx.db.first(_MINE + " AND id = ?2", ctx.person_id, note_id)
    if row is None:
        raise missing("note")
    return row


def _brief(ctx: Context, row: Row) -> Row:
    query = "SELECT name FROM notes_tags WHERE note_id = ? ORDER BY name"
    return {
        "note_id": row["id"],
        "title": row["title"],
        "tags": [tag["name"] for tag in ctx.db.all(query, row["id"])],
        "pinned": bool(row["pinned"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


@app.api()
def show_notes(
    ctx: Context,
    *,
    tag: str | None = None,
    pinned: bool | None = None,
    sort_by: Literal["updated_at", "created_at", "title"] = "updated_at",
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show your notes without their text.

    Args:
        tag: Only notes with this tag.
        pinned: Only pinned notes, or only others.
        sort_by: updated_at or created_at, the latest first, or title.
        page_index: Which page, from 0.
        page_limit: Notes per page, at most 20.

    Returns:
        List of note_id, title, tags, pinned, created_at and updated_at; show_note has the body.
    """
    query = _MINE + _TAGGED + _ORDERS[sort_by]
    rows = ctx.db.all(query, ctx.person_id, tag and tag.lower(), pinned)
    return [_brief(ctx, row) for row in page(rows, page_index, page_limit)]


@app.api()
def search_notes(
    ctx: Context, *, query: str, tag: str | None = None, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Search your notes, the latest changed first.

    Args:
        query: Text in the title or the body; case does not matter.
        tag: Only notes with this tag.
        page_index: Which page, from 0.
        page_limit: Notes per page, at most 20.

    Returns:
        List of notes as in show_notes.
    """
    wanted = _MINE + _TAGGED + " AND instr(lower(title || char(10) || body), lower(?4))" + _LATEST
    rows = ctx.db.all(wanted, ctx.person_id, tag and tag.lower(), None, query)
    return [_brief(ctx, row) for row in page(rows, page_index, page_limit)]


@app.api()
def show_note(ctx: Context, *, note_id: int) -> Row:
    """Show one note with its text.

    Args:
        note_id: The note.

    Returns:
        The note as in show_notes, and its body.
    """
    row = _my_note(ctx, note_id)
    return {**_brief(ctx, row), "body": row["body"]}


@app.api(writes=True)
def create_note(
    ctx: Context, *, title: Name, body: str = "", tags: Tags | None = None, pinned: bool = False
) -> Row:
    """Create a note.

    Args:
        title: Its title.
        body: Its text.
        tags: Its tags; they are kept in lower case.
        pinned: Whether it is pinned.

    Returns:
        message and note_id.
    """
    row = {"person_id": ctx.person_id, "title": title, "body": body, "pinned": int(pinned)}
    row |= {"created_at": ctx.now, "updated_at": ctx.now}
    note_id = ctx.db.insert("notes_notes", row)
    for name in dict.fromkeys(tag.lower() for tag in tags or []):
        ctx.db.insert("notes_tags", {"note_id": note_id, "name": name})
    return {"message": "Note created.", "note_id": note_id}


@app.api(writes=True)
def update_note(
    ctx: Context, *, note_id: int, title: Name | None = None, body: str | None = None
) -> Row:
    """Change a note; what you leave out stays.

    Args:
        note_id: The note.
        title: Its title.
        body: All of its text.

    Returns:
        message and note_id.
    """
    _my_note(ctx, note_id)
    given = {name: v for name, v in (("title", title), ("body", body)) if v is not None}
    if not given:
        raise invalid("Nothing to change is given.")
    ctx.db.update("notes_notes", note_id, **given, updated_at=ctx.now)
    return {"message": "Note updated.", "note_id": note_id}


@app.api(writes=True)
def delete_note(ctx: Context, *, note_id: int) -> Row:
    """Delete a note with its tags.

    Args:
        note_id: The note.

    Returns:
        message and note_id.
    """
    ctx.db.delete("notes_notes", _my_note(ctx, note_id)["id"])
    return {"message": "Note deleted.", "note_id": note_id}


@app.api(writes=True)
def pin_note(ctx: Context, *, note_id: int) -> Row:
    """Pin a note.

    Args:
        note_id: The note.

    Returns:
        message and note_id.
    """
    ctx.db.update("notes_notes", _my_note(ctx, note_id)["id"], pinned=1)
    return {"message": "Note pinned.", "note_id": note_id}


@app.api(writes=True)
def unpin_note(ctx: Context, *, note_id: int) -> Row:
    """Unpin a note.

    Args:
        note_id: The note.

    Returns:
        message and note_id.
    """
    ctx.db.update("notes_notes", _my_note(ctx, note_id)["id"], pinned=0)
    return {"message": "Note unpinned.", "note_id": note_id}


# -- tags -------------------------------------------------------------------------------------


@app.api()
def show_tags(ctx: Context, *, page_index: int = 0, page_limit: int = 20) -> list[Row]:
    """Show the tags of your notes by name.

    Args:
        page_index: Which page, from 0.
        page_limit: Tags per page, at most 20.

    Returns:
        List of name and notes, the number of notes that have it.
    """
    rows = ctx.db.all(
        "SELECT t.name, COUNT(*) AS notes FROM notes_tags t JOIN notes_notes n ON n.id = t.note_id"
        " WHERE n.person_id = ? GROUP BY t.name ORDER BY t.name",
        ctx.person_id,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def add_tag(ctx: Context, *, note_id: int, tag: Name) -> Row:
    """Put a tag on a note; tags are kept in lower case.

    Args:
        note_id: The note.
        tag: The tag, new or not.

    Returns:
        message and note_id.
    """
    _my_note(ctx, note_id)
    query = "SELECT 1 FROM notes_tags WHERE note_id = ? AND name = ?"
    if ctx.db.first(query, note_id, tag.lower()):
        raise conflict("The note has this tag already.")
    ctx.db.insert("notes_tags", {"note_id": note_id, "name": tag.lower()})
    return {"message": "Tag added.", "note_id": note_id}


@app.api(writes=True)
def remove_tag(ctx: Context, *, note_id: int, tag: str) -> Row:
    """Take a tag off a note.

    Args:
        note_id: The note.
        tag: The tag.

    Returns:
        message and note_id.
    """
    _my_note(ctx, note_id)
    statement = "DELETE FROM notes_tags WHERE note_id = ? AND name = ?"
    if not ctx.db.run(statement, note_id, tag.lower()):
        raise conflict("The note does not have this tag.")
    return {"message": "Tag removed.", "note_id": note_id}
