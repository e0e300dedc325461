"""OME-TIFF whose planes stand anywhere in the file, drawn from a seed; some are missing.

The suite draws a few; `-m slow` draws hundreds. A failure names its seed.
"""

from __future__ import annotations

import itertools
import math
import random
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from viewer.slides import TileError
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides import SlideSource

open_slide = partial(open_here, first=FIRST)

_FEW, _MANY = range(20), range(1000, 1500)
_UM = {
    "Ym": 1e30, "Zm": 1e27, "Em": 1e24, "Pm": 1e21, "Tm": 1e18, "Gm": 1e15, "Mm": 1e12, "km": 1e9,
    "hm": 1e8, "dam": 1e7, "m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "µm": 1.0, "nm": 1e-3,
    "pm": 1e-6, "fm": 1e-9, "am": 1e-12, "zm": 1e-15, "ym": 1e-18, "Å": 1e-4, "thou": 25.4,
    "li": 25_400 / 12, "in": 25_400.0, "ft": 304_800.0, "yd": 914_400.0, "mi": 1_609_344_000.0,
    "ua": 149_597_870_700e6, "ly": 9_460_730_472_580_800e6, "pt": 25_400 / 72,
    "pc": 149_597_870_700e6 * 648_000 / math.pi,
}  # fmt: skip
"""Micrometers by UnitsLength of the schema."""

_TYPES = {"u1": "uint8", "u2": "uint16", "f4": "float", "i2": "int16"}

Place = tuple[int, int, int]
"""Focal plane, channel and time."""


def _tiff_data(rng: random.Random, places: list[Place]) -> tuple[str, list[Place]]:
    """Return elements TiffData, and the planes in the order of the file."""
    style = rng.choice(("whole", "none", "each", "gaps", "runs", "rest"))
    stored = list(places)
    match style:
        case "whole":
            return f'<TiffData IFD="0" PlaneCount="{len(places)}"/>', stored
        case "none":
            return "<TiffData/>", stored
        case "rest":
            first = rng.randrange(len(places))
            z, c, t = places[first]
            return f'<TiffData FirstZ="{z}" FirstC="{c}" FirstT="{t}"/>', stored[first:]
        case "runs":
            elements, at = "", 0
            while at < len(places):
                count = min(rng.randrange(1, 4), len(places) - at)
                z, c, t = places[at]
                elements += f'<TiffData IFD="{at}" FirstZ="{z}" FirstC="{c}" FirstT="{t}" '
                elements += f'PlaneCount="{count}"/>'
                at += count
            return elements, stored
        case _:
            if style == "gaps":
                stored = rng.sample(stored, rng.randrange(1, len(stored) + 1))
            rng.shuffle(stored)
            each = [
                f'<TiffData IFD="{at}" FirstZ="{z}" FirstC="{c}" FirstT="{t}"/>'
                for at, (z, c, t) in enumerate(stored)
            ]
            rng.shuffle(each)
            return "".join(each), stored


def _physical_size(rng: random.Random) -> tuple[str, tuple[float, float] | None]:
    """Return attributes of a size of pixels, each side in a unit of its own, and that size."""
    if rng.random() < 0.2:
        return rng.choice(("", 'PhysicalSizeX="2" PhysicalSizeXUnit="pixel"')), None
    about, sizes = "", (rng.uniform(0.1, 2), rng.uniform(0.1, 2))
    for axis, um in zip("XY", sizes, strict=True):
        unit = rng.choice((*_UM, ""))
        about += f'PhysicalSize{axis}="{um / _UM[unit or "µm"]!r}" '
        about += f'PhysicalSize{axis}Unit="{unit}" ' if unit else ""
    return about, sizes


@dataclass(frozen=True)
class _Other:
    """Another image of the file, smaller than the first."""

    values: NDArray[np.uint8]
    mpp_um: tuple[float, float] | None
    xml: str


def _other(rng: random.Random, number: int, directory: int) -> _Other:
    shape = rng.randrange(24, 40), rng.randrange(24, 40), rng.choice((1, 3))
    values = np.random.default_rng(rng.randrange(1 << 30)).integers(0, 256, shape, dtype=np.uint8)
    about, mpp_um = _physical_size(rng)
    xml = (
        f'<Image ID="Image:{number}"><Pixels ID="Pixels:{number}" DimensionOrder="XYCZT" '
        f'Type="uint8" SizeX="{shape[1]}" SizeY="{shape[0]}" SizeZ="1" SizeC="{shape[2]}" '
        f'SizeT="1" {about}><Channel ID="Channel:{number}:0" SamplesPerPixel="{shape[2]}"/>'
        f'<TiffData IFD="{directory}" PlaneCount="1"/></Pixels></Image>'
    )
    return _Other(values, mpp_um, xml)


def _read(source: SlideSource, level: int, channels: tuple[int, ...], z: int, t: int) -> Any:
    grid = source.levels[level]
    rows = [
        np.concatenate(
            [source.read_channels(level, x, y, channels, z, t) for x in range(grid.columns)], axis=2
        )
        for y in range(grid.rows)
    ]
    return np.concatenate(rows, axis=1)


def _check(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    counts = {axis: rng.randrange(1, 4) for axis in "ZCT"}
    order = rng.sample("ZCT", 3)
    is_rgb = rng.random() < 0.25
    dtype = "u1" if is_rgb else rng.choice(tuple(_TYPES))
    places: list[Place] = []
    for rest in range(counts["Z"] * counts["C"] * counts["T"]):
        at_axis: dict[str, int] = {}
        for axis in order:
            rest, at_axis[axis] = divmod(rest, counts[axis])
        places.append((at_axis["Z"], at_axis["C"], at_axis["T"]))
    height, width = rng.randrange(40, 200), rng.randrange(40, 200)
    shape = (height, width, 3) if is_rgb else (height, width)
    planes = {place: numbers.integers(0, 255, shape).astype(dtype) for place in places}
    data, stored = _tiff_data(rng, places)
    samples = 3 if is_rgb else 1
    channels = "".join(
        f'<Channel ID="Channel:0:{n}" Name="marker {n}" SamplesPerPixel="{samples}"/>'
        for n in range(counts["C"])
    )
    # What it says of the order of bytes and samples does not count: the tags do.
    contradicted = f'BigEndian="{rng.choice(("true", "false"))}" Interleaved="{rng.random() < 0.5}"'
    more = random.Random(f"more {seed}")
    about, mpp_um = _physical_size(more)
    others = [_other(more, n + 1, len(stored) + n) for n in range(more.choice((0, 0, 1, 2)))]
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XY{"".join(order)}" '
        f'Type="{_TYPES[dtype]}" {contradicted} SizeX="{width}" SizeY="{height}" '
        f'SizeZ="{counts["Z"]}" SizeC="{counts["C"] * samples}" SizeT="{counts["T"]}" {about}>'
        f"{channels}{data}</Pixels></Image>{''.join(other.xml for other in others)}</OME>"
    )
    is_planar, has_level = is_rgb and rng.random() < 0.4, rng.random() < 0.4
    options: dict[str, Any] = {
        "photometric": "rgb" if is_rgb else "minisblack",
        "compression": rng.choice((None, "zlib", "lzw")),
        "metadata": None,
    }
    if is_planar:
        options["planarconfig"] = "separate"
    if rng.random() < 0.5:
        options["tile"] = (64, 64)
    endian: Any = rng.choice("<>")
    with tifffile.TiffWriter(path, byteorder=endian, bigtiff=more.random() < 0.4) as out:
        for index, place in enumerate(stored):
            text = None if index else xml.encode()
            for step in range(1, 3 if has_level else 2):
                values = planes[place][::step, ::step]
                values = np.ascontiguousarray(np.moveaxis(values, 2, 0) if is_planar else values)
                below = 1 if has_level and step == 1 else None
                flag = 0 if step == 1 else 1
                out.write(values, subifds=below, subfiletype=flag, description=text, **options)
                text = None
        for other in others:
            kind = "rgb" if other.values.shape[2] == 3 else "minisblack"
            image = other.values if kind == "rgb" else other.values[..., 0]
            out.write(image, photometric=kind, metadata=None, compression="zlib")
    said = f"seed {seed}: {counts} {order} {stored}"
    with closing(open_slide(path)) as source:
        held = [sorted({place[axis] for place in stored}) for axis in range(3)]
        axes = source.info.axes
        assert (axes.z_count, axes.t_count) == (len(held[0]), len(held[2])), said
        shown_channels = held[1][:1] if is_rgb else held[1]
        for z, c, t in itertools.product(held[0], shown_channels, held[2]):
            at = held[0].index(z), held[1].index(c), held[2].index(t)
            read = (0, 1, 2) if is_rgb else (at[1],)
            for level in range(2 if has_level else 1):
                if (z, c, t) not in stored:
                    with pytest.raises(TileError, match="does not hold this plane"):
                        _read(source, level, read, at[0], at[2])
                    continue
                step = level + 1
                right: NDArray[Any] = planes[z, c, t][::step, ::step]
                right = np.moveaxis(right, 2, 0) if is_rgb else right[np.newaxis]
                assert np.array_equal(_read(source, level, read, at[0], at[2]), right), said
        is_said = any(note.startswith("The file tells of ") for note in source.info.notes)
        assert is_said == (len(stored) < len(places)), said
        assert source.info.optics.mpp_um == _about(mpp_um), said
        assert len(source.info.images) == (len(others) + 1 if others else 0), said
    for index, other in enumerate(others):
        with closing(open_slide(path, image=index + 1)) as source:
            assert source.info.optics.mpp_um == _about(other.mpp_um), said
            right = np.moveaxis(other.values, 2, 0)
            assert np.array_equal(_read(source, 0, tuple(range(len(right))), 0, 0), right), said


def _about(sizes: tuple[float, float] | None) -> Any:
    return None if sizes is None else pytest.approx(sizes, rel=1e-6)


@pytest.mark.parametrize("seed", _FEW)
def test_a_few_stacks(tmp_path: Path, seed: int) -> None:
    _check(tmp_path / "a.ome.tif", seed)


@pytest.mark.slow
def test_many_stacks(tmp_path: Path) -> None:
    for seed in _MANY:
        _check(tmp_path / f"{seed}.ome.tif", seed)
