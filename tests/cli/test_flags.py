from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agentgym.errors import ConfigError
from agentgym.flags import parse, take


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    env: str
    steps: int = Field(3, ge=1)
    out: Path | None = None
    cap: float | None = 2.0
    skip_equal: bool = True
    env_kwargs: dict[str, Any] = Field(default_factory=lambda: {"level": 1})


def settings(*argv: str) -> Settings:
    return parse(Settings, "demo", argv, "Try it.")


def written(tmp_path: Path, text: str, name: str = "run.toml") -> str:
    file = tmp_path / name
    file.write_text(text)
    return str(file)


def test_parse_reads_flags_over_defaults() -> None:
    found = settings("--env", "a", "--out", "x/y", "--no-skip-equal", "--cap", "None")
    assert found == Settings(env="a", out=Path("x/y"), skip_equal=False, cap=None)
    assert found.env_kwargs == {"level": 1}


def test_parse_reads_mappings_as_json() -> None:
    assert settings("--env", "a", "--env-kwargs", '{"level": [2]}').env_kwargs == {"level": [2]}


def test_parse_takes_flags_over_the_file_over_defaults(tmp_path: Path) -> None:
    text = "env = 'f'\nsteps = 7\nout = 'z'\n[env_kwargs]\nlevel = 4\n"
    file = written(tmp_path, text)
    found = settings("--steps", "8", "--config", file)
    assert found == Settings(env="f", steps=8, out=Path("z"), env_kwargs={"level": 4})
    assert settings(f"--config={file}").steps == 7


def test_parse_reads_a_json_file(tmp_path: Path) -> None:
    file = written(tmp_path, '{"env": "j", "cap": null}', "run.json")
    assert settings("--config", file) == Settings(env="j", cap=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env = 'a'\nstpes = 3\n", "unknown key 'stpes'; perhaps you meant 'steps'?"),
        ("env = 'a'\nsteps = 'many'\n", "steps: input should be a valid integer"),
        ("env = 'a'\nsteps = 0\n", "greater than or equal to 1"),
        ("env = \n", "is malformed"),
    ],
)
def test_parse_names_a_mistake_in_the_file(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings("--config", written(tmp_path, text))
    assert expected.lower() in str(caught.value).lower()
    assert "run.toml" in str(caught.value)


def test_parse_names_an_unknown_flag() -> None:
    with pytest.raises(ConfigError, match="no flag '--stesp'; perhaps you meant '--steps'"):
        settings("--env", "a", "--stesp=3")


def test_parse_checks_flags_as_the_model_does() -> None:
    with pytest.raises(ConfigError, match=r"steps: .*greater than or equal to 1 \(it is 0\)"):
        settings("--env", "a", "--steps", "0")


def test_take_removes_a_flag() -> None:
    words = ["a", "--json", "b"]
    assert (take(words, "--json"), words) == (True, ["a", "b"])
    assert take(words, "--json") is False
