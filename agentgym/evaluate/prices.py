"""What tokens cost: a table of models, in dollars per million tokens.

    ["my-model"]
    prompt = 0.15
    sampled = 0.60

The same as JSON will do. Prices change, so none are built in.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agentgym.errors import ConfigError
from agentgym.suggest import perhaps_you_meant

__all__ = ["Price", "price_of"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    prompt: float = Field(ge=0, allow_inf_nan=False)
    sampled: float = Field(ge=0, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens that a model reads, and that it writes."""

    prompt: float
    sampled: float

    def of(self, sampled_tokens: int, prompt_tokens: int) -> float:
        """Return what so many tokens cost, in dollars."""
        return (self.sampled * sampled_tokens + self.prompt * prompt_tokens) / 1e6


def price_of(policy: str, table: Path) -> Price:
    """Return a policy's price.

    Args:
        policy: Its name as on the command line; the table names it so, or by its model alone.
        table: A TOML or JSON file.

    Raises:
        ConfigError: If the table cannot be read, or does not name the model.
    """
    rows = _read(table)
    names = [policy, model := policy.partition(":")[2] or policy]
    if "@http" in model:
        names.append(model.rpartition("@http")[0])
    row = next((rows[name] for name in names if name in rows), None)
    if row is None:
        hint = perhaps_you_meant(names[-1], rows)
        raise ConfigError(f"'{table}' has no price of '{names[-1]}'; {hint}")
    return Price(row.prompt, row.sampled)


def _read(table: Path) -> dict[str, _Row]:
    try:
        text = table.read_text("utf-8")
        found = json.loads(text) if table.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the prices in '{table}': {error}") from error
    try:
        return TypeAdapter(dict[str, _Row]).validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"'{table}': {where}: {first['msg'].lower()}; a row has prompt and sampled, in dollars "
            "per million tokens"
        ) from error
