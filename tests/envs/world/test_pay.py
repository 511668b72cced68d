from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

ME, FRIEND, STRANGER = 1, 2, 3
Call = Callable[..., Any]


@pytest.fixture
def pay(world: Database, service: Service, log_in: Callable[..., str]) -> Call:
    """Call an API of pay as person 1, or as another; what was there of theirs is gone."""
    for table in ("likes", "comments", "reminders", "requests", "transactions", "transfers"):
        world.run(f"DELETE FROM pay_{table}")
    world.run("DELETE FROM pay_cards")
    world.run("DELETE FROM pay_friends")
    world.run("UPDATE pay_balances SET amount = 1000")
    tokens = {person: log_in("pay", person) for person in (ME, FRIEND, STRANGER)}
    world.forget_changes()

    def call(api: str, by: int = ME, **arguments: Any) -> Any:
        return service.call("pay", api, access_token=tokens[by], **arguments)

    return call


def email(world: Database, person_id: int) -> str:
    return str(world.one("SELECT email FROM people WHERE id = ?", person_id)["email"])


def status(call: Call, api: str, **arguments: Any) -> int:
    with pytest.raises(ApiError) as refused:
        call(api, **arguments)
    return refused.value.status


def befriend(world: Database) -> None:
    row = {"person_id": ME, "friend_id": FRIEND, "created_at": "2025-01-01T00:00:00"}
    world.insert("pay_friends", row)


def payment(world: Database, sender: int, receiver: int, **columns: Any) -> int:
    row: Row = {"sender_id": sender, "receiver_id": receiver, "amount": 50, "note": "tea"}
    row |= {"private": 0, "created_at": "2025-03-01T10:00:00", **columns}
    return world.insert("pay_transactions", row)


def request(world: Database, requester: int, payer: int, **columns: Any) -> int:
    row: Row = {"requester_id": requester, "payer_id": payer, "amount": 400, "note": "tea"}
    row |= {"private": 1, "status": "pending", "created_at": "2025-03-01T10:00:00", **columns}
    return world.insert("pay_requests", row)


def card(world: Database, person: int, expires: str = "2025-05") -> int:
    row = {"person_id": person, "name": "Mine", "number": "4" * 16, "expires": expires}
    return world.insert("pay_cards", row)


def balances(world: Database) -> list[int]:
    rows = world.all("SELECT amount FROM pay_balances WHERE person_id <= 3 ORDER BY person_id")
    return [row["amount"] for row in rows]


def written(world: Database) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in world.changes()]


def test_show_balance_is_of_whoever_is_logged_in(world: Database, pay: Call) -> None:
    world.run("UPDATE pay_balances SET amount = 77 WHERE person_id = ?", FRIEND)
    assert pay("show_balance") == {"balance": 1000}
    assert pay("show_balance", by=FRIEND) == {"balance": 77}


def test_every_api_but_login_needs_a_token(service: Service) -> None:
    for name, api in service.apps["pay"].apis.items():
        if name != "login":
            assert api.login
    with pytest.raises(ApiError, match="401"):
        service.call("pay", "show_balance")


def test_send_money_moves_both_balances(world: Database, pay: Call) -> None:
    sent = pay("send_money", email=email(world, FRIEND).upper(), amount=1000, note="rent")
    assert sent["message"] == "Money sent."
    assert balances(world) == [0, 2000, 1000]
    row = world.one("SELECT * FROM pay_transactions WHERE id = ?", sent["transaction_id"])
    assert (row["sender_id"], row["receiver_id"], row["amount"]) == (ME, FRIEND, 1000)
    assert (row["note"], row["private"], row["created_at"]) == ("rent", 0, "2025-05-18T12:00:00")
    assert written(world) == [
        ("pay_balances", "update"),
        ("pay_balances", "update"),
        ("pay_transactions", "insert"),
    ]


@pytest.mark.parametrize(
    ("to", "amount", "code"),
    [
        ("friend", 1001, 409),
        ("me", 1, 422),
        ("nobody", 1, 422),
        ("friend", 0, 422),
        ("friend", -5, 422),
        ("friend", 0.5, 422),
        ("friend", 10**30, 422),
    ],
)
def test_send_money_refuses(world: Database, pay: Call, to: str, amount: float, code: int) -> None:
    address = {"friend": email(world, FRIEND), "me": email(world, ME), "nobody": "no@example.com"}
    assert status(pay, "send_money", email=address[to], amount=amount) == code
    assert world.changes() == []


def test_show_transactions_filters_and_sorts(world: Database, pay: Call) -> None:
    one = payment(world, ME, FRIEND, created_at="2025-03-01T10:00:00")
    two = payment(world, FRIEND, ME, created_at="2025-03-02T23:00:00")
    three = payment(world, ME, STRANGER, created_at="2025-03-03T10:00:00")
    payment(world, FRIEND, STRANGER)

    def ids(**arguments: Any) -> list[int]:
        return [row["transaction_id"] for row in pay("show_transactions", **arguments)]

    assert ids() == [three, two, one]
    assert ids(direction="sent") == [three, one]
    assert ids(direction="received") == [two]
    assert ids(email=email(world, FRIEND)) == [two, one]
    assert ids(created_from="2025-03-02") == [three, two]
    assert ids(created_to="2025-03-02") == [two, one]
    assert ids(page_index=1, page_limit=2) == [one]
    assert ids(page_index=2, page_limit=2) == []
    assert status(pay, "show_transactions", page_limit=21) == 422
    assert status(pay, "show_transactions", created_from="March") == 422


def test_show_transaction_shows_likes_and_comments(world: Database, pay: Call) -> None:
    there = payment(world, FRIEND, ME, private=1)
    pay("like_transaction", transaction_id=there)
    pay("comment_transaction", transaction_id=there, text="Thanks!", by=FRIEND)
    row = pay("show_transaction", transaction_id=there)
    assert (row["private"], row["like_count"], row["comment_count"]) == (True, 1, 1)
    assert row["liked_by"] == [email(world, ME)]
    assert [(c["email"], c["text"]) for c in row["comments"]] == [(email(world, FRIEND), "Thanks!")]


def test_transactions_of_others_are_seen_only_if_public_and_of_friends(
    world: Database, pay: Call
) -> None:
    there = payment(world, FRIEND, STRANGER)
    assert status(pay, "show_transaction", transaction_id=there) == 422
    assert pay("show_social_feed") == []
    befriend(world)
    assert pay("show_transaction", transaction_id=there)["note"] == "tea"
    assert [row["transaction_id"] for row in pay("show_social_feed")] == [there]
    hidden = payment(world, FRIEND, STRANGER, private=1)
    assert status(pay, "show_transaction", transaction_id=hidden) == 422
    assert status(pay, "like_transaction", transaction_id=hidden) == 422
    assert status(pay, "comment_transaction", transaction_id=hidden, text="hm") == 422


def test_likes_are_given_once_and_taken_back(world: Database, pay: Call) -> None:
    there = payment(world, ME, FRIEND)
    liked = pay("like_transaction", transaction_id=there)["like_id"]
    assert status(pay, "like_transaction", transaction_id=there) == 409
    assert pay("unlike_transaction", transaction_id=there)["like_id"] == liked
    assert status(pay, "unlike_transaction", transaction_id=there) == 409


def test_delete_comment_is_for_its_author(world: Database, pay: Call) -> None:
    there = payment(world, ME, FRIEND)
    said = pay("comment_transaction", transaction_id=there, text="hi")["comment_id"]
    assert status(pay, "delete_comment", comment_id=said, by=FRIEND) == 422
    assert pay("delete_comment", comment_id=said)["comment_id"] == said
    assert status(pay, "comment_transaction", transaction_id=there, text="") == 422


def test_update_transaction_is_for_its_sender(world: Database, pay: Call) -> None:
    there = payment(world, ME, FRIEND)
    world.forget_changes()
    pay("update_transaction", transaction_id=there, private=True)
    (change,) = world.changes()
    assert change.columns == {"private": 1}
    assert status(pay, "update_transaction", transaction_id=there, note="x", by=FRIEND) == 422


def test_show_payment_requests_by_direction_and_status(world: Database, pay: Call) -> None:
    asked = request(world, FRIEND, ME)
    denied = request(world, FRIEND, ME, status="denied", created_at="2025-03-02T10:00:00")
    mine = request(world, ME, STRANGER)
    request(world, FRIEND, STRANGER)

    def ids(**arguments: Any) -> list[int]:
        return [row["request_id"] for row in pay("show_payment_requests", **arguments)]

    assert ids() == [denied, asked]
    assert ids(status="pending") == [asked]
    assert ids(direction="sent") == [mine]
    row = pay("show_payment_requests", direction="sent")[0]
    assert (row["payer_email"], row["private"]) == (email(world, STRANGER), True)


def test_request_money_asks_another_person(world: Database, pay: Call) -> None:
    made = pay("request_money", email=email(world, FRIEND), amount=70, note="taxi")["request_id"]
    row = world.one("SELECT * FROM pay_requests WHERE id = ?", made)
    assert (row["requester_id"], row["payer_id"], row["status"]) == (ME, FRIEND, "pending")
    assert written(world) == [("pay_requests", "insert")]
    assert status(pay, "request_money", email=email(world, ME), amount=70) == 422


def test_approve_request_pays_it(world: Database, pay: Call) -> None:
    asked = request(world, FRIEND, ME)
    paid = pay("approve_request", request_id=asked)["transaction_id"]
    assert balances(world) == [600, 1400, 1000]
    row = world.one("SELECT * FROM pay_requests WHERE id = ?", asked)
    assert (row["status"], row["transaction_id"]) == ("approved", paid)
    assert pay("show_transaction", transaction_id=paid)["private"] is True
    assert status(pay, "approve_request", request_id=asked) == 409
    assert status(pay, "deny_request", request_id=asked) == 409


def test_approve_request_refuses_overdrafts_and_leaves_no_trace(world: Database, pay: Call) -> None:
    asked = request(world, FRIEND, ME, amount=1001)
    world.forget_changes()
    assert status(pay, "approve_request", request_id=asked) == 409
    assert world.changes() == []


def test_requests_are_closed_by_the_right_side(world: Database, pay: Call) -> None:
    asked, mine = request(world, FRIEND, ME), request(world, ME, FRIEND)
    for api in ("approve_request", "deny_request"):
        assert status(pay, api, request_id=mine) == 422
    for api in ("cancel_request", "remind_request"):
        assert status(pay, api, request_id=asked) == 422
    pay("deny_request", request_id=asked)
    pay("remind_request", request_id=mine)
    assert pay("show_payment_requests", direction="sent")[0]["reminder_count"] == 1
    pay("cancel_request", request_id=mine)
    assert status(pay, "remind_request", request_id=mine) == 409
    rows = world.all("SELECT status FROM pay_requests ORDER BY id")
    assert [row["status"] for row in rows] == ["denied", "cancelled"]


def test_friends_are_added_and_removed(world: Database, pay: Call) -> None:
    added = pay("add_friend", email=email(world, FRIEND))["friend_id"]
    assert [row["email"] for row in pay("show_friends")] == [email(world, FRIEND)]
    assert pay("show_friends", by=FRIEND) == []
    assert status(pay, "add_friend", email=email(world, FRIEND)) == 409
    assert status(pay, "add_friend", email=email(world, ME)) == 422
    assert pay("remove_friend", email=email(world, FRIEND))["friend_id"] == added
    assert status(pay, "remove_friend", email=email(world, FRIEND)) == 409


def test_search_people_finds_by_name_and_email(world: Database, pay: Call) -> None:
    first = world.one("SELECT first_name FROM people WHERE id = ?", FRIEND)["first_name"]
    found = [row["email"] for row in pay("search_people", query=first.lower(), page_limit=20)]
    assert email(world, FRIEND) in found
    assert len(pay("search_people", query="@example.com", page_limit=20)) == 20
    assert pay("search_people", query="%") == []


def test_cards_are_added_shown_and_deleted(world: Database, pay: Call) -> None:
    added = pay("add_card", name="New", number="4" * 16, expires="2027-01")["card_id"]
    assert pay("show_cards") == [
        {"card_id": added, "name": "New", "number": "4" * 16, "expires": "2027-01"}
    ]
    assert status(pay, "add_card", name="New", number="4" * 16, expires="2027-01") == 409
    assert status(pay, "add_card", name="New", number="5" * 16, expires="2027-13") == 422
    assert status(pay, "delete_card", card_id=added, by=FRIEND) == 422
    pay("delete_card", card_id=added)
    assert pay("show_cards") == []


def test_money_moves_between_card_and_balance(world: Database, pay: Call) -> None:
    mine = card(world, ME)
    added = pay("add_money", amount=500, card_id=mine)["transfer_id"]
    pay("withdraw_money", amount=1500, card_id=mine)
    assert balances(world) == [0, 1000, 1000]
    assert [row["kind"] for row in pay("show_transfers")] == ["withdrawal", "deposit"]
    assert pay("show_transfers")[1]["transfer_id"] == added
    assert status(pay, "withdraw_money", amount=1, card_id=mine) == 409


def test_cards_of_others_and_expired_ones_are_refused(world: Database, pay: Call) -> None:
    assert status(pay, "add_money", amount=5, card_id=card(world, FRIEND)) == 422
    assert status(pay, "add_money", amount=5, card_id=card(world, ME, expires="2025-04")) == 409
    assert balances(world) == [1000, 1000, 1000]


def test_reading_never_writes(
    world: Database, service: Service, log_in: Callable[..., str]
) -> None:
    before, token = world.logged(), log_in("pay")
    first = service.call("pay", "show_transactions", access_token=token)[0]["transaction_id"]
    arguments = {"show_transaction": {"transaction_id": first}, "search_people": {"query": "a"}}
    for name, api in service.apps["pay"].apis.items():
        if not api.writes and name not in ("login", "logout"):
            service.call("pay", name, access_token=token, **arguments.get(name, {}))
    assert world.logged() == before


def test_population_is_one_that_the_rules_allow(world: Database) -> None:
    tables = [table for table in world.tables() if table.startswith("pay_")]
    rows = [world.one(f"SELECT COUNT(*) AS n FROM {table}")["n"] for table in tables]
    assert min(rows) > 0
    assert 1_300 <= sum(rows) <= 1_900
    assert not world.all("SELECT * FROM pay_transactions WHERE sender_id = receiver_id")
    assert not world.all(
        "SELECT * FROM pay_requests q JOIN pay_transactions t ON t.id = q.transaction_id"
        " WHERE t.amount <> q.amount OR t.sender_id <> q.payer_id OR q.status <> 'approved'"
        " OR t.receiver_id <> q.requester_id"
    )
    for table in ("transactions", "requests", "likes", "comments", "reminders", "transfers"):
        assert not world.all(f"SELECT * FROM pay_{table} WHERE created_at >= '2025-05-18T12:00'")
