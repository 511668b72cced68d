from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

ME, OTHER = 1, 2
FOX, OWL = 9001, 9002
DAWN, DUSK = 9011, 9012
SUN, MOON, STAR = 9021, 9022, 9023
NOW = "2025-05-18T12:00:00"
Call = Callable[..., Any]
TABLES = (
    "reviews",
    "queue",
    "follows",
    "likes",
    "library",
    "playlist_songs",
    "playlists",
    "songs",
    "albums",
    "artists",
)


@pytest.fixture
def music(world: Database, service: Service, log_in: Callable[..., str]) -> Call:
    """Call an API of music as person 1, or as another; two artists, two albums, three songs."""
    for table in TABLES:
        world.run(f"DELETE FROM music_{table}")
    for id_, name, genre in ((FOX, "Red Fox", "jazz"), (OWL, "Grey Owl", "rock")):
        world.insert("music_artists", {"id": id_, "name": name, "genre": genre, "city": "Graz"})
    for id_, artist, title, day in (
        (DAWN, FOX, "Dawn", "2020-01-01"),
        (DUSK, OWL, "Dusk", "2021-01-01"),
    ):
        row = {"id": id_, "artist_id": artist, "title": title, "release_date": day}
        world.insert("music_albums", {**row, "genre": "jazz" if artist == FOX else "rock"})
    song(world, SUN, DAWN, FOX, track=2, title="Sun", length=200, play_count=5)
    song(world, MOON, DAWN, FOX, track=1, title="Moon", length=100, play_count=50)
    song(world, STAR, DUSK, OWL, track=1, title="Star", length=300, play_count=500, genre="rock")
    tokens = {person: log_in("music", person) for person in (ME, OTHER)}
    world.forget_changes()

    def call(api: str, by: int = ME, **arguments: Any) -> Any:
        return service.call("music", api, access_token=tokens[by], **arguments)

    return call


def song(world: Database, id_: int, album: int, artist: int, **columns: Any) -> None:
    day = "2020-01-01" if album == DAWN else "2021-01-01"
    row: Row = {"id": id_, "album_id": album, "artist_id": artist, "genre": "jazz"}
    world.insert("music_songs", {**row, "release_date": day, **columns})


def status(call: Call, api: str, **arguments: Any) -> int:
    with pytest.raises(ApiError) as refused:
        call(api, **arguments)
    return refused.value.status


def ids(rows: list[Row]) -> list[int]:
    return [row["song_id"] for row in rows]


def written(world: Database) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in world.changes()]


def test_every_api_but_login_needs_a_token(service: Service) -> None:
    assert [name for name, api in service.apps["music"].apis.items() if not api.login] == ["login"]
    with pytest.raises(ApiError, match="401"):
        service.call("music", "show_library")


def test_search_songs_filters_and_sorts(music: Call) -> None:
    assert ids(music("search_songs")) == [MOON, STAR, SUN]
    assert ids(music("search_songs", query="fox DAWN")) == [MOON, SUN]
    assert ids(music("search_songs", query="fox dusk")) == []
    assert ids(music("search_songs", genre="rock")) == [STAR]
    assert ids(music("search_songs", artist_id=FOX, sort_by="length")) == [MOON, SUN]
    assert ids(music("search_songs", released_from="2020-01-02")) == [STAR]
    assert ids(music("search_songs", sort_by="-play_count", page_limit=2)) == [STAR, MOON]
    assert ids(music("search_songs", sort_by="-release_date", page_limit=1, page_index=2)) == [SUN]
    assert ids(music("search_songs", page_index=2**62)) == []
    assert status(music, "search_songs", genre="noise") == 422
    assert status(music, "search_songs", page_limit=21) == 422
    assert status(music, "search_songs", page_index=-1) == 422


def test_search_albums_and_artists(music: Call) -> None:
    albums = music("search_albums")
    assert [(row["album_id"], row["song_count"]) for row in albums] == [(DUSK, 1), (DAWN, 2)]
    assert [row["album_id"] for row in music("search_albums", query="fox")] == [DAWN]
    assert [row["album_id"] for row in music("search_albums", artist_id=OWL)] == [DUSK]
    assert [row["album_id"] for row in music("search_albums", genre="jazz")] == [DAWN]
    assert [row["name"] for row in music("search_artists")] == ["Grey Owl", "Red Fox"]
    assert [row["artist_id"] for row in music("search_artists", query="RED")] == [FOX]
    assert [row["artist_id"] for row in music("search_artists", genre="rock")] == [OWL]


def test_show_album_lists_songs_by_track(music: Call) -> None:
    album = music("show_album", album_id=DAWN)
    assert (album["artist"], ids(album["songs"])) == ("Red Fox", [MOON, SUN])
    assert status(music, "show_album", album_id=1) == 422


def test_show_song_knows_what_is_mine(music: Call) -> None:
    music("like_song", song_id=SUN)
    music("like_song", song_id=SUN, by=OTHER)
    music("review_song", song_id=SUN, rating=4)
    music("review_song", song_id=SUN, rating=1, by=OTHER)
    shown = music("show_song", song_id=SUN)
    assert (shown["artist"], shown["album"], shown["length"]) == ("Red Fox", "Dawn", 200)
    assert (shown["like_count"], shown["rating"], shown["review_count"]) == (2, 2.5, 2)
    assert (shown["liked"], shown["in_library"]) == (True, False)
    assert music("show_song", song_id=MOON)["rating"] is None
    assert status(music, "show_song", song_id=1) == 422


def test_playlists_are_created_filled_and_deleted(world: Database, music: Call) -> None:
    made = music("create_playlist", title="Mine")["playlist_id"]
    for each in (STAR, SUN):
        music("add_song_to_playlist", playlist_id=made, song_id=each)
    assert status(music, "add_song_to_playlist", playlist_id=made, song_id=SUN) == 409
    assert status(music, "add_song_to_playlist", playlist_id=made, song_id=1) == 422
    assert ids(music("show_playlist", playlist_id=made)["songs"]) == [STAR, SUN]
    (row,) = music("show_playlists")
    assert (row["title"], row["public"], row["song_count"]) == ("Mine", False, 2)
    music("remove_song_from_playlist", playlist_id=made, song_id=STAR)
    assert status(music, "remove_song_from_playlist", playlist_id=made, song_id=STAR) == 422
    assert written(world) == [("music_playlist_songs", "insert"), ("music_playlists", "insert")]
    music("delete_playlist", playlist_id=made)
    assert world.changes() == []


def test_update_playlist_changes_only_what_is_given(world: Database, music: Call) -> None:
    made = music("create_playlist", title="Mine")["playlist_id"]
    world.forget_changes()
    music("update_playlist", playlist_id=made, public=True)
    assert world.changes()[0].columns == {"public": 1}
    music("update_playlist", playlist_id=made, title="Ours")
    assert world.changes()[0].columns == {"public": 1, "title": "Ours"}
    assert status(music, "update_playlist", playlist_id=made, title="") == 422


def test_playlists_of_others_are_seen_only_if_public_and_never_changed(music: Call) -> None:
    theirs = music("create_playlist", title="Theirs", by=OTHER)["playlist_id"]
    assert status(music, "show_playlist", playlist_id=theirs) == 422
    assert music("search_playlists") == []
    music("update_playlist", playlist_id=theirs, public=True, by=OTHER)
    assert music("show_playlist", playlist_id=theirs)["songs"] == []
    assert [row["playlist_id"] for row in music("search_playlists", query="their")] == [theirs]
    assert music("show_playlists") == []
    for api in ("update_playlist", "delete_playlist"):
        assert status(music, api, playlist_id=theirs) == 422
    for api in ("add_song_to_playlist", "remove_song_from_playlist"):
        assert status(music, api, playlist_id=theirs, song_id=SUN) == 422


def test_library_is_filled_and_emptied(world: Database, music: Call) -> None:
    added = music("add_to_library", song_id=SUN)["library_id"]
    world.update("music_library", added, added_at="2025-01-01T00:00:00")
    music("add_to_library", song_id=MOON)
    assert status(music, "add_to_library", song_id=SUN) == 409
    assert status(music, "add_to_library", song_id=1) == 422
    rows = music("show_library")
    assert (ids(rows), rows[0]["added_at"]) == ([MOON, SUN], NOW)
    assert ids(music("show_library", page_limit=1, page_index=1)) == [SUN]
    assert music("show_library", by=OTHER) == []
    assert status(music, "remove_from_library", song_id=SUN, by=OTHER) == 422
    assert music("remove_from_library", song_id=SUN)["library_id"] == added
    assert written(world) == [("music_library", "insert")]


def test_songs_are_liked_and_unliked(world: Database, music: Call) -> None:
    liked = music("like_song", song_id=SUN)["like_id"]
    assert status(music, "like_song", song_id=SUN) == 409
    assert status(music, "like_song", song_id=1) == 422
    assert ids(music("show_liked_songs")) == [SUN]
    assert music("show_liked_songs", by=OTHER) == []
    assert status(music, "unlike_song", song_id=SUN, by=OTHER) == 422
    assert music("unlike_song", song_id=SUN)["like_id"] == liked
    assert world.changes() == []


def test_artists_are_followed_and_unfollowed(world: Database, music: Call) -> None:
    followed = music("follow_artist", artist_id=OWL)["follow_id"]
    assert status(music, "follow_artist", artist_id=OWL) == 409
    assert status(music, "follow_artist", artist_id=1) == 422
    assert [row["name"] for row in music("show_followed_artists")] == ["Grey Owl"]
    assert music("show_artist", artist_id=OWL)["follower_count"] == 1
    assert status(music, "show_artist", artist_id=1) == 422
    assert status(music, "unfollow_artist", artist_id=OWL, by=OTHER) == 422
    assert music("unfollow_artist", artist_id=OWL)["follow_id"] == followed
    assert world.changes() == []


def test_queue_keeps_its_order_and_repeats(world: Database, music: Call) -> None:
    first = music("add_to_queue", song_id=SUN)["queue_id"]
    for each in (MOON, SUN):
        music("add_to_queue", song_id=each)
    assert ids(music("show_queue")) == [SUN, MOON, SUN]
    assert status(music, "remove_from_queue", queue_id=first, by=OTHER) == 422
    music("remove_from_queue", queue_id=first)
    assert ids(music("show_queue")) == [MOON, SUN]
    assert status(music, "add_to_queue", song_id=1) == 422
    assert music("clear_queue", by=OTHER)["removed"] == 0
    assert music("clear_queue")["removed"] == 2
    assert world.changes() == []


def test_queue_is_full_at_a_hundred(world: Database, music: Call) -> None:
    world.insert_all("music_queue", [{"person_id": ME, "song_id": SUN}] * 99)
    music("add_to_queue", song_id=MOON)
    assert status(music, "add_to_queue", song_id=MOON) == 409


def test_review_song_replaces_its_own_review(world: Database, music: Call) -> None:
    made = music("review_song", song_id=SUN, rating=2, text="Short.")["review_id"]
    theirs = music("review_song", song_id=SUN, rating=3, by=OTHER)["review_id"]
    assert music("review_song", song_id=SUN, rating=5)["review_id"] == made
    rows = music("show_reviews", song_id=SUN)
    assert [(row["review_id"], row["rating"]) for row in rows] == [(theirs, 3), (made, 5)]
    assert [row["title"] for row in music("show_reviews")] == ["Sun"]
    assert status(music, "show_reviews", song_id=1) == 422
    assert status(music, "review_song", song_id=SUN, rating=0) == 422
    assert status(music, "review_song", song_id=1, rating=1) == 422
    assert status(music, "delete_review", review_id=theirs) == 422
    music("delete_review", review_id=made)
    assert [(change.table, change.id) for change in world.changes()] == [("music_reviews", theirs)]


def test_reading_never_writes(
    world: Database, service: Service, log_in: Callable[..., str]
) -> None:
    before, token = world.logged(), log_in("music")
    first = service.call("music", "show_playlists", access_token=token)[0]["playlist_id"]
    arguments = {f"show_{what}": {f"{what}_id": 1} for what in ("song", "album", "artist")}
    arguments["show_playlist"] = {"playlist_id": first}
    for name, api in service.apps["music"].apis.items():
        if not api.writes and name not in ("login", "logout"):
            service.call("music", name, access_token=token, **arguments.get(name, {}))
    assert world.logged() == before


def test_population_is_one_that_the_rules_allow(world: Database) -> None:
    rows = {table: world.one(f"SELECT COUNT(*) AS n FROM music_{table}")["n"] for table in TABLES}
    assert min(rows.values()) > 0
    assert 1_200 <= sum(rows.values()) <= 1_900
    titles = world.all("SELECT title FROM music_songs UNION SELECT title FROM music_albums")
    assert len(titles) == rows["songs"] + rows["albums"]
    assert not world.all(
        "SELECT * FROM music_songs s JOIN music_albums b ON b.id = s.album_id"
        " WHERE s.artist_id <> b.artist_id OR s.release_date <> b.release_date"
        " OR s.release_date > '2025-05-18'"
    )
