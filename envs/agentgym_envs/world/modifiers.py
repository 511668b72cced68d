"""A world that is harder to work in: calls that fail once, an API that is gone, long outputs.

All are off by default, and none changes what is asked or what is judged. What they do follows from
the episode's seed and from what is called, not from the order of calls. The helpers ``supervisor``
and ``api_docs`` never fail.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agentgym.errors import ConfigError
from agentgym_envs.world.apps import APPS
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.registry import App

__all__ = ["RETRYING", "Modifiers"]

_PADDING = "additional_information"
_PADDED_WORDS = 60  # of each row
_PADDED_ROWS = 100  # of one answer, which so stays within its limit
_TEXT = (
    "please note that this section may change without notice and is provided for your convenience "
    "as part of our general terms of service see also the page about accounts limits regions "
    "versions and support where further details are kept for reference by default"
)


@dataclass(frozen=True, slots=True)
class Modifiers:
    """What is made harder.

    Args:
        transient_errors: The share of calls that are answered by 503 when they are made for the
            first time in an episode; nothing is written, and the same call then works.
        missing_api: An API, as ``app.api``, that answers 404 and is in no documentation. Tasks that
            need it cannot be done, and are judged as before: choose one that yours do without.
        long_outputs: Whether every list and all documentation carry long texts that say nothing.

    Raises:
        ConfigError: If the share is no share, or the API is unknown or one that every task needs.
    """

    transient_errors: float = 0.0
    missing_api: str | None = None
    long_outputs: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.transient_errors <= 1.0:
            raise ConfigError(f"transient_errors={self.transient_errors}; it must lie in [0, 1]")
        if self.missing_api is None:
            return
        app, _, api = self.missing_api.partition(".")
        if app not in APPS or api not in APPS[app].apis:
            raise ConfigError(f"missing_api={self.missing_api!r} is no API; write it as app.api")
        if api == "login" or not APPS[app].accounts:
            raise ConfigError(
                f"missing_api={self.missing_api!r} is an API that every task needs; name another"
            )

    def without_missing(self, apps: Mapping[str, App]) -> Mapping[str, App]:
        """Return the apps as they are documented."""
        if self.missing_api is None:
            return apps
        name, _, gone = self.missing_api.partition(".")
        left = {key: api for key, api in apps[name].apis.items() if key != gone}
        return {**apps, name: replace(apps[name], apis=left)}

    def refuse_missing(self, app: str, api: str) -> None:
        """Refuse a call of the API that is gone.

        Raises:
            ApiError: 404.
        """
        if self.missing_api == f"{app}.{api}":
            raise ApiError(404, f"The API {app}.{api} is not available.")

    def interrupt(
        self, app: str, api: str, arguments: Mapping[str, Any], seed: str, failed: set[str]
    ) -> None:
        """Refuse a call by chance, once.

        Args:
            app: The app.
            api: The API.
            arguments: All arguments of the call.
            seed: Of the episode.
            failed: The calls that were refused before; added to.

        Raises:
            ApiError: 503.
        """
        if not self.transient_errors or not APPS[app].accounts:
            return
        text = json.dumps([seed, app, api, arguments], sort_keys=True, default=repr)
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in failed and int(key[:12], 16) < self.transient_errors * 16**12:
            failed.add(key)
            raise ApiError(503, f"The {app} app is temporarily unavailable. Please try again.")

    def padded(self, app: str, api: str, result: Any, seed: str) -> Any:
        """Return the result of an API, longer where it is a list or documentation."""
        if not self.long_outputs:
            return result
        rng = random.Random(f"{seed}/{app}/{api}")
        if isinstance(result, list):
            long = [_with_padding(row, rng) for row in result[:_PADDED_ROWS]]
            return long + result[_PADDED_ROWS:]
        return _with_padding(result, rng) if app == "api_docs" else result


def _with_padding(row: Any, rng: random.Random) -> Any:
    if not isinstance(row, dict):
        return row
    return {**row, _PADDING: " ".join(rng.choices(_TEXT.split(), k=_PADDED_WORDS))}


RETRYING = """
class _Retrying:
    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return _Retrying(getattr(self._inner, name))

    def __call__(self, **arguments):
        try:
            return self._inner(**arguments)
        except Exception as error:
            if "Response status code is 503" not in str(error):
                raise
        return self._inner(**arguments)


apis = _Retrying(apis)
"""
"""The start of an oracle's first cell where calls may fail: each is made a second time."""
