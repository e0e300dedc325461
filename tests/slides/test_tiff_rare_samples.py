"""TIFFs of rare photometric kinds and codecs: right pixels, or a sentence that names what it is."""

from __future__ import annotations

import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_tiff_jpeg_color import smooth
from tiff_steps import HEIGHT_PX, WIDTH_PX, assert_shows, picture, write_tiff

from viewer.slides import UnsupportedSlideError, open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tiff_steps import Tags

pytestmark = pytest.mark.usefixtures("in_this_process")

ROWS, TILE_PX = 104, 80
NONE, DEFLATE = 1, 8


def stored(plane: NDArray[np.uint8], compression: int, *, is_predicted: bool) -> bytes:
    if is_predicted:
        plane = np.diff(plane, axis=1, prepend=np.zeros((len(plane), 1), np.uint8))
    data = plane.tobytes()
    return zlib.compress(data) if compression == DEFLATE else data


@pytest.mark.parametrize("sampling", [(1, 1), (2, 1), (2, 2), (4, 2), (1, 2)])
@pytest.mark.parametrize("compression", [NONE, DEFLATE])
@pytest.mark.parametrize("is_tiled", [False, True])
def test_subsampled_ycbcr_in_planes(
    tmp_path: Path, sampling: tuple[int, int], compression: int, is_tiled: bool
) -> None:
    """Chroma planes have fewer samples; what lies between repeats the nearest above and left."""
    across, down = sampling
    is_predicted = compression == DEFLATE
    ycbcr = np.asarray(Image.fromarray(smooth()).convert("YCbCr"))
    seen = ycbcr.copy()
    for channel in (1, 2):
        few = ycbcr[::down, ::across, channel]
        seen[..., channel] = few.repeat(down, 0).repeat(across, 1)[:HEIGHT_PX, :WIDTH_PX]
    side_px, rows = (TILE_PX, TILE_PX) if is_tiled else (WIDTH_PX, ROWS)
    padded = np.pad(ycbcr, ((0, TILE_PX), (0, TILE_PX), (0, 0)))
    data: list[bytes] = []
    for channel in range(3):
        step = (down, across) if channel else (1, 1)
        for top in range(0, HEIGHT_PX, rows):
            end = top + rows if is_tiled else min(top + rows, HEIGHT_PX)
            for left in range(0, WIDTH_PX, side_px):
                plane = padded[top : end : step[0], left : left + side_px : step[1], channel]
                data.append(stored(plane, compression, is_predicted=is_predicted))
    tags: Tags = {
        256: ("H", (WIDTH_PX,)),
        257: ("H", (HEIGHT_PX,)),
        258: ("H", (8, 8, 8)),
        259: ("H", (compression,)),
        262: ("H", (6,)),
        277: ("H", (3,)),
        284: ("H", (2,)),
        317: ("H", (2 if is_predicted else 1,)),
        530: ("H", sampling),
    }
    places: Tags = (
        {322: ("H", (TILE_PX,)), 323: ("H", (TILE_PX,)), 324: ("I", ())}
        if is_tiled
        else {273: ("I", ()), 278: ("H", (ROWS,))}
    )
    expected = np.asarray(Image.fromarray(seen, "YCbCr").convert("RGB"))
    path = write_tiff(tmp_path / "a.tif", tags | places, data)
    assert assert_shows(path, expected, 2) == ()


@pytest.mark.parametrize("bits", [12, 16])
def test_inks_of_12_bits_in_16(tmp_path: Path, bits: int) -> None:
    """They are shown up to their own full ink, as colors are; paper would be all there is."""
    paper = picture()
    paper[0, 0] = 0
    inks = np.concatenate([255 - paper, np.full_like(paper[..., :1], 30)], axis=2)
    deep = (inks.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, deep, photometric="separated", tile=(128, 128), metadata=None)
    notes = assert_shows(path, np.rint(paper.astype(float) * (225 / 255)).astype(np.uint8), 1)
    stretched = ("Stretched for display: 16-bit values from 0 to 4,095.",) if bits == 12 else ()
    assert notes[1:] == stretched


def of_kind(path: Path, photometric: int, compression: int, samples: int) -> Path:
    tags: Tags = {
        256: ("H", (WIDTH_PX,)),
        257: ("H", (HEIGHT_PX,)),
        258: ("H", (16,) * samples),
        259: ("H", (compression,)),
        262: ("H", (photometric,)),
        273: ("I", ()),
        277: ("H", (samples,)),
        278: ("H", (HEIGHT_PX,)),
    }
    return write_tiff(path, tags, [bytes(range(256)) * (HEIGHT_PX * WIDTH_PX * samples // 128)])


@pytest.mark.parametrize(
    ("photometric", "compression", "samples", "said"),
    [
        (32844, NONE, 1, "high dynamic range (LogLuv"),
        (32845, NONE, 3, "high dynamic range (LogLuv"),
        (32845, 34676, 3, "(SGILOG, TIFF compression 34676)"),
        (0, 34661, 1, "(JBIG, TIFF compression 34661)"),
        (1, 34715, 1, "(JBIG2, TIFF compression 34715)"),
        (1, 61234, 1, "(TIFF compression 61234)"),
    ],
)
def test_what_cannot_be_shown_is_named(
    tmp_path: Path, photometric: int, compression: int, samples: int, said: str
) -> None:
    path = of_kind(tmp_path / "a.tif", photometric, compression, samples)
    with pytest.raises(UnsupportedSlideError, match=r"^a\.tif ") as caught:
        open_slide(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("photometric", "samples", "said"),
    [(32803, 1, "color filter (Bayer)"), (34892, 3, "without its color correction")],
)
def test_raw_samples_of_a_camera_are_said(
    tmp_path: Path, photometric: int, samples: int, said: str
) -> None:
    path = of_kind(tmp_path / "a.tif", photometric, NONE, samples)
    with closing(open_slide(path)) as source:
        assert said in source.info.notes[0]
