"""SCN slides in fluorescence, not read by OpenSlide: all channels, planes and levels."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from channel_steps import stack, whole

from viewer.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_IMAGE = """<image name="{name}"><pixels sizeX="{width}" sizeY="{height}">{dimensions}</pixels>
<view sizeX="{wide}" sizeY="{high}" offsetX="0" offsetY="0"/><scanSettings><objectiveSettings>
<objective>{power}</objective></objectiveSettings><illuminationSettings><illuminationSource>{light}
</illuminationSource></illuminationSettings>{channels}</scanSettings></image>"""
_NAMES = ("DAPI", "FITC", "Cy5")
_COLORS = ((0, 0, 255), (0, 255, 0), (255, 0, 0))


def _settings() -> str:
    each = "".join(
        f'<channel index="{c}" name="{name}" rgb="#{bytes(_COLORS[c]).hex()}"/>'
        for c, name in enumerate(_NAMES)
    )
    return f"<channelSettings>{each}</channelSettings>"


def _write(path: Path, planes: dict[tuple[int, int, int], NDArray[Any]], light: str) -> None:
    """Write the planes of a scan, by level, focal plane and channel, in the order given."""
    dimensions = "".join(
        f'<dimension sizeX="{values.shape[1]}" sizeY="{values.shape[0]}" r="{r}" z="{z}" c="{c}" '
        f'ifd="{ifd}"/>'
        for ifd, ((r, z, c), values) in enumerate(planes.items(), 1)
    )
    macro = '<dimension sizeX="400" sizeY="300" r="0" ifd="0"/>'
    about = "".join([
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">',
        '<collection name="s" sizeX="4000000" sizeY="3000000">',
        _IMAGE.format(name="macro", width=400, height=300, dimensions=macro, wide=4000000,
                      high=3000000, power="0.6", light="brightfield", channels=""),
        _IMAGE.format(name="scan", width=420, height=300, dimensions=dimensions, wide=210000,
                      high=150000, power="20", light=light, channels=_settings()),
        "</collection></scn>",
    ])  # fmt: skip
    options: dict[str, Any] = {"tile": (128, 128), "metadata": None, "compression": "zlib"}
    with tifffile.TiffWriter(path, bigtiff=True) as out:
        out.write(
            np.full((300, 400, 3), 240, np.uint8), description=about, photometric="rgb", **options
        )
        for values in planes.values():
            out.write(values, photometric="minisblack", **options)


@pytest.mark.parametrize("seed", range(6))
def test_every_plane_is_there(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    z_count, c_count, levels = rng.randrange(1, 4), rng.randrange(1, 4), rng.randrange(1, 4)
    values = stack((z_count, c_count), rng.choice(("uint8", "uint16")))
    planes: dict[tuple[int, int, int], NDArray[Any]] = {
        (level, z, c): values[z, c, :: 2**level, :: 2**level]
        for level in range(levels)
        for z in range(z_count)
        for c in range(c_count)
    }
    order = rng.sample(sorted(planes), len(planes))
    path = tmp_path / "a.scn"
    _write(path, {place: planes[place] for place in order}, "fluorescence")
    with closing(open_slide(path)) as source:
        info, axes = source.info, source.info.axes
        assert all(note.startswith("Stretched for display: ") for note in info.notes)
        assert info.optics.mpp_um == pytest.approx((0.5, 0.5))
        assert info.optics.objective_power == 20
        assert (len(axes.channels), axes.z_count) == (c_count, z_count)
        assert [each.name for each in axes.channels] == [*_NAMES[:c_count]]
        assert [each.color for each in axes.channels] == [*_COLORS[:c_count]]
        assert [image.levels for image in info.images] == [1, levels]
        for level in range(levels):
            for z in range(z_count):
                shown = whole(source, level, tuple(range(c_count)), z)
                assert np.array_equal(
                    shown, np.stack([planes[level, z, c] for c in range(c_count)])
                )


def test_xml_that_is_damaged_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "a.scn"
    values = stack((1, 2), "uint8")[0]
    _write(path, {(0, 0, 0): values[0], (0, 0, 1): values[1]}, "fluorescence")
    data = path.read_bytes()
    assert data.count(b"</collection>") == 1
    path.write_bytes(data.replace(b"</collection>", b"</collectiom>"))
    with closing(open_slide(path)) as source:
        # Two pages of one size, of which nothing tells what they are.
        assert any("shown as focal planes" in note for note in source.info.notes)
