"""Mail: read, search, send, answer, label and archive email.

Here are the APIs that read and send; see `_mail_store` for the tables, `_mail_order` for labels and
the archive, `_mail_drafts` for drafts.

Left out: blind copies, spam, and attachments with contents (they are file names).
"""

from __future__ import annotations

from agentgym_envs.world.apps import _mail_data, _mail_drafts, _mail_order  # noqa: F401  # their APIs
from agentgym_envs.world.apps._mail_store import (
    LABELLED,
    MINE,
    NEWEST,
    Addresses,
    Day,
    UpTo20,
    app,
    listed,
    my_message,
    people_at,
    recipients,
    sent,
    whole,
)
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

app.populated_by(_mail_data.fill)


# -- reading ----------------------------------------------------------------------------------


@app.api()
def show_inbox(
    ctx: Context,
    *,
    label: str | None = None,
    read: bool | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show messages that you received and have not archived, newest first.

    Args:
        label: Only messages with this label of yours.
        read: Only read messages, or only unread ones.
        page_index: Which page, from 0.
        page_limit: Messages per page, at most 20.

    Returns:
        List of message_id, thread_id, subject, sender, recipients, sent_at, read, archived, labels
        and attachments; show_message has the body.
    """
    query = MINE + " AND c.incoming = 1 AND c.is_archived = 0" + LABELLED
    query += " AND (?3 IS NULL OR c.is_read = ?3)" + NEWEST
    rows = ctx.db.all(query, ctx.person_id, label, read)
    return listed(ctx, rows, page_index, page_limit)


@app.api()
def show_outbox(
    ctx: Context, *, label: str | None = None, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show messages that you sent, newest first.

    Args:
        label: Only messages with this label of yours.
        page_index: Which page, from 0.
        page_limit: Messages per page, at most 20.

    Returns:
        List of messages as in show_inbox.
    """
    query = MINE + " AND m.sender_id = ?1" + LABELLED + NEWEST
    rows = ctx.db.all(query, ctx.person_id, label)
    return listed(ctx, rows, page_index, page_limit)


@app.api()
def show_archive(
    ctx: Context, *, label: str | None = None, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show messages that you archived, newest first.

    Args:
        label: Only messages with this label of yours.
        page_index: Which page, from 0.
        page_limit: Messages per page, at most 20.

    Returns:
        List of messages as in show_inbox.
    """
    query = MINE + " AND c.is_archived = 1" + LABELLED + NEWEST
    rows = ctx.db.all(query, ctx.person_id, label)
    return listed(ctx, rows, page_index, page_limit)


@app.api()
def search_messages(
    ctx: Context,
    *,
    query: str = "",
    sender_email: str | None = None,
    recipient_email: str | None = None,
    sent_from: Day | None = None,
    sent_until: Day | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Search all your messages, sent, received and archived, newest first.

    Args:
        query: Text in the subject, the body or the name of an attachment; case does not matter.
        sender_email: Only messages from this address.
        recipient_email: Only messages to this address.
        sent_from: Only messages of this day (YYYY-MM-DD) or later.
        sent_until: Only messages of this day (YYYY-MM-DD) or earlier.
        page_index: Which page, from 0.
        page_limit: Messages per page, at most 20.

    Returns:
        List of messages as in show_inbox.
    """
    wanted = (
        MINE
        + """
 AND (instr(lower(m.subject || char(10) || m.body), lower(?2))
  OR EXISTS (SELECT 1 FROM mail_attachments a WHERE a.message_id = m.id
  AND instr(lower(a.file_name), lower(?2))))
 AND (?3 IS NULL OR m.sender_id = (SELECT id FROM people WHERE email = ?3))
 AND (?4 IS NULL OR EXISTS (SELECT 1 FROM mail_recipients r JOIN people p ON p.id = r.person_id
  WHERE r.message_id = m.id AND p.email = ?4))
 AND (?5 IS NULL OR substr(m.sent_at, 1, 10) >= ?5)
 AND (?6 IS NULL OR substr(m.sent_at, 1, 10) <= ?6)"""
        + NEWEST
    )
    sender, recipient = (each and each.lower() for each in (sender_email, recipient_email))
    rows = ctx.db.all(wanted, ctx.person_id, query, sender, recipient, sent_from, sent_until)
    return listed(ctx, rows, page_index, page_limit)


@app.api()
def show_message(ctx: Context, *, message_id: int) -> Row:
    """Show one message with its body; it stays unread until mark_read.

    Args:
        message_id: The message.

    Returns:
        The message as in show_inbox, and its body.
    """
    return whole(ctx, my_message(ctx, message_id))


@app.api()
def show_thread(
    ctx: Context, *, thread_id: int, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show your messages of one thread with their bodies, oldest first.

    Args:
        thread_id: The thread.
        page_index: Which page, from 0.
        page_limit: Messages per page, at most 20.

    Returns:
        List of messages as in show_message.
    """
    query = MINE + " AND m.thread_id = ?2 ORDER BY m.sent_at, m.id"
    rows = ctx.db.all(query, ctx.person_id, thread_id)
    if not rows:
        raise missing("thread")
    return [whole(ctx, row) for row in page(rows, page_index, page_limit)]


# -- sending ----------------------------------------------------------------------------------


@app.api(writes=True)
def send_message(
    ctx: Context,
    *,
    recipient_emails: Addresses,
    subject: str,
    body: str,
    attachments: UpTo20 | None = None,
) -> Row:
    """Send a message, which starts a thread.

    Args:
        recipient_emails: Addresses of people with a mail account.
        subject: Its subject.
        body: Its text.
        attachments: File names.

    Returns:
        message, message_id and thread_id.
    """
    return sent(ctx, people_at(ctx, recipient_emails), subject, body, attachments or [])


@app.api(writes=True)
def reply_to_message(
    ctx: Context,
    *,
    message_id: int,
    body: str,
    reply_all: bool = False,
    attachments: UpTo20 | None = None,
) -> Row:
    """Answer a message in its thread; an answer to your own message goes to its recipients.

    Args:
        message_id: The message.
        body: Text of the answer.
        reply_all: Whether its other recipients get the answer as well as its sender.
        attachments: File names.

    Returns:
        message, message_id and thread_id.
    """
    row, me = my_message(ctx, message_id), ctx.person_id
    others = [int(each["id"]) for each in recipients(ctx, message_id)]
    to = [row["sender_id"], *others] if reply_all or row["sender_id"] == me else [row["sender_id"]]
    to = [person for person in dict.fromkeys(to) if person != me] or [me]
    subject = row["subject"] if row["subject"].startswith("Re: ") else f"Re: {row['subject']}"
    return sent(ctx, to, subject, body, attachments or [], row["thread_id"])


@app.api(writes=True)
def forward_message(
    ctx: Context, *, message_id: int, recipient_emails: Addresses, body: str = ""
) -> Row:
    """Forward a message with its attachments, in a new thread.

    Args:
        message_id: The message.
        recipient_emails: Addresses of people with a mail account.
        body: Text above the forwarded one.

    Returns:
        message, message_id and thread_id.
    """
    row = whole(ctx, my_message(ctx, message_id))
    quoted = f"--- Forwarded message from {row['sender']['email']} ---\n{row['body']}"
    text = f"{body}\n\n{quoted}" if body else quoted
    to = people_at(ctx, recipient_emails)
    return sent(ctx, to, f"Fwd: {row['subject']}", text, row["attachments"])
