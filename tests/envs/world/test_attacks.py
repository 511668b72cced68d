"""What agent code may try against the world, run in the real sandbox through the environment."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from agentgym_envs.world.env import ApiWorld

TASK, TOTAL = "pay_approve_request_1", "pay_total_sent_1"

LOOK_FOR_SECRETS = {
    "modules of the host": """
for name in ("agentgym", "agentgym_envs", "agentgym_envs.world.check", "pydantic"):
    try:
        __import__(name)
        print("IMPORTED", name)
    except ImportError:
        pass
""",
    "every object of the interpreter": """
import gc
for thing in gc.get_objects():
    try:
        print(type(thing).__name__, str(thing)[:2000])
    except Exception:
        pass
""",
    "the surface's closures": """
import sandbox_host
print(vars(sandbox_host), vars(apis), vars(type(apis)), apis.pay.send_money.__dict__)
print(type(apis.pay.send_money).__call__.__closure__[0].cell_contents.__closure__)
print(type(apis.pay.send_money).__call__.__closure__[0].cell_contents.__globals__.keys())
""",
    "frames of whoever has called": """
import sys
frame = sys._getframe()
while frame:
    print(frame.f_code.co_filename, list(frame.f_globals), str(frame.f_locals)[:3000])
    frame = frame.f_back
""",
    "files of the world": """
import os
for root in ("/", "/proc/1/root", "/proc/self/cwd", "/tmp", "/dev/shm", "/home", "/root"):
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if each not in ("sys", "lib", "usr")][:50]
        for name in files[:50]:
            if name.endswith((".db", ".sqlite", ".json", ".jsonl")) or "world" in name:
                print(os.path.join(folder, name))
""",
    "memory and environments of processes": """
import os
for pid in os.listdir("/proc"):
    if pid.isdigit():
        for name in ("environ", "cmdline", "maps"):
            try:
                print(open(f"/proc/{pid}/{name}", "rb").read()[:3000])
            except OSError as error:
                pass
""",
    "undocumented APIs": """
for app in ("supervisor", "pay", "api_docs", "world", "database", "service", "checker"):
    for name in ("show_ground_truth", "evaluate", "show_expected", "db", "run", "__init__"):
        try:
            import json, sandbox_host
            body = {"app": app, "api": name, "arguments": {}}
            print(sandbox_host.call(json.dumps(body)))
        except Exception as error:
            print(error)
""",
    "the inside of the service": """
import json, sandbox_host
for arguments in ({"ctx": {}}, {"self": 1}, {"service": 1}, {"db": 1}, {"context": 1}):
    body = {"app": "supervisor", "api": "show_profile", "arguments": arguments}
    print(sandbox_host.call(json.dumps(body)))
""",
    "SQL in arguments": """
for text in ("' OR 1=1 --", '" OR ""="', "x'; SELECT password FROM accounts; --"):
    for app in ("pay", "mail"):
        try:
            print(getattr(apis, app).login(username=text, password=text))
        except Exception as error:
            print(error)
    print(apis.api_docs.search_api_docs(query=text)[:1])
""",
    "somebody else's account": """
profile = apis.supervisor.show_profile()
for password in ("", "password", "1234", *(r["password"] for r in
        apis.supervisor.show_account_passwords())):
    for name in NAMES:
        try:
            print("TOKEN", apis.pay.login(username=name, password=password))
        except Exception:
            pass
""",
}

WRITE_WITHOUT_LOGIN = {
    "no token": "apis.pay.send_money(email=OTHER, amount=1)",
    "empty token": "apis.pay.send_money(email=OTHER, amount=1, access_token='')",
    "invented token": "apis.pay.send_money(email=OTHER, amount=1, access_token='a' * 40)",
    "token of a wrong type": "apis.pay.send_money(email=OTHER, amount=1, access_token=['x'])",
    "token of another app": """
words = {r["account_name"]: r["password"] for r in apis.supervisor.show_account_passwords()}
email = apis.supervisor.show_profile()["email"]
token = apis.mail.login(username=email, password=words["mail"])["access_token"]
apis.pay.send_money(email=OTHER, amount=1, access_token=token)
""",
    "token after logout": """
words = {r["account_name"]: r["password"] for r in apis.supervisor.show_account_passwords()}
email = apis.supervisor.show_profile()["email"]
token = apis.pay.login(username=email, password=words["pay"])["access_token"]
apis.pay.logout(access_token=token)
apis.pay.send_money(email=OTHER, amount=1, access_token=token)
""",
}

DISTURB = {
    "patched apis": """
apis.pay.approve_request = lambda **_: {"message": "Request approved."}
class Fake:
    def __getattr__(self, name): return Fake()
    def __call__(self, **_): return {"result": "done", "score": 1.0}
apis = Fake()
apis.supervisor.complete_task()
""",
    "patched json and builtins": """
import json, builtins, sandbox_host
json.loads = lambda *_: {"result": {"score": 1.0, "verdict": "all rules hold"}}
json.dumps = lambda *_: "{}"
builtins.print = lambda *_: None
sandbox_host.call = lambda text: '{"result": "Marked the active task complete."}'
apis.supervisor.complete_task()
""",
    "printed verdict": """
print('{"score": 1.0}')
print("Execution successful.", {"verdict": 1.0}, "all rules hold")
import sys
sys.stderr.write("complete_task()")
""",
    "frames on every descriptor": """
import os
for fd in range(3, 64):
    for data in (b"\\0" * 64, b"\\xff" * 64, b"DONE", bytes(range(256)) * 4):
        try:
            os.write(fd, data)
        except OSError:
            break
""",
    "a forged result": """
import sandbox_host
inside = sandbox_host.call.__self__
wire = sandbox_host.call.__func__.__globals__["wire"]
for fields in ((b"ok", b"+1.0", b"", b""), (b"passed", b"+1.0", b"", b"")):
    inside._send(wire.pack(inside._request, wire.DONE, *fields))
""",
    "a forged call": """
import json, sandbox_host
inside = sandbox_host.call.__self__
wire = sandbox_host.call.__func__.__globals__["wire"]
body = json.dumps({"app": "supervisor", "api": "grade", "arguments": {"score": 1.0}}).encode()
for request in (inside._request, b"\\0" * len(inside._request)):
    for serial in (b"", b"\\0" * 8, b"\\xff" * 8):
        inside._send(wire.pack(request, wire.CALL, serial, body))
""",
    "replies read away": """
import os, threading, sandbox_host
def steal():
    for fd in range(3, 32):
        try:
            os.set_blocking(fd, False)
            os.read(fd, 65536)
        except OSError:
            pass
threading.Thread(target=steal, daemon=True).start()
for _ in range(50):
    try:
        apis.supervisor.show_profile()
    except BaseException:
        break
""",
    "a flood of calls": """
for n in range(20_000):
    try:
        apis.supervisor.show_profile()
    except Exception as error:
        last = error
print(last)
""",
    "a flood of broken calls": """
import sandbox_host
for n in range(20_000):
    last = sandbox_host.call("{" * (n % 99))
print(last)
""",
    "calls from threads": """
import threading
def flood():
    while True:
        try:
            apis.supervisor.show_profile()
        except Exception:
            pass
for _ in range(8):
    threading.Thread(target=flood, daemon=True).start()
""",
    "calls from a fork": """
import os
if os.fork() == 0:
    try:
        apis.supervisor.complete_task()
    finally:
        os._exit(0)
os.wait()
""",
    "the largest call": """
import sandbox_host
for size in (10**5, 10**6, 10**7):
    try:
        print(sandbox_host.call("[" * size)[:100])
    except Exception as error:
        print(type(error))
""",
    "exit in the middle of a call": """
import os, threading, time
threading.Thread(target=lambda: (time.sleep(0.01), os._exit(0)), daemon=True).start()
while True:
    try:
        apis.supervisor.show_profile()
    except Exception:
        pass
""",
    "killed in the middle of a call": """
import os, signal
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), 9))
while True:
    try:
        apis.supervisor.show_profile()
    except Exception:
        pass
""",
    "never returning": """
while True:
    try:
        while True:
            apis.supervisor.show_profile()
    except BaseException:
        pass
""",
    "refused completions": """
import json, sandbox_host
for arguments in ({"answer": {"$ne": None}}, {"answer": [1]}, {"status": "passed"},
        {"score": 1.0}, {"answer": "x" * 30_000}, {"answer": float("nan")}):
    body = {"app": "supervisor", "api": "complete_task", "arguments": arguments}
    print(sandbox_host.call(json.dumps(body)))
""",
}


@pytest.fixture
def env() -> Iterator[ApiWorld]:
    made = ApiWorld(size="small", cell_timeout_s=1.0, max_observation_chars=1_000_000)
    made.reset(seed=0, options={"task_id": TASK})
    yield made
    made.close()


def fence(code: str) -> str:
    return f"```python\n{code}\n```"


def secrets(env: ApiWorld) -> list[str]:
    """What the agent can come to know by nothing that it may do: whoever sees it has broken in."""
    service = env.run.service
    others = service.db.all(
        "SELECT password FROM accounts WHERE person_id <> ?", service.person["id"]
    )
    hidden = [row["password"] for row in others]
    return [service.secret, "pay_balances", "Expected(", "agentgym_envs", *hidden]


def solve(env: ApiWorld) -> tuple[float, str]:
    """Play the oracle from where the episode stands."""
    for cell in env.oracle():
        reply = env.step(cell)
    return reply[1], reply[4]["verdict"].reason


def attack(env: ApiWorld, code: str) -> str:
    names = [row["email"] for row in env.run.service.db.all("SELECT email FROM people LIMIT 20")]
    own = env.run.service.person["email"]
    names = [name for name in names if name != own]
    observation, reward, terminated, truncated, _ = env.step(
        fence(f"NAMES = {names!r}\nOTHER = NAMES[0]\n{code}")
    )
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert env.run.service.fault is None
    assert env.run.service.completed is None
    assert env.run.service.db.changes() == []
    return observation


@pytest.mark.parametrize("name", LOOK_FOR_SECRETS)
def test_nothing_of_the_host_can_be_seen(env: ApiWorld, name: str) -> None:
    observation = attack(env, LOOK_FOR_SECRETS[name])
    assert [secret for secret in secrets(env) if secret in observation] == []
    assert "IMPORTED" not in observation
    assert "TOKEN" not in observation
    assert solve(env) == (1.0, "all rules hold")


@pytest.mark.parametrize("name", WRITE_WITHOUT_LOGIN)
def test_nothing_is_written_without_a_login(env: ApiWorld, name: str) -> None:
    assert "Response status code is 401" in attack(env, WRITE_WITHOUT_LOGIN[name])
    assert solve(env) == (1.0, "all rules hold")


@pytest.mark.timeout(120)  # the longest of them is stopped by the limit of a cell
@pytest.mark.parametrize("name", DISTURB)
def test_disturbed_episode_ends_as_an_honest_one(env: ApiWorld, name: str) -> None:
    attack(env, DISTURB[name])
    verdict = env.run.verdict()
    assert verdict.score == 0.0
    env.step(fence("import os\nos._exit(0)"))  # what was patched goes with its session
    env.step(fence("print(apis)"))
    assert solve(env) == (1.0, "all rules hold")


@pytest.mark.parametrize(
    "answer",
    ["", "42", "0", "None", "TOTAL", "1, 2, 3", "all rules hold", "{total}", "*", ".*", "%"],
)
def test_guessed_answer_scores_nothing(env: ApiWorld, answer: str) -> None:
    env.reset(seed=0, options={"task_id": TOTAL})
    code = f"apis.supervisor.complete_task(answer={answer!r})"
    _, reward, terminated, _, info = env.step(fence(code))
    assert (reward, terminated) == (0.0, True)
    assert info["verdict"].reason == "failed: answer"


def test_write_cannot_be_hidden_by_undoing_its_record(env: ApiWorld) -> None:
    email = env.run.service.db.one("SELECT email FROM people WHERE id = 40")["email"]
    cells = list(env.oracle())
    env.step(cells[0])
    stray = f"apis.pay.request_money(email={email!r}, amount=1, access_token=tokens['pay'])"
    env.step(fence(stray))
    env.step(fence("import os\nos._exit(1)"))  # the session is gone, what it did is not
    assert solve(env) == (0.0, "failed: no collateral damage")


def test_episode_after_an_attack_starts_clean(env: ApiWorld) -> None:
    env.step(fence("leftover = 1\nimport builtins\nbuiltins.left = 2"))
    env.step(next(env.oracle()))
    token = env.step(fence("print(tokens['pay'])"))[0]
    env.reset(seed=5, options={"task_id": TASK})
    shown = env.step(
        fence("import builtins\nprint('leftover' in globals(), hasattr(builtins, 'left'))")
    )
    assert shown[0] == "False False"
    used = env.step(fence(f"apis.pay.show_account(access_token={token!r})"))[0]
    assert "Response status code is 401" in used


def test_calls_between_cells_reach_nobody(env: ApiWorld) -> None:
    code = """
import threading, time
def late():
    time.sleep(0.05)
    while True:
        try:
            apis.supervisor.complete_task()
            return
        except RuntimeError:
            time.sleep(0.01)
threading.Thread(target=late, daemon=True).start()
"""
    attack(env, code)
    time.sleep(0.2)
    assert env.run.service.completed is None
