"""Figures with their targets, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PACKAGES = ("PySide6-Essentials", "openslide-python", "numpy", "tifffile", "imagecodecs")


class Figure(msgspec.Struct, frozen=True):
    """One measured value.

    Attributes
    ----------
    target
        What it is to reach: at most this, or at least where `at_least` is set; None for none.
    """

    benchmark: str
    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def print_table(figures: Sequence[Figure]) -> None:
    """The figures on stdout, with target and verdict."""
    table = Table("benchmark", "figure", "value", "target", "")
    for figure in figures:
        sign = ">=" if figure.at_least else "<="
        target = "" if figure.target is None else f"{sign} {figure.target:g} {figure.unit}"
        verdict = {None: "", True: "met", False: "missed"}[figure.is_met]
        value = f"{figure.value:,.2f} {figure.unit}"
        table.add_row(figure.benchmark, figure.name, value, target, verdict)
    Console().print(table)


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """The figures with what is needed to compare them with another run's."""
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {"machine": machine, "figures": [asdict(figure) for figure in figures]}, indent=2
        )
    )
