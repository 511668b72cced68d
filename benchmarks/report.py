"""How a benchmark says what it found: a table, or one JSON object with ``--json``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

__all__ = ["Figure", "arguments", "report"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside its limit and the baseline of the same run."""

    value: float
    unit: str
    limit: float | None = None
    baseline: float | None = None
    ok: bool = True

    @classmethod
    def at_least(
        cls, value: float, limit: float, unit: str, baseline: float | None = None
    ) -> Figure:
        return cls(value, unit, limit, baseline, value >= limit)

    @classmethod
    def at_most(
        cls, value: float, limit: float, unit: str, baseline: float | None = None
    ) -> Figure:
        return cls(value, unit, limit, baseline, value <= limit)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows ``--json``."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def report(figures: dict[str, Figure], as_json: bool) -> int:
    """Print the figures; return 1 if any misses its limit."""
    if as_json:
        print(json.dumps({name: asdict(figure) for name, figure in figures.items()}))
    else:
        table = Table("figure", "value", "unit", "limit", "baseline", "ok")
        for name, figure in figures.items():
            cells = [_cell(v) for v in (figure.value, figure.limit, figure.baseline)]
            table.add_row(
                name, cells[0], figure.unit, cells[1], cells[2], "yes" if figure.ok else "NO"
            )
        Console(file=sys.stdout, width=100).print(table)
    return 0 if all(figure.ok for figure in figures.values()) else 1


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
