"""The documentation that the agent can look up."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from agentgym_envs.world.registry import Api, App, Context, page, refuse_unknown

__all__ = ["app"]

app = App("api_docs", "Search and read the documentation of apps and APIs.", accounts=False)

_IN_NAME = 3  # a word of the API's name counts as much as three of its description


@app.api(login=False)
def show_app_descriptions(ctx: Context) -> list[dict[str, str]]:
    """Show all apps.

    Returns:
        A list of name and description.
    """
    return [{"name": each.name, "description": each.description} for each in ctx.apps.values()]


@app.api(login=False)
def show_api_descriptions(ctx: Context, *, app_name: str) -> list[dict[str, str]]:
    """Show all APIs of an app.

    Args:
        app_name: Name of the app.

    Returns:
        A list of name and description.
    """
    apis = _found_app(ctx, app_name).apis.values()
    return [{"name": api.name, "description": api.description} for api in apis]


@app.api(login=False)
def show_api_doc(ctx: Context, *, app_name: str, api_name: str) -> dict[str, Any]:
    """Show the whole documentation of an API: its arguments and what it returns.

    Args:
        app_name: Name of the app.
        api_name: Name of the API.

    Returns:
        app_name, api_name, path, method, description, parameters and response_schemas.
    """
    found = _found_app(ctx, app_name)
    if api_name not in found.apis:
        raise refuse_unknown(api_name, list(found.apis), f"API of the {app_name} app")
    return found.apis[api_name].doc


@app.api(login=False)
def search_api_docs(
    ctx: Context,
    *,
    query: Annotated[str, Field(max_length=500)],
    page_index: int = 0,
    page_limit: int = 5,
) -> list[dict[str, Any]]:
    """Search the documentation of all apps by words.

    Args:
        query: Words of what the API should do.
        page_index: Which page, from 0.
        page_limit: Most results of a page, 1 to 20.

    Returns:
        A list of whole API documentations, the best match first.
    """
    words = _words(query)
    apis = [api for each in ctx.apps.values() for api in each.apis.values()]
    scores = {(api.app, api.name): _overlap(words, api) for api in apis}
    ranked = sorted(
        (api for api in apis if scores[api.app, api.name]),
        key=lambda api: (-scores[api.app, api.name], api.app, api.name),
    )
    return page([api.doc for api in ranked], page_index, page_limit)


def _found_app(ctx: Context, name: str) -> App:
    if name not in ctx.apps:
        raise refuse_unknown(name, list(ctx.apps), "app")
    return ctx.apps[name]


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(word.removesuffix("s") for word in re.findall(r"[a-z0-9]+", text.lower()))


def _overlap(words: frozenset[str], api: Api) -> int:
    named = _words(f"{api.app} {api.name}".replace("_", " "))
    return _IN_NAME * len(words & named) + len(words & (_words(api.description) - named))
