from __future__ import annotations

from collections.abc import Callable

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service


def test_profile_is_the_persons(service: Service, world: Database) -> None:
    person = world.one("SELECT * FROM people WHERE id = 1")
    assert service.call("supervisor", "show_profile") == {
        "first_name": person["first_name"],
        "last_name": person["last_name"],
        "email": person["email"],
        "birthday": person["birthday"],
        "phone_number": person["phone"],
    }


def test_address_is_the_persons(service: Service, world: Database) -> None:
    person = world.one("SELECT * FROM people WHERE id = 1")
    (address,) = service.call("supervisor", "show_addresses")
    assert (address["street_address"], address["city"]) == (person["street"], person["city"])


def test_cards_are_those_of_the_apps(service: Service, log_in: Callable[..., str]) -> None:
    shown = service.call("supervisor", "show_payment_cards")
    cards = [
        card
        for app in ("pay", "shop")
        for card in service.call(app, "show_cards", access_token=log_in(app))
    ]
    assert [card["card_number"] for card in shown] == sorted(card["number"] for card in cards)
    for card in cards:
        (row,) = (row for row in shown if row["card_number"] == card["number"])
        assert row == {
            "owner_name": f"{service.person['first_name']} {service.person['last_name']}",
            "card_name": card["name"],
            "card_number": card["number"],
            "expiry_year": int(card["expires"][:4]),
            "expiry_month": int(card["expires"][5:]),
        }


def test_passwords_open_every_app(service: Service) -> None:
    profile = service.call("supervisor", "show_profile")
    rows = service.call("supervisor", "show_account_passwords")
    assert [row["account_name"] for row in rows] == sorted(
        app.name for app in APPS.values() if app.accounts
    )
    for row in rows:
        name = profile["phone_number" if row["account_name"] == "phone" else "email"]
        reply = service.call(row["account_name"], "login", username=name, password=row["password"])
        assert reply["token_type"] == "Bearer"


def test_active_task_is_the_instruction(service: Service) -> None:
    shown = service.call("supervisor", "show_active_task")
    assert shown["instruction"] == "Do the thing."
    assert shown["supervisor"]["email"] == service.person["email"]


def test_clock_stands_still(service: Service) -> None:
    shown = service.call("supervisor", "show_current_date_and_time")
    assert shown == {"datetime": "2025-05-18T12:00:00"}


def test_app_descriptions_name_every_app(service: Service) -> None:
    rows = service.call("api_docs", "show_app_descriptions")
    assert [row["name"] for row in rows] == list(APPS)


def test_api_descriptions_name_every_api(service: Service) -> None:
    rows = service.call("api_docs", "show_api_descriptions", app_name="supervisor")
    assert [row["name"] for row in rows] == list(APPS["supervisor"].apis)


def test_api_doc_is_the_whole_doc(service: Service) -> None:
    doc = service.call("api_docs", "show_api_doc", app_name="mail", api_name="login")
    assert doc == APPS["mail"].apis["login"].doc
    assert [row["name"] for row in doc["parameters"]] == ["username", "password"]


@pytest.mark.parametrize(
    ("api", "arguments"),
    [
        ("show_api_descriptions", {"app_name": "x"}),
        ("show_api_doc", {"app_name": "x", "api_name": "login"}),
        ("show_api_doc", {"app_name": "mail", "api_name": "x"}),
    ],
)
def test_docs_of_nothing_are_refused(service: Service, api: str, arguments: dict[str, str]) -> None:
    with pytest.raises(ApiError, match=r"No .* named 'x' found") as caught:
        service.call("api_docs", api, **arguments)
    assert caught.value.status == 422


def test_search_ranks_by_shared_words(service: Service) -> None:
    found = service.call("api_docs", "search_api_docs", query="show account passwords")
    assert found[0]["api_name"] == "show_account_passwords"
    assert len(found) == 5


def test_search_without_a_hit_is_empty(service: Service) -> None:
    assert service.call("api_docs", "search_api_docs", query="zebra!") == []


def test_helpers_write_nothing(
    service: Service, world: Database, log_in: Callable[..., str]
) -> None:
    for name in APPS["supervisor"].apis:
        if name.startswith("show"):
            service.call("supervisor", name)
    service.call("api_docs", "search_api_docs", query="show", page_limit=20)
    log_in("mail")
    assert world.logged() == 0
