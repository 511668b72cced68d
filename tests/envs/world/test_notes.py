from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

Notes = Callable[..., Any]

NOW = "2025-05-18T12:00:00"


@pytest.fixture
def notes(service: Service, log_in: Callable[..., str]) -> Notes:
    """``notes(api, person=1, **arguments)`` calls the app as a person."""

    def call(api: str, person: int = 1, **arguments: Any) -> Any:
        return service.call("notes", api, access_token=log_in("notes", person), **arguments)

    return call


def _made(notes: Notes, **more: Any) -> int:
    """A note of person 1."""
    return int(notes("create_note", **({"title": "Zirconium"} | more))["note_id"])


def _ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["note_id"] for row in rows]


def _kinds(world: Database) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in world.changes()]


def _refused(status: int, call: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.status == status
    return caught.value.message


# -- notes ------------------------------------------------------------------------------------


def test_world_holds_notes_and_lists_of_everybody(world: Database) -> None:
    for table in ("notes_notes", "notes_lists"):
        query = f"SELECT COUNT(DISTINCT person_id) AS n, MAX(created_at) AS t FROM {table}"
        row = world.one(query)
        assert row["n"] == 40
        assert row["t"] < NOW
    unordered = "SELECT 1 FROM notes_notes WHERE updated_at NOT BETWEEN created_at AND ?"
    assert world.all(unordered, NOW) == []


def test_create_note_writes_the_note_and_its_tags(world: Database, notes: Notes) -> None:
    note_id = _made(notes, body="Zr, 40", tags=["Metals", "metals", "school"], pinned=True)
    assert _kinds(world) == [
        ("notes_notes", "insert"),
        ("notes_tags", "insert"),
        ("notes_tags", "insert"),
    ]
    assert notes("show_note", note_id=note_id) == {
        "note_id": note_id,
        "title": "Zirconium",
        "tags": ["metals", "school"],
        "pinned": True,
        "created_at": NOW,
        "updated_at": NOW,
        "body": "Zr, 40",
    }
    _refused(422, lambda: _made(notes, title=""))
    _refused(422, lambda: _made(notes, tags=[""]))


def test_show_notes_filters_and_sorts(world: Database, notes: Notes) -> None:
    plain = _made(notes, title="AAA")
    pinned = _made(notes, title="AAB", pinned=True, tags=["metals"])
    assert _ids(notes("show_notes"))[:2] == [pinned, plain]
    assert _ids(notes("show_notes", sort_by="title"))[:2] == [plain, pinned]
    assert _ids(notes("show_notes", tag="METALS")) == [pinned]
    assert pinned in _ids(notes("show_notes", pinned=True, page_limit=20))
    assert pinned not in _ids(notes("show_notes", pinned=False, page_limit=20))
    assert "body" not in notes("show_notes")[0]
    expected = world.all("SELECT id FROM notes_notes WHERE person_id = 1 ORDER BY created_at, id")
    shown = _ids(notes("show_notes", sort_by="created_at", page_limit=20))
    assert shown == [row["id"] for row in reversed(expected)][:20]
    _refused(422, lambda: notes("show_notes", sort_by="colour"))


def test_show_notes_is_paged(notes: Notes) -> None:
    three = _ids(notes("show_notes", page_limit=3))
    assert [_ids(notes("show_notes", page_index=n, page_limit=1))[0] for n in range(3)] == three
    assert notes("show_notes", page_index=1000) == []
    _refused(422, lambda: notes("show_notes", page_limit=21))


def test_search_notes_takes_text_literally(notes: Notes) -> None:
    note_id = _made(notes, body="About 5% of the \u00dcberrest", tags=["metals"])
    for query in ("zirconium", "5% OF", "\u00dcberrest", "\u00dcBERREST"):
        assert _ids(notes("search_notes", query=query)) == [note_id]
    assert _ids(notes("search_notes", query="zirc", tag="metals")) == [note_id]
    assert notes("search_notes", query="zirc", tag="other") == []
    assert notes("search_notes", query="z%m") == []
    assert notes("search_notes", 2, query="zirconium") == []


def test_update_note_changes_what_is_given(world: Database, notes: Notes) -> None:
    row = world.one("SELECT * FROM notes_notes WHERE person_id = 1")
    notes("update_note", note_id=row["id"], body="New.")
    assert [change.columns for change in world.changes()] == [{"body": "New.", "updated_at": NOW}]
    notes("update_note", note_id=row["id"], title="Newer")
    assert world.changes()[0].columns["title"] == "Newer"
    _refused(422, lambda: notes("update_note", note_id=row["id"]))


def test_pin_and_unpin_change_one_column(world: Database, notes: Notes) -> None:
    note_id = _made(notes)
    world.forget_changes()
    assert notes("pin_note", note_id=note_id)["message"] == "Note pinned."
    assert [change.columns for change in world.changes()] == [{"pinned": 1}]
    notes("unpin_note", note_id=note_id)
    assert world.changes() == []


def test_delete_note_takes_its_tags_with_it(world: Database, notes: Notes) -> None:
    note_id = _made(notes, tags=["metals"])
    world.forget_changes()
    assert notes("delete_note", note_id=note_id)["note_id"] == note_id
    assert _kinds(world) == [("notes_notes", "delete"), ("notes_tags", "delete")]
    _refused(422, lambda: notes("show_note", note_id=note_id))


def test_tags_are_put_on_counted_and_taken_off(world: Database, notes: Notes) -> None:
    note_id = _made(notes)
    world.forget_changes()
    notes("add_tag", note_id=note_id, tag="Metals")
    _refused(409, lambda: notes("add_tag", note_id=note_id, tag="metals"))
    tags = notes("show_tags")
    assert {"name": "metals", "notes": 1} in tags
    assert [tag["name"] for tag in tags] == sorted(tag["name"] for tag in tags)
    assert notes("show_tags", page_limit=1) == tags[:1]
    notes("remove_tag", note_id=note_id, tag="METALS")
    _refused(409, lambda: notes("remove_tag", note_id=note_id, tag="metals"))
    assert world.changes() == []


def test_notes_of_others_are_refused(world: Database, notes: Notes) -> None:
    note_id = _made(notes, tags=["metals"])
    world.forget_changes()
    for api in ("show_note", "delete_note", "pin_note", "unpin_note"):
        _refused(422, lambda api=api: notes(api, 2, note_id=note_id))
    for api in ("add_tag", "remove_tag"):
        _refused(422, lambda api=api: notes(api, 2, note_id=note_id, tag="metals"))
    _refused(422, lambda: notes("update_note", 2, note_id=note_id, title="Mine"))
    assert world.changes() == []


# -- to-do lists ------------------------------------------------------------------------------


def test_lists_are_made_filled_and_shown(world: Database, notes: Notes) -> None:
    list_id = notes("create_list", title="Zirconium")["list_id"]
    first = notes("add_item", list_id=list_id, text="weigh it")["item_id"]
    second = notes("add_item", list_id=list_id, text="melt it")["item_id"]
    notes("check_item", item_id=second)
    assert notes("show_list", list_id=list_id) == {
        "list_id": list_id,
        "title": "Zirconium",
        "created_at": NOW,
        "items": [
            {"item_id": first, "text": "weigh it", "checked": False},
            {"item_id": second, "text": "melt it", "checked": True},
        ],
    }
    shown = {"list_id": list_id, "title": "Zirconium", "created_at": NOW, "items": 2, "checked": 1}
    assert notes("show_lists")[0] == shown
    assert notes("show_lists", query="ZIRC") == [shown]
    assert notes("show_lists", 2, query="ZIRC") == []
    assert _kinds(world) == [
        ("notes_items", "insert"),
        ("notes_items", "insert"),
        ("notes_lists", "insert"),
    ]


def test_show_lists_counts_the_items_of_an_empty_list(notes: Notes) -> None:
    notes("create_list", title="Zirconium")
    [shown] = notes("show_lists", query="zirconium")
    assert (shown["items"], shown["checked"]) == (0, 0)


def test_items_are_changed_moved_and_removed(world: Database, notes: Notes) -> None:
    one, two = (notes("create_list", title=title)["list_id"] for title in ("One", "Two"))
    item_id = notes("add_item", list_id=one, text="weigh it")["item_id"]
    world.forget_changes()
    notes("update_item", item_id=item_id, text="melt it")
    notes("update_item", item_id=item_id, list_id=two)
    notes("check_item", item_id=item_id)
    [change] = world.changes()
    assert change.columns == {"text": "melt it", "list_id": two, "checked": 1}
    notes("uncheck_item", item_id=item_id)
    assert world.changes()[0].columns == {"text": "melt it", "list_id": two}
    assert notes("show_list", list_id=one)["items"] == []
    notes("remove_item", item_id=item_id)
    assert _kinds(world) == [("notes_items", "delete")]


def test_lists_are_renamed_and_deleted_with_their_items(world: Database, notes: Notes) -> None:
    list_id = notes("create_list", title="One")["list_id"]
    notes("add_item", list_id=list_id, text="weigh it")
    world.forget_changes()
    notes("update_list", list_id=list_id, title="Two")
    assert [change.columns for change in world.changes()] == [{"title": "Two"}]
    notes("delete_list", list_id=list_id)
    assert _kinds(world) == [("notes_items", "delete"), ("notes_lists", "delete")]
    _refused(422, lambda: notes("show_list", list_id=list_id))


def test_lists_and_items_of_others_and_nonsense_are_refused(world: Database, notes: Notes) -> None:
    list_id = notes("create_list", title="One")["list_id"]
    item_id = notes("add_item", list_id=list_id, text="weigh it")["item_id"]
    other = notes("create_list", 2, title="Two")["list_id"]
    world.forget_changes()
    for api in ("show_list", "delete_list"):
        _refused(422, lambda api=api: notes(api, 2, list_id=list_id))
    for api in ("check_item", "uncheck_item", "remove_item"):
        _refused(422, lambda api=api: notes(api, 2, item_id=item_id))
    _refused(422, lambda: notes("update_list", 2, list_id=list_id, title="Mine"))
    _refused(422, lambda: notes("add_item", 2, list_id=list_id, text="x"))
    _refused(422, lambda: notes("update_item", 2, item_id=item_id, text="x"))
    _refused(422, lambda: notes("update_item", item_id=item_id, list_id=other))
    _refused(422, lambda: notes("update_item", item_id=item_id))
    _refused(422, lambda: notes("add_item", list_id=list_id, text=""))
    _refused(422, lambda: notes("create_list", title=""))
    assert world.changes() == []


# -- all of them ------------------------------------------------------------------------------


def test_every_api_needs_a_token(service: Service) -> None:
    for name in set(APPS["notes"].apis) - {"login"}:
        _refused(401, lambda name=name: service.call("notes", name))


def test_apis_that_only_read_write_nothing(world: Database, notes: Notes) -> None:
    before = world.logged()
    given: dict[str, dict[str, Any]] = {
        "show_note": {"note_id": notes("show_notes")[0]["note_id"]},
        "search_notes": {"query": "a"},
        "show_list": {"list_id": notes("show_lists")[0]["list_id"]},
    }
    readers = {name for name, api in APPS["notes"].apis.items() if not api.writes}
    for name in readers - {"login", "logout"}:
        assert notes(name, **given.get(name, {}))
    assert len(readers) == 9
    assert world.logged() == before
