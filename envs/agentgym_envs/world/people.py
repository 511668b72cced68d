"""The people of a world: names, birthdays, addresses and who they are to each other."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from agentgym_envs.world.database import Database

__all__ = ["NOW", "SCHEMA", "Person", "make_people"]

NOW = "2025-05-18T12:00:00"

SCHEMA = """
CREATE TABLE people (
  id INTEGER PRIMARY KEY, first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT NOT NULL
  UNIQUE, phone TEXT NOT NULL UNIQUE, birthday TEXT NOT NULL, city TEXT NOT NULL,
  street TEXT NOT NULL);
CREATE TABLE relations (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, other_id INTEGER NOT NULL
  REFERENCES people, kind TEXT NOT NULL, UNIQUE (person_id, other_id, kind));
CREATE TABLE accounts (
  id INTEGER PRIMARY KEY, app TEXT NOT NULL, person_id INTEGER NOT NULL REFERENCES people,
  username TEXT NOT NULL, password TEXT NOT NULL, UNIQUE (app, person_id), UNIQUE (app, username));
"""

_FIRST = [
    "Ada",
    "Ben",
    "Carla",
    "Dmitri",
    "Elena",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Keiko",
    "Liam",
    "Mara",
    "Nadia",
    "Oscar",
    "Priya",
    "Quinn",
    "Rosa",
    "Samir",
    "Tilda",
    "Umar",
    "Vera",
    "Walter",
    "Xenia",
    "Yusuf",
    "Zoe",
    "Anton",
    "Beate",
    "Cyrus",
    "Dalia",
    "Emil",
    "Flora",
    "Gideon",
    "Hanna",
    "Ivan",
    "Julia",
    "Kofi",
    "Lena",
    "Milo",
    "Nora",
]
_LAST = [
    "Abel",
    "Brandt",
    "Castro",
    "Dimov",
    "Eriksen",
    "Farouk",
    "Gupta",
    "Hansen",
    "Ito",
    "Jansen",
    "Keller",
    "Lopez",
    "Meyer",
    "Novak",
    "Okafor",
    "Petrov",
    "Quist",
    "Rossi",
    "Sato",
    "Tanaka",
    "Ude",
    "Vogel",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zhang",
    "Adler",
    "Bauer",
    "Conti",
    "Duarte",
    "Egger",
    "Fischer",
    "Gomez",
    "Huber",
    "Ivanov",
    "Jung",
    "Kaya",
    "Lind",
    "Moreau",
    "Nagy",
]
_CITIES = ("Lindau", "Porto", "Graz", "Malmo", "Turin", "Bergen", "Ghent", "Lyon")
_STREETS = ("Mill Lane", "Harbour Street", "Oak Avenue", "Station Road", "Garden Way", "Hill Court")
KINDS = ("partner", "sibling", "parent", "child", "friend", "coworker", "manager", "roommate")


@dataclass(frozen=True, slots=True)
class Person:
    """One of the people, as the build knows them; see the table ``people``."""

    id: int
    first_name: str
    last_name: str
    email: str
    phone: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


def make_people(db: Database, rng: random.Random, count: int) -> list[Person]:
    """Fill the tables of people and relations and return the people.

    Args:
        db: Where to.
        rng: All randomness.
        count: At most 40; first names are unique, so that a task can name a person by one.
    """
    lasts = rng.sample(_LAST, count)
    people = [_person(rng, n + 1, first, lasts[n]) for n, first in enumerate(_FIRST[:count])]
    for person in people:
        birthday = date(1960, 1, 1) + timedelta(days=rng.randrange(45 * 365))
        db.insert(
            "people",
            {
                "id": person.id,
                "first_name": person.first_name,
                "last_name": person.last_name,
                "email": person.email,
                "phone": person.phone,
                "birthday": birthday.isoformat(),
                "city": rng.choice(_CITIES),
                "street": f"{rng.randrange(1, 99)} {rng.choice(_STREETS)}",
            },
        )
    _relate(db, rng, people)
    return people


def _person(rng: random.Random, id_: int, first: str, last: str) -> Person:
    email = f"{first}.{last}@example.com".lower()
    return Person(id_, first, last, email, f"+49{rng.randrange(10**9, 10**10)}")


def _relate(db: Database, rng: random.Random, people: list[Person]) -> None:
    mirrored = {"parent": "child", "child": "parent", "manager": "report"}
    seen: set[tuple[int, int]] = set()
    for person in people:
        kinds = ["partner", "sibling", "parent", "roommate", "manager", *["friend"] * 4]
        kinds += ["coworker"] * 4
        for kind in kinds:
            other = rng.choice(people)
            pair = (min(person.id, other.id), max(person.id, other.id))
            if other is person or pair in seen:
                continue
            seen.add(pair)
            for one, two, said in (
                (person, other, kind),
                (other, person, mirrored.get(kind, kind)),
            ):
                db.insert("relations", {"person_id": one.id, "other_id": two.id, "kind": said})
