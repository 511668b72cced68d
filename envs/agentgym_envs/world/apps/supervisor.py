"""The supervisor: whose assistant the agent is, and where a task is handed in."""

from __future__ import annotations

from typing import Any, Literal

from agentgym_envs.world.registry import App, Context

__all__ = ["app"]

app = App(
    "supervisor",
    "Your supervisor: profile, addresses, cards, passwords, the task and its completion.",
    accounts=False,
)


@app.api(login=False)
def show_profile(ctx: Context) -> dict[str, Any]:
    """Show your supervisor's profile.

    Returns:
        first_name, last_name, email, phone_number and birthday (YYYY-MM-DD).
    """
    names = ("first_name", "last_name", "email", "birthday")
    return {name: ctx.person[name] for name in names} | {"phone_number": ctx.person["phone"]}


@app.api(login=False)
def show_addresses(ctx: Context) -> list[dict[str, Any]]:
    """Show your supervisor's addresses.

    Returns:
        A list with one entry: name ("Home"), street_address and city.
    """
    person = ctx.person
    return [{"name": "Home", "street_address": person["street"], "city": person["city"]}]


@app.api(login=False)
def show_payment_cards(ctx: Context) -> list[dict[str, Any]]:
    """Show your supervisor's payment cards that the apps pay and shop have.

    Returns:
        A list of owner_name, card_name, card_number, expiry_year and expiry_month.
    """
    rows = ctx.db.all(
        "SELECT name, number, expires FROM pay_cards WHERE person_id = ?1"
        " UNION SELECT name, number, expires FROM shop_cards WHERE person_id = ?1 ORDER BY number",
        ctx.person["id"],
    )
    owner = f"{ctx.person['first_name']} {ctx.person['last_name']}"
    return [
        {
            "owner_name": owner,
            "card_name": row["name"],
            "card_number": row["number"],
            "expiry_year": int(row["expires"][:4]),
            "expiry_month": int(row["expires"][5:]),
        }
        for row in rows
    ]


@app.api(login=False)
def show_account_passwords(ctx: Context) -> list[dict[str, Any]]:
    """Show your supervisor's passwords, for the login of each app.

    Returns:
        A list of account_name (the app's name) and password, sorted by account_name.
    """
    return ctx.db.all(
        "SELECT app AS account_name, password FROM accounts WHERE person_id = ? ORDER BY app",
        ctx.person["id"],
    )


@app.api(login=False)
def show_active_task(ctx: Context) -> dict[str, Any]:
    """Show the task that you are to do, and whose it is.

    Returns:
        instruction and supervisor (first_name, last_name, email and phone_number).
    """
    profile = show_profile(ctx)
    del profile["birthday"]
    return {"instruction": ctx.instruction, "supervisor": profile}


@app.api(login=False)
def show_current_date_and_time(ctx: Context) -> dict[str, Any]:
    """Show what time it is in this world; its clock stands still.

    Returns:
        datetime, as YYYY-MM-DDTHH:MM:SS.
    """
    return {"datetime": ctx.now}


@app.api(login=False, writes=True)
def complete_task(
    ctx: Context,
    *,
    answer: str | int | float | None = None,
    status: Literal["success", "fail"] = "success",
) -> dict[str, Any]:
    """Mark the active task as complete; nothing can be done afterwards.

    Args:
        answer: The answer, if the task asks for one; several are separated by commas.
        status: "fail" if the task cannot be done.

    Returns:
        A message.
    """
    raise NotImplementedError("answered by the service")
