"""How large a pixel is, told in one of the ways of a TIFF that is drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

_INCH_UM, _CM_UM = 25_400.0, 10_000.0
_UNIT_UM = {None: _INCH_UM, 2: _INCH_UM, 3: _CM_UM}
"""By the tag ResolutionUnit, which is inch where it is left out."""

_IMAGEJ_UM = {
    "micron": 1.0,
    "um": 1.0,
    "\\u00B5m": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "inch": _INCH_UM,
}
_UNIT, _ACROSS, _DOWN, _DESCRIPTION = 296, 282, 283, 270


@dataclass(frozen=True)
class Scale:
    """Tags, what they tell, and how a message calls them."""

    tags: dict[int, tuple[str, Sequence[int] | bytes]]
    mpp_um: tuple[float, float] | None
    power: float | None
    words: str


def scale_tags(rng: random.Random) -> Scale:
    """Return tags of a scale that is told by resolution, ImageJ, words, or not at all."""
    x_um, y_um = (round(rng.uniform(0.1, 2), 4) for _ in "xy")
    if rng.random() < 0.6:
        y_um = x_um
    match rng.choice(("tags", "tags", "printer", "relative", "imagej", "words", "words", "none")):
        case "tags":
            unit = rng.choice((None, 2, 3))
            um = _UNIT_UM[unit]
            tags, told = _resolution(um / x_um, um / y_um, unit)
            return Scale(tags, (um / told[0], um / told[1]), None, f"{told} by {unit}")
        case "printer":
            dots = rng.choice((72, 96, 300, 2400))
            tags, _ = _resolution(dots, dots, 2)
            return Scale(tags, None, None, f"{dots} dpi")
        case "relative":
            tags, _ = _resolution(1 / x_um, 1 / y_um, 1)
            return Scale(tags, None, None, "resolution without a unit")
        case "imagej":
            name = rng.choice((*_IMAGEJ_UM, "pixel", ""))
            um = _IMAGEJ_UM.get(name)
            tags, told = _resolution((um or 1) / x_um, (um or 1) / y_um, 1)
            about = "ImageJ=1.54f\n" + (f"unit={name}\n" if name else "")
            tags[_DESCRIPTION] = ("s", about.encode() + b"\0")
            sizes = None if um is None else (um / told[0], um / told[1])
            return Scale(tags, sizes, None, f"{told} per {name!r} by ImageJ")
        case "words":
            power = rng.choice((10, 20, 40))
            # What the words tell goes before the tags, which are often a printer's.
            tags, _ = _resolution(rng.choice((72, 20_000)), 20_000, rng.choice((2, 3)))
            x_um = round(10 / power * rng.uniform(0.8, 1.2), 4)
            mark = rng.choice(("MPP = {}", "mpp: {}", "MPP={}", "Pixel size: {} um"))
            size = rng.choice((f"{x_um}", f"{x_um}".replace(".", ",")))
            text = f"Scanner 9 |AppMag = {power}|{mark.format(size)}|Left = 25.6"
            tags[_DESCRIPTION] = ("s", text.encode() + b"\0")
            return Scale(tags, (x_um, x_um), power, text)
        case _:
            return Scale({}, None, None, "no scale")


def _resolution(
    x: float, y: float, unit: int | None
) -> tuple[dict[int, tuple[str, Sequence[int] | bytes]], tuple[float, float]]:
    """Return tags of pixels per unit, and these as fractions hold them."""
    under = 1 if min(x, y) > 1e5 else 100 if min(x, y) > 100 else 1_000_000
    under = min(under, int(4e9 / max(x, y)))
    over = round(x * under), round(y * under)
    tags: dict[int, tuple[str, Sequence[int] | bytes]] = {
        _ACROSS: ("R", [over[0], under]),
        _DOWN: ("R", [over[1], under]),
    }
    if unit is not None:
        tags[_UNIT] = ("H", [unit])
    return tags, (over[0] / under, over[1] / under)
