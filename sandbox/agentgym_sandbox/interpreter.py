"""What runs inside a session: read a frame of code, run it, answer with what it came to.

It shares its process with hostile code, so nothing of it is trusted: the host decides the status,
and what is sent from here is only a claim. It is written so that code which patches builtins or
the standard library hurts its own session only.
"""

from __future__ import annotations

import ast
import builtins
import io
import linecache
import resource
import signal
import sys
import traceback
from _thread import allocate_lock
from collections.abc import Callable
from os import _exit, getpid, read, write
from select import POLLIN
from select import poll as _poll
from types import CodeType, FrameType, ModuleType

from agentgym_sandbox import wire

__all__ = ["Interpreter"]

# Functions below look builtins up here, not in the module that the code can patch.
globals()["__builtins__"] = dict(vars(builtins))

MAX_CODE_BYTES = 16 * 1024 * 1024
LOST_CHANNEL = 70  # exit code when the channel to the host is gone
RESERVE_BYTES = 16 * 1024 * 1024  # address space that only the harness uses
WARM_UP_CALLS = 20  # from the eighth on, functions run specialised

_add_to_cache = linecache.cache.__setitem__
_compile, _exec, _eval, _repr = compile, exec, eval, repr
# The function in C behind signal.signal, which turns numbers into enums and back.
_set_signal = getattr(signal.signal, "__wrapped__", signal.signal)
_SIGINT = int(signal.SIGINT)
_set_limit, _set_trace = resource.setrlimit, sys.settrace
_set_profile, _set_recursion = sys.setprofile, sys.setrecursionlimit
_Expr, _Expression = ast.Expr, ast.Expression
_TracebackException = traceback.TracebackException
_ONLY_AST: int = ast.PyCF_ONLY_AST  # as a plain int: the answer is not typed AST
_type_name = type.__dict__["__name__"].__get__


def _clip(text: str, limit_bytes: int) -> tuple[bytes, bool]:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit_bytes:
        return data, False
    return data[:limit_bytes], True


def _drop_harness(story: traceback.TracebackException | None, depth: int = 0) -> None:
    """Take the harness's own frames out of a traceback and those that it is chained to."""
    if story is None or depth > 20:
        return
    story.stack[:] = [entry for entry in story.stack if entry.filename != __file__]
    _drop_harness(story.__cause__, depth + 1)
    _drop_harness(story.__context__, depth + 1)


def _describe(error: BaseException) -> str:
    """Write the traceback; if the code has broken what that needs, the type's name."""
    try:
        story = _TracebackException(type(error), error, error.__traceback__)
        _drop_harness(story)
        return "".join(story.format()).rstrip("\n")
    except BaseException:  # noqa: BLE001 - hostile code may raise anything at all
        return str(_type_name(type(error)))


class Interpreter:
    """Keeps one namespace and answers one frame after another until the channel ends.

    Args:
        channel: Descriptor of the stream to the host.
        output_bytes: Result and exception are cut at this many bytes.

    Attributes:
        memory_bytes: Limit of the address space while the code runs.
    """

    def __init__(self, channel: int, output_bytes: int) -> None:
        self.memory_bytes = 2**62
        self._channel = channel
        self._limit = output_bytes
        self._cells = 0
        self._running = False
        self._shielded = self._late = False
        self._reader = wire.FrameReader(MAX_CODE_BYTES + 64)
        self._request = b""
        self._calls = 0
        self._lock = allocate_lock()
        self._pid = -1
        self._output = _open_output(1), _open_output(2)
        self._namespace = _fresh_main()
        self._set_up_streams()
        self._offer_host()

    def warm_up(self) -> None:
        """Do once, before the fork, what each session would else pay for on its first call."""
        for _ in range(WARM_UP_CALLS):
            reader = wire.FrameReader(MAX_CODE_BYTES)
            reader.feed(wire.pack(bytes(wire.ID_BYTES), wire.EXECUTE, b"x = 6 * 7\nx"))
            frame = reader.next()
            result = self._evaluate(frame.fields[0].decode() if frame else "")
            wire.pack(bytes(wire.ID_BYTES), wire.DONE, b"ok", *self._result_fields(result))
        self._cells = 0
        linecache.cache.clear()
        self._namespace = _fresh_main()

    def set_up(self, source: str) -> None:
        """Run code in the namespace that all sessions start with."""
        _exec(_compile(source, "<setup>", "exec", dont_inherit=True), self._namespace)
        for stream in self._output:
            stream.flush()

    def serve(self, session_id: bytes) -> None:
        """Say that the session is ready, then answer requests for ever."""
        self._pid = getpid()
        self._rehearse()
        self._send(wire.pack(session_id, wire.READY))
        while True:
            frame = self._reader.next()
            if frame is None:
                self._reader.feed(self._receive())
            elif frame.kind == wire.EXECUTE:
                self._answer(frame)

    def _rehearse(self) -> None:
        """Write to the memory that a cell writes to, while nobody waits: a fork copies it then."""
        self._result_fields(self._evaluate("0"))
        self._restore()
        linecache.cache.clear()

    def _set_up_streams(self) -> None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
        sys.stdout, sys.stderr = self._output
        for name in ("stdin", "stdout", "stderr"):
            setattr(sys, f"__{name}__", getattr(sys, name))
        sys.argv, sys.orig_argv = [""], []

    def _receive(self) -> bytes:
        data = read(self._channel, 65_536)
        if not data:
            _exit(LOST_CHANNEL)
        return data

    def _send(self, data: bytes) -> None:
        try:
            while data:
                data = data[write(self._channel, data) :]
        except OSError:
            _exit(LOST_CHANNEL)

    def _limit_memory(self, reserve: int) -> None:
        """Set the soft limit below the hard one, so that the harness can still answer."""
        soft, hard = self.memory_bytes + reserve, self.memory_bytes + RESERVE_BYTES
        _set_limit(resource.RLIMIT_AS, (soft, hard))

    def _answer(self, frame: wire.Frame) -> None:
        _set_signal(_SIGINT, self._on_interrupt)
        self._cells += 1
        self._request = frame.id
        try:
            fields = self._guarded(frame.fields[0])
        except BaseException as error:  # noqa: BLE001 - an interrupt between two lines of ours
            fields = (b"error", b"", _type_name(type(error)).encode(), b"")
        finally:
            self._running = False
            self._request = b""
        if getpid() != self._pid:
            _exit(0)  # the code forked, and its child came out here
        self._send(wire.pack(frame.id, wire.DONE, *fields))

    def _guarded(self, source: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """Give the fields of the answer: outcome, result, exception's type, traceback."""
        try:
            self._running, self._late = True, False
            self._limit_memory(0)
            result = self._evaluate(source.decode("utf-8", "surrogatepass"))
            return (b"ok", *self._result_fields(result))
        except SystemExit as error:
            return (b"exit", *self._exception_fields(error))
        except BaseException as error:  # noqa: BLE001 - hostile code may raise anything at all
            self._limit_memory(RESERVE_BYTES)
            return (b"error", *self._exception_fields(error))
        finally:
            self._restore()

    def _restore(self) -> None:
        """Undo what code may leave behind that would slow down or break the harness."""
        self._limit_memory(RESERVE_BYTES)
        _set_trace(None)
        _set_profile(None)
        _set_recursion(1000)
        for stream in self._output:
            try:
                stream.flush()
            except (OSError, ValueError):
                continue  # the code closed it: its loss

    def _result_fields(self, result: str | None) -> tuple[bytes, bytes, bytes]:
        if result is None:
            return b"", b"", b""
        data, cut = _clip(result, self._limit)
        return (b"-" if cut else b"+") + data, b"", b""

    def _exception_fields(self, error: BaseException) -> tuple[bytes, bytes, bytes]:
        data, cut = _clip(_describe(error), self._limit)
        name = str(_type_name(type(error))).encode("utf-8", "replace")[:256]
        return b"", name, (b"-" if cut else b"+") + data

    def _evaluate(self, source: str) -> str | None:
        name = f"<cell {self._cells}>"
        _add_to_cache(name, (len(source), None, source.splitlines(True), name))
        body, last = _compile_cell(source, name)
        space = self._namespace
        _exec(body, space)
        if last is None:
            return None
        value = _eval(last, space)
        return None if value is None else _repr(value)

    def _offer_host(self) -> None:
        """Let code call the host, by a module of its own, so that its names stay its own."""
        module = ModuleType("sandbox_host", "The way to the host, where it has offered one.")
        module.__dict__["call"] = self._call_host
        sys.modules[module.__name__] = module

    def _call_host(self, text: str) -> str:
        """Send a text to the host's handler and return what it answers.

        Raises:
            RuntimeError: If the host offers no handler, or no cell is running.
        """
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > wire.CALL_BYTES:
            raise ValueError(f"{len(data)} bytes for the host; the limit is {wire.CALL_BYTES}")
        if not self._request or getpid() != self._pid:
            raise RuntimeError("the host can be called only by the process of a running cell")
        with self._lock:
            self._calls += 1
            serial = self._calls.to_bytes(8)
            self._whole(lambda: self._send(wire.pack(self._request, wire.CALL, serial, data)))
            status, answer = self._await_reply(serial)
        if status != b"ok":
            raise RuntimeError(answer.decode())
        return answer.decode("utf-8", "surrogatepass")

    def _await_reply(self, serial: bytes) -> tuple[bytes, bytes]:
        waiting = _poll()
        waiting.register(self._channel, POLLIN)
        while True:
            frame = self._reader.next()
            if frame is None:
                waiting.poll()  # an interrupt may strike here, and loses no byte
                self._whole(lambda: self._reader.feed(self._receive()))
            elif frame.kind == wire.REPLY and frame.fields[0] == serial:
                return frame.fields[1], frame.fields[2]

    def _whole(self, action: Callable[[], None]) -> None:
        """Do something that an interrupt must not cut in two; it strikes afterwards."""
        self._shielded = True
        try:
            action()
        finally:
            self._shielded = False
        if self._late:
            self._late = False
            raise KeyboardInterrupt

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._shielded:
            self._late = True
        elif self._running:
            self._running = False
            raise KeyboardInterrupt


def _compile_cell(source: str, name: str) -> tuple[CodeType, CodeType | None]:
    """Compile code so that the value of a last expression can be had."""
    tree: ast.Module = _compile(source, name, "exec", _ONLY_AST, dont_inherit=True)
    last = None
    ending = tree.body[-1] if tree.body else None
    if type(ending) is _Expr:
        tree.body.pop()
        last = _compile(_Expression(ending.value), name, "eval", dont_inherit=True)
    return _compile(tree, name, "exec", dont_inherit=True), last


def _open_output(fd: int) -> io.TextIOWrapper:
    raw = io.BufferedWriter(io.FileIO(fd, "w", closefd=False), 65_536)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace")


def _exit_function(name: str) -> Callable[..., None]:
    def leave(code: object = None) -> None:
        raise SystemExit(code)

    leave.__name__ = leave.__qualname__ = name
    return leave


def _fresh_main() -> dict[str, object]:
    """Make the module that the code is run in; `site`, which gives exit(), is not loaded."""
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    for name in ("exit", "quit"):
        setattr(builtins, name, _exit_function(name))
    return main.__dict__
