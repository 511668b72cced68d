"""Mail, the part of drafts.

Left out: drafts of answers, and attachments of drafts.
"""

from __future__ import annotations

from agentgym_envs.world.apps._mail_store import UpTo20, app, people_at, sent
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]


def _my_draft(ctx: Context, draft_id: int) -> Row:
    query = "SELECT * FROM mail_drafts WHERE id = ? AND person_id = ?"
    row = ctx.db.first(query, draft_id, ctx.person_id)
    if row is None:
        raise missing("draft")
    return row


def _draft(row: Row) -> Row:
    return {
        "draft_id": row["id"],
        "recipient_emails": _addresses(row),
        "subject": row["subject"],
        "body": row["body"],
        "updated_at": row["updated_at"],
    }


def _addresses(row: Row) -> list[str]:
    return [each for each in row["recipients"].split(", ") if each]


def _joined(ctx: Context, addresses: list[str]) -> str:
    people_at(ctx, addresses)
    return ", ".join(dict.fromkeys(each.strip().lower() for each in addresses))


@app.api()
def show_drafts(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show your drafts, the latest changed first.

    Args:
        page_index: Which page, from 0.
        page_limit: Drafts per page, at most 20.

    Returns:
        List of draft_id, recipient_emails, subject, body and updated_at.
    """
    query = "SELECT * FROM mail_drafts WHERE person_id = ? ORDER BY updated_at DESC, id DESC"
    return [_draft(r) for r in page(ctx.db.all(query, ctx.person_id), page_index, page_limit)]


@app.api()
def show_draft(ctx: Context, *, draft_id: int) -> Row:
    """Show one draft.

    Args:
        draft_id: The draft.

    Returns:
        draft_id, recipient_emails, subject, body and updated_at.
    """
    return _draft(_my_draft(ctx, draft_id))


@app.api(writes=True)
def create_draft(
    ctx: Context, *, recipient_emails: UpTo20 | None = None, subject: str = "", body: str = ""
) -> Row:
    """Create a draft.

    Args:
        recipient_emails: Addresses of people with a mail account.
        subject: Its subject.
        body: Its text.

    Returns:
        message and draft_id.
    """
    row = {"person_id": ctx.person_id, "recipients": _joined(ctx, recipient_emails or [])}
    row |= {"subject": subject, "body": body, "updated_at": ctx.now}
    return {"message": "Draft created.", "draft_id": ctx.db.insert("mail_drafts", row)}


@app.api(writes=True)
def update_draft(
    ctx: Context,
    *,
    draft_id: int,
    recipient_emails: UpTo20 | None = None,
    subject: str | None = None,
    body: str | None = None,
) -> Row:
    """Change a draft; what you leave out stays.

    Args:
        draft_id: The draft.
        recipient_emails: All of its addresses.
        subject: Its subject.
        body: Its text.

    Returns:
        message and draft_id.
    """
    _my_draft(ctx, draft_id)
    to = None if recipient_emails is None else _joined(ctx, recipient_emails)
    new = {"recipients": to, "subject": subject, "body": body, "updated_at": ctx.now}
    given = {name: value for name, value in new.items() if value is not None}
    ctx.db.update("mail_drafts", draft_id, **given)
    return {"message": "Draft updated.", "draft_id": draft_id}


@app.api(writes=True)
def delete_draft(ctx: Context, *, draft_id: int) -> Row:
    """Delete a draft.

    Args:
        draft_id: The draft.

    Returns:
        message and draft_id.
    """
    ctx.db.delete("mail_drafts", _my_draft(ctx, draft_id)["id"])
    return {"message": "Draft deleted.", "draft_id": draft_id}


@app.api(writes=True)
def send_draft(ctx: Context, *, draft_id: int) -> Row:
    """Send a draft as it is; the draft is gone then.

    Args:
        draft_id: The draft.

    Returns:
        message, message_id and thread_id.
    """
    row = _my_draft(ctx, draft_id)
    if not row["recipients"]:
        raise conflict("The draft has no recipients.")
    ctx.db.delete("mail_drafts", draft_id)
    return sent(ctx, people_at(ctx, _addresses(row)), row["subject"], row["body"], [])
