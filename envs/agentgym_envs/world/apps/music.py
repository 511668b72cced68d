"""Music: songs, albums, artists, playlists, a library and a play queue.

Left out: sound, a player that plays, albums in the library, subscriptions.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from agentgym_envs.world.apps._music_catalog import SONGS, Query, app, artist_of, song_of
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

Title = Annotated[str, Field(min_length=1, max_length=100)]
QUEUE_LIMIT = 100

_PLAYLISTS = """
SELECT y.id AS playlist_id, y.title, y.public, y.created_at, p.email AS owner_email,
  (SELECT COUNT(*) FROM music_playlist_songs x WHERE x.playlist_id = y.id) AS song_count
FROM music_playlists y JOIN people p ON p.id = y.person_id
"""


# -- playlists --------------------------------------------------------------------------------


@app.api()
def show_playlists(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show your playlists, newest first.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of playlist_id, title, public, created_at, owner_email and song_count.
    """
    rows = ctx.db.all(
        f"{_PLAYLISTS} WHERE y.person_id = ? ORDER BY y.created_at DESC, y.id DESC", ctx.person_id
    )
    return [_with_publicity(row) for row in page(rows, page_index, page_limit)]


@app.api()
def search_playlists(
    ctx: Context, *, query: Query = "", page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Search public playlists of everybody and all of your own, sorted by title.

    Args:
        query: Words that the title must all contain.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of playlist_id, title, public, created_at, owner_email and song_count.
    """
    words = query.split()
    where = "".join(" AND instr(lower(y.title), lower(?))" for _ in words)
    rows = ctx.db.all(
        f"{_PLAYLISTS} WHERE (y.public OR y.person_id = ?1){where} ORDER BY y.title, y.id",
        ctx.person_id,
        *words,
    )
    return [_with_publicity(row) for row in page(rows, page_index, page_limit)]


@app.api()
def show_playlist(ctx: Context, *, playlist_id: int) -> Row:
    """Show one playlist with its songs: one of yours, or a public one.

    Args:
        playlist_id: The playlist.

    Returns:
        As in show_playlists, and songs, in the order they were added, each as in search_songs.
    """
    playlist = ctx.db.first(
        f"{_PLAYLISTS} WHERE y.id = ? AND (y.public OR y.person_id = ?)", playlist_id, ctx.person_id
    )
    if playlist is None:
        raise missing("playlist")
    songs = ctx.db.all(
        f"{SONGS} JOIN music_playlist_songs x ON x.song_id = s.id WHERE x.playlist_id = ?"
        " ORDER BY x.id",
        playlist_id,
    )
    return {**_with_publicity(playlist), "songs": songs}


@app.api(writes=True)
def create_playlist(ctx: Context, *, title: Title, public: bool = False) -> dict[str, Any]:
    """Create an empty playlist.

    Args:
        title: Its title.
        public: Whether others can see it.

    Returns:
        message and playlist_id.
    """
    row = {"person_id": ctx.person_id, "title": title, "public": int(public)}
    made = ctx.db.insert("music_playlists", {**row, "created_at": ctx.now})
    return {"message": "Playlist created.", "playlist_id": made}


@app.api(writes=True)
def update_playlist(
    ctx: Context, *, playlist_id: int, title: Title | None = None, public: bool | None = None
) -> dict[str, Any]:
    """Change the title of one of your playlists, or whether others can see it.

    Args:
        playlist_id: The playlist.
        title: New title, if it is to change.
        public: Whether others can see it, if it is to change.

    Returns:
        message and playlist_id.
    """
    old = _playlist(ctx, playlist_id)
    new_public = old["public"] if public is None else int(public)
    ctx.db.update("music_playlists", playlist_id, title=title or old["title"], public=new_public)
    return {"message": "Playlist updated.", "playlist_id": playlist_id}


@app.api(writes=True)
def delete_playlist(ctx: Context, *, playlist_id: int) -> dict[str, Any]:
    """Delete one of your playlists.

    Args:
        playlist_id: The playlist.

    Returns:
        message and playlist_id.
    """
    _playlist(ctx, playlist_id)
    ctx.db.run("DELETE FROM music_playlist_songs WHERE playlist_id = ?", playlist_id)
    ctx.db.delete("music_playlists", playlist_id)
    return {"message": "Playlist deleted.", "playlist_id": playlist_id}


@app.api(writes=True)
def add_song_to_playlist(ctx: Context, *, playlist_id: int, song_id: int) -> dict[str, Any]:
    """Add a song to the end of one of your playlists.

    Args:
        playlist_id: The playlist.
        song_id: The song.

    Returns:
        message and playlist_song_id.
    """
    _playlist(ctx, playlist_id)
    row = {"playlist_id": playlist_id, "song_id": song_of(ctx, song_id)["song_id"]}
    if _entry(ctx, "music_playlist_songs", row) is not None:
        raise conflict("The song is in this playlist already.")
    added = ctx.db.insert("music_playlist_songs", row)
    return {"message": "Song added to the playlist.", "playlist_song_id": added}


@app.api(writes=True)
def remove_song_from_playlist(ctx: Context, *, playlist_id: int, song_id: int) -> dict[str, Any]:
    """Remove a song from one of your playlists.

    Args:
        playlist_id: The playlist.
        song_id: The song.

    Returns:
        message and playlist_song_id.
    """
    _playlist(ctx, playlist_id)
    row = {"playlist_id": playlist_id, "song_id": song_id}
    removed = _remove(ctx, "music_playlist_songs", row, "song in this playlist")
    return {"message": "Song removed from the playlist.", "playlist_song_id": removed}


# -- library, likes and follows ---------------------------------------------------------------


@app.api()
def show_library(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show the songs in your library, those added last first.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list as of search_songs, with added_at.
    """
    return page(_songs(ctx, "music_library", "added_at"), page_index, page_limit)


@app.api(writes=True)
def add_to_library(ctx: Context, *, song_id: int) -> dict[str, Any]:
    """Add a song to your library.

    Args:
        song_id: The song.

    Returns:
        message and library_id.
    """
    row = {"person_id": ctx.person_id, "song_id": song_of(ctx, song_id)["song_id"]}
    if _entry(ctx, "music_library", row) is not None:
        raise conflict("The song is in your library already.")
    added = ctx.db.insert("music_library", {**row, "added_at": ctx.now})
    return {"message": "Song added to your library.", "library_id": added}


@app.api(writes=True)
def remove_from_library(ctx: Context, *, song_id: int) -> dict[str, Any]:
    """Remove a song from your library; playlists and likes keep it.

    Args:
        song_id: The song.

    Returns:
        message and library_id.
    """
    row = {"person_id": ctx.person_id, "song_id": song_id}
    removed = _remove(ctx, "music_library", row, "song in your library")
    return {"message": "Song removed from your library.", "library_id": removed}


@app.api()
def show_liked_songs(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show the songs that you like, those liked last first.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list as of search_songs, with liked_at.
    """
    return page(_songs(ctx, "music_likes", "liked_at"), page_index, page_limit)


@app.api(writes=True)
def like_song(ctx: Context, *, song_id: int) -> dict[str, Any]:
    """Like a song.

    Args:
        song_id: The song.

    Returns:
        message and like_id.
    """
    row = {"person_id": ctx.person_id, "song_id": song_of(ctx, song_id)["song_id"]}
    if _entry(ctx, "music_likes", row) is not None:
        raise conflict("You like this song already.")
    liked = ctx.db.insert("music_likes", {**row, "liked_at": ctx.now})
    return {"message": "Song liked.", "like_id": liked}


@app.api(writes=True)
def unlike_song(ctx: Context, *, song_id: int) -> dict[str, Any]:
    """Take back your like of a song.

    Args:
        song_id: The song.

    Returns:
        message and like_id.
    """
    row = {"person_id": ctx.person_id, "song_id": song_id}
    removed = _remove(ctx, "music_likes", row, "song among those you like")
    return {"message": "Like taken back.", "like_id": removed}


@app.api()
def show_followed_artists(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show the artists that you follow, sorted by name.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of artist_id, name, genre and followed_at.
    """
    rows = ctx.db.all(
        "SELECT r.id AS artist_id, r.name, r.genre, f.followed_at FROM music_follows f"
        " JOIN music_artists r ON r.id = f.artist_id WHERE f.person_id = ? ORDER BY r.name",
        ctx.person_id,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def follow_artist(ctx: Context, *, artist_id: int) -> dict[str, Any]:
    """Follow an artist.

    Args:
        artist_id: The artist.

    Returns:
        message and follow_id.
    """
    row = {"person_id": ctx.person_id, "artist_id": artist_of(ctx, artist_id)["artist_id"]}
    if _entry(ctx, "music_follows", row) is not None:
        raise conflict("You follow this artist already.")
    followed = ctx.db.insert("music_follows", {**row, "followed_at": ctx.now})
    return {"message": "Artist followed.", "follow_id": followed}


@app.api(writes=True)
def unfollow_artist(ctx: Context, *, artist_id: int) -> dict[str, Any]:
    """Stop following an artist.

    Args:
        artist_id: The artist.

    Returns:
        message and follow_id.
    """
    row = {"person_id": ctx.person_id, "artist_id": artist_id}
    removed = _remove(ctx, "music_follows", row, "artist among those you follow")
    return {"message": "Artist unfollowed.", "follow_id": removed}


# -- queue ------------------------------------------------------------------------------------


@app.api()
def show_queue(ctx: Context) -> list[Row]:
    """Show your play queue, what is played next first.

    Returns:
        A list as of search_songs, with queue_id.
    """
    return ctx.db.all(
        f"SELECT g.*, q.id AS queue_id FROM music_queue q JOIN ({SONGS}) g ON g.song_id = q.song_id"
        " WHERE q.person_id = ? ORDER BY q.id",
        ctx.person_id,
    )


@app.api(writes=True)
def add_to_queue(ctx: Context, *, song_id: int) -> dict[str, Any]:
    """Add a song to the end of your play queue; it may be there more than once.

    The queue holds at most 100 songs.

    Args:
        song_id: The song.

    Returns:
        message and queue_id.
    """
    if len(show_queue(ctx)) >= QUEUE_LIMIT:
        raise conflict("Your queue is full.")
    row = {"person_id": ctx.person_id, "song_id": song_of(ctx, song_id)["song_id"]}
    return {"message": "Song added to the queue.", "queue_id": ctx.db.insert("music_queue", row)}


@app.api(writes=True)
def remove_from_queue(ctx: Context, *, queue_id: int) -> dict[str, Any]:
    """Remove one entry from your play queue.

    Args:
        queue_id: As shown by show_queue.

    Returns:
        message and queue_id.
    """
    _remove(ctx, "music_queue", {"person_id": ctx.person_id, "id": queue_id}, "queue entry")
    return {"message": "Song removed from the queue.", "queue_id": queue_id}


@app.api(writes=True)
def clear_queue(ctx: Context) -> dict[str, Any]:
    """Remove everything from your play queue.

    Returns:
        message and removed, the number of entries.
    """
    removed = ctx.db.run("DELETE FROM music_queue WHERE person_id = ?", ctx.person_id)
    return {"message": "Queue cleared.", "removed": removed}


def _playlist(ctx: Context, playlist_id: int) -> Row:
    row = _entry(ctx, "music_playlists", {"id": playlist_id, "person_id": ctx.person_id})
    if row is None:
        raise missing("playlist")
    return row


def _entry(ctx: Context, table: str, row: Row) -> Row | None:
    """Return the row of a table that has the two columns of another."""
    where = " AND ".join(f"{name} = ?" for name in row)
    return ctx.db.first(f"SELECT * FROM {table} WHERE {where}", *row.values())


def _remove(ctx: Context, table: str, row: Row, what: str) -> int:
    found = _entry(ctx, table, row)
    if found is None:
        raise missing(what)
    ctx.db.delete(table, found["id"])
    return int(found["id"])


def _songs(ctx: Context, table: str, time: str) -> list[Row]:
    """Return the songs of one of your lists, latest first."""
    return ctx.db.all(
        f"SELECT g.*, m.{time} FROM {table} m JOIN ({SONGS}) g ON g.song_id = m.song_id"
        f" WHERE m.person_id = ? ORDER BY m.{time} DESC, m.id DESC",
        ctx.person_id,
    )


def _with_publicity(row: Row) -> Row:
    return {**row, "public": bool(row["public"])}
