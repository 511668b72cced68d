"""Scenarios of the challenge split: what files say about the calendar, and the other way round."""

from __future__ import annotations

import random

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Expected,
    IdOf,
    Insert,
    Params,
    Scenario,
    Update,
    complete,
    log_in,
)
from agentgym_envs.world.scenarios._desk_rows import Lines, add_event, add_file
from agentgym_envs.world.scenarios._letters import full_name, others

__all__ = ["SCENARIOS"]

_PARTIES = ("Lantern walk", "Rooftop dinner", "Pancake brunch", "Kite picnic", "Vinyl night")
_MEETINGS = ("Boat club meeting", "Parents' round", "House council", "Archive tour")
_DUTIES = ("Ticket desk", "Coffee stand", "Cloakroom", "Stage crew")
_EVENTS_OF_TITLE = (
    "found = all_pages(apis.calendar.search_events, access_token=tokens['calendar'],"
    " query={title!r})\n"
    "[mine] = [row for row in found if row['title'] == {title!r}"
    " and row['starts_at'][:10] == {day!r}]"
)
_FIND_SHARED = (
    "shares = all_pages(apis.files.show_shared, access_token=tokens['files'])\n"
    "people = apis.pay.search_people(query={name!r}, access_token=tokens['pay'])\n"
    "[share] = [row for row in shares if row['path'].endswith({path!r})"
    " and row['owner_email'] == people[0]['email']]\n"
    "text = apis.files.show_shared_file(file_id=share['file_id'],"
    " access_token=tokens['files'])['content']"
)


def _day(rng: random.Random) -> str:
    return f"2025-07-{rng.randint(2, 27):02d}"


class InviteFromList(Scenario):
    """Invite whom a list in files names as coming, as far as they are not invited yet."""

    name = "files_invite_guest_list"
    split = "test_challenge"
    apps = ("files", "calendar")
    phrasings = (
        'The guest list for "{title}" on {day} is among my files. Invite everybody to that event'
        " in my calendar who has a yes there and is not invited yet.",
        'Please bring my calendar event "{title}" of {day} up to date with its guest list in files:'
        " whoever said yes must be among the invited. Take nobody off.",
        'In files I keep a guest list for "{title}" ({day}). Add those with a yes to the'
        " event in the calendar unless they are on it already; leave out the others.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the event and six people."""
        title, rest = rng.sample(_PARTIES, 2)
        people = others(db, person, rng, 6)
        return {
            "title": title,
            "rest": rest,
            "day": _day(rng),
            "people": [row["id"] for row in people],
            "emails": [row["email"] for row in people],
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the event and one of the week before, the list and that of another party."""
        me, day, ids, emails = person["id"], params["day"], params["people"], params["emails"]
        answers = ("yes", "yes", "no", "maybe", "yes", "no")
        lines = [f"{email}: {said}" for email, said in zip(emails, answers, strict=True)]
        text = f"Guest list\nParty: {params['title']} on {day}\n" + "\n".join(lines)
        add_file(db, me, "/guests_b.txt", text)
        text = f"Guest list\nParty: {params['rest']} on {day}\n{emails[2]}: yes\n{emails[3]}: yes"
        add_file(db, me, "/guests_a.txt", text)
        span = (f"{day}T18:00:00", f"{day}T22:00:00")
        add_event(db, me, params["title"], span, {ids[1]: "pending", ids[5]: "pending"})
        span = ("2025-06-20T18:00:00", "2025-06-20T22:00:00")
        add_event(db, me, params["title"], span, {ids[0]: "accepted"})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the two new invitations."""
        event = db.one(
            "SELECT id FROM calendar_events WHERE organizer_id = ? AND title = ?"
            " AND substr(starts_at, 1, 10) = ?",
            person["id"],
            params["title"],
            params["day"],
        )
        row = {"event_id": event["id"], "status": "pending"}
        invited = (params["people"][0], params["people"][4])
        changes = tuple(Insert("calendar_attendees", {**row, "person_id": one}) for one in invited)
        return Expected(changes=changes)

    def oracle(self, params: Params) -> list[str]:
        """Find the list by its second line, and compare it with who is invited."""
        title, day = params["title"], params["day"]
        return [
            log_in("files", "calendar"),
            ALL_PAGES,
            "found = all_pages(apis.files.search_files, access_token=tokens['files'],"
            " query='guest list')\n"
            "texts = [apis.files.show_file(path=row['path'],"
            " access_token=tokens['files'])['content'] for row in found]\n"
            f"[text] = [text for text in texts if {f'Party: {title} on {day}'!r} in text]\n"
            "coming = [line.split(': ')[0] for line in text.splitlines()"
            " if line.endswith(': yes')]",
            _EVENTS_OF_TITLE.format(title=title, day=day),
            "there = {row['email'] for row in mine['attendees']}\n"
            "for email in coming:\n"
            "    if email not in there:\n"
            "        apis.calendar.invite_attendee(event_id=mine['event_id'], email=email,"
            " access_token=tokens['calendar'])",
            complete(),
        ]


class AcceptedToFile(Scenario):
    """Write down who has accepted an invitation, and share the file with who organizes it."""

    name = "calendar_accepted_to_file"
    split = "test_challenge"
    apps = ("calendar", "files")
    phrasings = (
        'Write the email addresses of all who have accepted the invitation to "{title}" on {day},'
        " one a line and nothing else, into a new file {path} and share it with the organizer,"
        " who may read but not edit it.",
        "Create the file {path} with one email address a line: those of all who have accepted"
        ' "{title}" on {day} in the calendar. Share it, for reading only, with whoever organizes'
        " this event.",
        'The organizer of "{title}" ({day}) wants a list of who has accepted. Put just their email'
        " addresses, each on its own line, into {path} and let the organizer read the file, but"
        " not edit it.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the event and six people."""
        people = [row["id"] for row in others(db, person, rng, 6)]
        path = f"/accepted_{rng.randrange(100, 999)}.txt"
        return {"title": rng.choice(_MEETINGS), "day": _day(rng), "path": path, "people": people}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the event, and one of the title that another organizes on another day."""
        organizer, one, two, three, four, five = params["people"]
        guests = {one: "accepted", two: "declined", person["id"]: "accepted", three: "tentative"}
        guests |= {four: "accepted", five: "pending"}
        day = params["day"]
        span = (f"{day}T17:30:00", f"{day}T19:00:00")
        add_event(db, organizer, params["title"], span, guests)
        span = ("2025-06-24T17:30:00", "2025-06-24T19:00:00")
        guests = {two: "accepted", person["id"]: "accepted", three: "accepted"}
        add_event(db, five, params["title"], span, guests)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the file and the share."""
        accepted = (params["people"][1], params["people"][4], person["id"])
        query = "SELECT email FROM people WHERE id = ?"
        emails = tuple(db.one(query, each)["email"] for each in accepted)
        row = {"person_id": person["id"], "path": params["path"]}
        file = Insert("files_files", {**row, "content": Lines(emails, ordered=False)})
        share = {"file_id": IdOf(file), "person_id": params["people"][0], "can_edit": 0}
        return Expected(changes=(file, Insert("files_shares", share)))

    def oracle(self, params: Params) -> list[str]:
        """Find the event, write the file and share it."""
        path = params["path"]
        return [
            log_in("calendar", "files"),
            ALL_PAGES,
            _EVENTS_OF_TITLE.format(title=params["title"], day=params["day"]),
            "emails = [row['email'] for row in mine['attendees'] if row['status'] == 'accepted']\n"
            f"apis.files.create_file(path={path!r}, content='\\n'.join(emails),"
            " access_token=tokens['files'])\n"
            f"apis.files.share_file(path={path!r}, email=mine['organizer']['email'],"
            " access_token=tokens['files'])",
            complete(),
        ]


class SignUp(Scenario):
    """Sign up in a shared file for the first open duty for which the calendar has room."""

    name = "files_sign_up_for_duty"
    split = "test_challenge"
    apps = ("files", "calendar", "pay")
    phrasings = (
        "{name} shares a duty roster {path} with me. Take the first open slot in it at which my"
        ' calendar is free: replace "open" on its line by my full name, change nothing else in the'
        ' file, and put an event "{duty}" with exactly its times into my calendar.',
        'Please sign me up in the roster {path} that {name} shares with me: my full name for "open"'
        " in the earliest slot that nobody has and that clashes with nothing in my calendar. Then"
        ' create the event "{duty}" in my calendar from the start to the end of that slot.',
        "In the file {path}, shared by {name}, some slots are open. Put my full name in place of"
        ' "open" on the first one for which I have time by my calendar; the other lines stay. Also'
        ' enter it in my calendar, as "{duty}", from its start to its end.',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw who shares it, and a day on which the person has no plans."""
        sharing, other = others(db, person, rng, 2)
        day = _day(rng)
        mine = db.first(
            "SELECT 1 FROM calendar_events e WHERE substr(starts_at, 1, 10) <= ?2 AND"
            " substr(ends_at, 1, 10) >= ?2 AND (organizer_id = ?1 OR EXISTS (SELECT 1 FROM"
            " calendar_attendees a WHERE a.event_id = e.id AND a.person_id = ?1))",
            person["id"],
            day,
        )
        if mine:
            return None
        starts = sorted(rng.sample(range(8, 20, 2), 4))
        slots = [f"{day} {hour:02d}:00-{hour + 1:02d}:45" for hour in starts]
        return {
            "name": full_name(sharing),
            "sharing": sharing["id"],
            "other": other["id"],
            "other_name": full_name(other),
            "path": f"/roster_{rng.randrange(100, 999)}.txt",
            "duty": rng.choice(_DUTIES),
            "slots": slots,
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the file, one of the same path by another, and what the calendar has."""
        me, slots = person["id"], params["slots"]
        taken = (params["other_name"], "open", "open", "open")
        lines = [f"{slot}: {who}" for slot, who in zip(slots, taken, strict=True)]
        text = "\n".join(lines)
        add_file(db, params["sharing"], params["path"], text, reader=me, can_edit=True)
        text = "\n".join(f"{slot}: open" for slot in slots)
        add_file(db, params["other"], params["path"], text, reader=me, can_edit=True)
        day, hour = slots[1][:10], int(slots[1][11:13])
        span = (f"{day}T{hour + 1:02d}:15:00", f"{day}T{hour + 1:02d}:40:00")
        add_event(db, params["other"], "Piano tuner", span, {me: "accepted"})
        hour = int(slots[2][11:13])
        span = (f"{day}T{hour:02d}:30:00", f"{day}T{hour + 1:02d}:30:00")
        add_event(db, params["other"], "Raffle", span, {me: "declined"})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the changed line and the event: it is the third slot."""
        file = db.one(
            "SELECT id FROM files_files WHERE person_id = ? AND path = ?",
            params["sharing"],
            params["path"],
        )
        slots = params["slots"]
        names = (params["other_name"], "open", full_name(person), "open")
        lines = tuple(f"{slot}: {who}" for slot, who in zip(slots, names, strict=True))
        day, start, end = slots[2][:10], slots[2][11:16], slots[2][17:22]
        event = {"organizer_id": person["id"], "title": params["duty"]}
        event |= {"starts_at": f"{day}T{start}:00", "ends_at": f"{day}T{end}:00"}
        return Expected(
            changes=(
                Update("files_files", file["id"], {"content": Lines(lines)}),
                Insert("calendar_events", event),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Go through the open slots, and ask the calendar whether they are free."""
        return [
            log_in("files", "calendar", "pay"),
            ALL_PAGES,
            _FIND_SHARED.format(name=params["name"], path=params["path"]),
            "lines = text.splitlines()\n"
            "for number, line in enumerate(lines):\n"
            "    slot, who = line.split(': ')\n"
            "    day, start, end = slot[:10], slot[11:16], slot[17:22]\n"
            "    if who == 'open' and apis.calendar.find_free_time(date=day, day_start=start,"
            " day_end=end, duration_minutes=105, access_token=tokens['calendar']):\n"
            "        break\n"
            "lines[number] = f\"{slot}: {profile['first_name']} {profile['last_name']}\"",
            "apis.files.update_shared_file(file_id=share['file_id'], content='\\n'.join(lines),"
            " access_token=tokens['files'])\n"
            f"apis.calendar.create_event(title={params['duty']!r},"
            " starts_at=f'{day}T{start}:00', ends_at=f'{day}T{end}:00',"
            " access_token=tokens['calendar'])",
            complete(),
        ]


SCENARIOS = (InviteFromList(), AcceptedToFile(), SignUp())
