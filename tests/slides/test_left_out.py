"""Focal planes and channels that OpenSlide leaves out of vendors' slides are told."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from scn_slide import write_scn
from tiff_steps import picture

from viewer.slides import open_slide
from viewer.slides.readers.left_out import left_out_notes

if TYPE_CHECKING:
    from pathlib import Path

_PLANES = "Shown: one of 3 focal planes; the others are not read."
_FLUORESCENCE = "A scan of this slide in fluorescence is not read."
_CHANNELS = "Further channels of this slide are not read."


def _notes(path: Path) -> tuple[str, ...]:
    with closing(open_slide(path)) as source:
        assert source.info.reader.startswith("OpenSlide")
        return source.info.notes


@pytest.mark.parametrize("heights", [(0,), (-2000, 0, 2000)])
def test_planes_of_an_ndpi(tmp_path: Path, heights: tuple[int, ...]) -> None:
    path = tmp_path / "a.ndpi"
    with tifffile.TiffWriter(path) as out:
        for height in heights:
            out.write(
                picture(), photometric="rgb", compression="jpeg", rowsperstrip=300, metadata=None,
                extratags=[
                    (271, "s", 0, "Hamamatsu", True),
                    (65420, "I", 1, 1, True),
                    (65421, "f", 1, 20.0, True),
                    (65424, "i", 1, height, True),
                ],
            )  # fmt: skip
    assert _notes(path) == ((_PLANES,) if len(heights) > 1 else ())


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize(
    ("axis", "said"),
    [("", ()), ("z", (_PLANES,)), ("c", (_CHANNELS,)), ("light", (_FLUORESCENCE,))],
)
def test_planes_and_channels_of_an_scn(
    tmp_path: Path, axis: str, said: tuple[str, ...], quote: str
) -> None:
    plain, path = write_scn(tmp_path / "plain.scn"), tmp_path / "a.scn"
    with tifffile.TiffFile(plain) as tiff:
        macro, scan = (page.asarray() for page in tiff.pages)
        about = tiff.pages.first.description
    one = '<dimension sizeX="1024" sizeY="768" r="0" ifd="1"/>'
    assert one in about
    if axis == "light":
        start = about.index('<image name="scan"')
        scan_about = about[start : about.index("</image>", start) + len("</image>")]
        other = scan_about.replace("brightfield", "fluorescence").replace('ifd="1"', 'ifd="2"')
        about = about.replace(scan_about, scan_about + other)
    elif axis:
        many = (one.replace('ifd="1"', f'{axis}="{n}" ifd="{n + 1}"') for n in range(3))
        about = about.replace(one, "".join(many))
    about = about.replace('"', quote)
    with tifffile.TiffWriter(path, bigtiff=True) as out:
        for pixels, text in ((macro, about), *((np.roll(scan, 9 * n, 1), None) for n in range(3))):
            out.write(
                pixels, description=text, compression="jpeg", tile=(256, 256), photometric="rgb",
                metadata=None,
            )  # fmt: skip
    assert _notes(path) == said


@pytest.mark.parametrize(
    ("vendor", "properties", "said"),
    [
        ("ventana", {"ventana.Z-layers": "3"}, (_PLANES,)),
        ("ventana", {"ventana.Z-layers": "1"}, ()),
        ("ventana", {"ventana.Z-layers": "many"}, ()),
        (
            "mirax",
            {
                "mirax.HIERARCHICAL.HIER_0_NAME": "Slide zoom level",
                "mirax.HIERARCHICAL.HIER_0_COUNT": "10",
                "mirax.HIERARCHICAL.HIER_1_NAME": "Slide filter level",
                "mirax.HIERARCHICAL.HIER_1_COUNT": "3",
                "mirax.HIERARCHICAL.HIER_2_NAME": "Microscope focus level",
                "mirax.HIERARCHICAL.HIER_2_COUNT": "3",
            },
            (_PLANES, _CHANNELS),
        ),
        ("trestle", {}, ()),
    ],
)
def test_what_properties_tell(
    tmp_path: Path, vendor: str, properties: dict[str, str], said: tuple[str, ...]
) -> None:
    assert left_out_notes(tmp_path / "a.mrxs", vendor, properties) == said
