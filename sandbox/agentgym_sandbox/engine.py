"""The few calls of a Docker engine that the backend needs, by the `docker` SDK's low-level client.

The SDK is imported once an engine is asked for, so that the sandbox stays importable on the
standard library. Left out: `ssh://` and TLS, whose streams are no plain sockets.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from agentgym_sandbox.base import SandboxError

__all__ = ["Engine", "EngineError"]

DEFAULT_HOST = "unix:///var/run/docker.sock"
DEFAULT_PORT = 2375
CALL_WAIT_S = 120.0  # an engine under load takes longer than the SDK's 60 s
CONNECTIONS = 64  # kept open; the SDK's ten would be closed and opened again under load
WAY_OUT = "start it (dockerd, as root), or set DOCKER_HOST to unix://... or tcp://..."
NO_SDK = "DockerSandbox needs the Docker SDK: pip install 'agentgym-rl[docker]'"


class EngineError(SandboxError):
    """The engine refused a call.

    Attributes:
        status: Its HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Engine:
    """Speaks to one Docker engine; may be used from many threads.

    Args:
        address: ``unix://`` or ``tcp://``; by default ``DOCKER_HOST``, else the usual socket.

    Raises:
        SandboxError: If none answers there, or the SDK is not installed.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = address or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        with self._told("connect"):
            self._client = _connected(_base_url(self.address))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.close()

    def containers(self, label: str) -> list[dict[str, Any]]:
        """List the containers with a label, running or not."""
        with self._told("list containers"):
            found: list[dict[str, Any]] = self._client.containers(
                all=True, filters={"label": [label]}
            )
        return found

    def create(self, description: dict[str, Any]) -> str:
        """Make a container and give its id."""
        with self._told("create a container"):
            return str(self._client.create_container_from_config(description)["Id"])

    def start(self, container: str) -> None:
        """Start a container."""
        with self._told("start a container"):
            self._client.start(container)

    def remove(self, container: str) -> None:
        """Kill a container and remove it."""
        with self._told("remove a container"):
            self._client.remove_container(container, v=True, force=True)

    def attach(self, container: str) -> socket.socket:
        """Give the raw stream of a container's standard input, output and error.

        To be called before its start: what it then says cannot have been read ahead.
        """
        streams = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1}
        with self._told("attach to a container"):
            reader = self._client.attach_socket(container, params=streams)
            try:
                line: socket.socket = reader._sock.dup()
            finally:
                reader._response.close()  # else the SDK's descriptor waits for the collector
        return line

    def image_id(self, name: str) -> str:
        """Give the id of an image, nothing if there is none of this name."""
        try:
            with self._told("inspect an image"):
                return str(self._client.inspect_image(name)["Id"])
        except EngineError as error:
            if error.status == 404:
                return ""
            raise

    def import_image(self, archive: str, repository: str, tag: str, changes: str) -> str:
        """Make an image of a tar archive and give the engine's answer."""
        with self._told("import an image"):
            return str(
                self._client.import_image(
                    src=archive, repository=repository, tag=tag, changes=changes
                )
            )

    def remove_image(self, image: str) -> None:
        """Remove an image, unless it is in use."""
        with self._told("remove an image"):
            self._client.remove_image(image)

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn the SDK's errors into ours: a refusal, or nobody there."""
        errors = _sdk().errors
        try:
            yield
        except errors.APIError as error:
            text = f"docker, {what}: {error.explanation or error}"
            raise EngineError(error.status_code or 500, text) from error
        except (errors.DockerException, OSError) as error:  # those of requests are OSErrors
            raise SandboxError(f"no Docker engine at {self.address}: {error}; {WAY_OUT}") from error


def _sdk() -> Any:
    try:
        import docker
    except ImportError as error:
        raise SandboxError(NO_SDK) from error
    return docker


def _base_url(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme == "tcp":
        return f"tcp://{parts.hostname}:{parts.port or DEFAULT_PORT}"
    if parts.scheme != "unix":
        raise SandboxError(f"no way to a Docker engine at {address!r}; {WAY_OUT}")
    return address


def _connected(base_url: str) -> Any:
    """Make a client that has agreed on a version with the engine, and goes through no proxy."""
    client = _sdk().APIClient(
        base_url, version="auto", timeout=CALL_WAIT_S, max_pool_size=CONNECTIONS
    )
    client.trust_env = False
    return client
