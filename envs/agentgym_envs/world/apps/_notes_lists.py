"""Notes, the part of to-do lists.

Left out: days by which an item is due, and an order other than that of adding.
"""

from __future__ import annotations

from agentgym_envs.world.apps._notes_store import Name, app
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import invalid, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

_LISTS = """
SELECT l.id AS list_id, l.title, l.created_at, COUNT(i.id) AS items,
 COALESCE(SUM(i.checked), 0) AS checked
FROM notes_lists l LEFT JOIN notes_items i ON i.list_id = l.id
WHERE l.person_id = ?1 AND instr(lower(l.title), lower(?2))
GROUP BY l.id ORDER BY l.created_at DESC, l.id DESC"""


def _my_list(ctx: Context, list_id: int) -> Row:
    query = "SELECT * FROM notes_lists WHERE id = ? AND person_id = ?"
    row = ctx.db.first(query, list_id, ctx.person_id)
    if row is None:
        raise missing("list")
    return row


def _my_item(ctx: Context, item_id: int) -> Row:
    row = ctx.db.first(
        "SELECT i.* FROM notes_items i JOIN notes_lists l ON l.id = i.list_id"
        " WHERE i.id = ? AND l.person_id = ?",
        item_id,
        ctx.person_id,
    )
    if row is None:
        raise missing("item")
    return row


@app.api()
def show_lists(
    ctx: Context, *, query: str = "", page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show your to-do lists, the newest first.

    Args:
        query: Text in the title; case does not matter.
        page_index: Which page, from 0.
        page_limit: Lists per page, at most 20.

    Returns:
        List of list_id, title, created_at, and the numbers of items and of checked ones.
    """
    return page(ctx.db.all(_LISTS, ctx.person_id, query), page_index, page_limit)


@app.api()
def show_list(ctx: Context, *, list_id: int) -> Row:
    """Show one to-do list with all of its items, the first added first.

    Args:
        list_id: The list.

    Returns:
        list_id, title, created_at and items (item_id, text, checked).
    """
    row = _my_list(ctx, list_id)
    items = ctx.db.all("SELECT * FROM notes_items WHERE list_id = ? ORDER BY id", list_id)
    return {
        "list_id": list_id,
        "title": row["title"],
        "created_at": row["created_at"],
        "items": [
            {"item_id": each["id"], "text": each["text"], "checked": bool(each["checked"])}
            for each in items
        ],
    }


@app.api(writes=True)
def create_list(ctx: Context, *, title: Name) -> Row:
    """Create an empty to-do list.

    Args:
        title: Its title.

    Returns:
        message and list_id.
    """
    row = {"person_id": ctx.person_id, "title": title, "created_at": ctx.now}
    return {"message": "List created.", "list_id": ctx.db.insert("notes_lists", row)}


@app.api(writes=True)
def update_list(ctx: Context, *, list_id: int, title: Name) -> Row:
    """Rename a to-do list.

    Args:
        list_id: The list.
        title: Its new title.

    Returns:
        message and list_id.
    """
    ctx.db.update("notes_lists", _my_list(ctx, list_id)["id"], title=title)
    return {"message": "List updated.", "list_id": list_id}


@app.api(writes=True)
def delete_list(ctx: Context, *, list_id: int) -> Row:
    """Delete a to-do list with its items.

    Args:
        list_id: The list.

    Returns:
        message and list_id.
    """
    ctx.db.delete("notes_lists", _my_list(ctx, list_id)["id"])
    return {"message": "List deleted.", "list_id": list_id}


@app.api(writes=True)
def add_item(ctx: Context, *, list_id: int, text: Name) -> Row:
    """Add an unchecked item to the end of a to-do list.

    Args:
        list_id: The list.
        text: What is to be done.

    Returns:
        message and item_id.
    """
    row = {"list_id": _my_list(ctx, list_id)["id"], "text": text, "checked": 0}
    return {"message": "Item added.", "item_id": ctx.db.insert("notes_items", row)}


@app.api(writes=True)
def update_item(
    ctx: Context, *, item_id: int, text: Name | None = None, list_id: int | None = None
) -> Row:
    """Change an item, or move it to another list of yours; what you leave out stays.

    Args:
        item_id: The item.
        text: What is to be done.
        list_id: The list that it moves to.

    Returns:
        message and item_id.
    """
    _my_item(ctx, item_id)
    if list_id is not None:
        _my_list(ctx, list_id)
    new = {"text": text, "list_id": list_id}
    given = {name: value for name, value in new.items() if value is not None}
    if not given:
        raise invalid("Nothing to change is given.")
    ctx.db.update("notes_items", item_id, **given)
    return {"message": "Item updated.", "item_id": item_id}


@app.api(writes=True)
def check_item(ctx: Context, *, item_id: int) -> Row:
    """Mark an item as done.

    Args:
        item_id: The item.

    Returns:
        message and item_id.
    """
    ctx.db.update("notes_items", _my_item(ctx, item_id)["id"], checked=1)
    return {"message": "Item checked.", "item_id": item_id}


@app.api(writes=True)
def uncheck_item(ctx: Context, *, item_id: int) -> Row:
    """Mark an item as not done.

    Args:
        item_id: The item.

    Returns:
        message and item_id.
    """
    ctx.db.update("notes_items", _my_item(ctx, item_id)["id"], checked=0)
    return {"message": "Item unchecked.", "item_id": item_id}


@app.api(writes=True)
def remove_item(ctx: Context, *, item_id: int) -> Row:
    """Remove an item from its list.

    Args:
        item_id: The item.

    Returns:
        message and item_id.
    """
    ctx.db.delete("notes_items", _my_item(ctx, item_id)["id"])
    return {"message": "Item removed.", "item_id": item_id}
