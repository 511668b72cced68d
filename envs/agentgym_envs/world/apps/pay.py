"""Pay: send, request and track money between people.

All amounts are integers in cents. A transaction is seen by its two parties and, unless it is
private, by whoever has one of them as a friend. Left out: groups, currencies, fees.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from agentgym_envs.world.apps._pay_accounts import Amount, Text, app, change_balance, other_person
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]

_TRANSACTIONS = """
SELECT t.id AS transaction_id, t.amount, t.note, t.private, t.created_at,
  s.first_name || ' ' || s.last_name AS sender_name, s.email AS sender_email,
  r.first_name || ' ' || r.last_name AS receiver_name, r.email AS receiver_email,
  (SELECT COUNT(*) FROM pay_likes l WHERE l.transaction_id = t.id) AS like_count,
  (SELECT COUNT(*) FROM pay_comments c WHERE c.transaction_id = t.id) AS comment_count
FROM pay_transactions t JOIN people s ON s.id = t.sender_id JOIN people r ON r.id = t.receiver_id
"""
_REQUESTS = """
SELECT q.id AS request_id, q.amount, q.note, q.private, q.status, q.created_at, q.closed_at,
  a.first_name || ' ' || a.last_name AS requester_name, a.email AS requester_email,
  b.first_name || ' ' || b.last_name AS payer_name, b.email AS payer_email,
  (SELECT COUNT(*) FROM pay_reminders m WHERE m.request_id = q.id) AS reminder_count
FROM pay_requests q JOIN people a ON a.id = q.requester_id JOIN people b ON b.id = q.payer_id
"""
_MINE = "(t.sender_id = ?1 OR t.receiver_id = ?1)"
_FRIENDS = "(SELECT friend_id FROM pay_friends WHERE person_id = ?1)"
_SEEN = f"""({_MINE} OR t.private = 0
  AND (t.sender_id IN {_FRIENDS} OR t.receiver_id IN {_FRIENDS}))"""
# By the plus signs the rows come by their time, and the page ends the search.
_FEED = f"""t.private = 0 AND ?1 NOT IN (t.sender_id, t.receiver_id)
  AND (+t.sender_id IN {_FRIENDS} OR +t.receiver_id IN {_FRIENDS})"""


# -- transactions -----------------------------------------------------------------------------


@app.api()
def show_transactions(
    ctx: Context,
    *,
    direction: Literal["sent", "received", "all"] = "all",
    email: str | None = None,
    created_from: Day | None = None,
    created_to: Day | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show your transactions, newest first.

    Args:
        direction: Only those that you sent or received.
        email: Only those with this person.
        created_from: First day, YYYY-MM-DD.
        created_to: Last day, YYYY-MM-DD.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of transaction_id, amount (in cents), note, private, created_at, sender_name,
        sender_email, receiver_name, receiver_email, like_count and comment_count.
    """
    sides = {"sent": "t.sender_id = ?1", "received": "t.receiver_id = ?1", "all": _MINE}
    where = sides[direction]
    where += " AND (?2 IS NULL OR ?2 IN (t.sender_id, t.receiver_id))"
    where += " AND (?3 IS NULL OR t.created_at >= ?3)"
    where += " AND (?4 IS NULL OR substr(t.created_at, 1, 10) <= ?4)"
    other = None if email is None else other_person(ctx, email)["id"]
    values = (other, created_from, created_to)
    return _transactions(ctx, where, values, (page_index, page_limit))


@app.api()
def show_social_feed(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show public transactions of your friends, newest first; your own are left out.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list as of show_transactions.
    """
    return _transactions(ctx, _FEED, (), (page_index, page_limit))


@app.api()
def show_transaction(ctx: Context, *, transaction_id: int) -> Row:
    """Show one transaction with who liked it and what was said about it.

    Args:
        transaction_id: Yours, or a public one of a friend.

    Returns:
        As in show_transactions, and liked_by (emails) and comments (comment_id, email, text,
        created_at), oldest first.
    """
    row = _seen(ctx, transaction_id)
    liked = ctx.db.all(
        "SELECT p.email FROM pay_likes l JOIN people p ON p.id = l.person_id"
        " WHERE l.transaction_id = ? ORDER BY l.id",
        transaction_id,
    )
    comments = ctx.db.all(
        "SELECT c.id AS comment_id, p.email, c.text, c.created_at FROM pay_comments c"
        " JOIN people p ON p.id = c.person_id WHERE c.transaction_id = ?"
        " ORDER BY c.created_at, c.id",
        transaction_id,
    )
    return {**row, "liked_by": [like["email"] for like in liked], "comments": comments}


@app.api(writes=True)
def send_money(
    ctx: Context, *, email: str, amount: Amount, note: Text = "", private: bool = False
) -> dict[str, Any]:
    """Send money from your balance to another person's.

    Args:
        email: The other person's email address.
        amount: In cents; at most your balance.
        note: What it is for.
        private: Whether friends cannot see it.

    Returns:
        message and transaction_id.
    """
    other = other_person(ctx, email)
    transaction_id = _pay(ctx, other["id"], amount, note, private)
    return {"message": "Money sent.", "transaction_id": transaction_id}


@app.api(writes=True)
def update_transaction(
    ctx: Context, *, transaction_id: int, note: Text | None = None, private: bool | None = None
) -> dict[str, Any]:
    """Change the note or the privacy of a transaction that you sent.

    Args:
        transaction_id: The transaction.
        note: New note, if it is to change.
        private: New privacy, if it is to change.

    Returns:
        message and transaction_id.
    """
    row = ctx.db.first(
        "SELECT * FROM pay_transactions WHERE id = ? AND sender_id = ?",
        transaction_id,
        ctx.person_id,
    )
    if row is None:
        raise missing("transaction")
    new_note = row["note"] if note is None else note
    new_private = row["private"] if private is None else int(private)
    ctx.db.update("pay_transactions", transaction_id, note=new_note, private=new_private)
    return {"message": "Transaction updated.", "transaction_id": transaction_id}


@app.api(writes=True)
def like_transaction(ctx: Context, *, transaction_id: int) -> dict[str, Any]:
    """Like a transaction.

    Args:
        transaction_id: Yours, or a public one of a friend.

    Returns:
        message and like_id.
    """
    _seen(ctx, transaction_id)
    if _like(ctx, transaction_id) is not None:
        raise conflict("You like this transaction already.")
    row = {"transaction_id": transaction_id, "person_id": ctx.person_id, "created_at": ctx.now}
    return {"message": "Transaction liked.", "like_id": ctx.db.insert("pay_likes", row)}


@app.api(writes=True)
def unlike_transaction(ctx: Context, *, transaction_id: int) -> dict[str, Any]:
    """Take back your like of a transaction.

    Args:
        transaction_id: The transaction.

    Returns:
        message and like_id.
    """
    row = _like(ctx, transaction_id)
    if row is None:
        raise conflict("You do not like this transaction.")
    ctx.db.delete("pay_likes", row["id"])
    return {"message": "Like taken back.", "like_id": row["id"]}


@app.api(writes=True)
def comment_transaction(
    ctx: Context, *, transaction_id: int, text: Annotated[str, Field(min_length=1, max_length=500)]
) -> dict[str, Any]:
    """Comment on a transaction.

    Args:
        transaction_id: Yours, or a public one of a friend.
        text: What to say.

    Returns:
        message and comment_id.
    """
    _seen(ctx, transaction_id)
    row = {"transaction_id": transaction_id, "person_id": ctx.person_id, "text": text}
    comment_id = ctx.db.insert("pay_comments", {**row, "created_at": ctx.now})
    return {"message": "Comment added.", "comment_id": comment_id}


@app.api(writes=True)
def delete_comment(ctx: Context, *, comment_id: int) -> dict[str, Any]:
    """Delete a comment that you wrote.

    Args:
        comment_id: The comment.

    Returns:
        message and comment_id.
    """
    if not ctx.db.run(
        "DELETE FROM pay_comments WHERE id = ? AND person_id = ?", comment_id, ctx.person_id
    ):
        raise missing("comment")
    return {"message": "Comment deleted.", "comment_id": comment_id}


# -- requests ---------------------------------------------------------------------------------


@app.api()
def show_payment_requests(
    ctx: Context,
    *,
    direction: Literal["sent", "received"] = "received",
    status: Literal["pending", "approved", "denied", "cancelled"] | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show payment requests, newest first.

    Args:
        direction: "received": others ask you for money; "sent": you ask others.
        status: Only those in this state.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of request_id, amount (in cents), note, private, status, created_at, closed_at,
        requester_name, requester_email, payer_name, payer_email and reminder_count.
    """
    side = "q.requester_id" if direction == "sent" else "q.payer_id"
    rows = ctx.db.all(
        f"{_REQUESTS} WHERE {side} = ? AND (? IS NULL OR q.status = ?)"
        " ORDER BY q.created_at DESC, q.id DESC",
        ctx.person_id,
        status,
        status,
    )
    return [_with_privacy(row) for row in page(rows, page_index, page_limit)]


@app.api(writes=True)
def request_money(
    ctx: Context, *, email: str, amount: Amount, note: Text = "", private: bool = False
) -> dict[str, Any]:
    """Ask another person for money.

    Args:
        email: Who is to pay.
        amount: In cents.
        note: What it is for.
        private: Whether friends cannot see the payment.

    Returns:
        message and request_id.
    """
    row = {
        "requester_id": ctx.person_id,
        "payer_id": other_person(ctx, email)["id"],
        "amount": amount,
    }
    row |= {"note": note, "private": int(private), "status": "pending", "created_at": ctx.now}
    return {"message": "Money requested.", "request_id": ctx.db.insert("pay_requests", row)}


@app.api(writes=True)
def approve_request(ctx: Context, *, request_id: int) -> dict[str, Any]:
    """Approve a pending request that you received: the money is sent from your balance.

    Args:
        request_id: The request.

    Returns:
        message, request_id and transaction_id.
    """
    row = _pending(ctx, request_id, "payer_id")
    paid = _pay(ctx, row["requester_id"], row["amount"], row["note"], bool(row["private"]))
    _close(ctx, request_id, status="approved", transaction_id=paid)
    return {"message": "Request approved.", "request_id": request_id, "transaction_id": paid}


@app.api(writes=True)
def deny_request(ctx: Context, *, request_id: int) -> dict[str, Any]:
    """Deny a pending request that you received.

    Args:
        request_id: The request.

    Returns:
        message and request_id.
    """
    _pending(ctx, request_id, "payer_id")
    _close(ctx, request_id, status="denied")
    return {"message": "Request denied.", "request_id": request_id}


@app.api(writes=True)
def cancel_request(ctx: Context, *, request_id: int) -> dict[str, Any]:
    """Cancel a pending request that you sent.

    Args:
        request_id: The request.

    Returns:
        message and request_id.
    """
    _pending(ctx, request_id, "requester_id")
    _close(ctx, request_id, status="cancelled")
    return {"message": "Request cancelled.", "request_id": request_id}


@app.api(writes=True)
def remind_request(ctx: Context, *, request_id: int) -> dict[str, Any]:
    """Remind the payer of a pending request that you sent.

    Args:
        request_id: The request.

    Returns:
        message and reminder_id.
    """
    _pending(ctx, request_id, "requester_id")
    row = {"request_id": request_id, "created_at": ctx.now}
    return {"message": "Reminder sent.", "reminder_id": ctx.db.insert("pay_reminders", row)}


def _pay(ctx: Context, receiver_id: int, amount: int, note: str, private: bool) -> int:
    change_balance(ctx, ctx.person_id, -amount)
    change_balance(ctx, receiver_id, amount)
    row: Row = {"sender_id": ctx.person_id, "receiver_id": receiver_id, "amount": amount}
    row |= {"note": note, "private": int(private), "created_at": ctx.now}
    return ctx.db.insert("pay_transactions", row)


def _like(ctx: Context, transaction_id: int) -> Row | None:
    query = "SELECT * FROM pay_likes WHERE transaction_id = ? AND person_id = ?"
    return ctx.db.first(query, transaction_id, ctx.person_id)


def _transactions(
    ctx: Context, where: str, values: tuple[Any, ...], at: tuple[int, int]
) -> list[Row]:
    page([], *at)
    order = "ORDER BY t.created_at DESC, t.id DESC"
    # The page is cut before likes and comments are counted: the feed has thousands of rows.
    ids = f"SELECT t.id FROM pay_transactions t WHERE {where} {order}"
    ids += f" LIMIT {at[1]} OFFSET {min(at[0], 10**6) * at[1]}"
    rows = ctx.db.all(f"{_TRANSACTIONS} WHERE t.id IN ({ids}) {order}", ctx.person_id, *values)
    return [_with_privacy(row) for row in rows]


def _seen(ctx: Context, transaction_id: int) -> Row:
    found = _transactions(ctx, f"t.id = ?2 AND {_SEEN}", (transaction_id,), (0, 1))
    if not found:
        raise missing("transaction")
    return found[0]


def _with_privacy(row: Row) -> Row:
    return {**row, "private": bool(row["private"])}


def _pending(ctx: Context, request_id: int, side: str) -> Row:
    query = f"SELECT * FROM pay_requests WHERE id = ? AND {side} = ?"
    row = ctx.db.first(query, request_id, ctx.person_id)
    if row is None:
        raise missing("payment request")
    if row["status"] != "pending":
        raise conflict(f"The payment request is {row['status']} already.")
    return row


def _close(ctx: Context, request_id: int, **columns: Any) -> None:
    ctx.db.update("pay_requests", request_id, closed_at=ctx.now, **columns)
