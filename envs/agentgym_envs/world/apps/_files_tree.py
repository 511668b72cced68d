"""Files: paths and directories."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from agentgym_envs.world.apps._files_data import app
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, invalid, missing
from agentgym_envs.world.registry import Context, page

__all__ = [
    "Path",
    "app",
    "check_free",
    "clean_path",
    "delete_row",
    "directory_at",
    "find",
    "prefix",
]

Path = Annotated[str, Field(max_length=300)]


@app.api()
def list_directory(
    ctx: Context,
    *,
    path: Path = "/",
    recursive: bool = False,
    kind: Literal["file", "directory", "all"] = "all",
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """List what is in a directory, sorted by path.

    Args:
        path: The directory.
        recursive: Whether to list what is in its directories, too.
        kind: Only files or only directories.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of path, kind (file or directory), created_at, updated_at and size (characters); the
        last two are null for directories.
    """
    place = directory_at(ctx, path)["path"]
    rows = ctx.db.all(
        "SELECT path, 'file' AS kind, created_at, updated_at, length(content) AS size"
        " FROM files_files WHERE person_id = ?1 AND substr(path, 1, length(?2)) = ?2 UNION ALL"
        " SELECT path, 'directory', created_at, NULL, NULL FROM files_directories"
        " WHERE person_id = ?1 AND substr(path, 1, length(?2)) = ?2 AND path <> '/' ORDER BY path",
        ctx.person_id,
        prefix(place),
    )
    deep = prefix(place).count("/")
    rows = [row for row in rows if recursive or row["path"].count("/") == deep]
    rows = [row for row in rows if kind in ("all", row["kind"])]
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def create_directory(ctx: Context, *, path: Path, parents: bool = False) -> dict[str, Any]:
    """Create an empty directory.

    Args:
        path: The new directory.
        parents: Whether to create the directories above it that are not there.

    Returns:
        message and directory_id.
    """
    clean = clean_path(path)
    check_free(ctx, clean)
    above = clean.rpartition("/")[0] or "/"
    if parents and find(ctx, "files_directories", above) is None:
        create_directory(ctx, path=above, parents=True)
    directory_at(ctx, above)
    row = {"person_id": ctx.person_id, "path": clean, "created_at": ctx.now}
    made = ctx.db.insert("files_directories", row)
    return {"message": "Directory created.", "directory_id": made}


@app.api(writes=True)
def delete_directory(ctx: Context, *, path: Path, recursive: bool = False) -> dict[str, Any]:
    """Delete a directory.

    Args:
        path: The directory; not "/".
        recursive: Whether to delete everything in it, too; else it must be empty.

    Returns:
        message and directory_id.
    """
    row = directory_at(ctx, path)
    if row["path"] == "/":
        raise invalid("The root directory cannot be deleted.")
    inside = prefix(row["path"])
    below = "person_id = ?1 AND substr(path, 1, length(?2)) = ?2"
    files = ctx.db.all(f"SELECT id FROM files_files WHERE {below}", ctx.person_id, inside)
    query = f"SELECT id FROM files_directories WHERE {below}"
    directories = ctx.db.all(query, ctx.person_id, inside)
    if (files or directories) and not recursive:
        raise conflict("The directory is not empty.")
    for file in files:
        delete_row(ctx, file["id"])
    for directory in [*directories, row]:
        ctx.db.delete("files_directories", directory["id"])
    return {"message": "Directory deleted.", "directory_id": row["id"]}


def clean_path(path: str) -> str:
    """Return a path without doubled or trailing slashes.

    Raises:
        ApiError: 422 if it is none.
    """
    parts = [part for part in path.split("/") if part]
    if not path.startswith("/") or {".", ".."} & set(parts) or not path.isprintable():
        raise invalid("A path begins with '/' and has no '.' or '..' in it.")
    return "/" + "/".join(parts)


def prefix(directory: str) -> str:
    """Return what the paths of everything in a directory begin with."""
    return directory.rstrip("/") + "/"


def find(ctx: Context, table: str, clean: str) -> Row | None:
    """Return the row of one of your files or directories, or None."""
    query = f"SELECT * FROM {table} WHERE person_id = ? AND path = ?"
    return ctx.db.first(query, ctx.person_id, clean)


def directory_at(ctx: Context, path: str) -> Row:
    """Return the row of one of your directories.

    Raises:
        ApiError: 422 if there is none.
    """
    row = find(ctx, "files_directories", clean_path(path))
    if row is None:
        raise missing("directory")
    return row


def check_free(ctx: Context, clean: str) -> None:
    """Refuse a path that something of yours has.

    Raises:
        ApiError: 409 if so.
    """
    for table in ("files_files", "files_directories"):
        if find(ctx, table, clean) is not None:
            raise conflict("A file or directory with this path exists already.")


def delete_row(ctx: Context, file_id: int) -> None:
    """Delete a file and its shares."""
    ctx.db.run("DELETE FROM files_shares WHERE file_id = ?", file_id)
    ctx.db.delete("files_files", file_id)
