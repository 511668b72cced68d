"""Run by AppWorld's own Python: one warm process that forks a server for each world.

    python serve.py CONTROL_DESCRIPTOR SANDBOX_FOLDER TASK_ID

A request is one packet of JSON on the control socket, with a line (a socket) and, for a server, a
listening socket. The end of the line ends what was forked, the end of the control socket ends
everything and removes the working directory; the exit code is told on the line.

What is served is the application of ``appworld serve environment``, on a private socket instead of
all network addresses. A server sees one task and no ground truth; an evaluation is the official
one, of the state that the server has written, in a process that no agent's code has run in.

This file runs without agentgym, so it imports nothing of it but the sandbox's file rules.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

__all__: list[str] = []

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
SHARED = ("base_dbs", "api_docs")  # of the data folder: no task's
EXPERIMENT = "agent"
FIRST_CELL = """
for app in apis.api_docs.show_app_descriptions():
    apis.api_docs.show_api_descriptions(app_name=app["name"])
for row in apis.supervisor.show_account_passwords():
    try:
        apis[row["account_name"]].login(username="nobody", password="wrong")
    except Exception:
        pass
"""


class Forks:
    """What was forked, each with its line to whoever asked for it."""

    def __init__(self, control: socket.socket, selector: selectors.BaseSelector) -> None:
        self.control = control
        self.selector = selector
        self.lines: dict[int, socket.socket] = {}

    def start(self, packet: bytes, line: socket.socket, passed: list[int]) -> None:
        """Fork, and run the request in the child."""
        template = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            tell(line, error=f"no process can be forked: {error}")
            line.close()
            return
        if pid == 0:
            self.control.close()
            for other in self.lines.values():
                other.close()
            self.selector.close()
            run_child(json.loads(packet), line, passed, template)
        self.lines[pid] = line
        self.selector.register(line, selectors.EVENT_READ, pid)

    def kill(self, pid: int) -> None:
        """Kill a process and its group, if it has one by now; `reap` tells its line."""
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill everything, and wait for it."""
        for pid in self.lines:
            self.kill(pid)
        for pid in self.lines:
            os.waitpid(pid, 0)

    def reap(self) -> None:
        """Tell the lines of what has ended."""
        while self.lines:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            line = self.lines.pop(pid, None)
            if line is None:
                continue
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # what it has left behind
            with suppress(KeyError):
                self.selector.unregister(line)
            tell(line, code=os.waitstatus_to_exitcode(status))
            line.close()


def tell(line: socket.socket, **said: Any) -> None:
    """Write a line of JSON; whoever has gone is not told."""
    with suppress(OSError):
        line.sendall(json.dumps(said).encode() + b"\n")


def serve_requests(control: socket.socket) -> None:
    """Fork for each request until the owner is gone."""
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    forks = Forks(control, selector)
    while True:
        for key, _ in selector.select():
            if key.fileobj is woken:
                woken.recv(4096)
                forks.reap()
            elif key.fileobj is control:
                packet, passed, _, _ = socket.recv_fds(control, 1 << 16, 2)
                if not packet:
                    forks.end()
                    return
                forks.start(packet, socket.socket(fileno=passed[0]), passed[1:])
                for descriptor in passed[1:]:
                    os.close(descriptor)
            elif key.data in forks.lines:
                selector.unregister(key.fileobj)
                forks.kill(key.data)


def run_child(
    request: dict[str, Any], line: socket.socket, passed: list[int], template: int
) -> NoReturn:
    """Do what was asked for, and exit."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        confine(request, line, template)
        if request["do"] == "serve":
            serve(socket.socket(fileno=passed[0]))
        else:
            tell(line, result=evaluate(request["task_id"], request["folder"]))
        code = 0
    except BaseException:  # noqa: BLE001 - told to whoever asked
        tell(line, error=traceback.format_exc()[-4000:])
    finally:
        os._exit(code)


def confine(request: dict[str, Any], line: socket.socket, template: int) -> None:
    """Take from this process what it does not need; say what could not be taken."""
    os.setsid()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    memory = request["memory_mb"] << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = request["folder"]
    log = os.open(f"{folder}/log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(folder)
    os.environ.update(TMPDIR=folder, HOME=folder, SQLITE_TMPDIR=folder)
    data = Path(os.environ["APPWORLD_ROOT"], "data")
    tasks = (data / "tasks").resolve()
    readable = [*SYSTEM, sys.prefix, sys.base_prefix, *filter(os.path.isdir, sys.path)]
    shared = [str((data / name).resolve()) for name in SHARED]
    if request["do"] == "serve":
        os.environ["APPWORLD_ROOT"] = folder
    else:
        shared = [str(data.resolve()), str(tasks)]
    hidden = restrict([*readable, *shared], folder) and not inside(tasks, readable)
    offline = leave_network()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != template:
        os._exit(1)
    tell(line, pid=os.getpid(), hidden=hidden, offline=offline)


def inside(path: Path, folders: Iterable[str]) -> bool:
    return any(path.is_relative_to(os.path.realpath(folder)) for folder in folders)


def prctl(option: int, value: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def restrict(readable: list[str], folder: str) -> bool:
    """Apply file rules where the kernel has them: nothing else is read, one folder is written."""
    try:
        from agentgym_sandbox import landlock

        if landlock.version() < landlock.MINIMUM_ABI:
            return False
        landlock.restrict(readable, DEVICES, folder)
    except (ImportError, OSError):
        return False
    return True


def leave_network() -> bool:
    """Move to an empty network, where that is allowed."""
    try:
        from agentgym_sandbox import kernel

        root = 0 if os.geteuid() == 0 else kernel.CLONE_NEWUSER
        kernel.unshare(kernel.CLONE_NEWNET | root)
    except (ImportError, OSError):
        return False
    return True


def serve(listening: socket.socket) -> None:
    """Serve one world until killed."""
    import uvicorn
    from appworld.serve.environment import app

    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=3600)
    uvicorn.Server(config).run(sockets=[listening])


def evaluate(task_id: str, folder: str) -> dict[str, Any]:
    """Judge the state that a server has written, by the official evaluation."""
    from appworld import evaluator

    # A failed test's trace shows the ground truth; to write one, all files of the stack are read.
    evaluator.build_fail_trace = lambda exception: ""
    outputs = f"{folder}/experiments/outputs/{EXPERIMENT}"
    tracker = evaluator.evaluate_task(task_id, outputs, suppress_errors=True, save_report=False)
    found: dict[str, Any] = tracker.to_dict()
    return found


def warm_up(task_id: str) -> None:
    """Play an episode, so that what the first one imports and caches is there in every fork.

    Without ground truth: what is in this process's memory is in that of every server.
    """
    import appworld.evaluator
    import appworld.serve.environment  # noqa: F401
    from appworld.apps import model_lib
    from appworld.environment import AppWorld

    keep_faults_apart(AppWorld)
    outputs = os.path.abspath("outputs")
    world = AppWorld(task_id, experiment_name=outputs, load_ground_truth=False)
    world.execute(FIRST_CELL)
    compare_states(world)
    AppWorld.close_all()
    for cached in (
        model_lib.get_db_home_path,  # of this task root
        model_lib.get_direct_cached_sqlite3_connection,  # no connection outlives a fork
        model_lib.get_cached_db_engine,
    ):
        cached.cache_clear()


def compare_states(world: Any) -> None:
    """Do what an evaluation does first: load the state before, and ask what has changed."""
    from appworld.collections.models import ModelCollectionPair

    before = world.task.model_collection
    ModelCollectionPair(
        start_db_home_path=before.from_db_home_path,
        start_model_collection=before.select([*world.task.allowed_apps, "admin"]),
        end_db_home_path=world.output_db_home_path_in_memory,
        end_model_collection=world.models,
    ).changed_model_names()


def keep_faults_apart(world: Any) -> None:
    """Let nothing that a cell does look like a fault of the server.

    Some cells make AppWorld itself raise, which would be an error 500 and the end of the world:
    those that print lone surrogates, hold NULs, nest too deeply or close the database.
    """
    execute, save_logs, completed = world.execute, world.save_logs, world.task_completed

    def encodable(text: str) -> str:
        return text.encode("utf-8", "replace").decode("utf-8")

    def executed(self: Any, code: str) -> str:
        try:
            return encodable(execute(self, code))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - the cell's doing
            self.safety_guard.disable()
            return encodable(f"Execution failed. Traceback:\n{type(error).__name__}: {error}")

    def saved(self: Any) -> Any:
        for entry in self.environment_io[-1:]:
            entry.update({key: encodable(text) for key, text in entry.items()})
        return save_logs(self)

    def told(self: Any) -> bool:
        try:
            return bool(completed(self))
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - the agent has closed the world
            return False

    world.execute, world.save_logs, world.task_completed = executed, saved, told


def main() -> None:
    """Warm up, say so, and serve; the working directory is ours."""
    folder = os.getcwd()
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    try:
        warm_up(sys.argv[3])
        gc.collect()
        gc.freeze()  # a collection in a fork would touch, and so copy, all of this
    except BaseException:
        tell(control, error=traceback.format_exc()[-4000:])
        raise
    sys.path.append(sys.argv[2])
    with suppress(ImportError):
        from agentgym_sandbox import kernel, landlock  # noqa: F401
    sys.path.remove(sys.argv[2])
    tell(control, ready=True)
    serve_requests(control)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # AppWorld's libraries may hold an orderly end up


if __name__ == "__main__":
    main()
