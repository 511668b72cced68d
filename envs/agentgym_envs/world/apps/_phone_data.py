"""What is in the phones of a world: contacts, conversations between people, alarms."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from agentgym_envs.world.database import Database
from agentgym_envs.world.people import NOW, Person

__all__ = ["fill"]

ROWS = 9_000  # at scale 1.0; contacts come from the relations, alarms and texts fill up the rest
ALARMS = 320
_WORK = ("coworker", "manager", "report")

# Dialogues between two people, who take turns; braces are slots.
_AT_WORK = (
    ("Are you in the office on {day}?", "From {hour} on, yes.", "Good, then let us talk there."),
    ("Can you open the door? I forgot my badge.", "Coming down.", "Thanks!"),
    ("The {client} call moved to {hour}.", "Okay, I will dial in from the train."),
    ("Did {client} answer already?", "Not yet, I will ask again on {day}.", "Keep me posted."),
    ("I am stuck in traffic, start without me.", "No problem, we begin with the {task}."),
    ("Who has the key of room {number}?", "It lies on my desk.", "Found it."),
    ("Could you send me the {task} today?", "Sure, before {hour}.", "Perfect."),
    ("Lunch at {hour}?", "Yes, the usual place?", "No, let us try {dish} around the corner."),
    ("The printer on floor {number} is broken again.", "I called them, they come on {day}."),
    ("{client} signed!", "Great news! How much did they take?", "{number} licences."),
    ("Are you done with the {task}?", "Half of it. The rest follows on {day}."),
    ("I am ill and stay at home today.", "Get well soon, I take over the {task}.", "Thank you."),
    ("Your parcel is at the front desk.", "Thanks, I will fetch it at {hour}."),
    ("Please check the {task}, page {number}.", "Looks fine to me.", "Then I send it to {client}."),
)
_AT_HOME = (
    ("Shall we cook {dish} tonight?", "Yes! I will buy what is missing.", "We need onions too."),
    ("What time are you here on {day}?", "Around {hour}.", "Good, I will be home by then."),
    ("Did you water the plants?", "Yes, on {day}.", "You are the best."),
    ("Happy birthday! All the best to you!", "Thank you so much!"),
    ("I am in {town} this week. Any tips?", "Go to the old harbour, and try {dish}.", "Will do."),
    ("Can you lend me your {thing}?", "Sure, come by on {day}.", "At {hour}?", "Fine."),
    ("The {thing} is broken.", "Again? We bought it a year ago.", "I will look for the bill."),
    ("Film tonight?", "Which one?", "The one about {town}, at {hour}.", "Count me in."),
    ("How was {town}?", "Rainy, but lovely. We had {dish} every day.", "I am jealous."),
    ("I owe you {number} euros for the tickets.", "No hurry.", "I will bring it on {day}."),
    ("Train is late, I arrive at {hour}.", "I will wait at the station.", "You are an angel."),
    ("Do you still need the {thing}?", "No, you can keep it."),
    (
        "We are {number} people on {day}, right?",
        "Two more, they bring {dish}.",
        "The more the better.",
    ),
    ("Running on {day}?", "Only if it does not rain.", "Deal. {hour} at the bridge."),
    ("Have you seen my {thing}?", "It is in the hall.", "Found it, thanks!"),
    ("Mum asks when we visit.", "Maybe on {day}?", "I will tell her."),
    (
        "The concert in {town} is sold out.",
        "Oh no.",
        "There is another one, shall I book {number}?",
    ),
    ("Are you awake?", "Now I am.", "Sorry! The alarm went off at {hour}."),
    ("Which wine goes with {dish}?", "Something dry and white.", "Thank you, cook."),
    ("I got the job!", "Congratulations! When do you start?", "Next {day}.", "Proud of you."),
)
_HELLOS = ("Hi {name}! ", "Hey {name}, ", "{name}? ", "Hello {name}. ", "Good morning {name}! ")
_TAILS = (
    " Talk to you later.",
    " By the way, greetings from {town}.",
    " My phone is nearly empty.",
    " Write me when you can.",
    " I have {number} minutes only.",
    " Call me after {hour} if not.",
    " Or on {day}, if you like that better.",
    " Sorry for the late answer.",
)
_SLOTS: dict[str, tuple[str, ...]] = {
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "hour": ("7:30", "8:45", "10:00", "12:15", "13:00", "17:30", "19:00", "20:15"),
    "town": ("Lindau", "Porto", "Graz", "Malmo", "Turin", "Bergen", "Ghent", "Lyon"),
    "dish": ("lentil curry", "mushroom risotto", "onion tart", "fish soup", "dumplings", "ramen"),
    "thing": ("drill", "tent", "ladder", "big pot", "raincoat", "umbrella", "sledge", "kettle"),
    "client": ("Nordlicht", "Papyrus", "Quellwerk", "Solano", "Tannberg", "Velox"),
    "task": ("budget", "contract", "slides", "minutes", "forecast", "survey", "price list"),
    "number": ("2", "3", "4", "5", "6", "8", "12", "15", "20"),
}
_ALARMS = (
    ("Wake up", "06:30"),
    ("Wake up", "07:15"),
    ("Gym", "18:00"),
    ("Take the pills", "21:00"),
    ("Call home", "19:30"),
    ("Water the plants", "09:00"),
    ("Take out the bins", "20:45"),
    ("Stand-up", "09:25"),
    ("Lunch", "12:20"),
    ("Go to bed", "22:30"),
    ("Yoga", "07:00"),
    ("Fetch the children", "15:45"),
)
_REPEATS = (
    "",
    "mon,tue,wed,thu,fri",
    "sat,sun",
    "mon,wed,fri",
    "mon,tue,wed,thu,fri,sat,sun",
    "tue",
)


def fill(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of the phone app."""
    relations = db.all("SELECT person_id, other_id, kind FROM relations ORDER BY id")
    addresses = {
        row["id"]: f"{row['street']}, {row['city']}" for row in db.all("SELECT * FROM people")
    }
    db.insert_all(
        "phone_contacts",
        [_contact(row, people[row["other_id"] - 1], addresses) for row in relations],
    )
    alarms = round(ALARMS * scale)
    db.insert_all("phone_alarms", [_alarm(rng, n % len(people) + 1) for n in range(alarms)])
    count = max(round(ROWS * scale) - len(relations) - alarms, 0)
    texts: list[dict[str, Any]] = []
    dialogues = _dialogues(rng, relations, people)
    while len(texts) < count:
        texts += next(dialogues)
    texts.sort(key=lambda text: text["sent_at"])
    db.insert_all("phone_texts", texts)


def _contact(relation: dict[str, Any], other: Person, addresses: dict[int, str]) -> dict[str, Any]:
    return {
        "person_id": relation["person_id"],
        "first_name": other.first_name,
        "last_name": other.last_name,
        "phone_number": other.phone,
        "email": other.email,
        "relationship": relation["kind"],
        "home_address": addresses[other.id],
    }


def _alarm(rng: random.Random, person: int) -> dict[str, Any]:
    label, time = rng.choice(_ALARMS)
    return {
        "person_id": person,
        "time": f"{time[:3]}{(int(time[3:]) + rng.choice((0, 0, 0, 5, 10))):02d}",
        "label": label,
        "repeat_days": rng.choice(_REPEATS),
        "enabled": int(rng.random() < 0.7),
        "snooze_minutes": rng.choice((0, 5, 10, 15)),
    }


def _dialogues(
    rng: random.Random, relations: list[dict[str, Any]], people: list[Person]
) -> Iterator[list[dict[str, Any]]]:
    """Yield dialogues between people who know each other, without end."""
    pairs = [row for row in relations if row["person_id"] < row["other_id"]]
    now = datetime.fromisoformat(NOW)
    while True:
        pair = rng.choice(pairs)
        one, two = pair["person_id"], pair["other_id"]
        sender, receiver = (one, two) if rng.random() < 0.5 else (two, one)
        when = now - timedelta(minutes=rng.randint(120, 300 * 24 * 60))
        slots = {name: rng.choice(values) for name, values in _SLOTS.items()}
        slots["name"] = people[receiver - 1].first_name
        rows: list[dict[str, Any]] = []
        for line in rng.choice(_AT_WORK if pair["kind"] in _WORK else _AT_HOME):
            text = _said(rng, line, first=not rows).format_map(slots)
            rows.append(
                {
                    "sender_id": sender,
                    "receiver_id": receiver,
                    "text": text[:1].upper() + text[1:],
                    "sent_at": when.isoformat(),
                    "sender_deleted": 0,
                    "receiver_deleted": 0,
                }
            )
            sender, receiver = receiver, sender
            when += timedelta(seconds=rng.randint(20, 1500))
        yield rows


def _said(rng: random.Random, line: str, *, first: bool) -> str:
    """Return a line as somebody writes it: sometimes with a greeting, sometimes with more."""
    hello = rng.choice(_HELLOS) if first and rng.random() < 0.5 else ""
    return hello + line + (rng.choice(_TAILS) if rng.random() < 0.2 else "")
