from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.registry import App, Context, page

box = App("box", "A box.")


@box.api(writes=True)
def put_thing(
    ctx: Context,
    *,
    name: str,
    count: Annotated[int, Field(ge=1, le=9)] = 1,
    kind: Literal["big", "small"] | None = None,
    tags: list[str] | None = None,
) -> dict[str, Any]:
    """Put a thing into the box.

    Args:
        name: What it is called.
        count: How many.
        kind: How big.
        tags: Words for it.

    Returns:
        message and thing_id.
    """
    return {"message": "ok", "thing_id": 1, "name": name, "count": count}


def test_doc_has_the_shape_of_appworld() -> None:
    doc = box.apis["put_thing"].doc
    assert {key: doc[key] for key in ("app_name", "api_name", "path", "method", "description")} == {
        "app_name": "box",
        "api_name": "put_thing",
        "path": "/box/put_thing",
        "method": "POST",
        "description": "Put a thing into the box.",
    }
    assert doc["response_schemas"]["success"] == "message and thing_id."


def test_doc_describes_each_parameter_and_the_token_last() -> None:
    rows = {row["name"]: row for row in box.apis["put_thing"].parameters}
    assert list(rows) == ["name", "count", "kind", "tags", "access_token"]
    assert rows["name"] == {
        "name": "name",
        "type": "string",
        "required": True,
        "description": "What it is called.",
        "default": None,
        "constraints": [],
    }
    assert (rows["count"]["type"], rows["count"]["default"]) == ("integer", 1)
    assert rows["count"]["constraints"] == ["value >= 1", "value <= 9"]
    assert rows["kind"]["constraints"] == ["value in ['big', 'small']"]
    assert rows["tags"]["type"] == "list[string]"


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({}, "name"),
        ({"name": "a", "count": 0}, "count"),
        ({"name": "a", "count": "many"}, "count"),
        ({"name": "a", "kind": "huge"}, "kind"),
        ({"name": "a", "tags": "b"}, "tags"),
        ({"name": "a", "colour": "red"}, "colour"),
    ],
)
def test_validation_names_the_argument(arguments: dict[str, Any], place: str) -> None:
    with pytest.raises(ApiError, match=place) as caught:
        box.apis["put_thing"].validated(arguments)
    assert caught.value.status == 422
    assert caught.value.message.startswith("Validation error. Reason: \n")


def test_validation_gives_what_was_given_with_its_types() -> None:
    assert box.apis["put_thing"].validated({"name": "a", "count": "3"}) == {"name": "a", "count": 3}


def test_app_refuses_two_apis_of_one_name() -> None:
    app = App("twice", "Twice.")
    app.api()(put_thing)
    with pytest.raises(ValueError, match="twice has put_thing twice"):
        app.api()(put_thing)


def test_page_cuts_and_refuses() -> None:
    rows = [{"id": n} for n in range(7)]
    assert page(rows, 1, 5) == [{"id": 5}, {"id": 6}]
    assert page(rows, 9, 5) == []
    for index, limit in ((-1, 5), (0, 0), (0, 21)):
        with pytest.raises(ApiError, match="page_"):
            page(rows, index, limit)


@pytest.mark.parametrize("app", APPS.values(), ids=list(APPS))
def test_every_api_documents_itself(app: App) -> None:
    for api in app.apis.values():
        doc = api.doc
        assert doc["description"], api.name
        assert [row["name"] for row in doc["parameters"] if not row["description"]] == [], api.name
        assert [row["name"] for row in doc["parameters"] if not row["type"]] == [], api.name


@pytest.mark.parametrize("app", APPS.values(), ids=list(APPS))
def test_every_list_is_paged_alike(app: App) -> None:
    for api in app.apis.values():
        rows = {row["name"]: row for row in api.parameters}
        if "page_index" in rows or "page_limit" in rows:
            assert rows["page_index"]["default"] == 0, api.name
            assert rows["page_limit"]["default"] in (5, 20), api.name
