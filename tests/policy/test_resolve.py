from __future__ import annotations

from pathlib import Path

import pytest

from agentgym.errors import UnknownPolicy
from agentgym.policy.resolve import _model_folder, resolve


@pytest.mark.parametrize("name", ["oracle", "random", "null"])
def test_resolve_finds_policies_without_a_model(name: str) -> None:
    assert resolve(name).name == name


def test_resolve_passes_options_on() -> None:
    from agentgym.policy.openai import OpenAIPolicy

    policy = resolve("openai:some/model@http://localhost:1/v1", max_retries=0)
    assert isinstance(policy, OpenAIPolicy)
    assert policy.name == "openai:some/model"
    assert policy._url == "http://localhost:1/v1/chat/completions"


def test_resolve_keeps_an_at_sign_that_is_no_address() -> None:
    assert resolve("openai:model@2024").name == "openai:model@2024"


@pytest.mark.parametrize("name", ["orcale", "openai:", "vllm", "no/such/folder", "oracle:x", ""])
def test_resolve_tells_the_forms_of_a_policy_that_there_is_not(name: str) -> None:
    with pytest.raises(UnknownPolicy, match=r"openai:MODEL\[@URL\]"):
        resolve(name)


def model_at(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    return folder


def test_model_folder_is_itself(tmp_path: Path) -> None:
    folder = model_at(tmp_path / "m")
    assert _model_folder(folder) == folder


def test_model_folder_of_a_run_is_its_final_model(tmp_path: Path) -> None:
    run = tmp_path / "run"
    model_at(run / "checkpoints" / "step-000010" / "model")
    (run / "config.json").write_text('{"env": "agentgym/Math-v0"}')
    (run / "summary.json").write_text('{"steps": 10}')
    final = model_at(run / "model")
    assert _model_folder(run) == final


def test_model_folder_of_a_run_taken_up_again_is_its_newest_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    newest = model_at(run / "checkpoints" / "step-000020" / "model")
    (run / "summary.json").write_text('{"steps": 10}')
    model_at(run / "model")
    assert _model_folder(run) == newest


def test_model_folder_of_an_unfinished_run_is_its_newest_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    model_at(run / "checkpoints" / "step-000010" / "model")
    newest = model_at(run / "checkpoints" / "step-000120" / "model")
    (run / "config.json").write_text('{"env": "agentgym/Math-v0"}')
    assert _model_folder(run) == newest


def test_model_folder_of_a_run_without_a_checkpoint_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"env": "agentgym/Math-v0"}')
    assert _model_folder(tmp_path) is None
