"""Files: a file system of folders and text files, with sharing.

Every person has a tree of their own. Paths begin with "/", and a file that is shared is reached by
its id. Left out: binary files, permissions of folders, versions, a bin.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from agentgym_envs.world.apps._files_tree import (
    Path,
    app,
    check_free,
    clean_path,
    delete_row,
    directory_at,
    find,
    prefix,
)
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, invalid, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

Content = Annotated[str, Field(max_length=10_000)]
LONGEST_FILE = 20_000  # characters

_FILE = "SELECT id AS file_id, path, content, created_at, updated_at FROM files_files"


# -- files ------------------------------------------------------------------------------------


@app.api()
def show_file(ctx: Context, *, path: Path) -> Row:
    """Show one of your files.

    Args:
        path: The file.

    Returns:
        file_id, path, content, created_at, updated_at and shared_with (emails).
    """
    row = ctx.db.one(f"{_FILE} WHERE id = ?", _file(ctx, path)["id"])
    shares = ctx.db.all(
        "SELECT p.email FROM files_shares s JOIN people p ON p.id = s.person_id"
        " WHERE s.file_id = ? ORDER BY p.email",
        row["file_id"],
    )
    return {**row, "shared_with": [share["email"] for share in shares]}


@app.api()
def search_files(
    ctx: Context,
    *,
    query: Annotated[str, Field(max_length=200)] = "",
    directory: Path = "/",
    sort_by: Literal["path", "created_at", "-created_at", "updated_at", "-updated_at"] = "path",
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Search your files.

    Args:
        query: Words that the path or the content must all contain.
        directory: Only files in this directory and those below.
        sort_by: Ascending, or descending with a minus; equal ones by path.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of file_id, path, created_at, updated_at and size (characters).
    """
    words = query.split()
    where = "".join(" AND instr(lower(path || ' ' || content), lower(?))" for _ in words)
    order = f"{sort_by[1:]} DESC" if sort_by.startswith("-") else sort_by
    rows = ctx.db.all(
        "SELECT id AS file_id, path, created_at, updated_at, length(content) AS size"
        " FROM files_files WHERE person_id = ?1 AND substr(path, 1, length(?2)) = ?2"
        f"{where} ORDER BY {order}, path",
        ctx.person_id,
        prefix(directory_at(ctx, directory)["path"]),
        *words,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def create_file(ctx: Context, *, path: Path, content: Content = "") -> dict[str, Any]:
    """Create a file in a directory that is there.

    Args:
        path: The new file.
        content: Its text.

    Returns:
        message and file_id.
    """
    target = _target(ctx, path)
    row = {"person_id": ctx.person_id, "path": target, "content": content}
    made = ctx.db.insert("files_files", {**row, "created_at": ctx.now, "updated_at": ctx.now})
    return {"message": "File created.", "file_id": made}


@app.api(writes=True)
def update_file(ctx: Context, *, path: Path, content: Content) -> dict[str, Any]:
    """Replace the text of one of your files.

    Args:
        path: The file.
        content: Its new text.

    Returns:
        message and file_id.
    """
    row = _file(ctx, path)
    ctx.db.update("files_files", row["id"], content=content, updated_at=ctx.now)
    return {"message": "File updated.", "file_id": row["id"]}


@app.api(writes=True)
def append_to_file(ctx: Context, *, path: Path, content: Content) -> dict[str, Any]:
    """Add text to the end of one of your files, as it is: begin it with a line break for a line.

    Args:
        path: The file.
        content: The text to add.

    Returns:
        message and file_id.
    """
    row = _file(ctx, path)
    if len(row["content"]) + len(content) > LONGEST_FILE:
        raise conflict(f"The file would be longer than {LONGEST_FILE} characters.")
    ctx.db.update("files_files", row["id"], content=row["content"] + content, updated_at=ctx.now)
    return {"message": "Text added to the file.", "file_id": row["id"]}


@app.api(writes=True)
def move_file(ctx: Context, *, source: Path, destination: Path) -> dict[str, Any]:
    """Move or rename one of your files; those it is shared with keep it.

    Args:
        source: The file.
        destination: Its new path, or a directory that it keeps its name in.

    Returns:
        message, file_id and path.
    """
    row = _file(ctx, source)
    target = _target(ctx, _inside(ctx, destination, row["path"]))
    ctx.db.update("files_files", row["id"], path=target)
    return {"message": "File moved.", "file_id": row["id"], "path": target}


@app.api(writes=True)
def copy_file(ctx: Context, *, source: Path, destination: Path) -> dict[str, Any]:
    """Copy one of your files; the copy is shared with nobody.

    Args:
        source: The file.
        destination: The path of the copy, or a directory that it has the same name in.

    Returns:
        message, file_id (of the copy) and path.
    """
    row = _file(ctx, source)
    target = _inside(ctx, destination, row["path"])
    made = create_file(ctx, path=target, content=row["content"])["file_id"]
    return {"message": "File copied.", "file_id": made, "path": clean_path(target)}


@app.api(writes=True)
def delete_file(ctx: Context, *, path: Path) -> dict[str, Any]:
    """Delete one of your files; it is no longer shared.

    Args:
        path: The file.

    Returns:
        message and file_id.
    """
    row = _file(ctx, path)
    delete_row(ctx, row["id"])
    return {"message": "File deleted.", "file_id": row["id"]}


# -- sharing ----------------------------------------------------------------------------------


@app.api()
def show_shared(
    ctx: Context,
    *,
    direction: Literal["received", "sent"] = "received",
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show which files are shared, newest share first.

    Args:
        direction: "received": those that others share with you; "sent": those that you share.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of share_id, file_id, path, owner_email, shared_with (email), can_edit and
        created_at.
    """
    side = "f.person_id" if direction == "sent" else "s.person_id"
    rows = ctx.db.all(
        "SELECT s.id AS share_id, s.file_id, f.path, o.email AS owner_email,"
        " p.email AS shared_with, s.can_edit, s.created_at FROM files_shares s"
        " JOIN files_files f ON f.id = s.file_id JOIN people o ON o.id = f.person_id"
        f" JOIN people p ON p.id = s.person_id WHERE {side} = ?"
        " ORDER BY s.created_at DESC, s.id DESC",
        ctx.person_id,
    )
    return [
        {**row, "can_edit": bool(row["can_edit"])} for row in page(rows, page_index, page_limit)
    ]


@app.api()
def show_shared_file(ctx: Context, *, file_id: int) -> Row:
    """Show a file that somebody shares with you.

    Args:
        file_id: As shown by show_shared.

    Returns:
        file_id, path (in the owner's tree), content, created_at and updated_at.
    """
    return ctx.db.one(f"{_FILE} WHERE id = ?", _shared(ctx, file_id)["file_id"])


@app.api(writes=True)
def update_shared_file(ctx: Context, *, file_id: int, content: Content) -> dict[str, Any]:
    """Replace the text of a file that somebody shares with you to be edited.

    Args:
        file_id: As shown by show_shared.
        content: Its new text.

    Returns:
        message and file_id.
    """
    if not _shared(ctx, file_id)["can_edit"]:
        raise conflict("The file is shared with you for reading only.")
    ctx.db.update("files_files", file_id, content=content, updated_at=ctx.now)
    return {"message": "File updated.", "file_id": file_id}


@app.api(writes=True)
def share_file(ctx: Context, *, path: Path, email: str, can_edit: bool = False) -> dict[str, Any]:
    """Share one of your files with another person.

    Args:
        path: The file.
        email: The person's email address.
        can_edit: Whether the person may replace its text.

    Returns:
        message and share_id.
    """
    row = {"file_id": _file(ctx, path)["id"], "person_id": _other(ctx, email)}
    if _share(ctx, row) is not None:
        raise conflict("The file is shared with this person already.")
    row |= {"can_edit": int(can_edit)}
    made = ctx.db.insert("files_shares", {**row, "created_at": ctx.now})
    return {"message": "File shared.", "share_id": made}


@app.api(writes=True)
def unshare_file(ctx: Context, *, path: Path, email: str) -> dict[str, Any]:
    """Stop sharing one of your files with a person.

    Args:
        path: The file.
        email: The person's email address.

    Returns:
        message and share_id.
    """
    row = _share(ctx, {"file_id": _file(ctx, path)["id"], "person_id": _other(ctx, email)})
    if row is None:
        raise missing("share")
    ctx.db.delete("files_shares", row["id"])
    return {"message": "File no longer shared.", "share_id": row["id"]}


def _file(ctx: Context, path: str) -> Row:
    row = find(ctx, "files_files", clean_path(path))
    if row is None:
        raise missing("file")
    return row


def _target(ctx: Context, path: str) -> str:
    """Return the clean path for a new file, whose directory must be there."""
    clean = clean_path(path)
    check_free(ctx, clean)
    directory_at(ctx, clean.rpartition("/")[0] or "/")
    return clean


def _inside(ctx: Context, destination: str, source: str) -> str:
    """Return a path, or for a directory the path of a file of the same name in it."""
    clean = clean_path(destination)
    if find(ctx, "files_directories", clean) is None:
        return clean
    return prefix(clean) + source.rpartition("/")[2]


def _other(ctx: Context, email: str) -> int:
    other = ctx.db.first("SELECT id FROM people WHERE email = lower(?)", email)
    if other is None:
        raise invalid("No files account has this email address.")
    if other["id"] == ctx.person_id:
        raise invalid("This is your own email address.")
    return int(other["id"])


def _share(ctx: Context, row: Row) -> Row | None:
    query = "SELECT * FROM files_shares WHERE file_id = ? AND person_id = ?"
    return ctx.db.first(query, row["file_id"], row["person_id"])


def _shared(ctx: Context, file_id: int) -> Row:
    row = _share(ctx, {"file_id": file_id, "person_id": ctx.person_id})
    if row is None:
        raise missing("shared file")
    return row
