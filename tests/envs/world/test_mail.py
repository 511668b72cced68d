from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.apps import APPS
from agentgym_envs.world.database import Database
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

Mail = Callable[..., Any]


@pytest.fixture
def mail(service: Service, log_in: Callable[..., str]) -> Mail:
    """``mail(api, person=1, **arguments)`` calls the app as a person."""

    def call(api: str, person: int = 1, **arguments: Any) -> Any:
        return service.call("mail", api, access_token=log_in("mail", person), **arguments)

    return call


@pytest.fixture
def ben(world: Database) -> str:
    return str(world.one("SELECT email FROM people WHERE id = 2")["email"])


def _sent(mail: Mail, ben: str, **more: Any) -> Any:
    """A message from person 1 to person 2, sent within the episode."""
    given = {"recipient_emails": [ben], "subject": "Lampion", "body": "Is 5% off?"} | more
    return mail("send_message", **given)


def _kinds(world: Database) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in world.changes()]


def _refused(status: int, call: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.status == status
    return caught.value.message


# -- reading ----------------------------------------------------------------------------------


def test_world_holds_mail_of_everybody(world: Database) -> None:
    owners = world.one("SELECT COUNT(DISTINCT person_id) AS n FROM mail_copies")["n"]
    assert owners == 40
    assert world.one("SELECT MAX(sent_at) AS t FROM mail_messages")["t"] < "2025-05-18T12:00:00"


def test_every_message_has_one_copy_for_each_of_its_people(world: Database) -> None:
    copies = world.one("SELECT COUNT(*) AS n FROM mail_copies")["n"]
    people = world.one(
        "SELECT (SELECT COUNT(*) FROM mail_messages) + (SELECT COUNT(*) FROM mail_recipients) AS n"
    )["n"]
    assert copies == people
    itself = "SELECT 1 FROM mail_messages m JOIN mail_recipients r ON r.message_id = m.id"
    assert not world.all(itself + " WHERE r.person_id = m.sender_id")


def test_show_inbox_gives_unarchived_received_messages_newest_first(
    world: Database, mail: Mail
) -> None:
    shown = mail("show_inbox", page_limit=20)
    expected = world.all(
        "SELECT m.id FROM mail_messages m JOIN mail_copies c ON c.message_id = m.id"
        " WHERE c.person_id = 1 AND incoming AND NOT is_archived ORDER BY sent_at DESC, m.id DESC"
    )
    assert [each["message_id"] for each in shown] == [row["id"] for row in expected[:20]]
    assert "body" not in shown[0]
    assert all(not each["archived"] for each in shown)


def test_show_inbox_filters_unread_and_label(mail: Mail, ben: str) -> None:
    first = _sent(mail, ben)["message_id"]
    second = _sent(mail, ben)["message_id"]
    mail("mark_read", 2, message_id=first)
    mail("create_label", 2, name="Lamps")
    mail("label_message", 2, message_id=second, label="Lamps")
    assert mail("show_inbox", 2, read=False)[0]["message_id"] == second
    assert mail("show_inbox", 2, read=True)[0]["message_id"] == first
    labelled = mail("show_inbox", 2, label="Lamps")
    assert [(each["message_id"], each["labels"]) for each in labelled] == [(second, ["Lamps"])]
    assert mail("show_inbox", label="Lamps") == []


def test_lists_are_paged(mail: Mail) -> None:
    whole = mail("show_inbox", page_limit=6)
    assert [*mail("show_inbox", page_limit=3), *mail("show_inbox", page_index=1, page_limit=3)] == (
        whole
    )
    assert mail("show_inbox", page_index=1000) == []
    _refused(422, lambda: mail("show_inbox", page_limit=21))
    _refused(422, lambda: mail("show_inbox", page_index=-1))


def test_show_outbox_gives_what_one_sent(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben)
    shown = mail("show_outbox")
    assert shown[0]["message_id"] == sent["message_id"]
    assert shown[0]["recipients"] == [{"name": shown[0]["recipients"][0]["name"], "email": ben}]
    assert len({each["sender"]["email"] for each in shown}) == 1
    assert mail("show_outbox", label="No such label") == []


def test_show_message_gives_the_body_and_leaves_it_unread(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben, attachments=["offer.pdf"])["message_id"]
    shown = mail("show_message", 2, message_id=sent)
    assert (shown["body"], shown["attachments"]) == ("Is 5% off?", ["offer.pdf"])
    assert mail("show_message", 2, message_id=sent)["read"] is False


def test_show_message_refuses_what_is_somebody_elses(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben)
    _refused(422, lambda: mail("show_message", 3, message_id=sent["message_id"]))
    _refused(422, lambda: mail("show_thread", 3, thread_id=sent["thread_id"]))
    _refused(422, lambda: mail("show_message", message_id=10**9))


def test_search_messages_takes_text_literally(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben, attachments=["Lamp_Offer.PDF"])["message_id"]
    for query in ("5% OFF", "lamp_offer.pdf", "LAMPION"):
        assert mail("search_messages", query=query)[0]["message_id"] == sent
    assert mail("search_messages", query="5_ off") == []


def test_search_messages_filters_people_and_days(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben)["message_id"]
    mail("reply_to_message", 2, message_id=sent, body="No.")
    found = mail("search_messages", query="lampion", sender_email=ben.upper())
    assert [each["subject"] for each in found] == ["Re: Lampion"]
    found = mail("search_messages", recipient_email=ben, sent_from="2025-05-18")
    assert [each["message_id"] for each in found] == [sent]
    assert mail("search_messages", query="lampion", sent_until="2025-05-17") == []
    assert mail("search_messages", sender_email="nobody@example.com") == []
    _refused(422, lambda: mail("search_messages", sent_from="May"))


def test_show_thread_is_oldest_first(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben)
    answer = mail("reply_to_message", 2, message_id=sent["message_id"], body="No.")
    assert answer["thread_id"] == sent["thread_id"]
    thread = mail("show_thread", thread_id=sent["thread_id"])
    assert [each["body"] for each in thread] == ["Is 5% off?", "No."]


# -- sending ----------------------------------------------------------------------------------


def test_send_message_writes_one_message_and_a_copy_each(
    world: Database, mail: Mail, ben: str
) -> None:
    sent = _sent(mail, ben, recipient_emails=[ben, ben.upper()], attachments=["a.txt"])
    assert _kinds(world) == [
        ("mail_attachments", "insert"),
        ("mail_copies", "insert"),
        ("mail_copies", "insert"),
        ("mail_messages", "insert"),
        ("mail_recipients", "insert"),
        ("mail_threads", "insert"),
    ]
    assert sent["message"] == "Message sent."
    row = world.one("SELECT * FROM mail_messages WHERE id = ?", sent["message_id"])
    assert (row["sender_id"], row["sent_at"]) == (1, "2025-05-18T12:00:00")
    assert mail("show_inbox", 2)[0]["read"] is False


def test_send_message_to_oneself_is_in_both_boxes(mail: Mail) -> None:
    me = mail("show_account")["username"]
    sent = mail("send_message", recipient_emails=[me], subject="Note", body="Buy milk.")
    for box in ("show_inbox", "show_outbox"):
        assert mail(box)[0]["message_id"] == sent["message_id"]


def test_send_message_refuses_unknown_addresses_and_writes_nothing(
    world: Database, mail: Mail, ben: str
) -> None:
    said = _refused(422, lambda: _sent(mail, ben, recipient_emails=[ben, "x@example.com"]))
    assert "x@example.com" in said
    _refused(422, lambda: _sent(mail, ben, recipient_emails=[]))
    assert world.changes() == []


def test_reply_goes_to_the_sender_or_to_all(world: Database, mail: Mail, ben: str) -> None:
    third = world.one("SELECT email FROM people WHERE id = 3")["email"]
    sent = _sent(mail, ben, recipient_emails=[ben, third])["message_id"]
    one = mail("reply_to_message", 2, message_id=sent, body="a")["message_id"]
    every = mail("reply_to_message", 2, message_id=sent, body="b", reply_all=True)["message_id"]
    own = mail("reply_to_message", message_id=sent, body="c")["message_id"]
    query = "SELECT person_id FROM mail_recipients WHERE message_id = ? ORDER BY person_id"
    found = [[row["person_id"] for row in world.all(query, m)] for m in (one, every, own)]
    assert found == [[1], [1, 3], [2, 3]]
    again = mail("reply_to_message", message_id=one, body="d", attachments=["x.txt"])["message_id"]
    shown = mail("show_message", message_id=again)
    assert (shown["subject"], shown["attachments"]) == ("Re: Lampion", ["x.txt"])
    _refused(422, lambda: mail("reply_to_message", 4, message_id=sent, body="e"))


def test_forward_quotes_the_message_and_keeps_its_files(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben, attachments=["offer.pdf"])
    passed = mail(
        "forward_message", 2, message_id=sent["message_id"], recipient_emails=[ben], body="See:"
    )
    shown = mail("show_message", 2, message_id=passed["message_id"])
    assert (shown["subject"], shown["attachments"]) == ("Fwd: Lampion", ["offer.pdf"])
    assert shown["body"].startswith("See:\n\n--- Forwarded message from ")
    assert shown["body"].endswith("---\nIs 5% off?")
    assert shown["thread_id"] != sent["thread_id"]


# -- keeping order ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "column", "value", "opposite"),
    [
        ("mark_read", "is_read", 1, "mark_unread"),
        ("mark_unread", "is_read", 0, "mark_read"),
        ("archive_message", "is_archived", 1, "unarchive_message"),
        ("unarchive_message", "is_archived", 0, "archive_message"),
    ],
)
def test_marks_change_one_column_of_ones_own_copy(
    world: Database, mail: Mail, ben: str, api: str, column: str, value: int, opposite: str
) -> None:
    sent = _sent(mail, ben)["message_id"]
    mail(opposite, 2, message_id=sent)
    world.forget_changes()
    assert mail(api, 2, message_id=sent)["message_id"] == sent
    [change] = world.changes()
    assert (change.table, change.columns) == ("mail_copies", {column: value})
    assert change.after is not None
    assert change.after["person_id"] == 2
    _refused(422, lambda: mail(api, 3, message_id=sent))


def test_archive_moves_a_message_out_of_the_inbox(mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben)["message_id"]
    mail("archive_message", 2, message_id=sent)
    assert mail("show_inbox", 2)[0]["message_id"] != sent
    assert mail("show_archive", 2)[0]["message_id"] == sent
    assert mail("show_archive", 2, label="Nothing") == []


def test_delete_message_leaves_the_copies_of_others(world: Database, mail: Mail, ben: str) -> None:
    sent = _sent(mail, ben)["message_id"]
    mail("create_label", 2, name="Lamps")
    mail("label_message", 2, message_id=sent, label="Lamps")
    world.forget_changes()
    assert mail("delete_message", 2, message_id=sent) == {
        "message": "Message deleted.",
        "message_id": sent,
    }
    assert _kinds(world) == [("mail_copies", "delete"), ("mail_labelled", "delete")]
    _refused(422, lambda: mail("show_message", 2, message_id=sent))
    assert mail("show_message", message_id=sent)["recipients"][0]["email"] == ben
    _refused(422, lambda: mail("delete_message", 3, message_id=sent))


def test_labels_are_made_put_on_counted_and_taken_off(
    world: Database, mail: Mail, ben: str
) -> None:
    made = mail("create_label", name="Lamps")
    sent = _sent(mail, ben)["message_id"]
    mail("label_message", message_id=sent, label="Lamps")
    label = {"label_id": made["label_id"], "name": "Lamps", "messages": 1}
    assert label in mail("show_labels")
    assert mail("show_labels", 2) == sorted(mail("show_labels", 2), key=lambda each: each["name"])
    _refused(409, lambda: mail("label_message", message_id=sent, label="Lamps"))
    mail("unlabel_message", message_id=sent, label="Lamps")
    _refused(409, lambda: mail("unlabel_message", message_id=sent, label="Lamps"))
    assert mail("show_message", message_id=sent)["labels"] == []
    mail("label_message", message_id=sent, label="Lamps")
    world.forget_changes()
    mail("delete_label", name="Lamps")
    assert _kinds(world) == [("mail_labelled", "delete"), ("mail_labels", "delete")]


def test_labels_refuse_doubles_and_those_of_others(mail: Mail, ben: str) -> None:
    mail("create_label", name="Lamps")
    sent = _sent(mail, ben)["message_id"]
    _refused(409, lambda: mail("create_label", name="Lamps"))
    _refused(422, lambda: mail("create_label", name=""))
    _refused(422, lambda: mail("label_message", 2, message_id=sent, label="Lamps"))
    _refused(422, lambda: mail("unlabel_message", 2, message_id=sent, label="Lamps"))
    _refused(422, lambda: mail("delete_label", 2, name="Lamps"))


# -- drafts -----------------------------------------------------------------------------------


def test_drafts_are_made_changed_and_sent(world: Database, mail: Mail, ben: str) -> None:
    draft = mail("create_draft", subject="Lampion")["draft_id"]
    mail("update_draft", draft_id=draft, recipient_emails=[ben], body="Still there?")
    shown = mail("show_draft", draft_id=draft)
    assert shown == {
        "draft_id": draft,
        "recipient_emails": [ben],
        "subject": "Lampion",
        "body": "Still there?",
        "updated_at": "2025-05-18T12:00:00",
    }
    assert mail("show_drafts")[0] == shown
    sent = mail("send_draft", draft_id=draft)["message_id"]
    assert mail("show_message", 2, message_id=sent)["body"] == "Still there?"
    assert not any(change.table == "mail_drafts" for change in world.changes())


def test_drafts_refuse_others_and_missing_recipients(world: Database, mail: Mail, ben: str) -> None:
    draft = mail("create_draft", subject="Lampion")["draft_id"]
    _refused(409, lambda: mail("send_draft", draft_id=draft))
    _refused(422, lambda: mail("create_draft", recipient_emails=["x@example.com"]))
    _refused(422, lambda: mail("update_draft", 2, draft_id=draft, body="x"))
    for api in ("show_draft", "send_draft", "delete_draft"):
        _refused(422, lambda api=api: mail(api, 2, draft_id=draft))
    assert mail("delete_draft", draft_id=draft)["draft_id"] == draft
    assert world.changes() == []


# -- all of them ------------------------------------------------------------------------------


def test_every_api_needs_a_token(service: Service) -> None:
    for name in APPS["mail"].apis:
        if name != "login":
            _refused(401, lambda name=name: service.call("mail", name))


def test_apis_that_only_read_write_nothing(world: Database, mail: Mail) -> None:
    message = mail("show_inbox")[0]
    draft = world.one("SELECT * FROM mail_drafts")
    before = world.logged()
    given: dict[str, dict[str, Any]] = {
        "show_message": {"message_id": message["message_id"]},
        "show_thread": {"thread_id": message["thread_id"]},
        "show_draft": {"draft_id": draft["id"], "person": draft["person_id"]},
    }
    readers = [n for n, a in APPS["mail"].apis.items() if not a.writes]
    for name in set(readers) - {"login", "logout"}:
        assert mail(name, **given.get(name, {})) is not None
    assert len(readers) == 12
    assert world.logged() == before
