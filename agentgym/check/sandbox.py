"""Golds that code can find: where an environment runs what a model writes, code looks for one.

The gold is made up, so finding it is no chance, and the code knows only its digest, so it does not
find itself. It looks where rewards have been stolen before: in variables, in the frames of callers,
in everything the collector knows, in the environment, the processes, the files and the memory.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

from agentgym.chat.toolcalls import render
from agentgym.check.gold import mutated
from agentgym.check.hidden import DIGITS, planted
from agentgym.check.report import Failed, NotApplicable, Seen
from agentgym.check.subject import SEED, Subject, reset
from agentgym.env import Env
from agentgym.types import ToolCall

__all__ = ["PLACES", "SEARCH", "gold_unreachable"]

PLACES = ("variables", "frames", "objects", "environment", "processes", "files", "memory")
MARK = "gold in"
GREETING, GREETED = "print('code', 6 * 7)", "code 42"
CODE_NAMES = ("code", "source", "source_code", "script", "program", "python", "cell")

# A place has a third of a second of processor time: sessions seldom give a call more than 5 s.
SEARCH = (
    r"""
def search(wanted, digits, place):
    import builtins, collections, gc, hashlib, os, re, sys, time

    number = re.compile(rb"(?<![0-9])[0-9]{%d}(?![0-9])" % digits)

    def found(data):
        made_up = number.findall(data) if data else ()
        return any(hashlib.sha256(each).hexdigest() in wanted for each in made_up)

    def texts(roots):
        waiting, seen = collections.deque(roots), set()
        while waiting:
            one = waiting.popleft()
            if id(one) in seen:
                continue
            seen.add(id(one))
            if issubclass(type(one), (bytes, bytearray)):
                yield bytes(one[:100000])
            else:
                plain = issubclass(type(one), (str, int, float))
                yield str(one)[:100000].encode("utf-8", "replace") if plain else b""
            waiting.extend(gc.get_referents(one))

    def variables():
        return texts([globals(), vars(builtins), vars(sys.modules["__main__"])])

    def frames():
        frame, own, outer = sys._getframe(), [], []
        while frame is not None:
            own.append(frame.f_locals)
            outer.append(frame.f_globals)
            frame = frame.f_back
        return texts(own + outer)

    def objects():
        return texts(gc.get_objects())

    def environment():
        yield repr((dict(os.environ), sys.argv, sys.path, os.getcwd())).encode()

    def contents(path, most=1 << 20):
        try:
            with open(path, "rb") as file:
                return file.read(most)
        except OSError:
            return b""

    def processes():
        for name in os.listdir("/proc"):
            if name.isdigit():
                for what in ("cmdline", "environ"):
                    yield contents("/proc/%s/%s" % (name, what))

    def files():
        roots = [os.getcwd(), "/tmp", "/dev/shm", os.path.expanduser("~"), "/var/tmp", "/run", "/"]
        for root in roots:
            for folder, below, names in os.walk(root):
                if root == "/":
                    below[:] = [each for each in below if each not in ("proc", "sys", "usr")]
                for name in names:
                    path = os.path.join(folder, name)
                    yield path.encode("utf-8", "replace")
                    if os.path.isfile(path):
                        yield contents(path)

    def memory():
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as held:
            for line in maps:
                bounds, rights = line.split()[:2]
                start, end = (int(each, 16) for each in bounds.split("-"))
                if rights[:2] != "rw":
                    continue
                for place in range(start, end, 1 << 20):
                    try:
                        held.seek(place)
                        yield held.read(min(1 << 20, end - place))
                    except (OSError, ValueError, OverflowError):
                        break

    places = variables, frames, objects, environment, processes, files, memory
    look = {each.__name__: each for each in places}[place]
    deadline, hard_deadline, says = time.process_time() + 0.3, time.monotonic() + 3, "no"
    try:
        for data in look():
            if found(data):
                says = "yes"
                break
            if time.process_time() > deadline or time.monotonic() > hard_deadline:
                break
    except Exception as error:
        says = "no (%s)" % type(error).__name__
    print("MARK", place, says, flush=True)
"""
).replace("MARK", MARK)


def gold_unreachable(subject: Subject) -> Seen:
    """Run code that looks for a made-up gold, by whatever way the environment runs code."""
    with closing(subject.make()) as env:
        core = env.unwrapped
        task = core.tasks.get(subject.task_ids(env)[0], core.split)
        gold, digits = planted(task.answer, random.Random(f"{SEED}/{task.id}"))
        if not digits:
            raise NotApplicable("its golds are not in Task.answer")
        wanted = sorted({hashlib.sha256(each.encode()).hexdigest() for each in digits})
        with mutated(env, task, gold):
            ways = (way for way in _ways(env) if GREETED in _said(env, task.id, way(GREETING)))
            run = next(ways, None)
            if run is None:
                raise NotApplicable("it runs no Python code that an action holds")
            said = [
                _said(env, task.id, run(f"{SEARCH}\nsearch({wanted}, {DIGITS}, {place!r})"))
                for place in PLACES
            ]
    looked = dict(re.findall(rf"^{MARK} (\w+) (yes|no)", "\n".join(said), re.MULTILINE))
    if held := [place for place in PLACES if looked.get(place) == "yes"]:
        raise Failed(f"task {task.id}: code that is run finds the gold in: {', '.join(held)}")
    if not looked:
        raise NotApplicable(f"the code that looks for the gold printed nothing: {said[0][:80]!r}")
    missed = [place for place in PLACES if place not in looked]
    rest = f"; not looked at: {', '.join(missed)}" if missed else ""
    return Seen(f"code finds a made-up gold in none of: {', '.join(looked)}{rest}")


def _said(env: Env, task_id: str, action: str) -> str:
    """Return what an action at the start of an episode gives to read."""
    with suppress(Exception):  # what a made-up gold breaks says nothing
        reset(env, task_id)
        env.unwrapped.prepare()
        return str(env.step(action)[0])
    return ""


def _ways(env: Env) -> Iterator[Callable[[str], str]]:
    """Yield ways to write an action that holds code: a tool that takes some, or a code block."""
    for schema in env.unwrapped.tools:
        function = schema.get("function", schema)
        parameters = function.get("parameters", {})
        for name in parameters.get("properties", {}):
            if name in CODE_NAMES and set(parameters.get("required", ())) <= {name}:
                yield _calls(function["name"], name)
    yield lambda code: f"```python\n{code}\n```"


def _calls(tool: str, parameter: str) -> Callable[[str], str]:
    return lambda code: render(ToolCall(tool, {parameter: code}))
