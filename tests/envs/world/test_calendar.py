from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

Calendar = Callable[..., Any]

DAY = "2031-03-04"  # long after everything that a world holds


@pytest.fixture
def calendar(service: Service, log_in: Callable[..., str]) -> Calendar:
    """``calendar(api, person=1, **arguments)`` calls the app as a person."""

    def call(api: str, person: int = 1, **arguments: Any) -> Any:
        return service.call("calendar", api, access_token=log_in("calendar", person), **arguments)

    return call


@pytest.fixture
def emails(world: Database) -> dict[int, str]:
    return {row["id"]: row["email"] for row in world.all("SELECT id, email FROM people")}


def _made(calendar: Calendar, start: str = "10:00", end: str = "11:00", **more: Any) -> int:
    """An event of person 1 on `DAY`."""
    given = {"title": "Zirconium talk", "starts_at": f"{DAY}T{start}:00"}
    given |= {"ends_at": f"{DAY}T{end}:00"} | more
    return int(calendar("create_event", **given)["event_id"])


def _kinds(world: Database) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in world.changes()]


def _refused(status: int, call: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.status == status
    return caught.value.message


# -- the world --------------------------------------------------------------------------------


def test_world_has_events_before_and_after_now(world: Database) -> None:
    for sign in "<>":
        query = (
            f"SELECT COUNT(DISTINCT organizer_id) AS n FROM calendar_events WHERE ends_at {sign}"
        )
        assert world.one(f"{query} '2025-05-18T12:00:00'")["n"] > 20
    assert world.all("SELECT 1 FROM calendar_events WHERE ends_at <= starts_at") == []
    own = "SELECT 1 FROM calendar_events e JOIN calendar_attendees a ON a.event_id = e.id"
    assert world.all(own + " WHERE a.person_id = e.organizer_id") == []


# -- events -----------------------------------------------------------------------------------


def test_create_event_writes_the_event_and_pending_invitations(
    world: Database, calendar: Calendar, emails: dict[int, str]
) -> None:
    invited = [emails[2], emails[3], emails[2].upper()]
    event_id = _made(calendar, attendee_emails=invited, location="Room 5")
    assert _kinds(world) == [
        ("calendar_attendees", "insert"),
        ("calendar_attendees", "insert"),
        ("calendar_events", "insert"),
    ]
    shown = calendar("show_event", 2, event_id=event_id)
    assert shown["organizer"]["email"] == emails[1]
    assert [(each["email"], each["status"]) for each in shown["attendees"]] == [
        (emails[2], "pending"),
        (emails[3], "pending"),
    ]
    assert (shown["my_status"], shown["location"], shown["reminders"]) == ("pending", "Room 5", [])
    assert calendar("show_event", event_id=event_id)["my_status"] == "organizer"


def test_create_event_refuses_impossible_ones(
    world: Database, calendar: Calendar, emails: dict[int, str]
) -> None:
    _refused(422, lambda: _made(calendar, "11:00", "11:00"))
    _refused(422, lambda: _made(calendar, starts_at="2031-02-30T10:00:00"))
    _refused(422, lambda: _made(calendar, starts_at="2031-03-04 10:00"))
    _refused(422, lambda: _made(calendar, title=""))
    _refused(422, lambda: _made(calendar, attendee_emails=["x@example.com"]))
    _refused(409, lambda: _made(calendar, attendee_emails=[emails[1]]))
    assert world.changes() == []


def test_show_events_gives_those_of_a_range_the_earliest_first(calendar: Calendar) -> None:
    later, sooner = _made(calendar, "14:00", "15:00"), _made(calendar, "10:00", "11:00")

    def ids(**more: Any) -> list[int]:
        return [each["event_id"] for each in calendar("show_events", **more)]

    assert ids(range_start=DAY) == [sooner, later]
    assert ids(range_start=f"{DAY}T10:00:01") == [later]
    assert ids(range_start=DAY, range_end=f"{DAY}T10:00:00") == [sooner]
    assert ids(range_start=DAY, range_end=DAY, page_index=1, page_limit=1) == [later]
    assert ids(range_start="2031-03-05") == []
    _refused(422, lambda: ids(range_start="tomorrow"))
    _refused(422, lambda: ids(page_limit=21))


def test_show_events_holds_ones_own_and_invitations(world: Database, calendar: Calendar) -> None:
    expected = world.all(
        "SELECT id FROM calendar_events WHERE organizer_id = 1 OR id IN"
        " (SELECT event_id FROM calendar_attendees WHERE person_id = 1) ORDER BY starts_at, id"
    )
    shown = calendar("show_events", page_limit=20)
    assert [each["event_id"] for each in shown] == [row["id"] for row in expected][:20]
    for status in ("organizer", "accepted"):
        of_status = calendar("show_events", status=status, page_limit=20)
        assert {each["my_status"] for each in of_status} == {status}


def test_search_events_takes_text_literally(calendar: Calendar) -> None:
    event_id = _made(calendar, description="About 5% of it")
    for query in ("ZIRCONIUM", "5% OF"):
        assert [e["event_id"] for e in calendar("search_events", query=query)] == [event_id]
    assert calendar("search_events", query="zirc%") == []
    assert calendar("search_events", 2, query="zirconium") == []


def test_update_event_changes_what_is_given(world: Database, calendar: Calendar) -> None:
    event_id = _made(calendar)
    world.forget_changes()
    calendar("update_event", event_id=event_id, title="Tin talk", location="Online")
    [change] = world.changes()
    assert change.columns == {"title": "Tin talk", "location": "Online"}


def test_update_event_moves_and_keeps_the_length(world: Database, calendar: Calendar) -> None:
    event_id = _made(calendar, "10:00", "11:30")
    world.forget_changes()
    calendar("update_event", event_id=event_id, starts_at=f"{DAY}T23:00:00")
    [change] = world.changes()
    moved = {"starts_at": "2031-03-04T23:00:00", "ends_at": "2031-03-05T00:30:00"}
    assert change.columns == moved
    calendar("update_event", event_id=event_id, ends_at="2031-03-05T01:00:00")
    assert world.changes()[0].columns == moved | {"ends_at": "2031-03-05T01:00:00"}


def test_update_event_refuses_impossible_changes(
    world: Database, calendar: Calendar, emails: dict[int, str]
) -> None:
    event_id = _made(calendar, attendee_emails=[emails[2]])
    world.forget_changes()
    _refused(422, lambda: calendar("update_event", event_id=event_id))
    _refused(422, lambda: calendar("update_event", event_id=event_id, ends_at=f"{DAY}T09:00:00"))
    for moment in ("2031-02-30T10:00:00", "9999-12-31T23:30:00"):
        _refused(422, lambda m=moment: calendar("update_event", event_id=event_id, starts_at=m))
    _refused(409, lambda: calendar("update_event", 2, event_id=event_id, title="Mine"))
    _refused(422, lambda: calendar("update_event", 3, event_id=event_id, title="Mine"))
    assert world.changes() == []


def test_delete_event_takes_everything_with_it(
    world: Database, calendar: Calendar, emails: dict[int, str]
) -> None:
    event_id = _made(calendar, attendee_emails=[emails[2]])
    calendar("add_reminder", 2, event_id=event_id, minutes_before=5)
    _refused(409, lambda: calendar("delete_event", 2, event_id=event_id))
    _refused(422, lambda: calendar("delete_event", 3, event_id=event_id))
    world.forget_changes()
    calendar("delete_event", event_id=event_id)
    assert _kinds(world) == [
        ("calendar_attendees", "delete"),
        ("calendar_events", "delete"),
        ("calendar_reminders", "delete"),
    ]
    _refused(422, lambda: calendar("show_event", 2, event_id=event_id))


# -- attendees --------------------------------------------------------------------------------


def test_invite_and_remove_attendee(
    world: Database, calendar: Calendar, emails: dict[int, str]
) -> None:
    event_id = _made(calendar)
    calendar("invite_attendee", event_id=event_id, email=emails[2])
    _refused(409, lambda: calendar("invite_attendee", event_id=event_id, email=emails[2]))
    _refused(409, lambda: calendar("invite_attendee", event_id=event_id, email=emails[1]))
    _refused(409, lambda: calendar("invite_attendee", 2, event_id=event_id, email=emails[3]))
    _refused(422, lambda: calendar("invite_attendee", 3, event_id=event_id, email=emails[3]))
    calendar("add_reminder", 2, event_id=event_id, minutes_before=5)
    assert calendar("remove_attendee", event_id=event_id, email=emails[2])["event_id"] == event_id
    assert _kinds(world) == [("calendar_events", "insert")]
    _refused(422, lambda: calendar("remove_attendee", event_id=event_id, email=emails[2]))
    _refused(422, lambda: calendar("show_event", 2, event_id=event_id))


def test_invitations_are_shown_and_answered(
    world: Database, calendar: Calendar, emails: dict[int, str]
) -> None:
    event_id = _made(calendar, attendee_emails=[emails[2]])
    world.forget_changes()

    def ids(**more: Any) -> list[int]:
        shown = calendar("show_invitations", 2, page_limit=20, **more)
        return [each["event_id"] for each in shown]

    assert ids()[-1] == event_id
    said = calendar("respond_to_invitation", 2, event_id=event_id, status="accepted")
    assert said == {"message": "Invitation accepted.", "event_id": event_id}
    assert [change.columns for change in world.changes()] == [{"status": "accepted"}]
    assert event_id not in ids()
    assert event_id in ids(status="accepted")
    assert event_id in ids(status=None)
    assert len(ids(status=None, upcoming=False)) > len(ids(status=None))


def test_respond_to_invitation_refuses_organizers_others_and_pending(
    calendar: Calendar, emails: dict[int, str]
) -> None:
    event_id = _made(calendar, attendee_emails=[emails[2]])
    for person, status, refusal in (
        (1, "declined", 409),
        (3, "declined", 422),
        (2, "pending", 422),
    ):
        given = {"person": person, "event_id": event_id, "status": status}
        _refused(refusal, lambda given=given: calendar("respond_to_invitation", **given))


# -- reminders --------------------------------------------------------------------------------


def test_reminders_are_added_shown_and_removed(world: Database, calendar: Calendar) -> None:
    event_id = _made(calendar)
    reminder_id = calendar("add_reminder", event_id=event_id, minutes_before=30)["reminder_id"]
    assert calendar("show_event", event_id=event_id)["reminders"] == [
        {"reminder_id": reminder_id, "minutes_before": 30}
    ]
    shown = calendar("show_reminders", page_limit=20)
    assert shown[-1] == {
        "reminder_id": reminder_id,
        "event_id": event_id,
        "title": "Zirconium talk",
        "starts_at": f"{DAY}T10:00:00",
        "minutes_before": 30,
    }
    _refused(409, lambda: calendar("add_reminder", event_id=event_id, minutes_before=30))
    _refused(422, lambda: calendar("add_reminder", event_id=event_id, minutes_before=-1))
    _refused(422, lambda: calendar("add_reminder", 2, event_id=event_id, minutes_before=30))
    _refused(422, lambda: calendar("remove_reminder", 2, reminder_id=reminder_id))
    calendar("remove_reminder", reminder_id=reminder_id)
    assert _kinds(world) == [("calendar_events", "insert")]


def test_show_reminders_leaves_out_past_events_unless_asked(calendar: Calendar) -> None:
    day = "2024-01-02"
    event_id = _made(calendar, starts_at=f"{day}T10:00:00", ends_at=f"{day}T11:00:00")
    calendar("add_reminder", event_id=event_id, minutes_before=5)
    upcoming = calendar("show_reminders", page_limit=20)
    assert event_id not in [each["event_id"] for each in upcoming]
    assert calendar("show_reminders", upcoming=False)[0]["event_id"] == event_id


# -- free time --------------------------------------------------------------------------------


def _gaps(calendar: Calendar, **given: Any) -> list[tuple[str, str]]:
    found = calendar("find_free_time", date=DAY, **given)
    return [(gap["starts_at"][11:16], gap["ends_at"][11:16]) for gap in found]


def test_find_free_time_of_an_empty_day_is_the_whole_day(calendar: Calendar) -> None:
    assert _gaps(calendar) == [("09:00", "18:00")]
    assert _gaps(calendar, duration_minutes=540) == [("09:00", "18:00")]
    assert _gaps(calendar, duration_minutes=541) == []


def test_find_free_time_goes_around_overlapping_events(calendar: Calendar) -> None:
    for start, end in (("08:00", "09:30"), ("11:00", "13:00"), ("11:30", "12:00")):
        _made(calendar, start, end)
    _made(calendar, "13:00", "13:30")
    _made(calendar, "14:00", "19:00")
    assert _gaps(calendar, duration_minutes=30) == [("09:30", "11:00"), ("13:30", "14:00")]
    assert _gaps(calendar) == [("09:30", "11:00")]
    assert _gaps(calendar, day_start="18:30", day_end="20:00") == [("19:00", "20:00")]


def test_find_free_time_counts_accepted_and_tentative_invitations(
    calendar: Calendar, emails: dict[int, str]
) -> None:
    event_id = _made(calendar, attendee_emails=[emails[2]])
    whole, around = [("09:00", "18:00")], [("09:00", "10:00"), ("11:00", "18:00")]

    def free(person: int) -> list[tuple[str, str]]:
        return _gaps(calendar, person=person)

    assert free(2) == whole
    for status, expected in (("accepted", around), ("tentative", around), ("declined", whole)):
        calendar("respond_to_invitation", 2, event_id=event_id, status=status)
        assert free(2) == expected
    assert _gaps(calendar, person=3, with_emails=[emails[1]]) == around
    assert _gaps(calendar, person=3, with_emails=[emails[2]]) == whole


def test_find_free_time_refuses_impossible_days(calendar: Calendar) -> None:
    _refused(422, lambda: calendar("find_free_time", date="2031-02-30"))
    _refused(422, lambda: _gaps(calendar, day_start="18:00"))
    _refused(422, lambda: _gaps(calendar, duration_minutes=0))
    _refused(422, lambda: _gaps(calendar, with_emails=["x@example.com"]))


# -- all of them ------------------------------------------------------------------------------


def test_every_api_needs_a_token(service: Service) -> None:
    for name in set(APPS["calendar"].apis) - {"login"}:
        _refused(401, lambda name=name: service.call("calendar", name))


def test_apis_that_only_read_write_nothing(world: Database, calendar: Calendar) -> None:
    event = calendar("show_events")[0]
    before = world.logged()
    given: dict[str, dict[str, Any]] = {
        "show_event": {"event_id": event["event_id"]},
        "search_events": {"query": event["title"]},
        "find_free_time": {"date": DAY},
        "show_invitations": {"status": None, "upcoming": False},
        "show_reminders": {"upcoming": False},
    }
    readers = {name for name, api in APPS["calendar"].apis.items() if not api.writes}
    for name in readers - {"login", "logout"}:
        assert calendar(name, **given.get(name, {}))
    assert len(readers) == 9
    assert world.logged() == before
