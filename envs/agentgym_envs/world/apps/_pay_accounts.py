"""Pay: balance, payment cards and friends."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from agentgym_envs.world.apps._pay_data import app
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, invalid, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["Amount", "Text", "app", "change_balance", "other_person"]

Amount = Annotated[int, Field(ge=1, le=10**9)]
Text = Annotated[str, Field(max_length=500)]


# -- balance and cards ------------------------------------------------------------------------


@app.api()
def show_balance(ctx: Context) -> dict[str, int]:
    """Show your balance.

    Returns:
        balance, in cents.
    """
    return {"balance": _balance(ctx, ctx.person_id)}


@app.api()
def show_cards(ctx: Context) -> list[Row]:
    """Show all your payment cards, in the order they were added.

    Returns:
        A list of card_id, name, number and expires (YYYY-MM, the last month it is valid in).
    """
    return ctx.db.all(
        "SELECT id AS card_id, name, number, expires FROM pay_cards WHERE person_id = ?"
        " ORDER BY id",
        ctx.person_id,
    )


@app.api(writes=True)
def add_card(
    ctx: Context,
    *,
    name: Text,
    number: Annotated[str, Field(pattern=r"^\d{12,19}$")],
    expires: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")],
) -> dict[str, Any]:
    """Add a payment card.

    Args:
        name: What you call it.
        number: 12 to 19 digits.
        expires: The last month it is valid in, YYYY-MM.

    Returns:
        message and card_id.
    """
    row = {"person_id": ctx.person_id, "name": name, "number": number, "expires": expires}
    if ctx.db.first(
        "SELECT id FROM pay_cards WHERE person_id = ? AND number = ?", ctx.person_id, number
    ):
        raise conflict("You have a card with this number already.")
    return {"message": "Card added.", "card_id": ctx.db.insert("pay_cards", row)}


@app.api(writes=True)
def delete_card(ctx: Context, *, card_id: int) -> dict[str, Any]:
    """Delete one of your payment cards.

    Args:
        card_id: The card.

    Returns:
        message and card_id.
    """
    ctx.db.delete("pay_cards", _card(ctx, card_id)["id"])
    return {"message": "Card deleted.", "card_id": card_id}


@app.api(writes=True)
def add_money(ctx: Context, *, amount: Amount, card_id: int) -> dict[str, Any]:
    """Move money from a payment card to your balance.

    Args:
        amount: In cents.
        card_id: The card to charge; it must not have expired.

    Returns:
        message and transfer_id.
    """
    transfer_id = _transfer(ctx, _card(ctx, card_id), "deposit", amount)
    return {"message": "Money added to your balance.", "transfer_id": transfer_id}


@app.api(writes=True)
def withdraw_money(ctx: Context, *, amount: Amount, card_id: int) -> dict[str, Any]:
    """Move money from your balance to a payment card.

    Args:
        amount: In cents; at most your balance.
        card_id: The card to credit; it must not have expired.

    Returns:
        message and transfer_id.
    """
    transfer_id = _transfer(ctx, _card(ctx, card_id), "withdrawal", amount)
    return {"message": "Money sent to your card.", "transfer_id": transfer_id}


@app.api()
def show_transfers(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show transfers between your balance and your cards, newest first.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of transfer_id, kind (deposit or withdrawal), card_number, amount and created_at.
    """
    rows = ctx.db.all(
        "SELECT id AS transfer_id, kind, card_number, amount, created_at FROM pay_transfers"
        " WHERE person_id = ? ORDER BY created_at DESC, id DESC",
        ctx.person_id,
    )
    return page(rows, page_index, page_limit)


# -- friends ----------------------------------------------------------------------------------


@app.api()
def search_people(
    ctx: Context, *, query: Text, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Search everybody who uses pay, by name or email; sorted by name.

    Args:
        query: Part of a name or an email address.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of name and email.
    """
    rows = ctx.db.all(
        "SELECT first_name || ' ' || last_name AS name, email FROM people"
        " WHERE instr(lower(first_name || ' ' || last_name || ' ' || email), lower(?))"
        " ORDER BY name",
        query,
    )
    return page(rows, page_index, page_limit)


@app.api()
def show_friends(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show your friends, sorted by name.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of name, email and created_at (since when).
    """
    rows = ctx.db.all(
        "SELECT p.first_name || ' ' || p.last_name AS name, p.email, f.created_at"
        " FROM pay_friends f JOIN people p ON p.id = f.friend_id WHERE f.person_id = ?"
        " ORDER BY name",
        ctx.person_id,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def add_friend(ctx: Context, *, email: str) -> dict[str, Any]:
    """Add a person to your friends.

    Args:
        email: The person's email address.

    Returns:
        message and friend_id.
    """
    other = other_person(ctx, email)
    if _friendship(ctx, other) is not None:
        raise conflict("This person is your friend already.")
    row = {"person_id": ctx.person_id, "friend_id": other["id"], "created_at": ctx.now}
    return {"message": "Friend added.", "friend_id": ctx.db.insert("pay_friends", row)}


@app.api(writes=True)
def remove_friend(ctx: Context, *, email: str) -> dict[str, Any]:
    """Remove a person from your friends.

    Args:
        email: The person's email address.

    Returns:
        message and friend_id.
    """
    row = _friendship(ctx, other_person(ctx, email))
    if row is None:
        raise conflict("This person is not your friend.")
    ctx.db.delete("pay_friends", row["id"])
    return {"message": "Friend removed.", "friend_id": row["id"]}


def other_person(ctx: Context, email: str) -> Row:
    """Return whose email address this is.

    Raises:
        ApiError: 422 if it is nobody's, or your own.
    """
    other = ctx.db.first("SELECT * FROM people WHERE email = lower(?)", email)
    if other is None:
        raise invalid("No pay account has this email address.")
    if other["id"] == ctx.person_id:
        raise invalid("This is your own email address.")
    return other


def _balance(ctx: Context, person_id: int) -> int:
    row = ctx.db.one("SELECT amount FROM pay_balances WHERE person_id = ?", person_id)
    return int(row["amount"])


def change_balance(ctx: Context, person_id: int, amount: int) -> None:
    """Add an amount, which may be negative, to a person's balance.

    Raises:
        ApiError: 409 if the balance would be negative.
    """
    if _balance(ctx, person_id) + amount < 0:
        raise conflict("Your balance is too low.")
    ctx.db.run("UPDATE pay_balances SET amount = amount + ? WHERE person_id = ?", amount, person_id)


def _card(ctx: Context, card_id: int) -> Row:
    query = "SELECT * FROM pay_cards WHERE id = ? AND person_id = ?"
    row = ctx.db.first(query, card_id, ctx.person_id)
    if row is None:
        raise missing("card")
    return row


def _transfer(ctx: Context, card: Row, kind: str, amount: int) -> int:
    if card["expires"] < ctx.now[:7]:
        raise conflict("The card has expired.")
    change_balance(ctx, ctx.person_id, amount if kind == "deposit" else -amount)
    row = {"person_id": ctx.person_id, "kind": kind, "card_number": card["number"]}
    return ctx.db.insert("pay_transfers", {**row, "amount": amount, "created_at": ctx.now})


def _friendship(ctx: Context, other: Row) -> Row | None:
    query = "SELECT * FROM pay_friends WHERE person_id = ? AND friend_id = ?"
    return ctx.db.first(query, ctx.person_id, other["id"])
