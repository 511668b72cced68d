"""What several scenarios share: mails, texts and payments, as rows and as what is expected."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.scenario import IdOf, Insert, Update

__all__ = [
    "CENTS",
    "Says",
    "add_mail",
    "add_text",
    "contacts",
    "euros",
    "full_name",
    "mailed",
    "others",
    "paid",
    "requested",
    "texted",
]

CENTS = r"""
import re
def cents(text):
    return [int(a) * 100 + int(b) for a, b in re.findall(r'(\d+)\.(\d\d)\b', text)]
"""
"""A cell that defines ``cents(text)``, the amounts in a text, for an oracle."""


@dataclass(frozen=True, slots=True)
class Says:
    """Holds for a text that contains one thing and none of the others."""

    text: str
    but_not: tuple[str, ...] = ()

    def __call__(self, value: Any) -> bool:
        """Tell whether it holds."""
        said = value.casefold() if isinstance(value, str) else ""
        wrong = any(each.casefold() in said for each in self.but_not)
        return self.text.casefold() in said and not wrong


def full_name(person: Row) -> str:
    """Return the first and last name of a row of people or contacts."""
    return f"{person['first_name']} {person['last_name']}"


def euros(cents: int) -> str:
    """Return an amount as people write it."""
    return f"{cents // 100}.{cents % 100:02d} euros"


def others(db: Database, person: Row, rng: random.Random, count: int) -> list[Row]:
    """Return other people than this one."""
    found = db.all("SELECT * FROM people WHERE id <> ? ORDER BY id", person["id"])
    return rng.sample(found, count)


def contacts(db: Database, person: Row) -> list[Row]:
    """Return the people who are in somebody's phone under one entry only."""
    return db.all(
        "SELECT p.* FROM people p JOIN phone_contacts c ON c.phone_number = p.phone"
        " WHERE c.person_id = ? ORDER BY p.id",
        person["id"],
    )


def add_mail(
    db: Database,
    sender: int,
    receiver: int,
    subject: str,
    body: str,
    sent_at: str,
    *,
    thread_id: int = 0,
    read: bool = False,
) -> tuple[int, int]:
    """Add a received mail and return its id and its thread's."""
    thread_id = thread_id or db.insert("mail_threads", {"subject": subject})
    row = {"thread_id": thread_id, "sender_id": sender, "subject": subject, "body": body}
    message_id = db.insert("mail_messages", {**row, "sent_at": sent_at})
    db.insert("mail_recipients", {"message_id": message_id, "person_id": receiver})
    for owner, incoming, is_read in ((sender, 0, 1), (receiver, 1, int(read))):
        copy = {"message_id": message_id, "person_id": owner, "incoming": incoming}
        db.insert("mail_copies", {**copy, "is_read": is_read, "is_archived": 0})
    return message_id, thread_id


def add_text(db: Database, sender: int, receiver: int, text: str, sent_at: str) -> int:
    """Add a text message and return its id."""
    row = {"sender_id": sender, "receiver_id": receiver, "text": text, "sent_at": sent_at}
    return db.insert("phone_texts", {**row, "sender_deleted": 0, "receiver_deleted": 0})


def mailed(
    sender: int, receiver: int, message: Row, *, answer: bool = False, files: Iterable[str] = ()
) -> tuple[Insert, ...]:
    """Return what one mail to one person comes to.

    Args:
        sender: Who sends it.
        receiver: Who gets it.
        message: Columns of the message.
        answer: Whether it is in a thread that is there.
        files: Its attachments.
    """
    thread = Insert("mail_threads")
    in_thread = {} if answer else {"thread_id": IdOf(thread)}
    mail = Insert("mail_messages", {"sender_id": sender, **message, **in_thread})
    of_mail = {"message_id": IdOf(mail)}
    return (
        *(() if answer else (thread,)),
        mail,
        Insert("mail_recipients", {**of_mail, "person_id": receiver}),
        Insert("mail_copies", {**of_mail, "person_id": sender, "incoming": 0}),
        Insert("mail_copies", {**of_mail, "person_id": receiver, "incoming": 1}),
        *(Insert("mail_attachments", {**of_mail, "file_name": name}) for name in files),
    )


def texted(sender: int, receiver: int, text: Any) -> Insert:
    """Return what one text comes to."""
    return Insert("phone_texts", {"sender_id": sender, "receiver_id": receiver, "text": text})


def paid(db: Database, payer: int, payee: int, amount: int) -> tuple[Insert | Update, ...]:
    """Return what one payment comes to."""
    mine, theirs = (
        db.one("SELECT * FROM pay_balances WHERE person_id = ?", each) for each in (payer, payee)
    )
    row = {"sender_id": payer, "receiver_id": payee, "amount": amount}
    return (
        Insert("pay_transactions", row),
        Update("pay_balances", mine["id"], {"amount": mine["amount"] - amount}),
        Update("pay_balances", theirs["id"], {"amount": theirs["amount"] + amount}),
    )


def requested(requester: int, payer: int, amount: int) -> Insert:
    """Return what one payment request comes to."""
    row = {"requester_id": requester, "payer_id": payer, "amount": amount}
    return Insert("pay_requests", {**row, "status": "pending"})
