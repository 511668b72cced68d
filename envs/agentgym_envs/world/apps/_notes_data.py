"""What is in the notes of a world: notes with tags, and to-do lists."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentgym_envs.world.database import Database
from agentgym_envs.world.people import NOW, Person

__all__ = ["fill"]

NOTES = 1_000  # at scale 1.0
LISTS = 280


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of note.

    Attributes:
        title: Braces are slots.
        head: What its first line may say.
        lines: What its other lines are drawn from.
        tags: What its tags are drawn from.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[str, ...]
    tags: tuple[str, ...]


_KINDS = (
    _Kind(
        "Recipe: {dish}",
        ("For {few} people.", "From my grandmother.", "Takes about {many} minutes."),
        (
            "- {many} g flour",
            "- {few} onions, chopped",
            "- a pinch of salt",
            "- {few} cloves of garlic",
            "- {many} ml stock",
            "Bake at {warm} degrees.",
            "Stir until it thickens.",
            "Let it rest before serving.",
        ),
        ("recipes", "cooking", "family", "vegetarian"),
    ),
    _Kind(
        "Meeting notes: {project}",
        ("With the whole team.", "Only the leads were there.", "Short one, {few} topics."),
        (
            "- the release moves to {month}",
            "- {few} open bugs, two of them serious",
            "- the client wants a call on {day}",
            "- budget left: {warm}0 euros",
            "- next meeting on {day}",
            "- nobody has tested the export yet",
            "- we drop the old importer",
        ),
        ("work", "meetings", "{project}", "decisions"),
    ),
    _Kind(
        "Trip to {town}",
        ("In {month}, for {few} days.", "Maybe with friends.", "Ideas only, nothing booked."),
        (
            "- train leaves at {few}:15",
            "- see the old harbour",
            "- museum is closed on {day}",
            "- hotel costs {many} euros a night",
            "- try {dish}",
            "- bring rain clothes",
            "- rent bicycles",
        ),
        ("travel", "ideas", "summer", "{town}"),
    ),
    _Kind(
        "Books to read",
        ("Recommended by colleagues.", "From the library.", "For the long evenings."),
        (
            "- The Glass Orchard",
            "- A Map of Quiet Rivers",
            "- Salt and Cinders",
            "- The Ninth Lighthouse",
            "- Letters from {town}",
            "- Small Engines",
            "- The Cartographer's Winter",
            "- How Bread Rises",
        ),
        ("books", "reading", "ideas"),
    ),
    _Kind(
        "Present ideas for {month}",
        ("Not more than {many} euros each.", "Ask what they have already.", "Order early."),
        (
            "- a puzzle of {town}",
            "- a good knife",
            "- concert tickets",
            "- a warm blanket",
            "- a voucher for {few} massages",
            "- a plant for the balcony",
            "- a cookbook with {dish}",
        ),
        ("presents", "family", "ideas"),
    ),
    _Kind(
        "Running log {month}",
        ("Goal: {many} km.", "Slowly getting better.", "The knee is fine again."),
        (
            "- {day}: {few} km, rain",
            "- {day}: {few} km, easy",
            "- {day}: intervals, {few} times",
            "- {day}: rest",
            "- {day}: {few} km with friends",
        ),
        ("sport", "health", "log"),
    ),
    _Kind(
        "Flat: things to repair",
        ("Ask the landlord first.", "Before {month}.", "The tools are in the cellar."),
        (
            "- kitchen tap drips",
            "- the window to the yard does not close",
            "- {few} tiles in the bath are loose",
            "- paint the hall, about {many} square metres",
            "- bell does not ring",
            "- the third stair creaks",
        ),
        ("house", "todo", "money"),
    ),
    _Kind(
        "Expenses in {month}",
        ("Rent not included.", "Shared ones only.", "Paid by me."),
        (
            "- groceries: {many} euros",
            "- electricity: {warm} euros",
            "- internet: {many} euros",
            "- tickets to {town}: {warm} euros",
            "- repair of the bike: {many} euros",
            "- insurance: {warm} euros",
        ),
        ("money", "house", "log"),
    ),
    _Kind(
        "Language course, unit {few}",
        ("Learn by {day}.", "Mind the endings.", "The hard words:"),
        (
            "- the street, the square, the bridge",
            "- I would have liked to come",
            "- {few} irregular verbs",
            "- numbers up to {many}",
            "- how to order {dish}",
        ),
        ("learning", "languages"),
    ),
    _Kind(
        "Idea for {project}",
        ("Came to me on the train.", "Half-baked.", "Ask somebody whether it exists."),
        (
            "- start with {few} users only",
            "- no sign-up at all",
            "- show the price first",
            "- measure for {few} weeks",
            "- could save {many} percent",
            "- a talk in {town} would be a good test",
        ),
        ("work", "ideas", "{project}"),
    ),
)
_SLOTS: dict[str, tuple[str, ...]] = {
    "dish": ("lentil curry", "mushroom risotto", "onion tart", "fish soup", "plum cake", "ramen"),
    "project": ("Atlas", "Birch", "Comet", "Delta", "Ember", "Falcon", "Garnet", "Harvest"),
    "month": ("January", "February", "March", "April", "June", "September", "November"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "town": ("Lindau", "Porto", "Graz", "Malmo", "Turin", "Bergen", "Ghent", "Lyon"),
    "few": ("2", "3", "4", "5", "6", "7", "8", "9"),
    "many": ("20", "25", "30", "40", "45", "60", "75", "80", "90"),
    "warm": ("120", "140", "160", "175", "180", "200", "220"),
}
_LISTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Groceries",
        ("milk", "eggs", "bread", "rice", "tomatoes", "coffee", "butter", "apples", "lentils"),
    ),
    (
        "Packing for {town}",
        (
            "passport",
            "charger",
            "socks",
            "toothbrush",
            "rain jacket",
            "book",
            "tickets",
            "swimsuit",
        ),
    ),
    (
        "House",
        ("clean the windows", "fix the tap", "defrost the freezer", "buy bulbs", "oil the door"),
    ),
    (
        "Work: {project}",
        (
            "write the report",
            "answer the client",
            "review the design",
            "book the room",
            "update the plan",
            "test the export",
            "archive old tickets",
        ),
    ),
    (
        "Move to {town}",
        (
            "cancel the contract",
            "find boxes",
            "hire a van",
            "change the address",
            "return the keys",
        ),
    ),
    (
        "Party in {month}",
        (
            "invite everybody",
            "order drinks",
            "make a playlist",
            "borrow chairs",
            "bake a cake",
            "warn the neighbours",
        ),
    ),
    (
        "Garden",
        (
            "plant the beans",
            "cut the hedge",
            "water the tomatoes",
            "sharpen the shears",
            "turn the compost",
        ),
    ),
    (
        "Films to watch",
        (
            "The Quiet Ferry",
            "Paper Moons",
            "North of Nowhere",
            "A Second Harvest",
            "Blue Static",
            "The Understudy",
        ),
    ),
    (
        "Paperwork",
        (
            "tax return",
            "renew the passport",
            "insurance claim",
            "parking permit",
            "library fee",
            "vaccination card",
        ),
    ),
)


def fill(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of the notes app."""
    notes, tags = [], []
    for n in range(round(NOTES * scale)):
        note, names = _note(rng, n % len(people) + 1)
        notes.append(note)
        tags += [{"note_id": n + 1, "name": name} for name in names]
    db.insert_all("notes_notes", notes)
    db.insert_all("notes_tags", tags)
    lists, items = [], []
    for n in range(max(len(people), round(LISTS * scale))):
        slots = _slots(rng)
        title, things = rng.choice(_LISTS)
        created = _before(rng, 200)
        lists.append(
            {
                "person_id": n % len(people) + 1,
                "title": title.format_map(slots),
                "created_at": created.isoformat(),
            }
        )
        for text in rng.sample(things, rng.randint(4, len(things))):
            items.append({"list_id": n + 1, "text": text, "checked": int(rng.random() < 0.35)})
    db.insert_all("notes_lists", lists)
    db.insert_all("notes_items", items)


def _slots(rng: random.Random) -> dict[str, str]:
    return {name: rng.choice(values) for name, values in _SLOTS.items()}


def _before(rng: random.Random, days: int) -> datetime:
    return datetime.fromisoformat(NOW) - timedelta(minutes=rng.randint(60, days * 24 * 60))


def _note(rng: random.Random, person: int) -> tuple[dict[str, Any], list[str]]:
    kind, slots = rng.choice(_KINDS), _slots(rng)
    lines = rng.sample(kind.lines, rng.randint(2, min(6, len(kind.lines))))
    body = [rng.choice(kind.head).format_map(slots)]
    body += [line.format_map(_slots(rng)) for line in lines]
    created = _before(rng, 400)
    changed = created
    if rng.random() < 0.5:
        changed += (datetime.fromisoformat(NOW) - created) * rng.random()
    note = {
        "person_id": person,
        "title": kind.title.format_map(slots),
        "body": "\n".join(body),
        "pinned": int(rng.random() < 0.1),
        "created_at": created.isoformat(),
        "updated_at": changed.replace(microsecond=0).isoformat(),
    }
    tags = rng.sample(kind.tags, rng.choices((0, 1, 2), (15, 45, 40))[0])
    return note, [tag.format_map(slots).lower() for tag in tags]
