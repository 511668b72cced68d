"""Scenarios of the challenge split: the calendar and files, with phone, mail and pay."""

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
from agentgym_envs.world.scenarios._letters import (
    CENTS,
    Says,
    add_mail,
    contacts,
    euros,
    full_name,
    mailed,
    others,
    paid,
    texted,
)

__all__ = ["SCENARIOS"]

_SUBJECTS = ("Plan for the greenhouse", "Choir bus", "Stall at the fair", "Reading circle")
_TITLES = ("Glass blowing class", "Stargazing", "Chess evening", "Cider tasting", "Quiz night")
_FLATS = ("Ferry House", "Garden Loft", "Tower Flat", "Mill Cottage", "Harbour Rooms")


def _add_event(
    db: Database, organizer: int, title: str, span: tuple[str, str], guests: dict[int, str]
) -> int:
    row = {"organizer_id": organizer, "title": title, "description": "", "location": "Room 4"}
    event_id = db.insert("calendar_events", {**row, "starts_at": span[0], "ends_at": span[1]})
    for guest, status in guests.items():
        attendee = {"event_id": event_id, "person_id": guest, "status": status}
        db.insert("calendar_attendees", attendee)
    return event_id


def _busy(db: Database, people: tuple[int, int], day: str) -> list[tuple[str, str]]:
    """Return when one of two people is busy on a day, the earliest first."""
    rows = db.all(
        "SELECT starts_at, ends_at FROM calendar_events e WHERE starts_at < ?3 || 'T18:00:00' AND"
        " ends_at > ?3 || 'T09:00:00' AND (organizer_id IN (?1, ?2) OR EXISTS (SELECT 1 FROM"
        " calendar_attendees a WHERE a.event_id = e.id AND a.person_id IN (?1, ?2) AND a.status IN"
        " ('accepted', 'tentative'))) ORDER BY starts_at",
        *people,
        day,
    )
    return [(row["starts_at"], row["ends_at"]) for row in rows]


class DeclineAndTell(Scenario):
    """Decline the open invitations of an evening, and text who sent them."""

    name = "calendar_decline_and_text"
    split = "test_challenge"
    apps = ("calendar", "phone")
    phrasings = (
        "I cannot go out on {day}. Decline each invitation in my calendar for that day that I have"
        ' not answered yet, and text "{text}" to its organizer.',
        "Turn down all pending invitations to events that start on {day}. Whoever organizes one of"
        ' them gets the text message "{text}" from me.',
        "On {day} I stay at home: please decline the invitations for that day that are still"
        ' unanswered, and send every one of their organizers this text: "{text}"',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a day without invitations and four organizers."""
        known = contacts(db, person)
        day = f"2025-06-{rng.randint(1, 28):02d}"
        waiting = db.first(
            "SELECT 1 FROM calendar_events e JOIN calendar_attendees a ON a.event_id = e.id WHERE"
            " a.person_id = ? AND a.status = 'pending' AND substr(e.starts_at, 1, 10) = ?",
            person["id"],
            day,
        )
        if len(known) < 4 or waiting:
            return None
        people = [row["id"] for row in rng.sample(known, 4)]
        text = rng.choice(("Sorry, I cannot come.", "I have to stay at home, have fun!"))
        return {"day": day, "text": text, "people": people, "titles": rng.sample(_TITLES, 4)}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add two open invitations of the day, an accepted one, and one of the day after."""
        day = params["day"]
        after = f"{day[:8]}{int(day[8:]) + 1:02d}"
        states = ((day, "pending"), (day, "pending"), (day, "accepted"), (after, "pending"))
        for organizer, title, (when, status) in zip(
            params["people"], params["titles"], states, strict=True
        ):
            span = (f"{when}T19:00:00", f"{when}T21:00:00")
            other = next(each for each in params["people"] if each != organizer)
            _add_event(db, organizer, title, span, {other: "pending", person["id"]: status})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the answers and the texts."""
        me = person["id"]
        changes: list[Update | Insert] = []
        for organizer, title in list(zip(params["people"], params["titles"], strict=True))[:2]:
            row = db.one(
                "SELECT a.id FROM calendar_attendees a JOIN calendar_events e ON e.id = a.event_id"
                " WHERE a.person_id = ? AND e.organizer_id = ? AND e.title = ?"
                " AND a.status = 'pending' ORDER BY e.id DESC",
                me,
                organizer,
                title,
            )
            changes.append(Update("calendar_attendees", row["id"], {"status": "declined"}))
            changes.append(texted(me, organizer, params["text"]))
        return Expected(changes=tuple(changes))

    def oracle(self, params: Params) -> list[str]:
        """Go through the open invitations; numbers are in the contacts."""
        return [
            log_in("calendar", "phone"),
            ALL_PAGES,
            "found = all_pages(apis.calendar.show_invitations, access_token=tokens['calendar'],"
            " status='pending')\n"
            f"mine = [row for row in found if row['starts_at'][:10] == {params['day']!r}]",
            "known = all_pages(apis.phone.show_contacts, access_token=tokens['phone'])\n"
            "numbers = {row['email']: row['phone_number'] for row in known}",
            "for row in mine:\n"
            "    apis.calendar.respond_to_invitation(event_id=row['event_id'],"
            " status='declined', access_token=tokens['calendar'])\n"
            "    apis.phone.send_text_message(phone_number=numbers[row['organizer']['email']],"
            f" text={params['text']!r}, access_token=tokens['phone'])",
            complete(),
        ]


class BookFirstGap(Scenario):
    """Book the first gap of two people that is as long as a mail asks for."""

    name = "calendar_book_from_mail"
    split = "test_challenge"
    apps = ("calendar", "mail")
    phrasings = (
        '{name} has asked me by mail for a meeting ("{subject}"). Put it into my calendar under'
        " that title on the day and for as long as the mail says, at the earliest time from 09:00"
        " to 18:00 when both of us are free, and invite {name}. It has exactly one guest.",
        'Read what {name} wrote me about "{subject}", and create an event of this title on that'
        " day, exactly as long as is asked for, as early as we are both free between 09:00 and"
        " 18:00. Invite {name} and nobody else.",
        'Please schedule the meeting that {name} wants by email: title "{subject}", day and length'
        " as in the mail, the first time between 09:00 and 18:00 that suits both calendars, with"
        " {name} as the only guest.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw who asks, the day and the length, on a day on which nobody has plans."""
        asking, other = others(db, person, rng, 2)
        day = f"2025-06-{rng.randint(2, 28):02d}"
        if _busy(db, (person["id"], asking["id"]), day):
            return None
        subject, rest = rng.sample(_SUBJECTS, 2)
        return {
            "name": full_name(asking),
            "subject": subject,
            "rest": rest,
            "asking": asking["id"],
            "other": other["id"],
            "day": day,
            "minutes": rng.choice((50, 55, 70, 80)),
            "mine": rng.choice(("10:05", "10:15", "10:25")),
            "theirs": rng.choice(("11:35", "11:50", "12:10")),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add what both have planned, the mail, and others like it."""
        me, asking, day = person["id"], params["asking"], params["day"]
        end, theirs = f"{day}T{params['mine']}:00", f"{day}T{params['theirs']}:00"
        _add_event(db, me, "Desk work", (f"{day}T09:05:00", end), {})
        _add_event(db, asking, "Errands", (f"{day}T10:45:00", theirs), {})
        _add_event(db, me, "Lunch", (f"{day}T13:40:00", f"{day}T14:10:00"), {})
        span = (f"{day}T12:00:00", f"{day}T17:00:00")
        _add_event(db, params["other"], "Open house", span, {me: "declined"})
        body = f"Could we sit down on {day} for {params['minutes']} minutes? Any time of the day."
        add_mail(db, asking, me, params["subject"], body, "2025-05-15T10:30:00")
        body = f"Could we sit down on {day} for 30 minutes? Any time of the day."
        add_mail(db, asking, me, params["rest"], body, "2025-05-16T10:30:00")
        add_mail(db, params["other"], me, params["subject"], body, "2025-05-17T10:30:00")

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the event and the invitation."""
        # The gap before and the one between are shorter than any meeting, the next is not.
        start = f"{params['day']}T{params['theirs']}:00"
        at = int(params["theirs"][:2]) * 60 + int(params["theirs"][3:]) + params["minutes"]
        end = f"{params['day']}T{at // 60:02d}:{at % 60:02d}:00"
        row = {"organizer_id": person["id"], "starts_at": start, "ends_at": end}
        event = Insert("calendar_events", {**row, "title": params["subject"]})
        guest = {"event_id": IdOf(event), "person_id": params["asking"]}
        return Expected(changes=(event, Insert("calendar_attendees", guest)))

    def oracle(self, params: Params) -> list[str]:
        """Read the mail, find the gap and book it."""
        return [
            log_in("mail", "calendar"),
            ALL_PAGES,
            "import re\n"
            "from datetime import datetime, timedelta\n"
            "found = all_pages(apis.mail.search_messages, access_token=tokens['mail'],"
            f" query={params['subject']!r})\n"
            f"mine = [row for row in found if row['sender']['name'] == {params['name']!r}]\n"
            "asked = apis.mail.show_message(message_id=mine[0]['message_id'],"
            " access_token=tokens['mail'])\n"
            "day = re.search(r'\\d{4}-\\d\\d-\\d\\d', asked['body']).group()\n"
            "minutes = int(re.search(r'(\\d+) minutes', asked['body']).group(1))\n"
            "email = asked['sender']['email']",
            "gaps = apis.calendar.find_free_time(date=day, duration_minutes=minutes,"
            " with_emails=[email], access_token=tokens['calendar'])\n"
            "start = gaps[0]['starts_at']\n"
            "end = (datetime.fromisoformat(start) + timedelta(minutes=minutes)).isoformat()",
            f"apis.calendar.create_event(title={params['subject']!r}, starts_at=start,"
            " ends_at=end, attendee_emails=[email], access_token=tokens['calendar'])",
            complete(),
        ]


class MoveEvent(Scenario):
    """Move an event and tell a guest, unless the guest is who organizes it."""

    name = "calendar_move_event"
    split = "test_challenge"
    apps = ("calendar", "phone")
    can_fail = True
    phrasings = (
        'Move my calendar event "{title}" on {day} to {time} on the same day; only if that works,'
        " text {name} the new time.",
        'Please put off "{title}" on {day}, which is in my calendar, until {time} that day. Then'
        " tell {name} the new time by text.",
        'The event "{title}" on {day} should start at {time}. Change it in the calendar, then text'
        " {name} about it.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the other, who of the two organizes the event, the title and the times."""
        known = contacts(db, person)
        if not known:
            return None
        other = rng.choice(known)
        return {
            "name": full_name(other),
            "other": other["id"],
            "foreign": rng.random() < 0.5,
            "title": rng.choice(_TITLES),
            "day": f"2025-06-{rng.randint(2, 27):02d}",
            "time": rng.choice(("18:30", "19:15", "20:45")),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the event, and one of its title on the day after that the other of the two has."""
        day, title = params["day"], params["title"]
        after = f"{day[:8]}{int(day[8:]) + 1:02d}"
        both = (person["id"], params["other"])
        for when, foreign in ((day, params["foreign"]), (after, not params["foreign"])):
            organizer, guest = both[::-1] if foreign else both
            span = (f"{when}T17:00:00", f"{when}T18:00:00")
            _add_event(db, organizer, title, span, {guest: "accepted"})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the moved event and the text, or that only somebody else could move it."""
        day, time = params["day"], params["time"]
        event = db.one(
            "SELECT * FROM calendar_events WHERE title = ?1 AND organizer_id IN (?2, ?3)"
            " AND starts_at = ?4",
            params["title"],
            person["id"],
            params["other"],
            f"{day}T17:00:00",
        )
        if event["organizer_id"] != person["id"]:
            return Expected(status="fail")
        end = f"{int(time[:2]) + 1}{time[2:]}"  # it lasts an hour
        moved = {"starts_at": f"{day}T{time}:00", "ends_at": f"{day}T{end}:00"}
        said = texted(person["id"], params["other"], Says(time))
        return Expected(changes=(Update("calendar_events", event["id"], moved), said))

    def oracle(self, params: Params) -> list[str]:
        """Look who organizes the event, then move it and tell the other, or give up."""
        return [
            log_in("calendar", "phone"),
            ALL_PAGES,
            "found = all_pages(apis.calendar.search_events, access_token=tokens['calendar'],"
            f" query={params['title']!r})\n"
            f"mine = [row for row in found if row['starts_at'][:10] == {params['day']!r}]\n"
            "works = mine[0]['my_status'] == 'organizer'",
            "if works:\n    apis.calendar.update_event(event_id=mine[0]['event_id'],"
            f" starts_at='{params['day']}T{params['time']}:00', access_token=tokens['calendar'])",
            "known = all_pages(apis.phone.search_contacts, access_token=tokens['phone'],"
            f" query={params['name']!r})\n"
            "if works:\n"
            "    apis.phone.send_text_message(phone_number=known[0]['phone_number'],"
            f" text='It is at {params['time']} now.', access_token=tokens['phone'])",
            complete_if("works"),
        ]


class PayRentByFile(Scenario):
    """Pay the rent that a contract in files names, and mail the receipt."""

    name = "files_pay_rent_and_mail"
    split = "test_challenge"
    apps = ("files", "pay", "mail")
    phrasings = (
        "The contract of the {flat} is among my files. Pay one month's rent to the landlord who is"
        ' named in it, with pay, and send them a mail with the subject "{subject}".',
        "Find the contract of the {flat} in files, send the landlord the monthly rent in pay, and"
        ' write them an email with the subject "{subject}" whose text you choose.',
        "In my files is the contract for the {flat}. Transfer the rent of one month with pay to the"
        ' landlord it names. Then mail the landlord; the subject is "{subject}".',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the flats, landlords and rents."""
        people = others(db, person, rng, 2)
        flats = rng.sample(_FLATS, 2)
        rent, wrong, deposit = rng.sample(range(30_000, 90_000, 50), 3)
        return {
            "flat": flats[0],
            "rest": flats[1],
            "subject": f"Rent of {flats[0]}",
            "people": [row["id"] for row in people],
            "names": [full_name(row) for row in people],
            "rent": rent,
            "wrong": wrong,
            "deposit": deposit,
            "number": rng.randrange(100, 999),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the contract, that of another flat, and a draft of somebody else's."""
        me, number = person["id"], params["number"]
        for owner, shift, flat, who, rent in (
            (me, 0, "flat", 0, "rent"),
            (me, 1, "rest", 1, "wrong"),
            (me % 40 + 1, 0, "flat", 1, "wrong"),
        ):
            lines = (
                f"Contract {number + shift}",
                f"Flat: {params[flat]}",
                f"Landlord: {params['names'][who]}",
                f"Deposit, paid already: {euros(params['deposit'])}",
                f"Rent a month: {euros(params[rent])}",
            )
            row = {"person_id": owner, "path": f"/contract_{number + shift}.txt"}
            row |= {"content": "\n".join(lines), "created_at": NOW, "updated_at": NOW}
            db.insert("files_files", row)
        db.run("UPDATE pay_balances SET amount = 200000 WHERE person_id = ?", me)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the payment and the mail."""
        me, landlord = person["id"], params["people"][0]
        letter = mailed(me, landlord, {"subject": params["subject"]})
        return Expected(changes=(*paid(db, me, landlord, params["rent"]), *letter))

    def oracle(self, params: Params) -> list[str]:
        """Find the contract by its flat."""
        return [
            log_in("files", "pay", "mail"),
            ALL_PAGES + CENTS,
            "found = all_pages(apis.files.search_files, access_token=tokens['files'],"
            " query='contract')\n"
            "texts = [apis.files.show_file(path=row['path'],"
            " access_token=tokens['files'])['content'] for row in found]\n"
            f"[text] = [text for text in texts if {'Flat: ' + params['flat']!r} in text]\n"
            "fields = dict(line.split(': ', 1) for line in text.splitlines() if ': ' in line)",
            "people = apis.pay.search_people(query=fields['Landlord'],"
            " access_token=tokens['pay'])\n"
            "apis.pay.send_money(email=people[0]['email'],"
            " amount=cents(fields['Rent a month'])[0], access_token=tokens['pay'])",
            "apis.mail.send_message(recipient_emails=[people[0]['email']],"
            f" subject={params['subject']!r}, body='The rent is paid.',"
            " access_token=tokens['mail'])",
            complete(),
        ]


SCENARIOS = (DeclineAndTell(), BookFirstGap(), MoveEvent(), PayRentByFile())
