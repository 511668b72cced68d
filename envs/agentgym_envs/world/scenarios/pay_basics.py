"""First scenarios of pay: approve a request, add up what was sent, take a request back."""

from __future__ import annotations

import random

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Expected,
    IdOf,
    Insert,
    Params,
    Scenario,
    Update,
    complete,
    complete_if,
    log_in,
)

__all__ = ["SCENARIOS"]


def _strangers(db: Database, person: Row) -> list[Row]:
    """Return the people between whom and the person no payment request lies."""
    return db.all(
        "SELECT * FROM people p WHERE id <> ?1 AND NOT EXISTS (SELECT 1 FROM pay_requests q"
        " WHERE q.requester_id IN (p.id, ?1) AND q.payer_id IN (p.id, ?1)) ORDER BY id",
        person["id"],
    )


def _request(db: Database, requester_id: int, payer_id: int, amount: int, note: str) -> int:
    row = {"requester_id": requester_id, "payer_id": payer_id, "amount": amount, "note": note}
    return db.insert("pay_requests", {**row, "private": 0, "status": "pending", "created_at": NOW})


class ApproveRequest(Scenario):
    """Approve one person's payment request among others of the same amount."""

    name = "pay_approve_request"
    split = "train"
    apps = ("pay",)
    phrasings = (
        "Approve the payment request that {name} has sent me.",
        "{name} has asked me for money in the pay app. Please approve it.",
        "In pay there is a request from {name}. Say yes to that one, and only that one.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw who has asked, who else has, and for how much."""
        others = _strangers(db, person)
        if len(others) < 3:
            return None
        asking, *rest = rng.sample(others, 3)
        return {
            "name": f"{asking['first_name']} {asking['last_name']}",
            "asking": asking["id"],
            "rest": [other["id"] for other in rest],
            "amount": rng.randrange(500, 9_000, 25),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the request, the same of two others, and the money to pay it."""
        for other in (params["rest"][0], params["asking"], params["rest"][1]):
            _request(db, other, person["id"], params["amount"], "for last week")
        db.run("UPDATE pay_balances SET amount = 50000 WHERE person_id = ?", person["id"])

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the closed request, the transaction and both balances."""
        asking, amount = params["asking"], params["amount"]
        request = db.one(
            "SELECT id FROM pay_requests WHERE requester_id = ? AND payer_id = ?",
            asking,
            person["id"],
        )
        row = {"sender_id": person["id"], "receiver_id": asking, "amount": amount}
        paid = Insert("pay_transactions", row)
        mine, theirs = (
            db.one("SELECT * FROM pay_balances WHERE person_id = ?", each)
            for each in (person["id"], asking)
        )
        return Expected(
            changes=(
                Update(
                    "pay_requests",
                    request["id"],
                    {"status": "approved", "transaction_id": IdOf(paid)},
                    free=("closed_at",),
                ),
                paid,
                Update("pay_balances", mine["id"], {"amount": mine["amount"] - amount}),
                Update("pay_balances", theirs["id"], {"amount": theirs["amount"] + amount}),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Find the pending request by the name, then approve it."""
        return [
            log_in("pay"),
            ALL_PAGES,
            "found = all_pages(apis.pay.show_payment_requests, access_token=tokens['pay'],"
            " direction='received', status='pending')\n"
            f"ids = [row['request_id'] for row in found if row['requester_name'] == "
            f"{params['name']!r}]",
            "apis.pay.approve_request(request_id=ids[0], access_token=tokens['pay'])",
            complete(),
        ]


class TotalSent(Scenario):
    """Add up what was sent to one person."""

    name = "pay_total_sent"
    split = "train"
    apps = ("pay",)
    phrasings = (
        "How much money have I sent to {email} in pay, all in all? Answer in cents.",
        "Add up everything that I have ever paid to {email} with pay; I want it in cents.",
        "What is the total, in cents, of my pay transactions to {email}?",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw somebody who was sent money, and has sent some."""
        found = db.all(
            "SELECT p.id, p.email FROM people p WHERE p.id IN (SELECT receiver_id FROM"
            " pay_transactions WHERE sender_id = ?) ORDER BY p.id",
            person["id"],
        )
        if not found:
            return None
        other = rng.choice(found)
        return {"email": other["email"], "other": other["id"]}

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the sum."""
        total = db.one(
            "SELECT SUM(amount) AS total FROM pay_transactions WHERE sender_id = ? AND"
            " receiver_id = ?",
            person["id"],
            params["other"],
        )
        return Expected(answer=total["total"])

    def oracle(self, params: Params) -> list[str]:
        """Read all pages of what was sent to the person."""
        return [
            log_in("pay"),
            ALL_PAGES,
            "found = all_pages(apis.pay.show_transactions, access_token=tokens['pay'],"
            f" direction='sent', email={params['email']!r})\n"
            "total = sum(row['amount'] for row in found)\nprint(total)",
            complete("total"),
        ]


class CancelRequest(Scenario):
    """Cancel a payment request among similar ones; in some variations it was never sent."""

    name = "pay_cancel_request"
    split = "train"
    apps = ("pay",)
    can_fail = True
    phrasings = (
        "Cancel the payment request that I have sent to {name}.",
        "I asked {name} for money in pay. Take that request back.",
        "Please withdraw my pending pay request to {name}.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw who was asked, or not, and another who was."""
        others = _strangers(db, person)
        if len(others) < 2:
            return None
        named, other = rng.sample(others, 2)
        return {
            "name": f"{named['first_name']} {named['last_name']}",
            "named": named["id"],
            "other": other["id"],
            "sent": rng.random() < 0.5,
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add a request to somebody else, one that goes the other way, and perhaps the request."""
        me, named = person["id"], params["named"]
        _request(db, me, params["other"], 2_500, "tickets")
        _request(db, named, me, 2_500, "tickets")
        if params["sent"]:
            _request(db, me, named, 2_500, "tickets")

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the closed request, or that there is none."""
        request = db.first(
            "SELECT id FROM pay_requests WHERE requester_id = ? AND payer_id = ?",
            person["id"],
            params["named"],
        )
        if request is None:
            return Expected(status="fail")
        closed = Update("pay_requests", request["id"], {"status": "cancelled"}, ("closed_at",))
        return Expected(changes=(closed,))

    def oracle(self, params: Params) -> list[str]:
        """Look for the request, then cancel it or give up."""
        return [
            log_in("pay"),
            ALL_PAGES,
            "found = all_pages(apis.pay.show_payment_requests, access_token=tokens['pay'],"
            " direction='sent', status='pending')\n"
            f"ids = [row['request_id'] for row in found if row['payer_name'] == "
            f"{params['name']!r}]",
            "for id_ in ids:\n"
            "    apis.pay.cancel_request(request_id=id_, access_token=tokens['pay'])",
            complete_if("ids"),
        ]


SCENARIOS = (ApproveRequest(), TotalSent(), CancelRequest())
