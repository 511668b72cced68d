"""Mail, the part that keeps order: read and unread, the archive, labels."""

from __future__ import annotations

from agentgym_envs.world.apps._mail_store import Name, app, my_message
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context

__all__ = ["app"]


def _marked(ctx: Context, message_id: int, column: str, value: int, done: str) -> Row:
    ctx.db.update("mail_copies", my_message(ctx, message_id)["copy_id"], **{column: value})
    return {"message": done, "message_id": message_id}


@app.api(writes=True)
def mark_read(ctx: Context, *, message_id: int) -> Row:
    """Mark a message as read.

    Args:
        message_id: The message.

    Returns:
        message and message_id.
    """
    return _marked(ctx, message_id, "is_read", 1, "Message marked as read.")


@app.api(writes=True)
def mark_unread(ctx: Context, *, message_id: int) -> Row:
    """Mark a message as unread.

    Args:
        message_id: The message.

    Returns:
        message and message_id.
    """
    return _marked(ctx, message_id, "is_read", 0, "Message marked as unread.")


@app.api(writes=True)
def archive_message(ctx: Context, *, message_id: int) -> Row:
    """Move a message out of the inbox into the archive.

    Args:
        message_id: The message.

    Returns:
        message and message_id.
    """
    return _marked(ctx, message_id, "is_archived", 1, "Message archived.")


@app.api(writes=True)
def unarchive_message(ctx: Context, *, message_id: int) -> Row:
    """Move a message back from the archive.

    Args:
        message_id: The message.

    Returns:
        message and message_id.
    """
    return _marked(ctx, message_id, "is_archived", 0, "Message moved out of the archive.")


@app.api(writes=True)
def delete_message(ctx: Context, *, message_id: int) -> Row:
    """Delete your copy of a message; others keep theirs.

    Args:
        message_id: The message.

    Returns:
        message and message_id.
    """
    ctx.db.delete("mail_copies", my_message(ctx, message_id)["copy_id"])
    return {"message": "Message deleted.", "message_id": message_id}


def _label(ctx: Context, name: str) -> Row:
    query = "SELECT * FROM mail_labels WHERE person_id = ? AND name = ?"
    row = ctx.db.first(query, ctx.person_id, name)
    if row is None:
        raise missing("label")
    return row


@app.api()
def show_labels(ctx: Context) -> list[Row]:
    """Show your labels by name.

    Returns:
        List of label_id, name and messages, the number of messages that have it.
    """
    return ctx.db.all(
        "SELECT l.id AS label_id, l.name, COUNT(d.id) AS messages FROM mail_labels l"
        " LEFT JOIN mail_labelled d ON d.label_id = l.id WHERE l.person_id = ?"
        " GROUP BY l.id ORDER BY l.name",
        ctx.person_id,
    )


@app.api(writes=True)
def create_label(ctx: Context, *, name: Name) -> Row:
    """Create a label.

    Args:
        name: Its name, which none of your labels may have yet.

    Returns:
        message and label_id.
    """
    query = "SELECT 1 FROM mail_labels WHERE person_id = ? AND name = ?"
    if ctx.db.first(query, ctx.person_id, name):
        raise conflict(f"You have a label '{name[:80]}' already.")
    label_id = ctx.db.insert("mail_labels", {"person_id": ctx.person_id, "name": name})
    return {"message": "Label created.", "label_id": label_id}


@app.api(writes=True)
def delete_label(ctx: Context, *, name: str) -> Row:
    """Delete a label; messages that had it stay.

    Args:
        name: The label's name.

    Returns:
        message and label_id.
    """
    label_id = _label(ctx, name)["id"]
    ctx.db.delete("mail_labels", label_id)
    return {"message": "Label deleted.", "label_id": label_id}


@app.api(writes=True)
def label_message(ctx: Context, *, message_id: int, label: str) -> Row:
    """Put one of your labels on a message.

    Args:
        message_id: The message.
        label: The label's name; create_label makes a new one.

    Returns:
        message and message_id.
    """
    row = {"copy_id": my_message(ctx, message_id)["copy_id"], "label_id": _label(ctx, label)["id"]}
    query = "SELECT 1 FROM mail_labelled WHERE copy_id = ? AND label_id = ?"
    if ctx.db.first(query, *row.values()):
        raise conflict("The message has this label already.")
    ctx.db.insert("mail_labelled", row)
    return {"message": "Message labelled.", "message_id": message_id}


@app.api(writes=True)
def unlabel_message(ctx: Context, *, message_id: int, label: str) -> Row:
    """Take a label off a message.

    Args:
        message_id: The message.
        label: The label's name.

    Returns:
        message and message_id.
    """
    copy, label_id = my_message(ctx, message_id)["copy_id"], _label(ctx, label)["id"]
    statement = "DELETE FROM mail_labelled WHERE copy_id = ? AND label_id = ?"
    if not ctx.db.run(statement, copy, label_id):
        raise conflict("The message does not have this label.")
    return {"message": "Label taken off.", "message_id": message_id}
