from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

Phone = Callable[..., Any]


@pytest.fixture
def phone(service: Service, log_in: Callable[..., str]) -> Phone:
    """``phone(api, person=1, **arguments)`` calls the app as a person."""

    def call(api: str, person: int = 1, **arguments: Any) -> Any:
        return service.call("phone", api, access_token=log_in("phone", person), **arguments)

    return call


@pytest.fixture
def numbers(world: Database) -> dict[int, str]:
    return {row["id"]: row["phone"] for row in world.all("SELECT id, phone FROM people")}


def _refused(status: int, call: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.status == status
    return caught.value.message


def test_the_clock_stands_still(service: Service) -> None:
    assert service.call("phone", "get_current_date_and_time") == {
        "date": "2025-05-18",
        "time": "12:00:00",
        "datetime": "2025-05-18T12:00:00",
    }


def test_user_name_is_the_phone_number(phone: Phone, numbers: dict[int, str]) -> None:
    assert phone("show_account")["username"] == numbers[1]


# -- contacts ---------------------------------------------------------------------------------


def test_contacts_are_the_relations(world: Database, phone: Phone) -> None:
    query = "SELECT person_id, {} AS other, {} AS kind FROM {} ORDER BY 1, 2, 3"
    relations = world.all(query.format("other_id", "kind", "relations"))
    contacts = world.all(
        "SELECT c.person_id, p.id AS other, relationship AS kind FROM phone_contacts c"
        " JOIN people p ON p.phone = c.phone_number AND p.email = c.email ORDER BY 1, 2, 3"
    )
    assert contacts == relations
    shown = phone("show_contacts", page_limit=20)
    assert [each["first_name"] for each in shown] == sorted(each["first_name"] for each in shown)


def test_show_contacts_filters_a_relationship(world: Database, phone: Phone) -> None:
    friends = "SELECT COUNT(*) AS n FROM relations WHERE person_id = 1 AND kind = 'friend'"
    shown = phone("show_contacts", relationship="friend", page_limit=20)
    assert len(shown) == world.one(friends)["n"] > 0
    assert phone("show_contacts", relationship="enemy") == []


def test_contacts_are_paged(phone: Phone) -> None:
    two = phone("show_contacts", page_limit=2)
    assert [phone("show_contacts", page_index=n, page_limit=1)[0] for n in (0, 1)] == two
    _refused(422, lambda: phone("show_contacts", page_limit=0))


def test_search_contacts_finds_names_and_numbers(phone: Phone) -> None:
    contact = phone("show_contacts")[0]
    name = f"{contact['first_name']} {contact['last_name']}".upper()
    for query in (name, contact["phone_number"], contact["email"]):
        assert phone("search_contacts", query=query) == [contact]
    assert phone("search_contacts", query="%") == []
    assert phone("show_contact", contact_id=contact["contact_id"]) == contact


def test_add_update_and_delete_contact(world: Database, phone: Phone) -> None:
    added = phone("add_contact", first_name="Plumber", phone_number="+4912345")
    contact_id = added["contact_id"]
    phone("update_contact", contact_id=contact_id, last_name="Pipe", relationship="service")
    [change] = world.changes()
    assert change.after == {
        "id": contact_id,
        "person_id": 1,
        "first_name": "Plumber",
        "last_name": "Pipe",
        "phone_number": "+4912345",
        "email": "",
        "relationship": "service",
        "home_address": "",
    }
    assert phone("delete_contact", contact_id=contact_id)["message"] == "Contact deleted."
    assert world.changes() == []


def test_contacts_refuse_doubles_others_and_nonsense(world: Database, phone: Phone) -> None:
    one, two = phone("show_contacts", page_limit=2)
    taken = one["phone_number"]
    _refused(409, lambda: phone("add_contact", first_name="X", phone_number=taken))
    _refused(409, lambda: phone("update_contact", contact_id=two["contact_id"], phone_number=taken))
    _refused(422, lambda: phone("add_contact", first_name="X", phone_number="call me"))
    _refused(422, lambda: phone("add_contact", first_name="", phone_number="12345"))
    _refused(422, lambda: phone("update_contact", contact_id=one["contact_id"]))
    for api in ("show_contact", "delete_contact"):
        _refused(422, lambda api=api: phone(api, 2, contact_id=one["contact_id"]))
    _refused(422, lambda: phone("update_contact", 2, contact_id=one["contact_id"], first_name="X"))
    assert world.changes() == []


def test_update_contact_may_give_its_own_number_again(phone: Phone) -> None:
    one = phone("show_contacts")[0]
    given = {"contact_id": one["contact_id"], "phone_number": one["phone_number"]}
    assert phone("update_contact", **given)["contact_id"] == one["contact_id"]


# -- texts ------------------------------------------------------------------------------------


def test_texts_go_between_people_who_know_each_other(world: Database) -> None:
    strangers = (
        "SELECT 1 FROM phone_texts t WHERE NOT EXISTS (SELECT 1 FROM relations r"
        " WHERE r.person_id = t.sender_id AND r.other_id = t.receiver_id)"
    )
    assert world.all(strangers) == []
    assert world.one("SELECT MAX(sent_at) AS t FROM phone_texts")["t"] < "2025-05-18T12:00:00"


def test_send_text_message_reaches_the_other(
    world: Database, phone: Phone, numbers: dict[int, str]
) -> None:
    sent = phone("send_text_message", phone_number=numbers[2], text="Bring 50% of it")
    [change] = world.changes()
    assert (change.table, change.kind, change.id) == ("phone_texts", "insert", sent["message_id"])
    shown = phone("show_text_message", 2, message_id=sent["message_id"])
    assert (shown["text"], shown["sent_at"]) == ("Bring 50% of it", "2025-05-18T12:00:00")
    assert shown["sender"]["phone_number"] == numbers[1]
    assert shown["receiver"]["phone_number"] == numbers[2]
    assert phone("show_conversation", 2, phone_number=numbers[1])[0] == shown
    _refused(422, lambda: phone("show_text_message", 3, message_id=sent["message_id"]))


def test_send_text_message_refuses_nobody_oneself_and_nothing(
    phone: Phone, numbers: dict[int, str]
) -> None:
    _refused(422, lambda: phone("send_text_message", phone_number="+4912345", text="Hi"))
    _refused(409, lambda: phone("send_text_message", phone_number=numbers[1], text="Hi"))
    _refused(422, lambda: phone("send_text_message", phone_number=numbers[2], text=""))


def test_show_conversations_has_the_latest_first(
    world: Database, phone: Phone, numbers: dict[int, str]
) -> None:
    sent = phone("send_text_message", phone_number=numbers[2], text="Hi")["message_id"]
    shown = phone("show_conversations", page_limit=20)
    assert shown[0]["phone_number"] == numbers[2]
    assert shown[0]["last_message"]["message_id"] == sent
    times = [each["last_message"]["sent_at"] for each in shown]
    assert times == sorted(times, reverse=True)
    query = "SELECT COUNT(*) AS n FROM phone_texts WHERE 1 IN (sender_id, receiver_id)"
    assert sum(each["messages"] for each in shown) == world.one(query)["n"]


def test_show_conversations_counts_what_is_left_and_takes_the_latest_of_one_moment(
    phone: Phone, numbers: dict[int, str]
) -> None:
    def shown() -> tuple[int, str]:
        [row] = [
            each
            for index in range(2)
            for each in phone("show_conversations", page_index=index, page_limit=20)
            if each["phone_number"] == numbers[2]
        ]
        return row["messages"], row["last_message"]["text"]

    phone("send_text_message", phone_number=numbers[2], text="One")
    count, last = shown()
    assert last == "One"
    phone("send_text_message", 2, phone_number=numbers[1], text="Two")  # at the same time
    three = phone("send_text_message", phone_number=numbers[2], text="Three")["message_id"]
    assert shown() == (count + 2, "Three")
    phone("delete_text_message", message_id=three)
    assert shown() == (count + 1, "Two")
    row = phone("show_conversations", 2, page_limit=1)[0]  # the other still has it
    assert (row["phone_number"], row["last_message"]["text"]) == (numbers[1], "Three")


def test_show_conversation_takes_only_a_span(phone: Phone, numbers: dict[int, str]) -> None:
    phone("send_text_message", phone_number=numbers[2], text="One")
    phone("send_text_message", 2, phone_number=numbers[1], text="Two")

    def texts(**span: str) -> list[str]:
        shown = phone("show_conversation", phone_number=numbers[2], **span)
        return [each["text"] for each in shown][:2]

    assert texts() == ["Two", "One"]
    assert texts(sent_from="2025-05-18") == ["Two", "One"]
    assert texts(sent_from="2025-05-18T12:00:00", sent_until="2025-05-18") == ["Two", "One"]
    assert texts(sent_from="2025-05-18T12:00:01") == []
    assert "Two" not in texts(sent_until="2025-05-17")
    _refused(422, lambda: texts(sent_from="yesterday"))
    _refused(422, lambda: phone("show_conversation", phone_number="+4912345"))


def test_search_text_messages_takes_text_literally(phone: Phone, numbers: dict[int, str]) -> None:
    sent = phone("send_text_message", phone_number=numbers[2], text="Bring 50% of Zirconium")
    for query in ("50% OF", "zirconium"):
        [found] = phone("search_text_messages", query=query)
        assert found["message_id"] == sent["message_id"]
    assert phone("search_text_messages", query="zirconium", phone_number=numbers[3]) == []
    assert phone("search_text_messages", query="zirconium", sent_until="2025-05-17") == []
    assert phone("search_text_messages", 3, query="zirconium") == []


def test_delete_text_message_hides_it_from_one_only(
    world: Database, phone: Phone, numbers: dict[int, str]
) -> None:
    sent = phone("send_text_message", phone_number=numbers[2], text="Hi")["message_id"]
    world.forget_changes()
    _refused(422, lambda: phone("delete_text_message", 3, message_id=sent))
    phone("delete_text_message", 2, message_id=sent)
    assert [change.columns for change in world.changes()] == [{"receiver_deleted": 1}]
    _refused(422, lambda: phone("show_text_message", 2, message_id=sent))
    assert phone("show_text_message", message_id=sent)["text"] == "Hi"
    phone("delete_text_message", message_id=sent)
    assert world.changes()[0].columns == {"receiver_deleted": 1, "sender_deleted": 1}
    _refused(422, lambda: phone("delete_text_message", message_id=sent))


# -- alarms -----------------------------------------------------------------------------------


def test_alarms_are_made_changed_and_deleted(world: Database, phone: Phone) -> None:
    made = phone("create_alarm", time="06:05", label="Train", repeat_days=["fri", "mon", "fri"])
    alarm_id = made["alarm_id"]
    alarm = {"alarm_id": alarm_id, "time": "06:05", "label": "Train", "snooze_minutes": 5}
    alarm |= {"repeat_days": ["mon", "fri"], "enabled": True}
    assert phone("show_alarm", alarm_id=alarm_id) == alarm
    phone("update_alarm", alarm_id=alarm_id, repeat_days=[], enabled=False, snooze_minutes=0)
    alarm |= {"repeat_days": [], "enabled": False, "snooze_minutes": 0}
    assert alarm in phone("show_alarms", enabled=False, page_limit=20)
    assert alarm not in phone("show_alarms", enabled=True, page_limit=20)
    [change] = world.changes()
    assert (change.table, change.kind) == ("phone_alarms", "insert")
    phone("delete_alarm", alarm_id=alarm_id)
    assert world.changes() == []


def test_show_alarms_is_sorted_by_time(phone: Phone) -> None:
    phone("create_alarm", time="00:00")
    phone("create_alarm", time="23:59")
    times = [each["time"] for each in phone("show_alarms", page_limit=20)]
    assert times == sorted(times)
    assert (times[0], times[-1]) == ("00:00", "23:59")


def test_alarms_refuse_others_and_nonsense(world: Database, phone: Phone) -> None:
    for bad in ({"time": "24:00"}, {"time": "7:00"}, {"time": "07:00", "repeat_days": ["Monday"]}):
        _refused(422, lambda bad=bad: phone("create_alarm", **bad))
    _refused(422, lambda: phone("create_alarm", time="07:00", snooze_minutes=61))
    alarm_id = world.one("SELECT id FROM phone_alarms WHERE person_id = 1")["id"]
    for api in ("show_alarm", "delete_alarm"):
        _refused(422, lambda api=api: phone(api, 2, alarm_id=alarm_id))
    _refused(422, lambda: phone("update_alarm", 2, alarm_id=alarm_id, label="x"))
    _refused(422, lambda: phone("update_alarm", alarm_id=alarm_id))
    assert world.changes() == []


# -- all of them ------------------------------------------------------------------------------


def test_every_api_but_the_clock_needs_a_token(service: Service) -> None:
    for name in set(APPS["phone"].apis) - {"login", "get_current_date_and_time"}:
        _refused(401, lambda name=name: service.call("phone", name))


def test_apis_that_only_read_write_nothing(world: Database, service: Service, phone: Phone) -> None:
    text = phone("show_conversations")[0]["last_message"]
    other = phone("show_conversations")[0]["phone_number"]
    before = world.logged()
    given: dict[str, dict[str, Any]] = {
        "search_contacts": {"query": "a"},
        "show_contact": {"contact_id": phone("show_contacts")[0]["contact_id"]},
        "show_conversation": {"phone_number": other},
        "search_text_messages": {"query": "a"},
        "show_text_message": {"message_id": text["message_id"]},
        "show_alarm": {"alarm_id": phone("show_alarms")[0]["alarm_id"]},
    }
    readers = {name for name, api in APPS["phone"].apis.items() if not api.writes}
    for name in readers - {"login", "logout", "get_current_date_and_time"}:
        assert phone(name, **given.get(name, {}))
    service.call("phone", "get_current_date_and_time")
    assert len(readers) == 13
    assert world.logged() == before
