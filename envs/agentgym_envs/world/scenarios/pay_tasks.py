"""More scenarios of pay: what is asked for, sent, topped up and reminded of, also by phone."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Expected,
    Insert,
    Params,
    Scenario,
    Update,
    complete,
    complete_if,
    log_in,
)

__all__ = ["SCENARIOS"]

_EVENTS = (
    "canoe tour",
    "ski hut",
    "beach house",
    "escape room",
    "wine tasting",
    "jazz night",
    "puppet theatre",
    "cooking class",
)
_REQUESTS = (
    "found = all_pages(apis.pay.show_payment_requests, access_token=tokens['pay'],"
    " direction={direction!r}, status='pending')"
)


def _ago(days: float) -> str:
    return (datetime.fromisoformat(NOW) - timedelta(days=days)).isoformat()


def _others(db: Database, person: Row) -> list[Row]:
    return db.all("SELECT * FROM people WHERE id <> ? ORDER BY id", person["id"])


def _name(person: Row) -> str:
    return f"{person['first_name']} {person['last_name']}"


def _request(db: Database, asks: int, pays: int, amount: int, note: str, days: float = 2) -> int:
    row: Row = {"requester_id": asks, "payer_id": pays, "amount": amount, "note": note}
    row |= {"private": 0, "status": "pending", "created_at": _ago(days)}
    return db.insert("pay_requests", row)


def _text(db: Database, sender: int, receiver: int, text: str, days: float) -> None:
    row: Row = {"sender_id": sender, "receiver_id": receiver, "text": text, "sent_at": _ago(days)}
    db.insert("phone_texts", {**row, "sender_deleted": 0, "receiver_deleted": 0})


def _set_balance(db: Database, person: Row, amount: int) -> None:
    db.run("UPDATE pay_balances SET amount = ? WHERE person_id = ?", amount, person["id"])


def _balance(db: Database, person_id: int, change: int) -> Update:
    row = db.one("SELECT * FROM pay_balances WHERE person_id = ?", person_id)
    return Update("pay_balances", row["id"], {"amount": row["amount"] + change})


def _sent(
    db: Database, sender: int, receiver: int, amount: int, note: str
) -> tuple[Insert | Update, ...]:
    """Return what changes when money is sent."""
    row = {"sender_id": sender, "receiver_id": receiver, "amount": amount, "note": note}
    return (
        Insert("pay_transactions", row),
        _balance(db, sender, -amount),
        _balance(db, receiver, amount),
    )


class SplitBill(Scenario):
    """Ask each contact of one kind for their share of a bill."""

    name = "pay_split_bill"
    split = "train"
    apps = ("pay", "phone")
    phrasings = (
        "I paid {total} cents for the {event}. Ask everybody whom my phone contacts list as"
        ' {kind} for {share} cents each with pay. The note must be "{event}".',
        'Send a pay request of {share} cents with the note "{event}" to each of my phone contacts'
        " whose relationship is {kind}, and to nobody else.",
        "The {event} is paid, now I want the money back: {share} cents from every {kind} in my"
        ' phone\'s contacts. Request it in pay, note "{event}".',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a kind of relation that two or more people have."""
        kinds = db.all(
            "SELECT relationship AS kind, COUNT(*) AS n FROM phone_contacts WHERE person_id = ?"
            " AND relationship IN ('friend', 'coworker') GROUP BY 1 HAVING n > 1 ORDER BY 1",
            person["id"],
        )
        if not kinds:
            return None
        kind, share = rng.choice(kinds), rng.randrange(600, 5_000, 10)
        return {
            "kind": kind["kind"],
            "share": share,
            "total": share * (kind["n"] + 1),
            "event": rng.choice(_EVENTS),
        }

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return a request to each."""
        asked = db.all(
            "SELECT p.id FROM phone_contacts c JOIN people p ON p.email = c.email"
            " WHERE c.person_id = ? AND c.relationship = ?",
            person["id"],
            params["kind"],
        )
        row = {"requester_id": person["id"], "amount": params["share"], "note": params["event"]}
        return Expected(
            changes=tuple(Insert("pay_requests", {**row, "payer_id": who["id"]}) for who in asked)
        )

    def oracle(self, params: Params) -> list[str]:
        """Read the contacts, then ask each by email."""
        return [
            log_in("pay", "phone"),
            ALL_PAGES,
            "for contact in all_pages(apis.phone.show_contacts, access_token=tokens['phone'],"
            f" relationship={params['kind']!r}):\n"
            "    apis.pay.request_money(access_token=tokens['pay'], email=contact['email'],"
            f" amount={params['share']}, note={params['event']!r})",
            complete(),
        ]


class PayWhatTextSays(Scenario):
    """Send the amount that somebody named in a text, and corrected in a later one."""

    name = "pay_what_text_says"
    split = "train"
    apps = ("pay", "phone")
    phrasings = (
        "{name} has texted me how much I owe for the {event}. Pay that with pay, with the note"
        ' "{event}". If the amount was corrected, the last one holds.',
        'Send {name} what I owe for the {event} (note: "{event}"). The amount, in cents, is in the'
        " latest text message that {first} sent me about it.",
        "Look up in my texts what {name} wants for the {event}; later texts overrule earlier ones."
        ' Then send the money in pay with the note "{event}".',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a contact, somebody else and amounts."""
        contacts = db.all(
            "SELECT p.* FROM phone_contacts c JOIN people p ON p.email = c.email"
            " WHERE c.person_id = ? ORDER BY p.id",
            person["id"],
        )
        if len(contacts) < 2:
            return None
        owed, other = rng.sample(contacts, 2)
        event, elsewhere = rng.sample(_EVENTS, 2)
        amounts = rng.sample(range(800, 9_000, 5), 4)
        return {
            "name": _name(owed),
            "first": owed["first_name"],
            "event": event,
            "owed": owed["id"],
            "other": other["id"],
            "elsewhere": elsewhere,
            "amounts": amounts,
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the texts: of the same for something else, of somebody else for the same."""
        me, owed, event = person["id"], params["owed"], params["event"]
        first, right, other, same = params["amounts"]
        _text(db, owed, me, f"For the {event} you owe me {first} cents.", 0.9)
        _text(db, owed, me, f"I was wrong, the {event} makes {right} cents for you. Sorry!", 0.6)
        _text(db, me, owed, f"Fine, I will pay the {event} tomorrow.", 0.5)
        _text(db, owed, me, f"The {params['elsewhere']} was {other} cents, paid already.", 0.4)
        _text(db, params["other"], me, f"My share of the {event} was {same} cents.", 0.3)
        _set_balance(db, person, 40_000)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the payment of the corrected amount."""
        right = params["amounts"][1]
        return Expected(changes=_sent(db, person["id"], params["owed"], right, params["event"]))

    def oracle(self, params: Params) -> list[str]:
        """Find the contact, the latest text from that number, and the number in it."""
        return [
            log_in("pay", "phone"),
            "import re\n"
            "contact = apis.phone.search_contacts(access_token=tokens['phone'],"
            f" query={params['name']!r})[0]\n"
            "texts = apis.phone.search_text_messages(access_token=tokens['phone'],"
            f" phone_number=contact['phone_number'], query={params['event']!r}, page_limit=20)\n"
            "texts = [row['text'] for row in texts"
            " if row['sender']['phone_number'] == contact['phone_number']]\n"
            "amounts = [re.search(r'(\\d+) cents', text) for text in texts]\n"
            "amount = int([found[1] for found in amounts if found][0])",
            "apis.pay.send_money(access_token=tokens['pay'], email=contact['email'],"
            f" amount=amount, note={params['event']!r})",
            complete(),
        ]


class SendIfEnough(Scenario):
    """Send money if the balance is enough; in some variations it is not."""

    name = "pay_send_if_enough"
    split = "train"
    apps = ("pay",)
    can_fail = True
    phrasings = (
        "Send {amount} cents to {email} from my pay balance. Do not charge a card for it: if the"
        " balance is too low, it cannot be done.",
        "Pay {amount} cents to {email} in pay, out of what is on my balance now. No top-ups, please"
        " give up if that does not do.",
        "{email} gets {amount} cents from me. Use pay, touch neither my cards nor any requests; if"
        " my balance does not suffice, tell me that it failed.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw whom, how much, and how far the balance is from it."""
        amount = rng.randrange(2_000, 20_000, 50)
        other = rng.choice(_others(db, person))
        left = rng.choice((-1, 1)) * rng.randrange(1, 900)
        return {"email": other["email"], "other": other["id"], "amount": amount, "left": left}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Set the balance to a little more or less than the amount."""
        _set_balance(db, person, params["amount"] + params["left"])

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the payment, or that it cannot be."""
        if params["left"] < 0:
            return Expected(status="fail")
        paid = _sent(db, person["id"], params["other"], params["amount"], "")
        row = {name: paid[0].columns[name] for name in ("sender_id", "receiver_id", "amount")}
        return Expected(changes=(Insert("pay_transactions", row), *paid[1:]))

    def oracle(self, params: Params) -> list[str]:
        """Compare the balance, then send or give up."""
        return [
            log_in("pay"),
            "enough = apis.pay.show_balance(access_token=tokens['pay'])['balance']"
            f" >= {params['amount']}\n"
            "if enough:\n    apis.pay.send_money(access_token=tokens['pay'],"
            f" email={params['email']!r}, amount={params['amount']})",
            complete_if("enough"),
        ]


class TopUp(Scenario):
    """Fill the balance up to an amount from a named card, which may have expired."""

    name = "pay_top_up"
    split = "train"
    apps = ("pay",)
    can_fail = True
    phrasings = (
        "Fill my pay balance up to exactly {target} cents from the card named {card}. Only that"
        " card may be used.",
        "I want to have {target} cents on pay. Take what is missing from my {card} card; if that"
        " card does not work, leave everything as it is.",
        "Top up pay with my card {card} so that the balance is {target} cents afterwards, or give"
        " up if this card cannot be charged.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw one of the person's cards and an amount above the balance."""
        cards = db.all("SELECT * FROM pay_cards WHERE person_id = ? ORDER BY id", person["id"])
        balance = db.one("SELECT amount FROM pay_balances WHERE person_id = ?", person["id"])
        target = (balance["amount"] // 1000 + rng.randrange(2, 60)) * 1000
        card = rng.choice(cards)
        return {"card": card["name"], "target": target, "expires": card["expires"]}

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the transfer of what is missing, or that the card has expired."""
        if params["expires"] < NOW[:7]:
            return Expected(status="fail")
        card = db.one(
            "SELECT * FROM pay_cards WHERE person_id = ? AND name = ?", person["id"], params["card"]
        )
        balance = db.one("SELECT amount FROM pay_balances WHERE person_id = ?", person["id"])
        missing = params["target"] - balance["amount"]
        row = {"person_id": person["id"], "kind": "deposit", "card_number": card["number"]}
        return Expected(
            changes=(
                Insert("pay_transfers", {**row, "amount": missing}),
                _balance(db, person["id"], missing),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Look at the card and the date, then add the difference."""
        return [
            log_in("pay"),
            "now = apis.supervisor.show_current_date_and_time()['datetime']\n"
            "cards = apis.pay.show_cards(access_token=tokens['pay'])\n"
            f"card = [row for row in cards if row['name'] == {params['card']!r}][0]\n"
            "valid = card['expires'] >= now[:7]",
            "balance = apis.pay.show_balance(access_token=tokens['pay'])['balance']\n"
            "if valid:\n    apis.pay.add_money(access_token=tokens['pay'],"
            f" amount={params['target']} - balance, card_id=card['card_id'])",
            complete_if("valid"),
        ]


class RemindLate(Scenario):
    """Remind those who have not paid and were not reminded yet."""

    name = "pay_remind_late"
    split = "train"
    apps = ("pay",)
    phrasings = (
        "Remind everybody who has not yet paid my pay requests for the {event}, except those who"
        " were reminded before.",
        "Some of my pay requests with {event} in the note are still pending. Send one reminder for"
        " each of them that has had none.",
        "Send whoever still owes me for the {event} a reminder in pay, unless there was one"
        " already for that request.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw what for, and who was asked."""
        event, other = rng.sample(_EVENTS, 2)
        asked = [row["id"] for row in rng.sample(_others(db, person), 6)]
        return {"event": event, "elsewhere": other, "asked": asked, "late": rng.randrange(2, 4)}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add late requests; a paid one, a reminded one, one for something else."""
        me, event = person["id"], params["event"]
        for n, who in enumerate(params["asked"]):
            late = n < params["late"]
            note = event if late or n < 5 else params["elsewhere"]
            id_ = _request(db, me, who, 1_800, f"Your part of the {note}", days=9 - n)
            if not late and n == 3:
                db.update("pay_requests", id_, status="denied", closed_at=_ago(1))
            elif not late and n < 5:
                db.insert("pay_reminders", {"request_id": id_, "created_at": _ago(1)})
        _request(db, params["asked"][0], me, 1_800, f"Your part of the {event}")

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return one reminder for each."""
        late = db.all(
            "SELECT id FROM pay_requests q WHERE requester_id = ? AND status = 'pending' AND"
            " instr(note, ?) AND NOT EXISTS (SELECT 1 FROM pay_reminders WHERE request_id = q.id)",
            person["id"],
            params["event"],
        )
        return Expected(
            changes=tuple(Insert("pay_reminders", {"request_id": row["id"]}) for row in late)
        )

    def oracle(self, params: Params) -> list[str]:
        """Read what is pending, then remind."""
        return [
            log_in("pay"),
            ALL_PAGES,
            _REQUESTS.format(direction="sent"),
            "for row in found:\n"
            f"    if {params['event']!r} in row['note'] and not row['reminder_count']:\n"
            "        apis.pay.remind_request(access_token=tokens['pay'],"
            " request_id=row['request_id'])",
            complete(),
        ]


class DenyTwins(Scenario):
    """Deny what somebody asked for a second time by mistake."""

    name = "pay_deny_twins"
    split = "test_normal"
    apps = ("pay",)
    phrasings = (
        "{name} has sent me some pay requests twice: the same amount and the same note. Deny the"
        " later one of each such pair; keep everything else pending.",
        "Among the pending pay requests from {name} are doubles, equal in amount and note. Leave"
        " the first of each and deny the second.",
        "By mistake {name} asked me twice for the same things in pay. Clean that up: of two"
        " requests with equal amount and note the newer one is to be denied.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw who asked, somebody else, and for what."""
        asking, other = rng.sample(_others(db, person), 2)
        return {
            "name": _name(asking),
            "asking": asking["id"],
            "other": other["id"],
            "events": rng.sample(_EVENTS, 3),
            "amounts": rng.sample(range(500, 7_000, 25), 3),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add two pairs, requests that are alike in one thing only, and another person's."""
        me, asking, other = person["id"], params["asking"], params["other"]
        one, two, three = params["events"]
        a, b, c = params["amounts"]
        db.run(
            "UPDATE pay_requests SET status = 'cancelled', closed_at = ? WHERE status = 'pending'"
            " AND requester_id = ? AND payer_id = ?",
            _ago(20),
            asking,
            me,
        )
        listed = [(asking, a, one, 9), (other, a, one, 8), (asking, b, two, 7), (asking, b, one, 6)]
        listed += [(asking, a, one, 5), (asking, c, three, 4), (asking, b, two, 3)]
        listed += [(asking, a, three, 2), (other, b, two, 1)]
        for who, amount, note, days in listed:
            _request(db, who, me, amount, note, days)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the denied requests."""
        later = db.all(
            "SELECT q.id FROM pay_requests q WHERE q.status = 'pending' AND q.payer_id = ? AND"
            " q.requester_id = ? AND EXISTS (SELECT 1 FROM pay_requests e WHERE e.status ="
            " 'pending' AND e.payer_id = q.payer_id AND e.requester_id = q.requester_id AND"
            " e.amount = q.amount AND e.note = q.note AND e.created_at < q.created_at)",
            person["id"],
            params["asking"],
        )
        closed = {"status": "denied"}
        return Expected(
            changes=tuple(
                Update("pay_requests", row["id"], closed, free=("closed_at",)) for row in later
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Go from the oldest to the newest and deny what was seen before."""
        return [
            log_in("pay"),
            ALL_PAGES,
            _REQUESTS.format(direction="received"),
            "seen = set()\n"
            "for row in sorted(found, key=lambda row: row['created_at']):\n"
            f"    if row['requester_name'] == {params['name']!r}:\n"
            "        key = (row['amount'], row['note'])\n"
            "        if key in seen:\n"
            "            apis.pay.deny_request(access_token=tokens['pay'],"
            " request_id=row['request_id'])\n"
            "        seen.add(key)",
            complete(),
        ]


class SpentOn(Scenario):
    """Add up what was spent on one thing since a day."""

    name = "pay_spent_on"
    split = "dev"
    apps = ("pay",)
    phrasings = (
        "How many cents have I sent with pay since {since} (that day included) for things whose"
        " note mentions {event}?",
        "Add up the pay transactions that I sent on or after {since} with {event} in the note, in"
        " any spelling of upper and lower case. Answer in cents.",
        "What did everything to do with the {event} cost me on pay from {since} on? Count only what"
        " I sent myself, by its note, and answer in cents.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw what for, since when, and the amounts."""
        others = [row["id"] for row in rng.sample(_others(db, person), 3)]
        return {
            "event": rng.choice(_EVENTS),
            "since": _ago(rng.randrange(40, 80))[:10],
            "others": others,
            "amounts": rng.sample(range(700, 9_000), 6),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add payments: three that count, an old one, a received one, and another's."""
        me, (one, two, three), event = person["id"], params["others"], params["event"]
        day = datetime.fromisoformat(params["since"])
        listed = [(me, one, event.upper(), 0.2), (me, two, f"Deposit for the {event}", 9)]
        listed += [(me, one, f"{event}, the rest", 30), (me, two, event, -0.5)]
        listed += [(three, me, event, 5), (two, one, event, 6)]
        for (sender, receiver, note, days), amount in zip(listed, params["amounts"], strict=True):
            row: Row = {"sender_id": sender, "receiver_id": receiver, "amount": amount}
            row |= {"note": note, "private": 0}
            time = (day + timedelta(days=days)).isoformat()
            db.insert("pay_transactions", {**row, "created_at": time})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the sum."""
        total = db.one(
            "SELECT SUM(amount) AS total FROM pay_transactions WHERE sender_id = ? AND"
            " instr(lower(note), ?) AND created_at >= ?",
            person["id"],
            params["event"],
            params["since"],
        )
        return Expected(answer=total["total"])

    def oracle(self, params: Params) -> list[str]:
        """Read all pages since the day, then sum by the note."""
        return [
            log_in("pay"),
            ALL_PAGES,
            "found = all_pages(apis.pay.show_transactions, access_token=tokens['pay'],"
            f" direction='sent', created_from={params['since']!r})\n"
            "total = sum(row['amount'] for row in found"
            f" if {params['event']!r} in row['note'].lower())",
            complete("total"),
        ]


SCENARIOS = (
    SplitBill(),
    PayWhatTextSays(),
    SendIfEnough(),
    TopUp(),
    RemindLate(),
    DenyTwins(),
    SpentOn(),
)
