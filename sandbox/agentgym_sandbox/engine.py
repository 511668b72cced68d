"""The few calls of the Docker Engine's HTTP interface that the backend needs.

On the standard library, so that the sandbox stays a leaf. One connection a call: the
engine is near, and a shared pool of them would queue behind slow creations.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from agentgym_sandbox.base import SandboxError

__all__ = ["Engine", "EngineError"]

DEFAULT_HOST = "unix:///var/run/docker.sock"
VERSION = "v1.40"  # Docker 19.03 and every later one
CALL_WAIT_S = 120.0
WAY_OUT = "start it (dockerd, as root), or set DOCKER_HOST to unix://... or tcp://..."


class EngineError(SandboxError):
    """The engine refused a call.

    Attributes:
        status: Its HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: str) -> None:
        super().__init__("localhost", timeout=CALL_WAIT_S)
        self._address = address

    def connect(self) -> None:
        self.sock = _connect(self._address)


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(CALL_WAIT_S)
        line.connect(parts.path)
        return line
    if parts.scheme == "tcp":
        return socket.create_connection((parts.hostname, parts.port or 2375), CALL_WAIT_S)
    raise SandboxError(f"no way to a Docker engine at {address!r}; {WAY_OUT}")


class Engine:
    """Speaks to one Docker engine; may be used from many threads.

    Args:
        address: ``unix://`` or ``tcp://``; by default ``DOCKER_HOST``, else the usual socket.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = address or os.environ.get("DOCKER_HOST") or DEFAULT_HOST

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """Make a call and give the answer, read from JSON.

        Args:
            method: Of HTTP.
            path: Below the version, as ``/containers/json``.
            query: Parameters; values that are no text are written as JSON.
            body: Sent as JSON; an iterator of bytes is sent as a tar archive.

        Raises:
            EngineError: If the engine refused.
            SandboxError: If none answers.
        """
        connection = _Connection(self.address)
        headers = {"Content-Type": "application/json"}
        content: Iterable[bytes] | bytes | None = None
        if hasattr(body, "__next__"):
            headers, content = {"Content-Type": "application/x-tar"}, body
        elif body is not None:
            content = json.dumps(body).encode()
        try:
            connection.request(method, _target(path, query), content, headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise SandboxError(f"no Docker engine at {self.address}: {error}; {WAY_OUT}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineError(response.status, f"docker, {method} {path}: {_reason(data)}")
        return _parsed(data)

    def attach(self, container: str) -> socket.socket:
        """Give the raw stream of a container's standard input, output and error."""
        line = _connect(self.address)
        query = {"stream": "1", "stdin": "1", "stdout": "1", "stderr": "1"}
        target = _target(f"/containers/{container}/attach", query)
        upgrade = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0"
        line.sendall(f"POST {target} HTTP/1.1\r\n{upgrade}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = line.recv(1)  # not one byte of the stream behind may be taken
            if not byte:
                break
            head += byte
        if head.split(b" ", 2)[1:2] not in ([b"101"], [b"200"]):
            line.close()
            raise SandboxError(f"docker did not attach: {head[:300].decode('latin-1')!r}")
        return line


def _target(path: str, query: dict[str, Any] | None) -> str:
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in (query or {}).items()}
    return f"/{VERSION}{quote(path)}" + (f"?{urlencode(texts)}" if texts else "")


def _reason(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:300].decode("utf-8", "replace")


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode("utf-8", "replace")
