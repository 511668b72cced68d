"""What an API answers when it refuses: a status and a message, in AppWorld's words."""

from __future__ import annotations

import json

__all__ = ["ApiError", "conflict", "invalid", "missing", "unauthorized"]


class ApiError(Exception):
    """A refused call; the agent's code sees it as an exception.

    Args:
        status: HTTP status code.
        message: What the agent reads.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Response status code is {status}:\n{json.dumps({'message': message})}")
        self.status = status
        self.message = message


def unauthorized(app: str) -> ApiError:
    """The token is missing, wrong or of another app."""
    return ApiError(
        401,
        f"You are either not authorized to access this {app} API endpoint or your access token "
        "is missing, invalid or expired.",
    )


def missing(what: str) -> ApiError:
    """Nothing has this id, or it is somebody else's."""
    return ApiError(422, f"The {what} does not exist or is not available to you.")


def conflict(message: str) -> ApiError:
    """The state forbids it."""
    return ApiError(409, message)


def invalid(message: str) -> ApiError:
    """An argument cannot be."""
    return ApiError(422, message)
