from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.database import Database
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

ME, OTHER, THIRD = 1, 2, 3
OLD, NOW = "2025-01-01T00:00:00", "2025-05-18T12:00:00"
Call = Callable[..., Any]


@pytest.fixture
def files(world: Database, service: Service, log_in: Callable[..., str]) -> Call:
    """Call an API of files as person 1, or as another; everybody has only a root and one file."""
    for table in ("shares", "files", "directories"):
        world.run(f"DELETE FROM files_{table}")
    for person in (ME, OTHER, THIRD):
        for path in ("/", "/docs"):
            row = {"person_id": person, "path": path, "created_at": OLD}
            world.insert("files_directories", row)
        row = {"person_id": person, "path": "/docs/a.txt", "content": f"Apple of {person}"}
        world.insert("files_files", {**row, "created_at": OLD, "updated_at": OLD})
    tokens = {person: log_in("files", person) for person in (ME, OTHER, THIRD)}
    world.forget_changes()

    def call(api: str, by: int = ME, **arguments: Any) -> Any:
        return service.call("files", api, access_token=tokens[by], **arguments)

    return call


def email(world: Database, person_id: int) -> str:
    return str(world.one("SELECT email FROM people WHERE id = ?", person_id)["email"])


def status(call: Call, api: str, **arguments: Any) -> int:
    with pytest.raises(ApiError) as refused:
        call(api, **arguments)
    return refused.value.status


def paths(call: Call, **arguments: Any) -> list[str]:
    return [row["path"] for row in call("list_directory", **arguments)]


def written(world: Database) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in world.changes()]


def test_every_api_but_login_needs_a_token(service: Service) -> None:
    assert [name for name, api in service.apps["files"].apis.items() if not api.login] == ["login"]
    with pytest.raises(ApiError, match="401"):
        service.call("files", "show_file", path="/docs/a.txt")


def test_list_directory_shows_what_is_in_it(files: Call) -> None:
    files("create_directory", path="/docs/b")
    files("create_file", path="/docs/b/c.txt", content="123")
    files("create_directory", path="/docs2")
    assert paths(files) == ["/docs", "/docs2"]
    assert paths(files, path="/docs/") == ["/docs/a.txt", "/docs/b"]
    deep = ["/docs/a.txt", "/docs/b", "/docs/b/c.txt"]
    assert paths(files, path="/docs", recursive=True) == deep
    assert paths(files, recursive=True, kind="file") == ["/docs/a.txt", "/docs/b/c.txt"]
    assert paths(files, recursive=True, page_index=1, page_limit=2) == ["/docs/b", "/docs/b/c.txt"]
    row = files("list_directory", path="/docs/b")[0]
    assert (row["kind"], row["size"], row["created_at"]) == ("file", 3, NOW)
    assert status(files, "list_directory", path="/docs/a.txt") == 422
    assert status(files, "list_directory", path="/none") == 422


@pytest.mark.parametrize("path", ["docs/a.txt", "", "/docs/../x", "/./x", "/a\nb", "/" + "x" * 400])
def test_paths_that_cannot_be_are_refused(world: Database, files: Call, path: str) -> None:
    assert status(files, "create_file", path=path) == 422
    assert status(files, "show_file", path=path) == 422
    assert status(files, "create_directory", path=path) == 422
    assert world.changes() == []


def test_create_directory_needs_what_is_above(world: Database, files: Call) -> None:
    assert status(files, "create_directory", path="/x/y/z") == 422
    made = files("create_directory", path="/x/y/z", parents=True)["directory_id"]
    assert written(world) == [("files_directories", "insert")] * 3
    assert world.one("SELECT path FROM files_directories WHERE id = ?", made)["path"] == "/x/y/z"
    for path in ("/x", "/", "/docs/a.txt"):
        assert status(files, "create_directory", path=path, parents=True) == 409
    assert status(files, "create_directory", path="/docs/a.txt/x", parents=True) == 409


def test_delete_directory_refuses_full_ones_and_the_root(world: Database, files: Call) -> None:
    files("create_directory", path="/docs/b")
    files("share_file", path="/docs/a.txt", email=email(world, OTHER))
    files("create_directory", path="/docs2")
    assert status(files, "delete_directory", path="/docs") == 409
    assert status(files, "delete_directory", path="/", recursive=True) == 422
    files("delete_directory", path="/docs/b")
    files("delete_directory", path="/docs", recursive=True)
    assert paths(files, recursive=True) == ["/docs2"]
    assert files("show_shared", by=OTHER) == []
    assert paths(files, by=OTHER, path="/docs") == ["/docs/a.txt"]


def test_show_file_is_of_ones_own_tree(world: Database, files: Call) -> None:
    shown = files("show_file", path="//docs//a.txt")
    assert (shown["path"], shown["content"], shown["shared_with"]) == (
        "/docs/a.txt",
        "Apple of 1",
        [],
    )
    assert files("show_file", path="/docs/a.txt", by=OTHER)["content"] == "Apple of 2"
    assert status(files, "show_file", path="/docs") == 422


def test_create_file_needs_a_directory_and_a_free_path(world: Database, files: Call) -> None:
    made = files("create_file", path="/docs/b.txt", content="hi")["file_id"]
    row = world.one("SELECT * FROM files_files WHERE id = ?", made)
    assert (row["person_id"], row["content"], row["updated_at"]) == (ME, "hi", NOW)
    assert written(world) == [("files_files", "insert")]
    assert status(files, "create_file", path="/docs/b.txt") == 409
    assert status(files, "create_file", path="/docs") == 409
    assert status(files, "create_file", path="/none/b.txt") == 422
    assert status(files, "create_file", path="/docs/c.txt", content="x" * 10_001) == 422


def test_files_are_updated_and_appended_to(world: Database, files: Call) -> None:
    files("update_file", path="/docs/a.txt", content="one")
    files("append_to_file", path="/docs/a.txt", content="\ntwo")
    (change,) = world.changes()
    assert change.columns == {"content": "one\ntwo", "updated_at": NOW}
    files("append_to_file", path="/docs/a.txt", content="x" * 10_000)
    assert status(files, "append_to_file", path="/docs/a.txt", content="x" * 9_994) == 409
    for api in ("update_file", "append_to_file"):
        assert status(files, api, path="/none", content="") == 422


def test_move_file_to_a_path_or_into_a_directory(world: Database, files: Call) -> None:
    files("move_file", source="/docs/a.txt", destination="/b.txt")
    (change,) = world.changes()
    assert change.columns == {"path": "/b.txt"}
    assert files("move_file", source="/b.txt", destination="/docs")["path"] == "/docs/b.txt"
    files("create_file", path="/b.txt")
    assert status(files, "move_file", source="/b.txt", destination="/docs/b.txt") == 409
    assert status(files, "move_file", source="/b.txt", destination="/docs") == 409
    assert status(files, "move_file", source="/none", destination="/docs") == 422
    assert status(files, "move_file", source="/b.txt", destination="/none/b.txt") == 422


def test_copy_file_leaves_the_source_and_its_shares(world: Database, files: Call) -> None:
    files("share_file", path="/docs/a.txt", email=email(world, OTHER))
    made = files("copy_file", source="/docs/a.txt", destination="/")
    assert made["path"] == "/a.txt"
    copy = files("show_file", path="/a.txt")
    assert (copy["file_id"], copy["content"]) == (made["file_id"], "Apple of 1")
    assert (copy["shared_with"], copy["created_at"]) == ([], NOW)
    assert files("show_file", path="/docs/a.txt")["created_at"] == OLD
    assert status(files, "copy_file", source="/docs/a.txt", destination="/a.txt") == 409


def test_delete_file_ends_its_shares(world: Database, files: Call) -> None:
    files("share_file", path="/docs/a.txt", email=email(world, OTHER))
    world.forget_changes()
    files("delete_file", path="/docs/a.txt")
    assert written(world) == [("files_files", "delete"), ("files_shares", "delete")]
    assert status(files, "delete_file", path="/docs/a.txt") == 422
    assert status(files, "delete_file", path="/docs") == 422


def test_search_files_by_words_in_a_directory(files: Call) -> None:
    files("create_directory", path="/docs/b")
    files("create_file", path="/docs/b/pear.txt", content="And an apple")

    def found(**arguments: Any) -> list[str]:
        return [row["path"] for row in files("search_files", **arguments)]

    assert found(query="APPLE") == ["/docs/a.txt", "/docs/b/pear.txt"]
    assert found(query="apple pear") == ["/docs/b/pear.txt"]
    assert found(directory="/docs/b") == ["/docs/b/pear.txt"]
    assert found(sort_by="-updated_at") == ["/docs/b/pear.txt", "/docs/a.txt"]
    assert found(page_limit=1, page_index=1) == ["/docs/b/pear.txt"]
    assert found(query="%") == []
    files("create_file", path="/docs/c.txt", content="Überweisung")
    assert found(query="Überweisung") == ["/docs/c.txt"]
    assert status(files, "search_files", directory="/none") == 422
    assert status(files, "search_files", page_limit=21) == 422


def test_shared_files_are_read_by_whom_they_are_shared_with(world: Database, files: Call) -> None:
    made = files("share_file", path="/docs/a.txt", email=email(world, OTHER).upper())["share_id"]
    assert written(world) == [("files_shares", "insert")]
    (row,) = files("show_shared", by=OTHER)
    assert (row["share_id"], row["owner_email"], row["can_edit"]) == (
        made,
        email(world, ME),
        False,
    )
    assert [sent["shared_with"] for sent in files("show_shared", direction="sent")] == [
        email(world, OTHER)
    ]
    assert files("show_shared") == []
    shown = files("show_shared_file", file_id=row["file_id"], by=OTHER)
    assert shown["content"] == "Apple of 1"
    assert status(files, "show_shared_file", file_id=row["file_id"], by=THIRD) == 422
    assert files("show_file", path="/docs/a.txt")["shared_with"] == [email(world, OTHER)]


def test_shared_files_are_edited_only_if_shared_so(world: Database, files: Call) -> None:
    there = files("show_file", path="/docs/a.txt")["file_id"]
    files("share_file", path="/docs/a.txt", email=email(world, OTHER))
    files("share_file", path="/docs/a.txt", email=email(world, THIRD), can_edit=True)
    assert status(files, "update_shared_file", file_id=there, content="x", by=OTHER) == 409
    assert status(files, "update_shared_file", file_id=there, content="x") == 422
    files("update_shared_file", file_id=there, content="new", by=THIRD)
    assert files("show_file", path="/docs/a.txt")["content"] == "new"


def test_share_file_refuses_twice_oneself_and_strangers(world: Database, files: Call) -> None:
    share = {"path": "/docs/a.txt", "email": email(world, OTHER)}
    files("share_file", **share)
    assert status(files, "share_file", **share) == 409
    assert status(files, "share_file", path="/docs/a.txt", email=email(world, ME)) == 422
    assert status(files, "share_file", path="/docs/a.txt", email="no@example.com") == 422
    assert status(files, "share_file", path="/docs", email=email(world, OTHER)) == 422
    files("unshare_file", **share)
    assert world.changes() == []
    assert status(files, "unshare_file", **share) == 422


def test_reading_never_writes(
    world: Database, service: Service, log_in: Callable[..., str]
) -> None:
    before, token = world.logged(), log_in("files", ME)
    mine = world.one("SELECT path FROM files_files WHERE person_id = ?", ME)["path"]
    share = world.one("SELECT * FROM files_shares")
    service.call(
        "files",
        "show_shared_file",
        file_id=share["file_id"],
        access_token=log_in("files", share["person_id"]),
    )
    arguments = {"show_file": {"path": mine}}
    for name, api in service.apps["files"].apis.items():
        if not api.writes and name not in ("login", "logout", "show_shared_file"):
            service.call("files", name, access_token=token, **arguments.get(name, {}))
    assert world.logged() == before


def test_population_is_one_that_the_rules_allow(world: Database) -> None:
    tables = ("files_directories", "files_files", "files_shares")
    rows = [world.one(f"SELECT COUNT(*) AS n FROM {table}")["n"] for table in tables]
    assert 650 <= sum(rows) <= 900
    directories = {
        (row["person_id"], row["path"]) for row in world.all("SELECT * FROM files_directories")
    }
    for row in world.all("SELECT * FROM files_files") + world.all(
        "SELECT * FROM files_directories WHERE path <> '/'"
    ):
        assert (row["person_id"], row["path"].rpartition("/")[0] or "/") in directories
    assert len([1 for _, path in directories if path == "/"]) == 40
    assert not world.all(
        "SELECT * FROM files_files WHERE created_at > updated_at OR updated_at >= '2025-05-18'"
    )
    assert not world.all(
        "SELECT * FROM files_shares s JOIN files_files f ON f.id = s.file_id"
        " WHERE f.person_id = s.person_id"
    )
