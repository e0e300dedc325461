"""What a tool measured, in words: with units, and as many digits as a reader can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.plurals import percent, plural
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UNITS = {"_um": "µm", "_um2": "µm²", "_mm2": "mm²"}
_DENSITY = "_per_mm2"
_ONE = {"nuclei": "nucleus", "regions": "region", "annotations": "annotation"}
_LEAST_MM2 = 0.01
"""Below it an area is said in µm²."""


def measured_words(tool: str, result: object) -> str:
    """Return one line, such as "Count nuclei: 596 nuclei, 3,965 nuclei/mm², box 0.15 mm².".

    Parameters
    ----------
    result
        What the tool gave: plain data whose names end in their units, or one sentence.
    """
    name = tool.replace("_", " ").capitalize()
    if not is_mapping(result):
        return f"{name}: {result}"
    words = ", ".join(_words_of(result)) or str(result.get("about", "nothing"))
    return f"{name}: {words.removesuffix('.')}."


def _words_of(result: Mapping[str, object]) -> Iterator[str]:
    for name, value in result.items():
        if is_mapping(value):
            shares = {key: each for key, each in value.items() if isinstance(each, int | float)}
            yield from (f"{key} {percent(share)}" for key, share in shares.items())
        elif is_sequence(value):
            if not any(isinstance(each, int | float) for each in value):  # no corners of a box
                yield _counted(len(value), name)
        elif isinstance(value, int | float) and not _is_said_otherwise(name, result):
            yield _figure(name, value)


def _is_said_otherwise(name: str, result: Mapping[str, object]) -> bool:
    """Return whether the same is there as a list, or in the other unit, which suits its size."""
    if name == "count":
        return True
    area_mm2 = result.get("area_mm2")
    if name not in ("area_mm2", "area_um2") or "area_um2" not in result:
        return False
    is_large = isinstance(area_mm2, int | float) and area_mm2 >= _LEAST_MM2
    return (name == "area_um2") == is_large


def _figure(name: str, value: float) -> str:
    if name.endswith(_DENSITY):
        return f"{_number(value)} {_plain(name.removesuffix(_DENSITY))}/mm²"
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f"{_plain(name.removesuffix(ending))} {_number(value)} {unit}"
    if isinstance(value, int):
        return _counted(value, name)
    return f"{_plain(name)} {value:.2f}"


def _counted(count: int, name: str) -> str:
    return plural(count, _ONE.get(name, _plain(name)), _plain(name))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    """Return three digits, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
