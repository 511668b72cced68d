"""The phone, the part of contacts: what somebody noted down about others."""

from __future__ import annotations

from agentgym_envs.world.apps._phone_store import Name, Number, app, update_given
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

_CONTACTS = "SELECT * FROM phone_contacts WHERE person_id = ?1"
_BY_NAME = " ORDER BY first_name, last_name, id"


def _my_contact(ctx: Context, contact_id: int) -> Row:
    row = ctx.db.first(_CONTACTS + " AND id = ?2", ctx.person_id, contact_id)
    if row is None:
        raise missing("contact")
    return row


def _contact(row: Row) -> Row:
    rest = {name: value for name, value in row.items() if name not in ("id", "person_id")}
    return {"contact_id": row["id"], **rest}


def _check_new_number(ctx: Context, phone_number: str, contact_id: int = 0) -> None:
    query = _CONTACTS + " AND phone_number = ?2 AND id <> ?3"
    if ctx.db.first(query, ctx.person_id, phone_number, contact_id):
        raise conflict(f"You have a contact with the number {phone_number} already.")


@app.api()
def show_contacts(
    ctx: Context, *, relationship: str | None = None, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Show your contacts by first name.

    Args:
        relationship: Only these: partner, sibling, parent, child, friend, coworker, manager,
            report, roommate or what you put yourself.
        page_index: Which page, from 0.
        page_limit: Contacts per page, at most 20.

    Returns:
        List of contact_id, first_name, last_name, phone_number, email, relationship, home_address.
    """
    query = _CONTACTS + " AND (?2 IS NULL OR relationship = ?2)" + _BY_NAME
    rows = ctx.db.all(query, ctx.person_id, relationship)
    return [_contact(row) for row in page(rows, page_index, page_limit)]


@app.api()
def search_contacts(
    ctx: Context, *, query: str, page_index: int = 0, page_limit: int = 5
) -> list[Row]:
    """Search your contacts, sorted by first name.

    Args:
        query: Text in the name, the number, the email address or the home address; case does not
            matter.
        page_index: Which page, from 0.
        page_limit: Contacts per page, at most 20.

    Returns:
        List of contacts as in show_contacts.
    """
    wanted = (
        _CONTACTS
        + """ AND instr(lower(first_name || ' ' || last_name || char(10) || phone_number
 || char(10) || email || char(10) || home_address), lower(?2))"""
        + _BY_NAME
    )
    rows = ctx.db.all(wanted, ctx.person_id, query)
    return [_contact(row) for row in page(rows, page_index, page_limit)]


@app.api()
def show_contact(ctx: Context, *, contact_id: int) -> Row:
    """Show one contact.

    Args:
        contact_id: The contact.

    Returns:
        The contact as in show_contacts.
    """
    return _contact(_my_contact(ctx, contact_id))


@app.api(writes=True)
def add_contact(
    ctx: Context,
    *,
    first_name: Name,
    phone_number: Number,
    last_name: str = "",
    email: str = "",
    relationship: str = "",
    home_address: str = "",
) -> Row:
    """Add a contact.

    Args:
        first_name: First name.
        phone_number: Number, digits that may follow a plus; one contact per number.
        last_name: Last name.
        email: Email address.
        relationship: Who it is to you, such as friend.
        home_address: Street and city.

    Returns:
        message and contact_id.
    """
    _check_new_number(ctx, phone_number)
    contact_id = ctx.db.insert(
        "phone_contacts",
        {
            "person_id": ctx.person_id,
            "first_name": first_name,
            "last_name": last_name,
            "phone_number": phone_number,
            "email": email,
            "relationship": relationship,
            "home_address": home_address,
        },
    )
    return {"message": "Contact added.", "contact_id": contact_id}


@app.api(writes=True)
def update_contact(
    ctx: Context,
    *,
    contact_id: int,
    first_name: Name | None = None,
    last_name: str | None = None,
    phone_number: Number | None = None,
    email: str | None = None,
    relationship: str | None = None,
    home_address: str | None = None,
) -> Row:
    """Change a contact; what you leave out stays.

    Args:
        contact_id: The contact.
        first_name: First name.
        last_name: Last name.
        phone_number: Number.
        email: Email address.
        relationship: Who it is to you.
        home_address: Street and city.

    Returns:
        message and contact_id.
    """
    _my_contact(ctx, contact_id)
    if phone_number is not None:
        _check_new_number(ctx, phone_number, contact_id)
    new = {
        "first_name": first_name,
        "last_name": last_name,
        "phone_number": phone_number,
        "email": email,
        "relationship": relationship,
        "home_address": home_address,
    }
    update_given(ctx, "phone_contacts", contact_id, new)
    return {"message": "Contact updated.", "contact_id": contact_id}


@app.api(writes=True)
def delete_contact(ctx: Context, *, contact_id: int) -> Row:
    """Delete a contact; texts with them stay.

    Args:
        contact_id: The contact.

    Returns:
        message and contact_id.
    """
    ctx.db.delete("phone_contacts", _my_contact(ctx, contact_id)["id"])
    return {"message": "Contact deleted.", "contact_id": contact_id}
