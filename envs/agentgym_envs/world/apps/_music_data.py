"""The app music: its tables and what is in them before an episode."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Literal, get_args

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW, Person
from agentgym_envs.world.registry import App

__all__ = ["Genre", "app"]

Genre = Literal[
    "ambient", "blues", "classical", "country", "electronic", "folk", "hip-hop", "jazz", "pop",
    "reggae", "rock", "soul",
]  # fmt: skip

SCHEMA = """
CREATE TABLE music_artists (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, genre TEXT NOT NULL, city TEXT NOT NULL);
CREATE TABLE music_albums (
  id INTEGER PRIMARY KEY, artist_id INTEGER NOT NULL REFERENCES music_artists, title TEXT NOT NULL,
  genre TEXT NOT NULL, release_date TEXT NOT NULL);
CREATE TABLE music_songs (
  id INTEGER PRIMARY KEY, album_id INTEGER NOT NULL REFERENCES music_albums, artist_id INTEGER
  NOT NULL REFERENCES music_artists, track INTEGER NOT NULL, title TEXT NOT NULL, genre TEXT
  NOT NULL, length INTEGER NOT NULL, release_date TEXT NOT NULL, play_count INTEGER NOT NULL);
CREATE INDEX music_songs_album ON music_songs (album_id);
CREATE TABLE music_playlists (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, title TEXT NOT NULL,
  public INTEGER NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE music_playlist_songs (
  id INTEGER PRIMARY KEY, playlist_id INTEGER NOT NULL REFERENCES music_playlists, song_id INTEGER
  NOT NULL REFERENCES music_songs, UNIQUE (playlist_id, song_id));
CREATE TABLE music_library (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, song_id INTEGER NOT NULL
  REFERENCES music_songs, added_at TEXT NOT NULL, UNIQUE (person_id, song_id));
CREATE TABLE music_likes (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, song_id INTEGER NOT NULL
  REFERENCES music_songs, liked_at TEXT NOT NULL, UNIQUE (person_id, song_id));
CREATE INDEX music_likes_song ON music_likes (song_id);
CREATE TABLE music_follows (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, artist_id INTEGER NOT NULL
  REFERENCES music_artists, followed_at TEXT NOT NULL, UNIQUE (person_id, artist_id));
CREATE INDEX music_follows_artist ON music_follows (artist_id);
CREATE TABLE music_queue (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, song_id INTEGER NOT NULL
  REFERENCES music_songs);
CREATE TABLE music_reviews (
  id INTEGER PRIMARY KEY, song_id INTEGER NOT NULL REFERENCES music_songs, person_id INTEGER
  NOT NULL REFERENCES people, rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5), text TEXT
  NOT NULL, created_at TEXT NOT NULL, UNIQUE (song_id, person_id));
"""

app = App("music", "Songs, albums, artists, playlists, a library and a play queue.", SCHEMA)
add_account_apis(app)


def _listed(text: str) -> list[str]:
    return text.split(";")


_COLOURS = _listed("Velvet;Amber;Silent;Paper;Golden;Hollow;Electric;Distant;Wooden;Neon;Quiet")
_BEINGS = _listed("Foxes;Harbour;Giants;Letters;Orchard;Sisters;Machines;Pilots;Tides;Gardeners")
_ADJECTIVES = _listed(
    "Broken;Slow;Midnight;Yellow;Endless;Gentle;Borrowed;Northern;Burning;Lonely;Crooked;Early;"
    "Second;Frozen;Wild;Tender;Empty;Rising;Faded;Little;Heavy;Foreign;Sudden;Bright;Secret"
)
_NOUNS = _listed(
    "River;Window;Train;Summer;Mirror;Street;Morning;Letter;Garden;Engine;Shadow;Island;Lantern;"
    "Promise;Season;Bridge;Dancer;Kitchen;Compass;Winter;Signal;Feather;Staircase;Balloon;Storm"
)
_ENDINGS = _listed(" of Ours; Again; Tonight; Without You; (Reprise); in Blue; at Sea; for Ada")
_LISTS = _listed(
    "Morning Run;Late Work;Sunday Cooking;Road Trip;Rainy Days;Deep Focus;Party at Home;"
    "Old Favourites;Falling Asleep;Gym;On the Train;With Friends;Spring Cleaning;New Finds"
)
_OPINIONS: dict[int, list[str]] = {
    5: _listed("On repeat all week.;A masterpiece.;Gives me goosebumps."),
    4: _listed("Grows on you.;Lovely chorus.;Great live."),
    3: _listed("Pleasant, not more.;Fine for the background."),
    2: _listed("Too long.;The older version was better."),
    1: _listed("Skipped after ten seconds.;Not for me."),
}
_CITIES = _listed("Lindau;Porto;Graz;Malmo;Turin;Bergen;Ghent;Lyon")


@app.populated_by
def populate(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of music."""
    songs = _catalog(db, rng, max(12, int(60 * scale)))
    ids = [song["id"] for song in songs]
    for person in people:
        _playlists(db, rng, person, ids, scale)
    _marks(db, rng, people, songs, scale)
    queue = [
        {"person_id": person.id, "song_id": song}
        for person in people
        for song in rng.sample(ids, rng.randrange(0, 2 + int(5 * scale)))
    ]
    db.insert_all("music_queue", queue)
    pairs = [(song, who.id) for song in ids for who in people]
    reviews = [_review(rng, *pair) for pair in rng.sample(pairs, int(400 * scale))]
    db.insert_all("music_reviews", sorted(reviews, key=lambda row: row["created_at"]))


def _catalog(db: Database, rng: random.Random, count: int) -> list[Row]:
    """Fill artists, albums and songs; no two artists and no two songs have one name."""
    names = [f"{colour} {being}" for colour in _COLOURS for being in _BEINGS]
    titles = [f"{a} {n}{e}" for a in _ADJECTIVES for n in _NOUNS for e in ("", *_ENDINGS)]
    rng.shuffle(titles)
    artists: list[Row] = []
    albums: list[Row] = []
    songs: list[Row] = []
    for id_, name in enumerate(rng.sample(names, count), 1):
        genre = rng.choice(get_args(Genre))
        artists.append({"id": id_, "name": name, "genre": genre, "city": rng.choice(_CITIES)})
        for _ in range(rng.randrange(2, 5)):
            album = _album(rng, len(albums) + 1, artists[-1], titles.pop())
            albums.append(album)
            for track in range(1, rng.randrange(7, 12)):
                songs.append(_song(rng, len(songs) + 1, track, album, titles.pop()))
    db.insert_all("music_artists", artists)
    db.insert_all("music_albums", albums)
    db.insert_all("music_songs", songs)
    return songs


def _album(rng: random.Random, id_: int, artist: Row, title: str) -> Row:
    released = date(1998, 1, 1) + timedelta(days=rng.randrange(27 * 365))
    row = {"id": id_, "artist_id": artist["id"], "title": title, "genre": artist["genre"]}
    return {**row, "release_date": released.isoformat()}


def _song(rng: random.Random, id_: int, track: int, album: Row, title: str) -> Row:
    other = rng.random() < 0.1
    return {
        "id": id_,
        "album_id": album["id"],
        "artist_id": album["artist_id"],
        "track": track,
        "title": title,
        "genre": rng.choice(get_args(Genre)) if other else album["genre"],
        "length": rng.randrange(95, 420),
        "release_date": album["release_date"],
        "play_count": int(10 ** rng.uniform(2, 6)),
    }


def _playlists(
    db: Database, rng: random.Random, person: Person, songs: list[int], scale: float
) -> None:
    for title in rng.sample(_LISTS, rng.randrange(2, 4 + int(4 * scale))):
        row = {"person_id": person.id, "title": title, "public": int(rng.random() < 0.4)}
        id_ = db.insert("music_playlists", {**row, "created_at": _ago(rng, 700)})
        chosen = rng.sample(songs, rng.randrange(3, 5 + int(9 * scale)))
        db.insert_all("music_playlist_songs", [{"playlist_id": id_, "song_id": s} for s in chosen])


def _marks(
    db: Database, rng: random.Random, people: list[Person], songs: list[Row], scale: float
) -> None:
    """Fill the libraries, the likes (mostly of songs in the library) and the follows."""
    artists = sorted({song["artist_id"] for song in songs})
    library: list[Row] = []
    likes: list[Row] = []
    follows: list[Row] = []
    for person in people:
        chosen = rng.sample([song["id"] for song in songs], rng.randrange(5, 8 + int(45 * scale)))
        kept, stray = chosen[2:], chosen[:2]
        liked = rng.sample(kept, len(kept) // 2) + stray
        followed = rng.sample(artists, rng.randrange(1, 3 + int(6 * scale)))
        for rows, name, column, ids in (
            (library, "added_at", "song_id", kept),
            (likes, "liked_at", "song_id", liked),
            (follows, "followed_at", "artist_id", followed),
        ):
            rows += [{"person_id": person.id, column: id_, name: _ago(rng, 500)} for id_ in ids]
    db.insert_all("music_library", sorted(library, key=lambda row: row["added_at"]))
    db.insert_all("music_likes", sorted(likes, key=lambda row: row["liked_at"]))
    db.insert_all("music_follows", sorted(follows, key=lambda row: row["followed_at"]))


def _review(rng: random.Random, song_id: int, person_id: int) -> Row:
    rating = rng.choice((1, 2, 3, 4, 4, 5, 5))
    row = {"song_id": song_id, "person_id": person_id, "rating": rating}
    return {**row, "text": rng.choice(_OPINIONS[rating]), "created_at": _ago(rng, 400)}


def _ago(rng: random.Random, most: int) -> str:
    """Return a time at most so many days before now."""
    ago = timedelta(seconds=rng.randrange(60, most * 86_400))
    return (datetime.fromisoformat(NOW) - ago).isoformat()
