"""The app files: its tables and what is in them before an episode."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW, Person
from agentgym_envs.world.registry import App

__all__ = ["app"]

SCHEMA = """
CREATE TABLE files_directories (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, path TEXT NOT NULL,
  created_at TEXT NOT NULL, UNIQUE (person_id, path));
CREATE TABLE files_files (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, path TEXT NOT NULL,
  content TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
  UNIQUE (person_id, path));
CREATE TABLE files_shares (
  id INTEGER PRIMARY KEY, file_id INTEGER NOT NULL REFERENCES files_files, person_id INTEGER
  NOT NULL REFERENCES people, can_edit INTEGER NOT NULL, created_at TEXT NOT NULL,
  UNIQUE (file_id, person_id));
CREATE INDEX files_shares_person ON files_shares (person_id);
"""

app = App("files", "A file system of folders and text files, with sharing.", SCHEMA)
add_account_apis(app)


def _listed(text: str) -> list[str]:
    return text.split(";")


_SHOPS = _listed("Corner Grocer;Bakery Lund;Hardware Hall;Book Nook;Pharmacy Nord;Fish Market")
_GOODS = _listed(
    "bread;apples;rice;olive oil;paint;nails;a novel;plasters;salmon;milk;coffee;soap;batteries"
)
_UTILITIES = _listed("electricity;water;internet;heating;phone")
_DISHES = _listed(
    "lentil soup;apple pie;mushroom risotto;bean chili;fish stew;pancakes;potato salad;pea curry"
)
_FOODS = _listed("onions;garlic;butter;flour;eggs;rice;lentils;tomatoes;cream;parsley;lemon;salt")
_STEPS = _listed(
    "Chop everything small.;Fry gently for ten minutes.;Simmer until soft.;Season to taste.;"
    "Rest for an hour.;Bake at 180 degrees.;Stir all the time.;Serve with bread."
)
_PROJECTS = _listed("Aurora;Beacon;Cobalt;Delta;Ember;Falcon;Granite;Horizon")
_POINTS = _listed(
    "The budget is approved.;The launch moves by two weeks.;We need one more tester.;"
    "The client likes the second draft.;Travel costs are too high.;The printer is to be replaced.;"
    "Next meeting on Thursday.;The old server goes off in June.;Nobody objects to the plan."
)
_PLACES = _listed("Porto;Bergen;Lyon;Turin;Ghent;Malmo;Graz;Lindau")
_ACTS = _listed(
    "walk along the river;museum of glass;dinner with old friends;boat to the island;market hall;"
    "train at 9:40;check out before 11;climb the tower;free afternoon;rent bicycles"
)
_THOUGHTS = _listed(
    "The rain did not stop all day.;I should call my aunt more often.;Finished the shelf at last.;"
    "Slept badly, dreamt of trains.;The garden is full of snails.;A quiet day, which I needed.;"
    "Lost my keys and found them in the fridge.;Ran five kilometres without a break."
)

# What makes the name and the text of a file of some day.
_Text = Callable[[random.Random, date], tuple[str, str]]


def _receipt(rng: random.Random, day: date) -> tuple[str, str]:
    shop = rng.choice(_SHOPS)
    prices = [(thing, rng.randrange(90, 4000)) for thing in rng.sample(_GOODS, rng.randrange(2, 6))]
    lines = [f"{thing}: {price / 100:.2f}" for thing, price in prices]
    total = sum(price for _, price in prices) / 100
    name = f"{day}-{shop.lower().replace(' ', '-')}.txt"
    return name, "\n".join([shop, f"Date: {day}", *lines, f"Total: {total:.2f}"])


def _bill(rng: random.Random, day: date) -> tuple[str, str]:
    what = rng.choice(_UTILITIES)
    due = day + timedelta(days=14)
    amount = rng.randrange(1500, 18000) / 100
    text = f"{what.capitalize()} bill\nPeriod: {day:%Y-%m}\nAmount due: {amount:.2f}\nDue: {due}"
    return f"{what}-{day:%Y-%m}.txt", text


def _minutes(rng: random.Random, day: date) -> tuple[str, str]:
    project = rng.choice(_PROJECTS)
    points = [f"- {point}" for point in rng.sample(_POINTS, rng.randrange(2, 5))]
    lines = [f"Minutes of {day}", f"Project: {project}", *points]
    return f"minutes-{project.lower()}-{day}.md", "\n".join(lines)


def _hours(rng: random.Random, day: date) -> tuple[str, str]:
    rows = [
        f"{day + timedelta(days=n)},{rng.choice(_PROJECTS)},{rng.randrange(1, 9)}" for n in range(5)
    ]
    return f"hours-{day}.csv", "\n".join(["date,project,hours", *rows])


def _recipe(rng: random.Random, day: date) -> tuple[str, str]:
    dish = f"{rng.choice(_DISHES)} {rng.choice(('classic', 'quick', 'for guests', 'of my aunt'))}"
    foods = [f"- {food}" for food in rng.sample(_FOODS, rng.randrange(3, 7))]
    lines = [dish.capitalize(), f"Serves {rng.randrange(2, 9)}", *foods, *rng.sample(_STEPS, 3)]
    return f"{dish.replace(' ', '-')}.md", "\n".join(lines)


def _trip(rng: random.Random, day: date) -> tuple[str, str]:
    place = rng.choice(_PLACES)
    days = [f"{day + timedelta(days=n)}: {act}" for n, act in enumerate(rng.sample(_ACTS, 4))]
    return f"{place.lower()}-{day:%Y-%m}.txt", "\n".join([f"Trip to {place}", *days])


def _diary(rng: random.Random, day: date) -> tuple[str, str]:
    return f"{day}.md", " ".join(rng.sample(_THOUGHTS, rng.randrange(1, 4)))


def _download(rng: random.Random, day: date) -> tuple[str, str]:
    topic = rng.choice(("weather", "prices", "members", "results", "inventory"))
    rows = [f"{n + 1},{rng.choice(_PLACES)},{rng.randrange(1, 500)}" for n in range(6)]
    number = rng.randrange(100, 1000)
    return f"{topic}-{number}.csv", "\n".join(["id,place,value", *rows])


_KINDS: tuple[tuple[str, _Text], ...] = (
    ("/documents/receipts", _receipt),
    ("/documents/bills", _bill),
    ("/office/meetings", _minutes),
    ("/office/hours", _hours),
    ("/recipes", _recipe),
    ("/documents/travel", _trip),
    ("/diary", _diary),
    ("/downloads", _download),
)
_EMPTY = ("/documents/archive", "/office/drafts", "/photos", "/backup")


@app.populated_by
def populate(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of files."""
    files: list[Row] = []
    directories: list[Row] = []
    for person in people:
        count = rng.randrange(int(55 * scale), int(95 * scale))
        mine = _files(rng, person, count)
        files += mine
        paths = {folder for row in mine for folder in _above(row["path"])} | {"/"}
        paths |= {each for empty in rng.sample(_EMPTY, 2) for each in (*_above(empty), empty)}
        born = f"{rng.randrange(2019, 2023)}-0{rng.randrange(1, 10)}-12T08:30:00"
        row = {"person_id": person.id, "created_at": born}
        directories += [{**row, "path": path} for path in sorted(paths)]
    db.insert_all("files_directories", directories)
    files = [{"id": n + 1, **row} for n, row in enumerate(files)]
    db.insert_all("files_files", files)
    db.insert_all("files_shares", _shares(db, rng, rng.sample(files, int(450 * scale))))


def _files(rng: random.Random, person: Person, count: int) -> list[Row]:
    found: dict[str, Row] = {}
    kinds = rng.sample(_KINDS, 4 if count < 30 else len(_KINDS))
    for _ in range(count):
        folder, text = rng.choice(kinds)
        start = date.fromisoformat(NOW[:10]) - timedelta(days=rng.randrange(5, 800))
        name, content = text(rng, start)
        created = datetime(start.year, start.month, start.day, rng.randrange(7, 23))
        created += timedelta(seconds=rng.randrange(3600))
        updated = created + timedelta(seconds=rng.choice((0, 0, rng.randrange(300_000))))
        row: Row = {"person_id": person.id, "path": f"{folder}/{name}", "content": content}
        row |= {"created_at": created.isoformat(), "updated_at": updated.isoformat()}
        found.setdefault(row["path"], row)
    return [found[path] for path in sorted(found)]


def _above(path: str) -> list[str]:
    """Return the folders that a path is in, the root left out."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]


def _shares(db: Database, rng: random.Random, files: list[Row]) -> list[Row]:
    """Share files with people whom their owners know."""
    known: dict[int, list[int]] = {}
    for row in db.all("SELECT person_id, other_id FROM relations ORDER BY id"):
        known.setdefault(row["person_id"], []).append(row["other_id"])
    rows = [
        {
            "file_id": file["id"],
            "person_id": rng.choice(known[file["person_id"]]),
            "can_edit": int(rng.random() < 0.4),
            "created_at": file["updated_at"],
        }
        for file in files
        if file["person_id"] in known
    ]
    return sorted(rows, key=lambda row: str(row["created_at"]))
