"""What is in the calendars of a world: half a year of events, and two months to come."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from agentgym_envs.world.database import Database
from agentgym_envs.world.people import NOW, Person

__all__ = ["fill"]

EVENTS = 1_090  # at scale 1.0
_WORK = ("coworker", "manager", "report")
_AT_WORK = (
    ("{project} stand-up", "What is done, what is next, what is in the way.", "Room {room}", 15),
    ("{project} planning", "Please bring your estimates.", "Room {room}", 60),
    ("{project} retrospective", "What went well in the last {room} weeks?", "Room {room}", 60),
    ("Call with {client}", "They want to talk about prices.", "Online", 30),
    ("Visit to {client}", "We show them the new version.", "{client}, reception", 120),
    ("Interview for {project}", "Second round, with a work sample.", "Room {room}", 45),
    ("One-on-one", "Your topics first.", "Room {room}", 30),
    ("Budget review", "The numbers of the quarter, and what they mean for {project}.", "", 90),
    ("Workshop: {topic}", "Laptops needed. Lunch is provided.", "Training centre", 240),
    ("Lunch with the {project} team", "", "Canteen", 60),
    ("Fire drill", "Meet at the car park.", "Car park", 30),
    ("Release of {project}", "Nobody merges after noon.", "Online", 45),
)
_AT_HOME = (
    ("Dentist", "Bring the insurance card.", "{street}", 45),
    ("Dinner at {place}", "The table is for {room}.", "{place}", 120),
    ("Yoga class", "", "{street}", 75),
    ("Choir practice", "Learn the second verse by heart.", "Hall in {street}", 120),
    ("Concert in {town}", "Tickets are in the mail.", "{town}", 180),
    ("Trip to {town}", "Train leaves from platform {room}.", "{town}", 600),
    ("Birthday party", "Do not forget the present.", "{street}", 240),
    ("Parents' evening", "About the class trip to {town}.", "School in {street}", 90),
    ("Car inspection", "", "Garage in {street}", 60),
    ("Book club", "This time a novel that plays in {town}.", "{place}", 120),
    ("Football match", "Wear the blue shirt.", "{street}", 105),
    ("Haircut", "", "{street}", 40),
    ("Language course: {language}", "Unit {room}.", "Online", 90),
    ("Flat viewing", "{room} rooms, third floor.", "{street}", 30),
    ("Film night", "Somebody brings popcorn.", "{street}", 150),
)
_SLOTS: dict[str, tuple[str, ...]] = {
    "project": ("Atlas", "Birch", "Comet", "Delta", "Ember", "Falcon", "Garnet", "Harvest"),
    "client": ("Nordlicht", "Papyrus", "Quellwerk", "Solano", "Tannberg", "Velox"),
    "topic": ("first aid", "negotiation", "accessibility", "data protection", "public speaking"),
    "room": ("2", "3", "4", "5", "6", "7", "8", "12"),
    "street": ("Mill Lane", "Harbour Street", "Oak Avenue", "Station Road", "Garden Way"),
    "place": ("Trattoria Luna", "The Old Mill", "Cafe Anker", "Golden Lotus", "Bistro Vert"),
    "town": ("Lindau", "Porto", "Graz", "Malmo", "Turin", "Bergen", "Ghent", "Lyon"),
    "language": ("Spanish", "Italian", "Danish", "Japanese"),
}
_PAST = (("accepted", "declined", "tentative", "pending"), (76, 14, 5, 5))
_FUTURE = (("accepted", "declined", "tentative", "pending"), (45, 10, 10, 35))


def fill(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of the calendar app."""
    known: dict[int, list[tuple[int, str]]] = {}
    for row in db.all("SELECT person_id, other_id, kind FROM relations ORDER BY id"):
        known.setdefault(row["person_id"], []).append((row["other_id"], row["kind"]))
    count = round(EVENTS * scale)
    events = [_event(rng, n % len(people) + 1) for n in range(count)]
    events.sort(key=lambda each: each["starts_at"])
    attendees = [row for n, e in enumerate(events, 1) for row in _attendees(rng, n, e, known)]
    reminders = [
        row for n, e in enumerate(events, 1) for row in _reminder(rng, n, e["organizer_id"], 0.55)
    ]
    for row in attendees:
        if row["status"] == "accepted":
            reminders += _reminder(rng, row["event_id"], row["person_id"], 0.45)
    columns = [name for name in events[0] if name != "at_work"] if events else []
    db.insert_all("calendar_events", [{name: e[name] for name in columns} for e in events])
    db.insert_all("calendar_attendees", attendees)
    db.insert_all("calendar_reminders", reminders)


def _event(rng: random.Random, organizer: int) -> dict[str, Any]:
    at_work = rng.random() < 0.5
    title, description, location, minutes = rng.choice(_AT_WORK if at_work else _AT_HOME)
    slots = {name: rng.choice(values) for name, values in _SLOTS.items()}
    start = _start(rng, at_work)
    return {
        "organizer_id": organizer,
        "title": title.format_map(slots),
        "description": description.format_map(slots),
        "location": location.format_map(slots),
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(minutes=minutes)).isoformat(),
        "at_work": at_work,
    }


def _start(rng: random.Random, at_work: bool) -> datetime:
    today = datetime.fromisoformat(NOW).replace(hour=0)
    day = today + timedelta(days=rng.randint(-180, 60))
    if at_work and day.weekday() >= 5:
        day += timedelta(days=7 - day.weekday())
    free_day = not at_work and day.weekday() >= 5
    hours = (9, 16) if at_work else ((10, 19) if free_day else (17, 20))
    return day + timedelta(hours=rng.randint(*hours), minutes=rng.choice((0, 0, 15, 30, 45)))


def _attendees(
    rng: random.Random,
    event_id: int,
    event: dict[str, Any],
    known: dict[int, list[tuple[int, str]]],
) -> list[dict[str, Any]]:
    fitting = [
        other
        for other, kind in known.get(event["organizer_id"], [])
        if (kind in _WORK) == event["at_work"]
    ]
    count = rng.choices((0, 1, 2, 3, 4, 5), (20, 30, 22, 14, 9, 5))[0]
    statuses, weights = _PAST if event["ends_at"] <= NOW else _FUTURE
    return [
        {
            "event_id": event_id,
            "person_id": person,
            "status": rng.choices(statuses, weights)[0],
        }
        for person in rng.sample(fitting, min(count, len(fitting)))
    ]


def _reminder(
    rng: random.Random, event_id: int, person: int, chance: float
) -> list[dict[str, Any]]:
    if rng.random() >= chance:
        return []
    minutes = rng.choice((5, 10, 15, 30, 60, 120, 1440))
    return [{"event_id": event_id, "person_id": person, "minutes_before": minutes}]
