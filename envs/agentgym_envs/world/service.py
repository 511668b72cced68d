"""The host's side of an episode: who is logged in, what is called, and what is answered.

Everything that decides the reward lives here, outside the sandbox: the database, the tokens, the
task and its checker. The agent's code reaches it by one text in and one text out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.errors import ApiError, conflict, invalid, unauthorized
from agentgym_envs.world.modifiers import Modifiers
from agentgym_envs.world.people import NOW
from agentgym_envs.world.registry import Api, App, Context, refuse_unknown

__all__ = ["MAX_RESPONSE", "Limits", "Service"]

MAX_RESPONSE = 200_000  # characters of one answer
MAX_REQUEST = 100_000  # characters of one call
MAX_TEXT = 24_000  # bytes of one argument; SQLite refuses a pattern, escaped, of over 50,000
MAX_DEPTH = 8  # of lists and dictionaries in one argument


@dataclass(frozen=True, slots=True)
class Limits:
    """What one cell and one episode may call.

    Attributes:
        calls_per_cell: Most API calls of one cell.
        calls: Most API calls of one episode.
    """

    calls_per_cell: int = 500
    calls: int = 5_000


@dataclass
class Service:
    """Answers the calls of one episode.

    Args:
        db: The world, in the episode's transaction.
        apps: All apps by name.
        person: The row of ``people`` whose assistant the agent is.
        secret: What tokens are made from; a token counts only once a login has given it out.
        instruction: What the person asks for.
        limits: How much may be called.
        dropped_write: For the admission gate: the n-th call that writes leaves no trace.
        modifiers: What is made harder; nothing by default.

    Attributes:
        completed: The arguments of ``complete_task``, once it was called.
        calls: How often each API was called, as ``app.api``.
        errors: How often each status was answered.
        asked: How many calls there were, those that could not be read included, those that were
            too many left out.
        writes: How many calls there were of APIs that write.
        fault: What an API raised that is no refusal: a bug of ours, and never the agent's doing.
    """

    db: Database
    apps: Mapping[str, App]
    person: Row
    secret: str
    instruction: str = ""
    limits: Limits = field(default_factory=Limits)
    dropped_write: int | None = None
    modifiers: Modifiers = field(default_factory=Modifiers)
    completed: dict[str, Any] | None = None
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[int] = field(default_factory=Counter)
    asked: int = 0
    writes: int = 0
    fault: Exception | None = None
    _in_cell: int = 0
    _tokens: dict[str, tuple[str, Row]] = field(default_factory=dict)
    _interrupted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.apps = self.modifiers.without_missing(self.apps)

    def new_cell(self) -> None:
        """Count the calls of a cell from here on."""
        self._in_cell = 0

    def answer(self, text: str) -> str:
        """Answer one call of the agent's code; what it is sent is hostile, and nothing raises."""
        try:
            self._count()
            reply = json.dumps({"result": self._called(*_request(text))}, ensure_ascii=False)
            if len(reply) > MAX_RESPONSE:
                raise invalid("The response is too large; ask for a smaller page.")
        except ApiError as error:
            self.errors[error.status] += 1
            reply = json.dumps({"status": error.status, "message": error.message})
        except Exception as error:  # noqa: BLE001 - the environment makes a fault of it
            self.fault = self.fault or error
            reply = json.dumps({"status": 500, "message": "Internal server error."})
        return reply

    def call(self, app: str, api: str, /, **arguments: Any) -> Any:
        """Call an API as the agent's code would, for oracles and tests.

        Raises:
            ApiError: If it is refused.
        """
        self._count()
        return self._called(app, api, arguments)

    def _count(self) -> None:
        # A cell that runs wild is refused and costs the episode no more than its share.
        if self._in_cell >= self.limits.calls_per_cell or self.asked >= self.limits.calls:
            raise ApiError(429, "Too many API calls. Make fewer calls in one cell.")
        self.asked += 1
        self._in_cell += 1

    def _called(self, app_name: str, api_name: str, arguments: dict[str, Any]) -> Any:
        result = self._worked(app_name, api_name, arguments)
        return self.modifiers.padded(app_name, api_name, result, self.secret)

    def _worked(self, app_name: str, api_name: str, arguments: dict[str, Any]) -> Any:
        self.modifiers.refuse_missing(app_name, api_name)
        api = self._found(app_name, api_name)
        self.calls[f"{app_name}.{api_name}"] += 1
        if self.completed is not None:
            raise conflict("The task has been completed already.")
        refuse_unstorable(arguments)
        self.modifiers.interrupt(app_name, api_name, arguments, self.secret, self._interrupted)
        user = self._user(api, arguments)
        given = api.validated(arguments)
        refuse_unstorable(given)
        context = Context(self.db, NOW, user, self.person, app_name, self.apps, self.instruction)
        if (app_name, api_name) == ("supervisor", "complete_task"):
            return self._complete(**given)
        if api_name in _SESSION and self.apps[app_name].accounts:
            return _SESSION[api_name](self, context, **given)
        self.writes += api.writes
        kept = not (api.writes and self.writes == self.dropped_write)
        with self.db.savepoint(kept):
            return api.function(context, **given)

    def _found(self, app_name: str, api_name: str) -> Api:
        app = self.apps.get(app_name)
        if app is None:
            raise refuse_unknown(app_name, sorted(self.apps), "app")
        api = app.apis.get(api_name)
        if api is None:
            raise refuse_unknown(api_name, list(app.apis), f"API of the {app_name} app")
        return api

    def _user(self, api: Api, arguments: dict[str, Any]) -> Row:
        if not api.login:
            return {}
        token = arguments.pop("access_token", None)
        app, user = self._tokens.get(token, ("", {})) if isinstance(token, str) else ("", {})
        if app != api.app:
            raise unauthorized(api.app)
        return user

    def _complete(self, **given: Any) -> dict[str, str]:
        self.completed = {"answer": None, "status": "success"} | given
        return {"message": "Marked the active task complete."}

    def log_in(self, app: str, username: str, password: str) -> dict[str, str]:
        """Return a token for one app.

        Raises:
            ApiError: 401 if the password is not that user's.
        """
        user = self.db.first("SELECT * FROM accounts WHERE app = ? AND username = ?", app, username)
        if user is None or user["password"] != password:
            raise ApiError(401, "Invalid credentials")
        text = f"{self.secret}/{app}/{user['id']}"
        token = hashlib.sha256(text.encode()).hexdigest()[:40]
        self._tokens[token] = (app, user)
        return {"access_token": token, "token_type": "Bearer"}

    def log_out(self, app: str, user: Row) -> dict[str, str]:
        """Forget the tokens of a user in one app."""
        self._tokens = {t: v for t, v in self._tokens.items() if v != (app, user)}
        return {"message": "Logged out."}


def refuse_unstorable(arguments: Mapping[str, Any]) -> None:
    """Refuse what no database could hold or search for.

    Raises:
        ApiError: 422 for a text that is too long or no Unicode, a number out of range, and values
            nested too deeply.
    """
    left: list[tuple[str, Any, int]] = [(name, value, 0) for name, value in arguments.items()]
    while left:
        name, value, depth = left.pop()
        if depth > MAX_DEPTH:
            raise invalid("Validation error. Reason: \nan argument is nested too deeply")
        if isinstance(value, Mapping):
            left += [(name, item, depth + 1) for pair in value.items() for item in pair]
        elif isinstance(value, list | tuple | set | frozenset):
            left += [(name, item, depth + 1) for item in value]
        elif why := _unstorable(value) or _unstorable(name):
            place = name[:80].encode("ascii", "replace").decode()
            raise invalid(f"Validation error. Reason: \n{place}: {why}")


def _unstorable(value: Any) -> str:
    if isinstance(value, str):
        if len(value.encode("utf-8", "replace")) > MAX_TEXT:
            return f"a text may have at most {MAX_TEXT} bytes"
        fine = value.isascii() or value.encode("utf-8", "ignore").decode() == value
        return "" if fine and "\0" not in value else "the text holds forbidden characters"
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "the number is too large"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "the number must be finite"
    return ""


def _request(text: str) -> tuple[str, str, dict[str, Any]]:
    if len(text) > MAX_REQUEST:
        raise invalid("The request is too large.")
    try:
        request = json.loads(text)
        app, api, arguments = request["app"], request["api"], request["arguments"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise invalid("The request cannot be read; call apis.<app>.<api>(...).") from None
    if not (isinstance(app, str) and isinstance(api, str) and isinstance(arguments, dict)):
        raise invalid("The request cannot be read; call apis.<app>.<api>(...).")
    return app, api, arguments


# APIs of every app with accounts that touch the episode and not the world.
_SESSION: Mapping[str, Callable[..., dict[str, str]]] = {
    "login": lambda service, context, **given: service.log_in(context.app, **given),
    "logout": lambda service, context: service.log_out(context.app, context.user),
}
