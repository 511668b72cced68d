"""Scenarios of music: playlists, library, follows and the queue, also by a text message."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Delete,
    Expected,
    IdOf,
    Insert,
    Params,
    Scenario,
    complete,
    complete_if,
    log_in,
)

__all__ = ["SCENARIOS"]

_LISTED = "found = all_pages(apis.music.{api}, access_token=tokens['music'])"
_PLAYLIST = (
    "lists = all_pages(apis.music.show_playlists, access_token=tokens['music'])\n"
    "id_ = [row['playlist_id'] for row in lists if row['title'] == {title!r}][0]"
)


def _ago(days: float) -> str:
    return (datetime.fromisoformat(NOW) - timedelta(days=days)).isoformat()


def _mark(db: Database, table: str, time: str, person: Row, song_ids: list[int]) -> None:
    """Put songs on one of the person's lists, as far as they are not there."""
    for n, id_ in enumerate(song_ids):
        query = f"SELECT 1 FROM {table} WHERE person_id = ? AND song_id = ?"
        if db.first(query, person["id"], id_) is None:
            db.insert(table, {"person_id": person["id"], "song_id": id_, time: _ago(n + 1)})


def _genres(db: Database, column: str, least: int) -> list[str]:
    """Return the genres of whose songs there are at least so many different ones of a column."""
    query = f"SELECT genre FROM music_songs GROUP BY 1 HAVING COUNT(DISTINCT {column}) >= ?"
    return [row["genre"] for row in db.all(f"{query} ORDER BY 1", least)]


def _songs(db: Database, genre: str) -> list[Row]:
    return db.all("SELECT * FROM music_songs WHERE genre = ? ORDER BY id", genre)


def _playlists(db: Database, person: Row) -> list[Row]:
    return db.all("SELECT * FROM music_playlists WHERE person_id = ? ORDER BY id", person["id"])


class TopOfLikes(Scenario):
    """Make a playlist of the most played songs among those that one likes."""

    name = "music_top_of_likes"
    split = "train"
    apps = ("music",)
    phrasings = (
        'Make a private playlist "{title}" with the {count} songs that have been played most among'
        " those that I like.",
        'Create a new playlist that only I can see, called "{title}". Put the {count} of my liked'
        " songs with the highest play counts on it.",
        "Of all songs I like, take the {count} with the most plays and collect them in a new"
        ' playlist, not public, with the title "{title}".',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a title, how many, and songs to like, no two with the same play count."""
        songs = rng.sample(db.all("SELECT * FROM music_songs ORDER BY id"), 12)
        liked = db.all(
            "SELECT s.* FROM music_likes l JOIN music_songs s ON s.id = l.song_id"
            " WHERE l.person_id = ?",
            person["id"],
        )
        plays = {song["id"]: song["play_count"] for song in [*songs, *liked]}
        if len(set(plays.values())) < len(plays):
            return None
        title = rng.choice(("Best of Mine", "Known by All", "Safe Choices", "Everybody Sings"))
        ids = [song["id"] for song in songs]
        return {"title": title, "count": rng.randrange(3, 9), "ids": ids}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add likes."""
        _mark(db, "music_likes", "liked_at", person, params["ids"])

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the playlist and its songs."""
        top = db.all(
            "SELECT s.id FROM music_likes l JOIN music_songs s ON s.id = l.song_id"
            " WHERE l.person_id = ? ORDER BY s.play_count DESC LIMIT ?",
            person["id"],
            params["count"],
        )
        new = {"person_id": person["id"], "title": params["title"], "public": 0}
        made = Insert("music_playlists", new)
        row = {"playlist_id": IdOf(made)}
        songs = (Insert("music_playlist_songs", {**row, "song_id": song["id"]}) for song in top)
        return Expected(changes=(made, *songs))

    def oracle(self, params: Params) -> list[str]:
        """Read all likes, sort them, fill the playlist."""
        return [
            log_in("music"),
            ALL_PAGES,
            _LISTED.format(api="show_liked_songs")
            + f"\nfound = sorted(found, key=lambda row: -row['play_count'])[:{params['count']}]",
            "made = apis.music.create_playlist(access_token=tokens['music'],"
            f" title={params['title']!r})\n"
            "for row in found:\n"
            "    apis.music.add_song_to_playlist(access_token=tokens['music'],"
            " playlist_id=made['playlist_id'], song_id=row['song_id'])",
            complete(),
        ]


class LongestOfPlaylist(Scenario):
    """Name the longest song of a playlist that one does not like; others' have the same title."""

    name = "music_longest_of_playlist"
    split = "test_normal"
    apps = ("music",)
    phrasings = (
        'What is the title of the longest song on my playlist "{title}", leaving out those that I'
        " have liked?",
        'On my own playlist called "{title}": which song runs the longest among those without a'
        " like of mine? Answer with its title.",
        'Look at the songs of my playlist "{title}" that I have not liked. Name the one that takes'
        " the most time.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a playlist and songs, no two of the same length."""
        songs = rng.sample(db.all("SELECT * FROM music_songs ORDER BY id"), 8)
        playlist = rng.choice(_playlists(db, person))
        query = "SELECT song_id FROM music_playlist_songs WHERE playlist_id = ?"
        there = {row["song_id"] for row in db.all(query, playlist["id"])}
        lengths = [song["length"] for song in songs]
        if len(set(lengths)) < len(lengths) or there & {song["id"] for song in songs}:
            return None
        other = db.one("SELECT id FROM people WHERE id <> ? ORDER BY id", person["id"])
        ids = [song["id"] for song in songs]
        return {
            "title": playlist["title"],
            "playlist": playlist["id"],
            "ids": ids,
            "o": other["id"],
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Fill the playlist, like its longest songs, and give another one the same title."""
        db.run("DELETE FROM music_playlist_songs WHERE playlist_id = ?", params["playlist"])
        for id_ in params["ids"][:6]:
            row = {"playlist_id": params["playlist"], "song_id": id_}
            db.insert("music_playlist_songs", row)
        marks = ", ".join("?" * 6)
        query = f"SELECT id FROM music_songs WHERE id IN ({marks}) ORDER BY length DESC"
        longest = [row["id"] for row in db.all(query, *params["ids"][:6])]
        _mark(db, "music_likes", "liked_at", person, longest[:2])
        for id_ in longest[2:]:
            where = "person_id = ? AND song_id = ?"
            db.run(f"DELETE FROM music_likes WHERE {where}", person["id"], id_)
        new: Row = {"person_id": params["o"], "title": params["title"], "public": 1}
        made = db.insert("music_playlists", {**new, "created_at": _ago(1)})
        for id_ in params["ids"][6:]:
            db.insert("music_playlist_songs", {"playlist_id": made, "song_id": id_})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the title."""
        song = db.one(
            "SELECT s.title FROM music_playlist_songs x JOIN music_songs s ON s.id = x.song_id"
            " WHERE x.playlist_id = ? AND s.id NOT IN (SELECT song_id FROM music_likes"
            " WHERE person_id = ?) ORDER BY s.length DESC",
            params["playlist"],
            person["id"],
        )
        return Expected(answer=song["title"])

    def oracle(self, params: Params) -> list[str]:
        """Read one's own playlists and all likes."""
        return [
            log_in("music"),
            ALL_PAGES,
            _LISTED.format(api="show_liked_songs")
            + "\nliked = {row['song_id'] for row in found}\n"
            + _PLAYLIST.format(title=params["title"]),
            "songs = apis.music.show_playlist(access_token=tokens['music'], playlist_id=id_)\n"
            "left = [row for row in songs['songs'] if row['song_id'] not in liked]\n"
            "song = max(left, key=lambda row: row['length'])",
            complete("song['title']"),
        ]


class FollowLiked(Scenario):
    """Follow the artists of all liked songs of a genre."""

    name = "music_follow_liked"
    split = "train"
    apps = ("music",)
    phrasings = (
        "Follow the artists of all {genre} songs that I like, as far as I do not follow them.",
        "I like some songs of the genre {genre}. Make sure that I follow every artist of those.",
        "Whoever plays a {genre} song with a like of mine should be among the artists I follow. Add"
        " the missing ones.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a genre and songs of three artists."""
        genres = _genres(db, "artist_id", 3)
        if not genres:
            return None
        genre = rng.choice(genres)
        by_artist = {song["artist_id"]: song["id"] for song in _songs(db, genre)}
        artists = rng.sample(sorted(by_artist), 3)
        ids = [by_artist[artist] for artist in artists]
        return {"genre": genre, "artists": artists, "ids": ids}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add likes; one artist is followed already, two are not."""
        _mark(db, "music_likes", "liked_at", person, params["ids"])
        me = person["id"]
        for artist in params["artists"]:
            db.run("DELETE FROM music_follows WHERE person_id = ? AND artist_id = ?", me, artist)
        row = {"person_id": me, "artist_id": params["artists"][0], "followed_at": _ago(3)}
        db.insert("music_follows", row)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the new follows."""
        missing = db.all(
            "SELECT DISTINCT s.artist_id FROM music_likes l JOIN music_songs s ON s.id = l.song_id"
            " WHERE l.person_id = ?1 AND s.genre = ?2 AND s.artist_id NOT IN"
            " (SELECT artist_id FROM music_follows WHERE person_id = ?1)",
            person["id"],
            params["genre"],
        )
        row = {"person_id": person["id"]}
        return Expected(changes=tuple(Insert("music_follows", {**row, **each}) for each in missing))

    def oracle(self, params: Params) -> list[str]:
        """Compare the artists of the likes with those that are followed."""
        return [
            log_in("music"),
            ALL_PAGES,
            _LISTED.format(api="show_followed_artists")
            + "\nfollowed = {row['artist_id'] for row in found}",
            _LISTED.format(api="show_liked_songs")
            + "\nwanted = {row['artist_id'] for row in found"
            + f" if row['genre'] == {params['genre']!r}}}",
            "for id_ in sorted(wanted - followed):\n"
            "    apis.music.follow_artist(access_token=tokens['music'], artist_id=id_)",
            complete(),
        ]


class TidyLibrary(Scenario):
    """Remove songs of a genre from the library, but not those that one likes."""

    name = "music_tidy_library"
    split = "dev"
    apps = ("music",)
    phrasings = (
        "Remove all {genre} songs from my music library, except those that I like.",
        "My library has too much {genre}. Throw out every song of that genre without a like of"
        " mine; likes and playlists stay as they are.",
        "Keep only those {genre} songs in my library that I have liked, and take the other {genre}"
        " songs out of it.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a genre and songs of it."""
        genres = _genres(db, "id", 6)
        if not genres:
            return None
        genre = rng.choice(genres)
        ids = [song["id"] for song in rng.sample(_songs(db, genre), 5)]
        return {"genre": genre, "ids": ids, "liked": ids[: rng.randrange(1, 3)]}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Put the songs into the library, and like some."""
        for id_ in params["ids"]:
            where = "person_id = ? AND song_id = ?"
            db.run(f"DELETE FROM music_likes WHERE {where}", person["id"], id_)
        _mark(db, "music_library", "added_at", person, params["ids"])
        _mark(db, "music_likes", "liked_at", person, params["liked"])

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return what is gone from the library."""
        gone = db.all(
            "SELECT l.id FROM music_library l JOIN music_songs s ON s.id = l.song_id"
            " WHERE l.person_id = ?1 AND s.genre = ?2 AND s.id NOT IN"
            " (SELECT song_id FROM music_likes WHERE person_id = ?1)",
            person["id"],
            params["genre"],
        )
        return Expected(changes=tuple(Delete("music_library", row["id"]) for row in gone))

    def oracle(self, params: Params) -> list[str]:
        """Read likes and library, then remove."""
        return [
            log_in("music"),
            ALL_PAGES,
            _LISTED.format(api="show_liked_songs")
            + "\nliked = {row['song_id'] for row in found}\n"
            + _LISTED.format(api="show_library"),
            "for row in found:\n"
            f"    if row['genre'] == {params['genre']!r} and row['song_id'] not in liked:\n"
            "        apis.music.remove_from_library(access_token=tokens['music'],"
            " song_id=row['song_id'])",
            complete(),
        ]


class TextedSong(Scenario):
    """Add the song that somebody recommended in a text; in some variations there is none."""

    name = "music_texted_song"
    split = "train"
    apps = ("music", "phone")
    can_fail = True
    phrasings = (
        "{name} has recommended songs to me by text message. Add the one recommended last to my"
        ' playlist "{title}"; if the music app does not have it, give up.',
        'Put the song that {name} recommended last, in a text to me, on my playlist "{title}".'
        " Should music not know that song, it cannot be done.",
        "In my texts is a song that {name} says I have to hear; of several the newest counts. It"
        ' belongs on my playlist "{title}", if the music app has a song of exactly that title.',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw contacts, a playlist and songs that are not on it."""
        contacts = db.all(
            "SELECT p.* FROM phone_contacts c JOIN people p ON p.email = c.email"
            " WHERE c.person_id = ? ORDER BY p.id",
            person["id"],
        )
        if len(contacts) < 2:
            return None
        friend, other = rng.sample(contacts, 2)
        playlist = rng.choice(_playlists(db, person))
        query = "SELECT song_id FROM music_playlist_songs WHERE playlist_id = ?"
        songs = db.all(f"SELECT * FROM music_songs WHERE id NOT IN ({query})", playlist["id"])
        titles = [song["title"] for song in rng.sample(songs, 3)]
        if rng.random() < 0.3:
            titles[1] = rng.choice(("Purple Elevator", "Nine Umbrellas", "Waltz of the Kettle"))
        return {
            "name": f"{friend['first_name']} {friend['last_name']}",
            "title": playlist["title"],
            "playlist": playlist["id"],
            "people": [friend["id"], other["id"]],
            "titles": titles,
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the texts: an earlier one, the last one, and somebody else's."""
        (friend, other), (earlier, last, third) = params["people"], params["titles"]
        for who, title, days in ((friend, earlier, 0.9), (friend, last, 0.6), (other, third, 0.3)):
            row: Row = {"sender_id": who, "receiver_id": person["id"], "sent_at": _ago(days)}
            row |= {"text": f'You have to hear the song "{title}"!', "sender_deleted": 0}
            db.insert("phone_texts", {**row, "receiver_deleted": 0})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the new song of the playlist, or that there is no such song."""
        song = db.first("SELECT id FROM music_songs WHERE title = ?", params["titles"][1])
        if song is None:
            return Expected(status="fail")
        row = {"playlist_id": params["playlist"], "song_id": song["id"]}
        return Expected(changes=(Insert("music_playlist_songs", row),))

    def oracle(self, params: Params) -> list[str]:
        """Read the text, search for the title in it, add the song."""
        return [
            log_in("music", "phone"),
            ALL_PAGES,
            "contact = apis.phone.search_contacts(access_token=tokens['phone'],"
            f" query={params['name']!r})[0]\n"
            "texts = apis.phone.search_text_messages(access_token=tokens['phone'],"
            " phone_number=contact['phone_number'], query='You have to hear the song')\n"
            "title = texts[0]['text'].split('\"')[1]",
            "songs = all_pages(apis.music.search_songs, access_token=tokens['music'],"
            " query=title)\n"
            "songs = [row for row in songs if row['title'] == title]",
            _PLAYLIST.format(title=params["title"]),
            "if songs:\n    apis.music.add_song_to_playlist(access_token=tokens['music'],"
            " playlist_id=id_, song_id=songs[0]['song_id'])",
            complete_if("songs"),
        ]


class QueueNewestAlbum(Scenario):
    """Replace the queue by the newest album of an artist."""

    name = "music_queue_newest_album"
    split = "train"
    apps = ("music",)
    phrasings = (
        "Replace everything in my music queue by all songs of the newest album by {artist}, each"
        " once.",
        "Empty my play queue, then put the whole of {artist}'s most recent album on it.",
        "I only want to hear the latest album of {artist}: all of its songs should be in my queue,"
        " once each, and nothing that is there now.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw an artist with albums of different days, and songs of others."""
        artists = db.all(
            "SELECT r.id, r.name FROM music_artists r JOIN music_albums b ON b.artist_id = r.id"
            " GROUP BY r.id HAVING COUNT(*) = COUNT(DISTINCT b.release_date) ORDER BY r.id"
        )
        artist = rng.choice(artists)
        songs = db.all("SELECT id FROM music_songs WHERE artist_id <> ? ORDER BY id", artist["id"])
        ids = [song["id"] for song in rng.sample(songs, 3)]
        return {"artist": artist["name"], "id": artist["id"], "ids": ids}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Fill the queue with other songs."""
        db.run("DELETE FROM music_queue WHERE person_id = ?", person["id"])
        for id_ in params["ids"]:
            db.insert("music_queue", {"person_id": person["id"], "song_id": id_})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the entries that go and the songs that come."""
        query = "SELECT id FROM music_albums WHERE artist_id = ? ORDER BY release_date DESC"
        album = db.one(query, params["id"])
        songs = db.all("SELECT id FROM music_songs WHERE album_id = ?", album["id"])
        old = db.all("SELECT id FROM music_queue WHERE person_id = ?", person["id"])
        row = {"person_id": person["id"]}
        return Expected(
            changes=(
                *(Delete("music_queue", entry["id"]) for entry in old),
                *(Insert("music_queue", {**row, "song_id": song["id"]}) for song in songs),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Find the artist and the first of the albums; they come newest first."""
        return [
            log_in("music"),
            "artists = apis.music.search_artists(access_token=tokens['music'],"
            f" query={params['artist']!r})\n"
            "id_ = [row['artist_id'] for row in artists"
            f" if row['name'] == {params['artist']!r}][0]",
            "albums = apis.music.search_albums(access_token=tokens['music'], artist_id=id_)\n"
            "album = apis.music.show_album(access_token=tokens['music'],"
            " album_id=albums[0]['album_id'])",
            "apis.music.clear_queue(access_token=tokens['music'])\n"
            "for song in album['songs']:\n"
            "    apis.music.add_to_queue(access_token=tokens['music'], song_id=song['song_id'])",
            complete(),
        ]


SCENARIOS = (
    TopOfLikes(),
    LongestOfPlaylist(),
    FollowLiked(),
    TidyLibrary(),
    TextedSong(),
    QueueNewestAlbum(),
)
