from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agentgym.policy.fingerprint import fingerprint
from agentgym.policy.resolve import model_folder


def model(folder: Path, size: int = 5_000_000) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "tiny"}')
    (folder / "model.safetensors").write_bytes(bytes(size))
    return folder


def test_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    one = model(tmp_path / "one")
    shutil.copytree(one, tmp_path / "two")
    (tmp_path / "two" / "README.md").write_text("not read")
    assert fingerprint(one) == fingerprint(tmp_path / "two")
    assert len(fingerprint(one)) == 16


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b'{"model_type": "tinx"}'),
        ("model.safetensors", bytes(5_000_001)),
        ("model.safetensors", bytes(4_999_999) + b"x"),
        ("model.safetensors", b"x" + bytes(4_999_999)),
        ("model.safetensors", b"\x01" * 5_000_000),
        ("chat_template.jinja", b"another"),
    ],
)
def test_fingerprint_changes_with_weights_and_how_they_are_read(
    tmp_path: Path, file: str, content: bytes
) -> None:
    folder = model(tmp_path / "model")
    before = fingerprint(folder)
    (folder / file).write_bytes(content)
    assert fingerprint(folder) != before


def test_fingerprint_of_a_training_step_is_another_one(tmp_path: Path, tiny: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    stepped = {name: value + 1e-4 for name, value in load_file(weights).items()}
    assert all(torch.is_floating_point(value) for value in stepped.values())
    save_file(stepped, weights, {"format": "pt"})
    assert fingerprint(tmp_path / "model") != fingerprint(tiny)


@pytest.mark.parametrize("form", ["{}", "transformers:{}", "vllm:{}", "vllm-server:{}@http://h/v1"])
def test_model_folder_of_each_form(tmp_path: Path, form: str) -> None:
    folder = model(tmp_path / "model", 1)
    assert model_folder(form.format(folder)) == folder


@pytest.mark.parametrize("text", ["oracle", "openai:m@http://h/v1", "transformers:org/name", "x"])
def test_model_folder_of_what_has_none_here(text: str) -> None:
    assert model_folder(text) is None
