"""The APIs that every app with accounts has: login, logout and the account itself."""

from __future__ import annotations

from typing import Any

from agentgym_envs.world.registry import App, Context

__all__ = ["add_account_apis"]


def add_account_apis(app: App) -> None:
    """Give an app ``login``, ``logout`` and ``show_account``; the service answers the first two."""

    @app.api(login=False)
    def login(ctx: Context, *, username: str, password: str) -> dict[str, Any]:
        """Log in to the app to obtain an access token.

        Args:
            username: Your account's user name: an email address, or the phone number for the phone.
            password: Your account's password.

        Returns:
            access_token and token_type.
        """
        raise NotImplementedError("answered by the service")

    @app.api()
    def logout(ctx: Context) -> dict[str, Any]:
        """Log out from the app.

        Returns:
            A message.
        """
        raise NotImplementedError("answered by the service")

    @app.api()
    def show_account(ctx: Context) -> dict[str, Any]:
        """Show your account's name and user name.

        Returns:
            first_name, last_name and username.
        """
        person = ctx.db.one("SELECT * FROM people WHERE id = ?", ctx.person_id)
        return {
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "username": ctx.user["username"],
        }
