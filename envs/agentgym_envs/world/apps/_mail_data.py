"""What is in the mail of a world: threads between people who know each other."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentgym_envs.world.database import Database
from agentgym_envs.world.people import NOW, Person

__all__ = ["fill"]

THREADS = 1035  # at scale 1.0
DRAFTS = 60
_WORK = ("coworker", "manager", "report")
_LABELS = ("Work", "Family", "Travel", "Bills", "To read", "Important", "House", "Clubs")


@dataclass(frozen=True, slots=True)
class _Topic:
    """What a thread is about; braces are slots, see `_slots`."""

    subject: str
    opening: tuple[str, ...]
    replies: tuple[str, ...]
    files: tuple[str, ...] = ()


_AT_WORK = (
    _Topic(
        "{project}: draft of the {month} report",
        (
            "Here is the draft of the {month} report on {project}. Please check section {small}.",
            "The {month} numbers for {project} are in. We are {percent} percent over the plan.",
        ),
        (
            "Thanks. Section {small} looks right to me, only the chart needs a title.",
            "I found a wrong total on page {small}; it should be {large}.",
            "Good work. Let us send it out on {day}.",
        ),
        ("report_{month}.pdf", "{project}_figures.csv"),
    ),
    _Topic(
        "Meeting about {project} on {day}",
        (
            "Can we meet on {day} at {hour} to go through {project}? Room {small} is free.",
            "I would like half an hour on {day} to decide what comes next for {project}.",
        ),
        (
            "{day} at {hour} works for me.",
            "I am out that day. Could we take the day after?",
            "Fine, I will book room {small} and bring the notes from last time.",
        ),
        ("agenda.md",),
    ),
    _Topic(
        "Invoice {large} from {company}",
        (
            "{company} sent invoice {large} over {amount} euros. Can you approve it by {day}?",
            "Invoice {large} of {company} is still open. Do you know who ordered this?",
        ),
        (
            "Approved. Please book it on the {project} budget.",
            "I ordered it in {month}, the amount is right.",
            "Please ask them for a corrected one, the address is wrong.",
        ),
        ("invoice_{large}.pdf",),
    ),
    _Topic(
        "New hire for {project}",
        (
            "We had {small} applications for the {project} position. Two look strong.",
            "The interviews for {project} are set for {day} from {hour} on. Will you join?",
        ),
        (
            "Yes, count me in. Please forward the letters.",
            "I would take the second one, the sample work was careful.",
        ),
        ("applications.zip", "questions.docx"),
    ),
    _Topic(
        "Server maintenance on {day}",
        (
            "The build server is down on {day} from {hour} for about {small} hours.",
            "We move {project} to the new machine on {day}. Please push your work before {hour}.",
        ),
        (
            "Noted. My nightly run moves to the weekend then.",
            "Is there a way to keep the test database up meanwhile?",
            "All pushed from my side.",
        ),
    ),
    _Topic(
        "Offer for {company}",
        (
            "{company} asks for an offer over {small} workshops. I thought of {amount} euros each.",
            "Attached is the second version of the offer for {company}. The discount is now "
            "{percent} percent.",
        ),
        (
            "The price is fine, but give them until the end of {month} to decide.",
            "Please leave the discount out, they never asked for one.",
            "Sent. They promise an answer by {day}.",
        ),
        ("offer_{company}.docx", "prices.xlsx"),
    ),
    _Topic(
        "Holiday plan for {month}",
        (
            "Please tell me by {day} when you want to be away in {month}.",
            "I plan to take {small} days off in {month}. Is anybody else away then?",
        ),
        (
            "I stay here in {month}, so I can cover for you.",
            "I would be away in the second week.",
            "That is fine with me, just hand over {project} before.",
        ),
    ),
    _Topic(
        "Feedback on the {project} slides",
        (
            "I went through your slides. Slide {small} has too much text, the rest is clear.",
            "Could you have a look at the {project} slides before {day}?",
        ),
        (
            "Thanks, I cut it down to three points.",
            "Done, my remarks are in the file.",
        ),
        ("{project}_slides.pptx",),
    ),
)
_AT_HOME = (
    _Topic(
        "Trip to {town} in {month}",
        (
            "Shall we go to {town} in {month}? I found a flat for {amount} euros a week.",
            "The train to {town} leaves at {hour} on {day}. I booked {small} seats.",
        ),
        (
            "Sounds lovely, I am in.",
            "Could we go one week later? I have a wedding that weekend.",
            "I will look after the tickets, you take care of the rooms.",
        ),
        ("tickets_{town}.pdf", "packing_list.txt"),
    ),
    _Topic(
        "Dinner on {day}?",
        (
            "We cook {dish} on {day} at {hour}. Would you like to come?",
            "I want to try the new place in {street} on {day}. They are known for {dish}.",
        ),
        (
            "With pleasure! Shall I bring a dessert?",
            "I cannot on {day}, but the week after would be fine.",
            "Great, see you at {hour}.",
        ),
    ),
    _Topic(
        "Recipe for {dish}",
        (
            "Here is the recipe for {dish} that you asked for. It needs {small} hours of rest.",
            "Do you still have the recipe for {dish}? I lost mine.",
        ),
        (
            "Thank you, I will try it on {day}.",
            "It came out well, though I took half the salt.",
        ),
        ("{dish}.txt",),
    ),
    _Topic(
        "Photos from {town}",
        (
            "I finally sorted the photos from {town}. The {small} best ones are attached.",
            "Did you keep the pictures of our walk near {town}?",
        ),
        (
            "They are beautiful, especially the one at the harbour.",
            "I have about {large} of them, I will bring them on {day}.",
        ),
        ("{town}_1.jpg", "{town}_2.jpg"),
    ),
    _Topic(
        "Birthday present",
        (
            "What do you think of {thing} as a present? It costs {amount} euros.",
            "I collect for {thing} as our common present. Could you add {small} euros?",
        ),
        (
            "Good idea, I take part.",
            "I think {thing} is already there. Maybe a voucher?",
            "I sent you my share today.",
        ),
    ),
    _Topic(
        "{thing} for sale",
        (
            "We no longer need our {thing}. Would you like it for {amount} euros?",
            "Somebody in {street} gives away {thing}. You were looking for one, were you not?",
        ),
        (
            "Yes please! I can fetch it on {day} after {hour}.",
            "Thanks, but we found one last month.",
        ),
        ("photo.jpg",),
    ),
    _Topic(
        "Heating bill of {month}",
        (
            "The heating bill of {month} came: {amount} euros for all of us.",
            "The landlord wants {amount} euros more for heating. Can that be right?",
        ),
        (
            "That is {percent} percent more than last year. I will call him.",
            "I have paid my part, please check.",
            "Let us talk about it on {day}.",
        ),
        ("bill_{month}.pdf",),
    ),
    _Topic(
        "Choir practice moved to {day}",
        (
            "Practice is on {day} at {hour} this week, in the hall in {street}.",
            "We are {small} voices short for the concert in {month}. Do you know anybody?",
        ),
        (
            "Thanks for telling me, I will be there.",
            "My neighbour sings, I will ask.",
        ),
        ("scores.pdf",),
    ),
    _Topic(
        "A book you might like",
        (
            "I just finished a book about {town} and thought of you. Shall I lend it to you?",
            "You still have my book about {town}, could you bring it on {day}?",
        ),
        (
            "Yes, please bring it along on {day}.",
            "I have {small} chapters left, then you get it back.",
        ),
    ),
    _Topic(
        "Garden in {street}",
        (
            "The tomatoes in {street} need water while I am in {town}. Could you help out?",
            "I have far too many courgettes. Come and take some on {day}.",
        ),
        (
            "Sure, I will pass by at {hour}.",
            "I can do every day but {day}.",
        ),
    ),
)
_SLOTS: dict[str, tuple[str, ...]] = {
    "project": ("Atlas", "Birch", "Comet", "Delta", "Ember", "Falcon", "Garnet", "Harvest"),
    "company": ("Nordlicht", "Papyrus", "Quellwerk", "Solano", "Tannberg", "Velox"),
    "month": ("January", "February", "March", "April", "June", "September", "November"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "hour": ("8:30", "9:00", "10:15", "14:00", "16:30", "18:00", "19:30", "20:00"),
    "town": ("Lindau", "Porto", "Graz", "Malmo", "Turin", "Bergen", "Ghent", "Lyon"),
    "street": ("Mill Lane", "Harbour Street", "Oak Avenue", "Station Road", "Garden Way"),
    "dish": ("lentil curry", "mushroom risotto", "onion tart", "fish soup", "plum cake"),
    "thing": ("a bicycle pump", "a desk lamp", "a tent", "a sewing machine", "an espresso pot"),
}


def fill(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of the mail app."""
    known = _known(db)
    threads = [_thread(rng, people, known) for _ in range(round(THREADS * scale))]
    subjects = [{"id": n, "subject": t[0]["subject"]} for n, t in enumerate(threads, 1)]
    db.insert_all("mail_threads", subjects)
    found = [(m["sent_at"], n, m) for n, thread in enumerate(threads, 1) for m in thread]
    found.sort(key=lambda each: each[:2])
    messages = [{**m, "id": i, "thread_id": n} for i, (_, n, m) in enumerate(found, 1)]
    columns = ("id", "thread_id", "sender_id", "subject", "body", "sent_at")
    db.insert_all("mail_messages", [{name: m[name] for name in columns} for m in messages])
    db.insert_all(
        "mail_recipients",
        [{"message_id": m["id"], "person_id": p} for m in messages for p in m["to"]],
    )
    db.insert_all(
        "mail_attachments",
        [{"message_id": m["id"], "file_name": name} for m in messages for name in m["files"]],
    )
    copies = [copy for m in messages for copy in _copies(rng, m)]
    db.insert_all("mail_copies", copies)
    _fill_labels(db, rng, people, copies)
    db.insert_all("mail_drafts", [_draft(rng, people) for _ in range(round(DRAFTS * scale))])


def _known(db: Database) -> dict[int, list[tuple[int, str]]]:
    known: dict[int, list[tuple[int, str]]] = {}
    for row in db.all("SELECT person_id, other_id, kind FROM relations ORDER BY id"):
        known.setdefault(row["person_id"], []).append((row["other_id"], row["kind"]))
    return known


def _slots(rng: random.Random) -> dict[str, str]:
    slots = {name: rng.choice(values) for name, values in _SLOTS.items()}
    numbers = {"small": (2, 12), "large": (100, 9999), "amount": (20, 900), "percent": (3, 40)}
    return slots | {name: str(rng.randint(*ends)) for name, ends in numbers.items()}


def _thread(
    rng: random.Random, people: list[Person], known: dict[int, list[tuple[int, str]]]
) -> list[dict[str, Any]]:
    """Return the messages of one thread: everybody writes to everybody else in it."""
    starter = rng.choice(people)
    others = known.get(starter.id, [])
    first, kind = rng.choice(others) if others else (starter.id % len(people) + 1, "friend")
    at_work = kind in _WORK
    same = [other for other, k in others if (k in _WORK) == at_work and other != first]
    extra = rng.sample(same, min(len(same), rng.choices((0, 1, 2), (75, 15, 10))[0]))
    members = [starter.id, first, *extra]
    topic = rng.choice(_AT_WORK if at_work else _AT_HOME)
    slots = _slots(rng)
    subject = topic.subject.format_map(slots)
    length = rng.choices((1, 2, 3, 4), (35, 35, 20, 10))[0]
    texts = [rng.choice(topic.opening), *_sampled(rng, topic.replies, length - 1)]
    files = topic.files if topic.files and rng.random() < 0.4 else ()
    now = datetime.fromisoformat(NOW)
    when = now - timedelta(minutes=rng.randint(30, 365 * 24 * 60))
    messages: list[dict[str, Any]] = []
    for n, text in enumerate(texts):
        if when >= now:
            break
        sender = members[n % len(members)]
        to = [member for member in members if member != sender]
        messages.append(
            {
                "sender_id": sender,
                "subject": f"Re: {subject}" if n else subject,
                "body": _letter(rng, people, sender, to, text.format_map(slots)),
                "sent_at": when.isoformat(),
                "to": to,
                "files": [_file(name, slots) for name in files] if n == 0 else [],
            }
        )
        when += timedelta(minutes=rng.randint(5, 40 * 60), seconds=rng.randrange(60))
    return messages


def _sampled(rng: random.Random, texts: tuple[str, ...], count: int) -> list[str]:
    return rng.sample(texts, min(count, len(texts)))


def _file(name: str, slots: dict[str, str]) -> str:
    return name.format_map(slots).lower().replace(" ", "_")


def _letter(rng: random.Random, people: list[Person], sender: int, to: list[int], text: str) -> str:
    names = " and ".join(people[other - 1].first_name for other in to[:2]) if len(to) < 3 else "all"
    hello = rng.choice(("Hi", "Hello", "Dear"))
    bye = rng.choice(("Best", "Kind regards", "See you", "Cheers", "All the best"))
    return f"{hello} {names},\n\n{text}\n\n{bye},\n{people[sender - 1].first_name}"


def _copies(rng: random.Random, message: dict[str, Any]) -> list[dict[str, Any]]:
    recent = message["sent_at"] > "2025-04-18"
    rows = [_copy(message, message["sender_id"], incoming=False, is_read=True, archived=False)]
    for person in message["to"]:
        is_read = rng.random() < (0.6 if recent else 0.95)
        archived = is_read and rng.random() < 0.2
        rows.append(_copy(message, person, incoming=True, is_read=is_read, archived=archived))
    return rows


def _copy(
    message: dict[str, Any], person: int, *, incoming: bool, is_read: bool, archived: bool
) -> dict[str, Any]:
    return {
        "message_id": message["id"],
        "person_id": person,
        "incoming": int(incoming),
        "is_read": int(is_read),
        "is_archived": int(archived),
    }


def _fill_labels(
    db: Database, rng: random.Random, people: list[Person], copies: list[dict[str, Any]]
) -> None:
    names = {person.id: sorted(rng.sample(_LABELS, rng.randint(4, 6))) for person in people}
    labels = [(person, name) for person, each in names.items() for name in each]
    db.insert_all("mail_labels", [{"person_id": person, "name": name} for person, name in labels])
    ids: dict[int, list[int]] = {}
    for n, (person, _) in enumerate(labels, 1):
        ids.setdefault(person, []).append(n)
    db.insert_all(
        "mail_labelled",
        [
            {"copy_id": n, "label_id": rng.choice(ids[copy["person_id"]])}
            for n, copy in enumerate(copies, 1)
            if rng.random() < 0.12
        ],
    )


def _draft(rng: random.Random, people: list[Person]) -> dict[str, Any]:
    person, other = rng.sample(people, 2)
    topic, slots = rng.choice(_AT_HOME), _slots(rng)
    when = datetime.fromisoformat(NOW) - timedelta(minutes=rng.randint(10, 60 * 24 * 40))
    return {
        "person_id": person.id,
        "recipients": other.email,
        "subject": topic.subject.format_map(slots),
        "body": rng.choice(topic.opening).format_map(slots),
        "updated_at": when.isoformat(),
    }
