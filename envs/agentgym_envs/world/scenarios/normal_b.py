"""Scenarios of the normal test split: mail, phone, notes, music and pay."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Delete,
    Expected,
    IdOf,
    Insert,
    Params,
    Scenario,
    complete,
    complete_if,
    log_in,
)
from agentgym_envs.world.scenarios._letters import add_mail, full_name, others

__all__ = ["SCENARIOS"]

_MIXES = ("Tape for the ferry", "Songs for the bakery", "Night bus mix", "Sunday paint mix")
_CAUSES = ("carport", "choir room", "street party", "sailing dinghy")
_CITIES = ("Ghent", "Trieste", "Aarhus", "Gdansk", "Basel")
_LABELS = ("carport", "choir-room", "party", "dinghy")
_SONG = (
    "def song(title, artist):\n"
    "    found = all_pages(apis.music.search_songs, access_token=tokens['music'], query=title)\n"
    "    return [row for row in found if row['title'] == title and row['artist'] == artist][0]"
)


def _songs(db: Database) -> list[Row]:
    """Return the songs whose title and artist name no other song."""
    return db.all(
        "SELECT s.id, s.title, a.name AS artist FROM music_songs s JOIN music_artists a"
        " ON a.id = s.artist_id GROUP BY s.title, a.name HAVING COUNT(*) = 1 ORDER BY s.id"
    )


class PlaylistFromNote(Scenario):
    """Make a playlist of the songs in a note; those that are crossed out stay out."""

    name = "notes_playlist_from_note"
    split = "test_normal"
    apps = ("notes", "music")
    phrasings = (
        'My note "{title}" lists songs with their artists. Create a playlist "{title}" in music'
        " with them, without those that are crossed out: they begin with an x.",
        'Make a music playlist out of the note "{title}" and call it the same. Songs on lines that'
        " begin with an x are crossed out and do not go in; the artist must be the one noted.",
        'In notes I collected songs under "{title}". Put all of them that have no x in front into a'
        " new playlist of this title, each by the artist that I wrote down.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the title and six songs."""
        title, rest = rng.sample(_MIXES, 2)
        songs = [[row["id"], row["title"], row["artist"]] for row in rng.sample(_songs(db), 6)]
        return {"title": title, "rest": rest, "songs": songs}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the note, one of another title, and one of the title by somebody else."""
        lines = [f"{title} / {artist}" for _, title, artist in params["songs"]]
        body = f"- {lines[0]}\nx {lines[1]}\n- {lines[2]}\n- {lines[3]}\nx {lines[4]}"
        for owner, title, text in (
            (person["id"], params["title"], body),
            (person["id"], params["rest"], f"- {lines[5]}\n- {lines[1]}"),
            (person["id"] % 40 + 1, params["title"], f"- {lines[4]}"),
        ):
            row = {"person_id": owner, "title": title, "body": text, "pinned": 0}
            db.insert("notes_notes", {**row, "created_at": NOW, "updated_at": NOW})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the playlist and its three songs."""
        made = Insert("music_playlists", {"person_id": person["id"], "title": params["title"]})
        row, ids = {"playlist_id": IdOf(made)}, [params["songs"][place][0] for place in (0, 2, 3)]
        songs = (Insert("music_playlist_songs", {**row, "song_id": id_}) for id_ in ids)
        return Expected(changes=(made, *songs))

    def oracle(self, params: Params) -> list[str]:
        """Read the note, find each song by title and artist."""
        return [
            log_in("notes", "music"),
            ALL_PAGES,
            _SONG,
            "found = all_pages(apis.notes.show_notes, access_token=tokens['notes'])\n"
            f"[mine] = [row for row in found if row['title'] == {params['title']!r}]\n"
            "body = apis.notes.show_note(note_id=mine['note_id'],"
            " access_token=tokens['notes'])['body']\n"
            "wanted = [line[2:].rsplit(' / ', 1) for line in body.splitlines()"
            " if line.startswith('- ')]",
            f"made = apis.music.create_playlist(title={params['title']!r},"
            " access_token=tokens['music'])\n"
            "for title, artist in wanted:\n"
            "    apis.music.add_song_to_playlist(playlist_id=made['playlist_id'],"
            " song_id=song(title, artist)['song_id'], access_token=tokens['music'])",
            complete(),
        ]


class LabelByRelation(Scenario):
    """Label the mails about something that come from contacts of one kind."""

    name = "mail_label_from_relation"
    split = "test_normal"
    apps = ("mail", "phone")
    phrasings = (
        'Create the mail label "{label}" and put it on every message in my inbox about the {cause},'
        " by its subject, from a contact whom my phone lists as {relation}.",
        'Give the mails with "{cause}" in the subject that are from anybody who is {relation} in'
        ' my phone the new label "{label}", as far as they are in the inbox.',
        'Label the mails in my inbox with "{label}" (make this label first) whose subject has'
        ' "{cause}" in it and whose sender is among my phone contacts with the relationship'
        " {relation}.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the kind of contacts, two of them and one of another kind."""
        rows = db.all(
            "SELECT p.id, c.relationship FROM phone_contacts c JOIN people p ON p.email = c.email"
            " WHERE c.person_id = ? ORDER BY c.id",
            person["id"],
        )
        relation = rng.choice(("friend", "coworker"))
        kinds: dict[int, set[str]] = {}
        for row in rows:
            kinds.setdefault(row["id"], set()).add(row["relationship"])
        inside = [one for one, listed in kinds.items() if relation in listed]
        outside = [one for one, listed in kinds.items() if relation not in listed]
        label = rng.choice(_LABELS)
        taken = db.first(
            "SELECT 1 FROM mail_labels WHERE person_id = ? AND name = ?", person["id"], label
        )
        if len(inside) < 2 or not outside or taken:
            return None
        people = [*rng.sample(inside, 2), rng.choice(outside)]
        cause, rest = rng.sample(_CAUSES, 2)
        return {
            "label": label,
            "cause": cause,
            "rest": rest,
            "relation": relation,
            "people": people,
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add three mails that count, one from another, one of another subject, one archived."""
        one, two, out = params["people"]
        cause, rest = params["cause"], params["rest"]
        for day, (sender, subject, body) in enumerate(
            (
                (one, f"Plans for the {cause}", "I have drawn something."),
                (two, f"The {cause}: who pays?", "Let us share."),
                (out, f"Offer for the {cause}", "Valid for a week."),
                (one, f"Key of the {rest}", f"Has it to do with the {cause}?"),
                (two, f"{cause} again".capitalize(), "One more thing."),
            )
        ):
            when = f"2025-05-{10 + day}T08:45:00"
            add_mail(db, sender, person["id"], subject, body, when, read=bool(day % 2))
        old = add_mail(
            db, one, person["id"], f"The {cause} last year", "Old.", "2024-05-01T08:00:00"
        )
        db.run(
            "UPDATE mail_copies SET is_archived = 1 WHERE message_id = ? AND person_id = ?",
            old[0],
            person["id"],
        )

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the label and where it is put."""
        copies = db.all(
            "SELECT c.id FROM mail_copies c JOIN mail_messages m ON m.id = c.message_id WHERE"
            " c.person_id = ?1 AND c.incoming AND NOT c.is_archived AND instr(lower(m.subject), ?2)"
            " AND m.sender_id IN (SELECT p.id FROM phone_contacts k JOIN people p"
            " ON p.email = k.email WHERE k.person_id = ?1 AND k.relationship = ?3) ORDER BY c.id",
            person["id"],
            params["cause"],
            params["relation"],
        )
        label = Insert("mail_labels", {"person_id": person["id"], "name": params["label"]})
        of_label = {"label_id": IdOf(label)}
        put = (Insert("mail_labelled", {**of_label, "copy_id": row["id"]}) for row in copies)
        return Expected(changes=(label, *put))

    def oracle(self, params: Params) -> list[str]:
        """Compare the senders in the inbox with the contacts."""
        return [
            log_in("mail", "phone"),
            ALL_PAGES,
            "known = all_pages(apis.phone.show_contacts, access_token=tokens['phone'],"
            f" relationship={params['relation']!r})\n"
            "emails = {row['email'] for row in known}",
            "found = all_pages(apis.mail.show_inbox, access_token=tokens['mail'])\n"
            f"apis.mail.create_label(name={params['label']!r}, access_token=tokens['mail'])\n"
            "for row in found:\n"
            f"    if {params['cause']!r} in row['subject'].lower()"
            " and row['sender']['email'] in emails:\n"
            "        apis.mail.label_message(message_id=row['message_id'],"
            f" label={params['label']!r}, access_token=tokens['mail'])",
            complete(),
        ]


class AlarmBeforeTrain(Scenario):
    """Set an alarm some minutes before a train whose time was corrected in the thread."""

    name = "phone_alarm_before_train"
    split = "test_normal"
    apps = ("mail", "phone")
    phrasings = (
        "{name} has written me when our train to {city} leaves. Set an alarm in my phone {minutes}"
        ' minutes before that, labelled "{label}", to ring once; if the time was corrected'
        " later, the last mail about it counts.",
        'Please create the phone alarm "{label}" (not repeated), {minutes} minutes before the'
        " departure of the train to {city}. The time is in the mails of {name}; take the latest.",
        "The newest mail of {name} about the train to {city} says when it leaves. I want a single"
        ' alarm {minutes} minutes earlier, with the label "{label}".',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the city, the times and how long before."""
        named, other = others(db, person, rng, 2)
        city, rest = rng.sample(_CITIES, 2)
        times = [f"{rng.randrange(7, 21):02d}:{rng.randrange(60):02d}" for _ in range(4)]
        return {
            "name": full_name(named),
            "named": named["id"],
            "other": other["id"],
            "city": city,
            "rest": rest,
            "label": f"Train to {city}",
            "minutes": rng.choice((35, 50, 75, 95)),
            "times": times,
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add both mails, a later one about another train, and a later one of another."""
        for day, (sender, city, time) in enumerate(
            (
                ("named", "city", params["times"][0]),
                ("named", "city", params["times"][1]),
                ("named", "rest", params["times"][2]),
                ("other", "city", params["times"][3]),
            )
        ):
            subject = f"Our train to {params[city]}"
            body = f"The train to {params[city]} leaves at {time}. See you on the platform!"
            when = f"2025-05-{12 + day}T18:05:00"
            add_mail(db, params[sender], person["id"], subject, body, when, read=True)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the alarm."""
        leaves = datetime.fromisoformat(f"2025-05-18T{params['times'][1]}:00")
        time = (leaves - timedelta(minutes=params["minutes"])).strftime("%H:%M")
        row = {"person_id": person["id"], "time": time, "label": params["label"]}
        return Expected(changes=(Insert("phone_alarms", {**row, "repeat_days": "", "enabled": 1}),))

    def oracle(self, params: Params) -> list[str]:
        """Read the newest such mail; they come newest first."""
        return [
            log_in("mail", "phone"),
            ALL_PAGES,
            "import re\n"
            "from datetime import datetime, timedelta\n"
            "found = all_pages(apis.mail.search_messages, access_token=tokens['mail'],"
            f" query={'train to ' + params['city']!r})\n"
            f"mine = [row for row in found if row['sender']['name'] == {params['name']!r}]\n"
            "mine.sort(key=lambda row: row['sent_at'])\n"
            "body = apis.mail.show_message(message_id=mine[-1]['message_id'],"
            " access_token=tokens['mail'])['body']\n"
            "leaves = datetime.strptime(re.search(r'\\d\\d:\\d\\d', body).group(), '%H:%M')\n"
            f"time = (leaves - timedelta(minutes={params['minutes']})).strftime('%H:%M')",
            f"apis.phone.create_alarm(time=time, label={params['label']!r},"
            " access_token=tokens['phone'])",
            complete(),
        ]


class RemoveSong(Scenario):
    """Remove a song from a playlist, which in some variations does not have it."""

    name = "music_remove_song"
    split = "test_normal"
    apps = ("music",)
    can_fail = True
    phrasings = (
        'Remove "{song}" by {artist} from my playlist "{title}".',
        'On my playlist "{title}" is the song "{song}" by {artist}. Take it off, and leave my other'
        " playlists as they are.",
        'I am tired of "{song}" by {artist}: take it out of the playlist "{title}", please.',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the playlists, the songs, and whether the song is where it is said to be."""
        title, rest = rng.sample(_MIXES, 2)
        song, *more = rng.sample(_songs(db), 4)
        return {
            "song": song["title"],
            "artist": song["artist"],
            "title": title,
            "rest": rest,
            "id": song["id"],
            "more": [row["id"] for row in more],
            "there": rng.random() < 0.5,
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the playlist, and two with the song: one own, one of the title."""
        me, song, more = person["id"], params["id"], params["more"]
        for owner, title, songs in (
            (me, params["title"], [more[0], song] if params["there"] else more[:2]),
            (me, params["rest"], [more[2], song]),
            (me % 40 + 1, params["title"], [song]),
        ):
            row = {"person_id": owner, "title": title, "public": 1, "created_at": NOW}
            playlist = db.insert("music_playlists", row)
            for id_ in songs:
                db.insert("music_playlist_songs", {"playlist_id": playlist, "song_id": id_})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the place on the playlist that is gone, or that the song is not there."""
        place = db.first(
            "SELECT s.id FROM music_playlist_songs s JOIN music_playlists p ON p.id = s.playlist_id"
            " WHERE p.person_id = ? AND p.title = ? AND s.song_id = ?",
            person["id"],
            params["title"],
            params["id"],
        )
        if place is None:
            return Expected(status="fail")
        return Expected(changes=(Delete("music_playlist_songs", place["id"]),))

    def oracle(self, params: Params) -> list[str]:
        """Read the playlist, then remove the song or give up."""
        return [
            log_in("music"),
            ALL_PAGES,
            "found = all_pages(apis.music.show_playlists, access_token=tokens['music'])\n"
            f"[mine] = [row for row in found if row['title'] == {params['title']!r}]\n"
            "songs = apis.music.show_playlist(playlist_id=mine['playlist_id'],"
            " access_token=tokens['music'])['songs']\n"
            f"songs = [row for row in songs if row['title'] == {params['song']!r}]",
            "for row in songs:\n    apis.music.remove_song_from_playlist(song_id=row['song_id'],"
            " playlist_id=mine['playlist_id'], access_token=tokens['music'])",
            complete_if("songs"),
        ]


SCENARIOS = (PlaylistFromNote(), LabelByRelation(), AlarmBeforeTrain(), RemoveSong())
