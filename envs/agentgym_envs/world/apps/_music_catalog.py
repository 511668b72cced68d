"""Music: the songs, albums and artists that there are, and reviews of songs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from agentgym_envs.world.apps._music_data import Genre, app
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import missing
from agentgym_envs.world.registry import Context, page

__all__ = ["SONGS", "Query", "app", "artist_of", "song_of"]

Query = Annotated[str, Field(max_length=200)]
Rating = Annotated[int, Field(ge=1, le=5)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]

SONGS = """
SELECT s.id AS song_id, s.title, r.name AS artist, s.artist_id, b.title AS album, s.album_id,
  s.genre, s.length, s.release_date, s.play_count,
  (SELECT COUNT(*) FROM music_likes l WHERE l.song_id = s.id) AS like_count
FROM music_songs s JOIN music_artists r ON r.id = s.artist_id
  JOIN music_albums b ON b.id = s.album_id
"""
_ALBUMS = """
SELECT b.id AS album_id, b.title, r.name AS artist, b.artist_id, b.genre, b.release_date,
  (SELECT COUNT(*) FROM music_songs s WHERE s.album_id = b.id) AS song_count
FROM music_albums b JOIN music_artists r ON r.id = b.artist_id
"""
_ARTISTS = """
SELECT r.id AS artist_id, r.name, r.genre, r.city,
  (SELECT COUNT(*) FROM music_follows f WHERE f.artist_id = r.id) AS follower_count
FROM music_artists r
"""
_ORDERS = {
    "title": "s.title",
    "release_date": "s.release_date, s.title",
    "-release_date": "s.release_date DESC, s.title",
    "play_count": "s.play_count, s.title",
    "-play_count": "s.play_count DESC, s.title",
    "length": "s.length, s.title",
    "-length": "s.length DESC, s.title",
}


@app.api()
def search_songs(
    ctx: Context,
    *,
    query: Query = "",
    genre: Genre | None = None,
    artist_id: int | None = None,
    released_from: Day | None = None,
    sort_by: Literal[
        "title", "release_date", "-release_date", "play_count", "-play_count", "length", "-length"
    ] = "title",
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Search songs.

    Args:
        query: Words that the title, the artist's name or the album's title must all contain.
        genre: Only songs of this genre.
        artist_id: Only songs of this artist.
        released_from: First day of release, YYYY-MM-DD.
        sort_by: Ascending, or descending with a minus; equal ones by title.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of song_id, title, artist, artist_id, album, album_id, genre, length (in seconds),
        release_date, play_count and like_count.
    """
    page([], page_index, page_limit)
    where, words = _containing("s.title || ' ' || r.name || ' ' || b.title", query)
    # The page is cut before likes are counted: there are more songs than all else.
    ids = ctx.db.all(
        "SELECT s.id FROM music_songs s JOIN music_artists r ON r.id = s.artist_id"
        " JOIN music_albums b ON b.id = s.album_id WHERE (?1 IS NULL OR s.genre = ?1)"
        " AND (?2 IS NULL OR s.artist_id = ?2) AND (?3 IS NULL OR s.release_date >= ?3)"
        f"{where} ORDER BY {_ORDERS[sort_by]}, s.id"
        f" LIMIT {page_limit} OFFSET {min(page_index, 10**6) * page_limit}",
        genre,
        artist_id,
        released_from,
        *words,
    )
    return [ctx.db.one(f"{SONGS} WHERE s.id = ?", row["id"]) for row in ids]


@app.api()
def search_albums(
    ctx: Context,
    *,
    query: Query = "",
    genre: Genre | None = None,
    artist_id: int | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Search albums, sorted by release date, newest first.

    Args:
        query: Words that the title or the artist's name must all contain.
        genre: Only albums of this genre.
        artist_id: Only albums of this artist.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of album_id, title, artist, artist_id, genre, release_date and song_count.
    """
    where, words = _containing("b.title || ' ' || r.name", query)
    rows = ctx.db.all(
        f"{_ALBUMS} WHERE (?1 IS NULL OR b.genre = ?1) AND (?2 IS NULL OR b.artist_id = ?2){where}"
        " ORDER BY b.release_date DESC, b.id",
        genre,
        artist_id,
        *words,
    )
    return page(rows, page_index, page_limit)


@app.api()
def search_artists(
    ctx: Context,
    *,
    query: Query = "",
    genre: Genre | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Search artists, sorted by name.

    Args:
        query: Words that the name must all contain.
        genre: Only artists of this genre.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of artist_id, name, genre, city and follower_count.
    """
    where, words = _containing("r.name", query)
    rows = ctx.db.all(
        f"{_ARTISTS} WHERE (?1 IS NULL OR r.genre = ?1){where} ORDER BY r.name", genre, *words
    )
    return page(rows, page_index, page_limit)


@app.api()
def show_song(ctx: Context, *, song_id: int) -> Row:
    """Show one song.

    Args:
        song_id: The song.

    Returns:
        As in search_songs, and rating (mean of all reviews, null without any), review_count,
        liked and in_library (whether it is by you).
    """
    rated = "SELECT ROUND(AVG(rating), 1) AS rating, COUNT(*) AS review_count FROM music_reviews"
    return {
        **song_of(ctx, song_id),
        **ctx.db.one(f"{rated} WHERE song_id = ?", song_id),
        "liked": _marked(ctx, "music_likes", song_id),
        "in_library": _marked(ctx, "music_library", song_id),
    }


@app.api()
def show_album(ctx: Context, *, album_id: int) -> Row:
    """Show one album with its songs.

    Args:
        album_id: The album.

    Returns:
        As in search_albums, and songs, by track, each as in search_songs.
    """
    album = ctx.db.first(f"{_ALBUMS} WHERE b.id = ?", album_id)
    if album is None:
        raise missing("album")
    songs = ctx.db.all(f"{SONGS} WHERE s.album_id = ? ORDER BY s.track", album_id)
    return {**album, "songs": songs}


@app.api()
def show_artist(ctx: Context, *, artist_id: int) -> Row:
    """Show one artist.

    Args:
        artist_id: The artist.

    Returns:
        artist_id, name, genre, city and follower_count.
    """
    return artist_of(ctx, artist_id)


@app.api()
def show_reviews(
    ctx: Context, *, song_id: int | None = None, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show reviews, newest first: those of a song, or else your own.

    Args:
        song_id: The song; your own reviews of all songs if left out.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of review_id, song_id, title, email (who wrote it), rating, text and created_at.
    """
    where, whose = "v.person_id = ?", ctx.person_id
    if song_id is not None:
        where, whose = "v.song_id = ?", song_of(ctx, song_id)["song_id"]
    rows = ctx.db.all(
        "SELECT v.id AS review_id, v.song_id, s.title, p.email, v.rating, v.text, v.created_at"
        " FROM music_reviews v JOIN music_songs s ON s.id = v.song_id"
        f" JOIN people p ON p.id = v.person_id WHERE {where} ORDER BY v.created_at DESC, v.id DESC",
        whose,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def review_song(
    ctx: Context, *, song_id: int, rating: Rating, text: Annotated[str, Field(max_length=1000)] = ""
) -> dict[str, Any]:
    """Review a song; a review of yours that is there already is replaced.

    Args:
        song_id: The song.
        rating: Stars.
        text: What you think.

    Returns:
        message and review_id.
    """
    song_of(ctx, song_id)
    query = "SELECT id FROM music_reviews WHERE song_id = ? AND person_id = ?"
    old = ctx.db.first(query, song_id, ctx.person_id)
    said: Row = {"rating": rating, "text": text, "created_at": ctx.now}
    if old is not None:
        ctx.db.update("music_reviews", old["id"], **said)
        return {"message": "Review replaced.", "review_id": old["id"]}
    row = {"song_id": song_id, "person_id": ctx.person_id, **said}
    return {"message": "Review written.", "review_id": ctx.db.insert("music_reviews", row)}


@app.api(writes=True)
def delete_review(ctx: Context, *, review_id: int) -> dict[str, Any]:
    """Delete one of your reviews.

    Args:
        review_id: The review.

    Returns:
        message and review_id.
    """
    query = "DELETE FROM music_reviews WHERE id = ? AND person_id = ?"
    if not ctx.db.run(query, review_id, ctx.person_id):
        raise missing("review")
    return {"message": "Review deleted.", "review_id": review_id}


def song_of(ctx: Context, song_id: int) -> Row:
    """Return a song as it is shown.

    Raises:
        ApiError: 422 if there is none.
    """
    song = ctx.db.first(f"{SONGS} WHERE s.id = ?", song_id)
    if song is None:
        raise missing("song")
    return song


def artist_of(ctx: Context, artist_id: int) -> Row:
    """Return an artist as it is shown.

    Raises:
        ApiError: 422 if there is none.
    """
    artist = ctx.db.first(f"{_ARTISTS} WHERE r.id = ?", artist_id)
    if artist is None:
        raise missing("artist")
    return artist


def _containing(text: str, query: str) -> tuple[str, list[str]]:
    """Return a condition, to be appended, that a text has all words of a query."""
    words = query.split()
    return "".join(f" AND instr(lower({text}), lower(?))" for _ in words), words


def _marked(ctx: Context, table: str, song_id: int) -> bool:
    query = f"SELECT id FROM {table} WHERE song_id = ? AND person_id = ?"
    return ctx.db.first(query, song_id, ctx.person_id) is not None
