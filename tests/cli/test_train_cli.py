"""`agentgym train`, `sft` and `eval` as a user has them: bad input, signals, full disks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"
PARITY = "parity_env:demo/Parity-v0"
INTERRUPTED = "agentgym: interrupted; run the same command again to go on"
Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]

# 2 steps of 3 tasks x 4 episodes x 2 turns; evaluations of 4 tasks x 2 episodes x 2 turns.
SMALL = (
    f"--env={PARITY} --sampler=transformers --steps=2 --tasks-per-step=3 --group-size=4 "
    "--max-tokens=6 --eval-tasks=4 --eval-rollouts=2 --save-every=1"
)
EVALUATION_TURNS = 4 * 2 * 2
STEP_TURNS = 3 * 4 * 2


@pytest.fixture
def run(subprocess_env: dict[str, str], tmp_path: Path) -> Command:
    """Run ``agentgym`` in a process of its own, with a cache of its own."""

    def command(*words: str, at: tuple[str, int, str] | None = None) -> Done:
        start = ["-m", "agentgym.cli"]
        if at is not None:
            start = [str(FIXTURES / "signal_at.py"), at[0], str(at[1]), at[2]]
        return subprocess.run(
            [sys.executable, *start, *words],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={
                **subprocess_env,
                "AGENTGYM_CACHE": str(tmp_path / "cache"),
                "HF_HUB_OFFLINE": "1",
                "COLUMNS": "200",
            },
        )

    return command


@pytest.fixture
def train(run: Command, tiny: Path, tmp_path: Path) -> Command:
    """Train the tiny model on Parity in ``tmp_path / "run"``, other settings as given."""

    def command(*words: str, at: tuple[str, int, str] | None = None) -> Done:
        settings = [*SMALL.split(), f"--model={tiny}", f"--out={tmp_path / 'run'}"]
        return run("train", *settings, *words, at=at)

    return command


def told(done: Done) -> str:
    """Return the only line that the command itself wrote to say that it ends early."""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("agentgym: ")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == lines[0]
    assert done.stdout == ""
    return lines[0]


def assert_whole(out: Path) -> None:
    """Both steps are in the metrics, and each of their episodes was played once."""
    steps = [json.loads(line)["step"] for line in (out / "metrics.jsonl").open()]
    rows = [json.loads(line) for line in (out / "episodes.jsonl").open()]
    played = [(row["step"], row["task_id"], row["index"]) for row in rows]
    assert steps == [1, 2]
    assert len(played) == len(set(played)) == 24
    summary = json.loads((out / "summary.json").read_text())
    assert summary["steps"] == 2
    assert summary["before"]["tasks"] == summary["after"]["tasks"] == 4


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--env", "parity_env:demo/Party-v0"], "no environment 'demo/Party-v0'; did you mean"),
        (["--env-kwargs", '{"level": 9}'], "takes no argument 'level'"),
        (["--split", "trian"], "no split 'trian'; did you mean 'train'?"),
        (["--model", "/no/such/model"], "no usable model at '/no/such/model' (there is no such"),
        (["--model", "no-such-model"], "no usable model at 'no-such-model'"),
        (["--algorithm", "rlo"], "no algorithm 'rlo'; perhaps you meant 'rloo'?"),
        (["--algorithm", "rloo", "--group-size", "1"], "group_size must be at least 2"),
        (["--eval-split", "train"], "split and eval_split are both 'train'"),
        (["--steps", "many"], "parsing --steps: invalid literal for int() with base 10: 'many'"),
        (["--steps"], "missing value for argument '--steps'"),
        (["--lr", "0"], "lr: input should be greater than 0 (it is 0.0)"),
        (["--sampler", "vlm"], "no sampler 'vlm'; use 'vllm', "),
        (["parity"], "unrecognized options: parity"),
        (["--tasks", "3"], "no flag '--tasks'; perhaps you meant"),
        (["--context", "6"], "the context of 6 tokens is too short: the first prompt of task"),
    ],
)
def test_train_refuses_a_mistake_in_one_line(
    train: Command, words: list[str], expected: str
) -> None:
    done = train(*words)
    assert expected in told(done)
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stesp = 3", "has an unknown key 'stesp'; perhaps you meant 'steps'?"),
        ("steps = 'many'", "steps: input should be a valid integer"),
        ("group_size = 1\nalgorithm = 'grpo'", "group_size must be at least 2"),
        ("env_kwargs = 3", "env_kwargs: input should be a valid dictionary"),
    ],
)
def test_train_refuses_a_mistake_in_the_config_file(
    run: Command, tmp_path: Path, text: str, expected: str
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    done = run("train", "--config", str(file))
    assert expected in told(done)
    assert done.returncode == 2


@pytest.mark.parametrize("sampler", ["transformers", "vllm"])
def test_train_refuses_a_model_without_a_chat_template(
    train: Command, tiny: Path, tmp_path: Path, sampler: str
) -> None:
    model = shutil.copytree(tiny, tmp_path / "plain")
    (model / "chat_template.jinja").unlink()
    done = train("--model", str(model), "--sampler", sampler)
    assert "has no chat template; use an instruction-tuned model" in told(done)
    assert done.returncode == 2


def test_train_refuses_a_torn_model(train: Command, tiny: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny, tmp_path / "torn")
    os.truncate(model / "model.safetensors", 1000)
    done = train("--model", str(model))
    assert f"no usable model at '{model}'" in told(done)
    assert done.returncode == 2


def test_train_refuses_a_file_as_its_folder(train: Command, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("precious")
    done = train()
    assert "cannot be a run folder (File exists); choose another --out" in told(done)
    assert done.returncode == 1
    assert (tmp_path / "run").read_text() == "precious"


def test_a_refused_command_leaves_the_folder_to_the_corrected_one(
    train: Command, tmp_path: Path
) -> None:
    assert train("--model", "no-such-model").returncode == 2
    done = train()
    assert done.returncode == 0, done.stderr
    assert_whole(tmp_path / "run")


def test_train_names_a_checkpoint_that_cannot_be_read(train: Command, tmp_path: Path) -> None:
    assert train("--eval-tasks=0").returncode == 0
    broken = tmp_path / "run" / "checkpoints" / "step-000002"
    (broken / "trainer.pt").write_text("no checkpoint")
    done = train("--eval-tasks=0", "--steps=3")
    assert f"checkpoint '{broken}' cannot be read" in told(done)
    assert done.returncode == 1
    shutil.rmtree(broken)  # as the error says
    assert train("--eval-tasks=0", "--steps=3").returncode == 0


RESPOND = "parity_env:Parity.respond"


def test_interrupt_in_any_phase_is_one_line_and_the_same_command_goes_on(
    train: Command, tmp_path: Path
) -> None:
    phases = {  # each run goes on from where the one above it was interrupted
        "start of the sampler": ("agentgym.policy.transformers:TransformersPolicy.__init__", 1),
        "evaluation before": (RESPOND, 5),
        "sampling": (RESPOND, EVALUATION_TURNS + 5),
        "learning": ("agentgym.train.learner:Learner._accumulate", 1),
        "weight push": ("agentgym.train.weights:push", 2),
        "checkpointing": ("agentgym.train.checkpoint:_sync", 2),
        "evaluation after": (RESPOND, STEP_TURNS + 5),
        "writing the model": ("agentgym.evaluate.curve:curve_svg", 1),
    }
    for phase, (where, nth) in phases.items():
        done = train(at=(where, nth, "SIGINT"))
        assert (phase, done.returncode, told(done)) == (phase, 130, INTERRUPTED)
    done = train()
    assert done.returncode == 0, done.stderr
    assert_whole(tmp_path / "run")


def test_termination_unwinds_as_an_interrupt_does(train: Command, tmp_path: Path) -> None:
    done = train(at=(RESPOND, EVALUATION_TURNS + 5, "SIGTERM"))
    assert told(done) == "agentgym: terminated; run the same command again to go on"
    assert done.returncode == 143
    assert train().returncode == 0
    assert_whole(tmp_path / "run")


def test_interrupt_of_vllm_while_it_samples(train: Command, tmp_path: Path) -> None:
    done = train("--sampler=vllm", at=(RESPOND, EVALUATION_TURNS + 5, "SIGINT"))
    assert (done.returncode, told(done)) == (130, INTERRUPTED)
    done = train("--sampler=vllm")
    assert done.returncode == 0, done.stderr
    assert_whole(tmp_path / "run")


SFT = ("sft", "--demonstrations=16", "--steps=3", "--env-kwargs", '{"level": 1}')


@pytest.mark.parametrize("phase", ["agentgym.train.sft:written_out", "agentgym.train.sft:pad"])
def test_interrupt_of_the_starter_leaves_no_half_of_it(
    run: Command, tmp_path: Path, phase: str
) -> None:
    done = run(*SFT, at=(phase, 2, "SIGINT"))
    assert (done.returncode, told(done)) == (130, INTERRUPTED)
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())


def test_sft_makes_a_starter_once_that_eval_can_play(run: Command, tmp_path: Path) -> None:
    model = json.loads(run(*SFT, "--json").stdout)["model"]
    assert Path(model).parent == tmp_path / "cache"
    again = run(*SFT)
    assert (again.returncode, again.stdout.strip()) == (0, model)
    assert "sft step" not in again.stderr
    summary = evaluation(run, "agentgym/PythonMath-v0", f"transformers:{model}")
    assert summary["tasks"] == 2


def evaluation(run: Command, env: str, policy: str) -> dict[str, Any]:
    """Evaluate on two tasks; return the summary."""
    done = run("eval", env, "-p", policy, "-n", "2", "-r", "2", "--max-tokens", "6", "--json")
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["errors"] == 0
    return summary


def test_eval_plays_the_model_of_a_run_folder(train: Command, run: Command, tmp_path: Path) -> None:
    assert train().returncode == 0
    folder = tmp_path / "run"
    assert evaluation(run, PARITY, f"transformers:{folder}")["turns"] == 2.0
    assert evaluation(run, PARITY, str(folder))["policy"] == str(folder)


def test_eval_refuses_a_folder_without_a_model(run: Command, tmp_path: Path) -> None:
    done = run("eval", PARITY, "-p", f"transformers:{tmp_path}")
    assert f"no usable model at '{tmp_path}'" in told(done)
    assert done.returncode == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB, where this user may mount one."""
    where = tmp_path / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield where
    subprocess.run(["umount", str(where)], check=True)


@pytest.mark.parametrize(
    ("free_kib", "made", "missing"),
    [
        (0, ".lock", "episodes.jsonl"),
        (16, "episodes.jsonl", "checkpoints"),  # its first group does not fit
        (160, "checkpoints", "summary.json"),  # one takes 300 KiB
    ],
    ids=["settings", "episodes", "checkpoint"],
)
def test_full_disk_is_one_line_and_the_run_goes_on_when_there_is_space(
    train: Command, small_disk: Path, free_kib: int, made: str, missing: str
) -> None:
    filler, out = small_disk / "filler", small_disk / "run"
    filler.write_bytes(bytes((1024 - free_kib) << 10))
    done = train("--out", str(out), "--keep-checkpoints=1")
    assert f"the disk of '{out}' is full; free some space" in told(done)
    assert done.returncode == 1
    assert (out / made).exists()
    assert not (out / missing).exists()
    filler.unlink()
    done = train("--out", str(out), "--keep-checkpoints=1")
    assert done.returncode == 0, done.stderr
    assert_whole(out)


def test_full_disk_of_the_cache_is_named(run: Command, small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to(small_disk)
    done = run(*SFT)
    assert f"the disk of '{tmp_path / 'cache'}' is full" in told(done)
    assert done.returncode == 1
    assert not list(small_disk.iterdir())
