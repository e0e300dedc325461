"""Focal planes and channels that OpenSlide leaves out of vendors' slides are told."""

from __future__ import annotations

import importlib
import itertools
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from scn_slide import BOUNDS, write_scn
from tiff_steps import picture

from viewer.geometry import Box
from viewer.slides import open_slide
from viewer.slides.readers.openslide.left_out import left_out_notes
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PLANES = "Shown: one of 3 focal planes; the others are not read."
_AT_0, _FIRST = (_PLANES.replace("one", which) for which in ("the one at 0 µm", "the first"))
_FLUORESCENCE = "A scan of this slide in fluorescence is not read."
_CHANNELS = "Further channels of this slide are not read."
_CHANNEL = "Shown: the first of 3 channels; the others are not read."
_NOMINAL, _MIDDLE = (
    _PLANES.replace("one", which, 1) for which in ("the one of nominal focus", "the middle one")
)


def _notes(path: Path, shown: NDArray[np.uint8], at: tuple[int, int] = (0, 0)) -> tuple[str, ...]:
    """Return what is told of a slide that is to look like `shown` at a place."""
    with closing(open_slide(path)) as source:
        assert source.info.reader.startswith("OpenSlide")
        seen = read_region(source, Box(at[0], at[1], at[0] + 200, at[1] + 200), 200, 200)
        difference = seen.astype(int) - shown[:200, :200]
        assert np.abs(difference).mean() < 8, "JPEG changes little; another plane is another"
        return source.info.notes


@pytest.mark.parametrize("heights", [(0,), (-2000, 0, 2000)])
def test_planes_of_an_ndpi(tmp_path: Path, heights: tuple[int, ...]) -> None:
    path = tmp_path / "a.ndpi"
    with tifffile.TiffWriter(path) as out:
        for height in heights:
            out.write(
                np.roll(picture(), height // 50, 1), photometric="rgb", compression="jpeg",
                rowsperstrip=300, metadata=None, extratags=[
                    (271, "s", 0, "Hamamatsu", True),
                    (65420, "I", 1, 1, True),
                    (65421, "f", 1, 20.0, True),
                    (65424, "i", 1, height, True),
                ],
            )  # fmt: skip
    assert _notes(path, picture()) == ((_AT_0,) if len(heights) > 1 else ())


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize(
    ("axis", "said"),
    [("", ()), ("z", (_FIRST,)), ("c", (_CHANNEL,)), ("light", (_FLUORESCENCE,))],
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
        for pixels, text in ((macro, about), *((scan // (n + 1), None) for n in range(3))):
            out.write(
                pixels, description=text, compression="jpeg", tile=(256, 256), photometric="rgb",
                metadata=None,
            )  # fmt: skip
    assert _notes(path, scan, BOUNDS) == said
    with closing(open_slide(path)) as source:
        assert [level.downsample for level in source.levels if level.downsample < 2] == [1.0]


def test_the_plane_of_a_bif_is_that_of_nominal_focus(tmp_path: Path) -> None:
    """Its tiles are the first of a directory; those of other heights follow."""
    path = tmp_path / "a.bif"
    scan = '<iScan Magnification="20" ScanRes="0.5" Z-layers="3" Z-spacing="1"/>'
    joint = 'OverlapX="0" OverlapY="0" Confidence="100"'
    about = f"""<EncodeInfo Ver="2"><SlideStitchInfo><ImageInfo AOIScanned="1" Width="256"
        Height="256" NumRows="2" NumCols="2" Pos-X="0" Pos-Y="0">
        <TileJointInfo Tile1="1" Tile2="2" Direction="RIGHT" {joint}/>
        <TileJointInfo Tile1="1" Tile2="4" Direction="UP" {joint}/></ImageInfo></SlideStitchInfo>
        <AoiOrigin><AOI0 OriginX="0" OriginY="0"/></AoiOrigin></EncodeInfo>"""
    planes = np.stack([np.full((512, 512, 3), 60 * (n + 1), np.uint8) for n in range(3)])
    with tifffile.TiffWriter(path, bigtiff=True) as out:
        label = np.zeros((64, 64, 3), np.uint8)
        for pixels, text, xml, options in (
            (label, "Label Image", scan, {}),
            (planes, "level=0 mag=20 quality=90", about, {"tile": (1, 256, 256)}),
        ):
            packet = [(700, "B", len(xml), xml.encode(), True)]
            out.write(
                pixels, photometric="rgb", compression="jpeg", description=text, metadata=None,
                volumetric=bool(options), extratags=packet, **options,  # pyright: ignore[reportArgumentType]
            )  # fmt: skip
    assert _notes(path, planes[0]) == (_NOMINAL,)


def test_the_plane_of_a_mirax_is_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    writer: Any = importlib.import_module("benchmarks.vendor_readers")
    monkeypatch.setattr(writer, "_SIDE_PX", 1024)
    path: Path = writer.write_mirax(tmp_path)
    folder = path.with_suffix("")
    about = (folder / "Slidedat.ini").read_bytes()
    axes = b"HIER_COUNT = 2\r\nHIER_1_NAME = Microscope focus level\r\nHIER_1_COUNT = 3\r\n"
    axes += b"".join(b"HIER_1_VAL_%d = ZStackLevel_%d\r\n" % (n, n) for n in range(3))
    assert b"\nHIER_COUNT = 1\r\n" in about
    (folder / "Slidedat.ini").write_bytes(about.replace(b"HIER_COUNT = 1\r\n", axes))
    pages: list[list[tuple[int, int, int, int]]] = []
    planes = [np.full((1024, 1024, 3), 60 * (n + 1), np.uint8) for n in range(3)]
    with (folder / "Data0000.dat").open("wb") as file:
        for plane, level in itertools.product(planes, range(writer._LEVELS)):
            pages.append(writer._write_level(file, plane[:: 1 << level, :: 1 << level], level, 4))
    (folder / "Index.dat").write_bytes(writer._index(pages))
    assert _notes(path, planes[0]) == (_FIRST,)


@pytest.mark.parametrize(
    ("vendor", "properties", "said"),
    [
        ("ventana", {"ventana.Z-layers": "3"}, (_NOMINAL,)),
        ("argos", {"argos.MinZ": "-1", "argos.MaxZ": "1"}, (_MIDDLE,)),
        ("argos", {"argos.MinZ": "0", "argos.MaxZ": "0"}, ()),
        ("argos", {}, ()),
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
            (_FIRST, _CHANNELS),
        ),
        ("trestle", {}, ()),
    ],
)
def test_what_properties_tell(
    tmp_path: Path, vendor: str, properties: dict[str, str], said: tuple[str, ...]
) -> None:
    assert left_out_notes(tmp_path / "a.mrxs", vendor, properties) == said
