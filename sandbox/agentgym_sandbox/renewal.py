"""A session that is over begins anew: same namespaces, fresh interpreter, nothing of the last one.

Namespaces, mounts and a control group cost several times what a fork costs. So the supervisor, when
asked, kills every process, looks whether the code has left any trace (`agentgym_sandbox.traces`),
and forks the next interpreter from memory that no code has seen. If there is a trace, or anything
else is odd, the session is ended and the next one made from nothing.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import time
from dataclasses import replace

from agentgym_sandbox import wire
from agentgym_sandbox.exchange import DEATH_WAIT_S, Handles, readable
from agentgym_sandbox.spawner import (
    SESSION_WAIT_S,
    await_interpreter,
    open_streams,
    set_non_blocking,
)

__all__ = ["MAX_RENEWALS", "is_fit", "renew"]

MAX_RENEWALS = 64  # then the supervisor itself is due


def renew(handles: Handles) -> Handles | None:
    """End a session's code, every process of it, and ask for a fresh interpreter in its place.

    Args:
        handles: A session that no call is using.

    Returns:
        The new session, which is still starting, with all that the old one held; None if there is
        none: the caller ends the old one.
    """
    if handles.renewals >= MAX_RENEWALS or handles.folder or handles.out_of_memory():
        return None
    if readable(handles.control):  # nothing is expected: the interpreter has died
        return None
    session_id = secrets.token_bytes(wire.ID_BYTES)
    with contextlib.ExitStack() as theirs:
        (data, out, err), fds = open_streams(theirs)
        count = handles.renewals + 1
        fresh = replace(handles, data=data, out=out, err=err, awaited=session_id, renewals=count)
        granted = _asked(handles.control, session_id, fds)
    (handles if granted else fresh).close_streams()
    return fresh if granted else None


def _asked(control: socket.socket, session_id: bytes, fds: list[int]) -> bool:
    """Send the request; say whether all processes are dead and have left no trace."""
    try:
        control.send(b"N" + session_id)
        socket.send_fds(control, [b"F"], fds)
        poller = select.poll()
        poller.register(control, select.POLLIN)
        return bool(poller.poll(DEATH_WAIT_S * 1000)) and control.recv(8) == b"N"
    except OSError:
        return False  # the supervisor is gone


def is_fit(handles: Handles) -> bool:
    """Whether a session that has waited is there still; one that is starting is waited for."""
    if handles.awaited:
        deadline = time.monotonic() + SESSION_WAIT_S
        if await_interpreter(handles, handles.awaited, deadline):
            return False
        set_non_blocking(handles)
        handles.awaited = b""
    return not readable(handles.control) and not handles.wait_gone(0.0)
