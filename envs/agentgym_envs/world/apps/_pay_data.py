"""The app pay: its tables and what is in them before an episode."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW, Person
from agentgym_envs.world.registry import App

__all__ = ["app"]

SCHEMA = """
CREATE TABLE pay_balances (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL UNIQUE REFERENCES people,
  amount INTEGER NOT NULL CHECK (amount >= 0));
CREATE TABLE pay_cards (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, name TEXT NOT NULL,
  number TEXT NOT NULL, expires TEXT NOT NULL, UNIQUE (person_id, number));
CREATE TABLE pay_transfers (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, kind TEXT NOT NULL,
  card_number TEXT NOT NULL, amount INTEGER NOT NULL, created_at TEXT NOT NULL);
CREATE INDEX pay_transfers_person ON pay_transfers (person_id);
CREATE TABLE pay_friends (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, friend_id INTEGER NOT NULL
  REFERENCES people, created_at TEXT NOT NULL, UNIQUE (person_id, friend_id));
CREATE TABLE pay_transactions (
  id INTEGER PRIMARY KEY, sender_id INTEGER NOT NULL REFERENCES people, receiver_id INTEGER NOT NULL
  REFERENCES people, amount INTEGER NOT NULL CHECK (amount > 0), note TEXT NOT NULL,
  private INTEGER NOT NULL, created_at TEXT NOT NULL);
CREATE INDEX pay_transactions_sender ON pay_transactions (sender_id);
CREATE INDEX pay_transactions_receiver ON pay_transactions (receiver_id);
CREATE INDEX pay_transactions_time ON pay_transactions (created_at);
CREATE TABLE pay_requests (
  id INTEGER PRIMARY KEY, requester_id INTEGER NOT NULL REFERENCES people, payer_id INTEGER NOT NULL
  REFERENCES people, amount INTEGER NOT NULL CHECK (amount > 0), note TEXT NOT NULL,
  private INTEGER NOT NULL, status TEXT NOT NULL, created_at TEXT NOT NULL, closed_at TEXT,
  transaction_id INTEGER REFERENCES pay_transactions);
CREATE INDEX pay_requests_requester ON pay_requests (requester_id);
CREATE INDEX pay_requests_payer ON pay_requests (payer_id);
CREATE TABLE pay_reminders (
  id INTEGER PRIMARY KEY, request_id INTEGER NOT NULL REFERENCES pay_requests,
  created_at TEXT NOT NULL);
CREATE INDEX pay_reminders_request ON pay_reminders (request_id);
CREATE TABLE pay_likes (
  id INTEGER PRIMARY KEY, transaction_id INTEGER NOT NULL REFERENCES pay_transactions, person_id
  INTEGER NOT NULL REFERENCES people, created_at TEXT NOT NULL, UNIQUE (transaction_id, person_id));
CREATE TABLE pay_comments (
  id INTEGER PRIMARY KEY, transaction_id INTEGER NOT NULL REFERENCES pay_transactions, person_id
  INTEGER NOT NULL REFERENCES people, text TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE INDEX pay_comments_transaction ON pay_comments (transaction_id);
"""

app = App("pay", "Send, request and track money between people.", SCHEMA)
add_account_apis(app)


def _listed(text: str) -> list[str]:
    return text.split(";")


_WHAT = _listed(
    "rent;electricity;groceries;pizza;sushi;brunch;coffee;concert tickets;cinema;train tickets;"
    "petrol;taxi;birthday present;internet bill;water bill;gym;museum;football pitch;camping;"
    "ski pass;garden tools;dog food;babysitting;farewell gift;team lunch;ramen;board game;"
    "parking;cleaning;firewood;paint for the hall;book club;piano lesson;haircut;flowers"
)
_WHEN = _listed(
    "last night;on Friday;on Sunday;this week;in March;in April;last month;for two;for the trip;"
    "for your party;your half;my share;as agreed;again;at the lake;with everyone"
)
_COMMENTS = _listed(
    "Thank you!;Any time.;That was fun.;Let us do it again.;Next round is on me.;Got it, thanks.;"
    "You did not have to!;Worth every cent.;Best evening in weeks.;Same time next week?;"
    "I still owe you one.;Was it really that much?;Perfect.;See you soon.;Finally!;So kind of you."
)
_CARDS = ("Everyday", "Savings", "Travel", "Household", "Business")


@app.populated_by
def populate(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of pay."""
    friends = _friends(db, rng, 0.3 + 0.5 * scale)
    _accounts(db, rng, people, scale)
    rows = [_payment(rng, friends) for _ in range(int(2500 * scale))]
    rows.sort(key=lambda row: row["created_at"])
    db.insert_all("pay_transactions", [{"id": n + 1, **row} for n, row in enumerate(rows)])
    _requests(db, rng, friends, rows, scale)
    _reactions(db, rng, friends, rows, scale)


def _friends(db: Database, rng: random.Random, share: float) -> dict[int, list[int]]:
    """Make friends of a share of the people who are related, and return them, both ways."""
    found: dict[int, list[int]] = {}
    rows = []
    for one in db.all("SELECT * FROM relations ORDER BY id"):
        a, b = one["person_id"], one["other_id"]
        if a < b and (rng.random() < share or not found.get(a) or not found.get(b)):
            for x, y in ((a, b), (b, a)):
                found.setdefault(x, []).append(y)
                rows.append({"person_id": x, "friend_id": y, "created_at": _time(rng, 900, 300)})
    db.insert_all("pay_friends", rows)
    return found


def _accounts(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    cards: list[Row] = []
    for person in people:
        db.insert("pay_balances", {"person_id": person.id, "amount": rng.randrange(3_000, 150_000)})
        for name in rng.sample(_CARDS, rng.randrange(2, 4)):
            number = f"4{rng.randrange(10**14, 10**15)}"
            year, month = rng.choice((2024, 2025, 2026, 2027, 2028)), rng.randrange(1, 13)
            row = {"person_id": person.id, "name": name, "number": number}
            cards.append({**row, "expires": f"{year}-{month:02d}"})
    db.insert_all("pay_cards", cards)
    transfers: list[Row] = []
    for _ in range(int(500 * scale)):
        card = rng.choice(cards)
        row = {"person_id": card["person_id"], "kind": rng.choice(("deposit", "withdrawal"))}
        row |= {"card_number": card["number"], "amount": rng.randrange(10, 400) * 100}
        transfers.append({**row, "created_at": _time(rng, 500)})
    transfers.sort(key=lambda row: row["created_at"])
    db.insert_all("pay_transfers", transfers)


def _payment(rng: random.Random, friends: dict[int, list[int]]) -> Row:
    sender = rng.choice(list(friends))
    return {
        "sender_id": sender,
        "receiver_id": rng.choice(friends[sender]),
        "amount": rng.randrange(3, 120) * 100 + rng.choice((0, 0, 50, 25, 90, 99)),
        "note": _note(rng),
        "private": int(rng.random() < 0.3),
        "created_at": _time(rng, 500),
    }


def _requests(
    db: Database,
    rng: random.Random,
    friends: dict[int, list[int]],
    payments: list[Row],
    scale: float,
) -> None:
    """Ask for money: some payments were asked for; other requests are open, denied or withdrawn."""
    rows = []
    for n in sorted(rng.sample(range(len(payments)), int(350 * scale))):
        paid = payments[n]
        row = {"requester_id": paid["receiver_id"], "payer_id": paid["sender_id"]}
        row |= {name: paid[name] for name in ("amount", "note", "private")}
        row |= {"status": "approved", "closed_at": paid["created_at"], "transaction_id": n + 1}
        rows.append({**row, "created_at": _before(rng, paid["created_at"])})
    for _ in range(int(450 * scale)):
        asked = _payment(rng, friends)
        row = {"requester_id": asked["receiver_id"], "payer_id": asked["sender_id"]}
        row |= {name: asked[name] for name in ("amount", "note", "private")}
        status = rng.choice(("pending", "pending", "pending", "denied", "cancelled"))
        closed = None if status == "pending" else asked["created_at"]
        row |= {"status": status, "closed_at": closed, "transaction_id": None}
        rows.append({**row, "created_at": _before(rng, asked["created_at"])})
    rows.sort(key=lambda row: row["created_at"])
    db.insert_all("pay_requests", rows)
    reminders = [
        {"request_id": n + 1, "created_at": _between(rng, row["created_at"])}
        for n, row in enumerate(rows)
        if row["status"] == "pending" and rng.random() < 0.4
    ]
    db.insert_all("pay_reminders", reminders)


def _reactions(
    db: Database,
    rng: random.Random,
    friends: dict[int, list[int]],
    payments: list[Row],
    scale: float,
) -> None:
    likes: set[tuple[int, int]] = set()
    comments: list[Row] = []
    for _ in range(int(1650 * scale)):
        n = rng.randrange(len(payments))
        likes.add((n, _reader(rng, friends, payments[n])))
    for _ in range(int(950 * scale)):
        n = rng.randrange(len(payments))
        row = {"transaction_id": n + 1, "person_id": _reader(rng, friends, payments[n])}
        when = _between(rng, payments[n]["created_at"])
        comments.append({**row, "text": rng.choice(_COMMENTS), "created_at": when})
    rows = [
        {"transaction_id": n + 1, "person_id": who, "created_at": payments[n]["created_at"]}
        for n, who in sorted(likes)
    ]
    comments.sort(key=lambda row: row["created_at"])
    db.insert_all("pay_likes", rows)
    db.insert_all("pay_comments", comments)


def _reader(rng: random.Random, friends: dict[int, list[int]], payment: Row) -> int:
    """Return somebody who may see a payment."""
    parties: list[int] = [payment["sender_id"], payment["receiver_id"]]
    return rng.choice(parties if payment["private"] else parties + friends[parties[0]])


def _note(rng: random.Random) -> str:
    what = rng.choice(_WHAT)
    note = f"{what} {rng.choice(_WHEN)}" if rng.random() < 0.7 else what
    return note[:1].upper() + note[1:]


def _time(rng: random.Random, most: int, least: int = 0) -> str:
    """Return a time between ``most`` and ``least`` days before now."""
    ago = timedelta(seconds=rng.randrange(least * 86_400 + 60, most * 86_400))
    return (datetime.fromisoformat(NOW) - ago).isoformat()


def _before(rng: random.Random, time: str) -> str:
    return (
        datetime.fromisoformat(time) - timedelta(seconds=rng.randrange(300, 400_000))
    ).isoformat()


def _between(rng: random.Random, time: str) -> str:
    """Return a time after another and before now."""
    start = datetime.fromisoformat(time)
    room = int((datetime.fromisoformat(NOW) - start).total_seconds())
    return (start + timedelta(seconds=rng.randrange(min(room, 300_000)))).isoformat()
