"""What a JPEG 2000 says of its samples: their depth, sign and colors, against the coded values."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from picture_steps import jp2_of
from tiff_steps import HEIGHT_PX, WIDTH_PX, assert_shows, gray, on_white, picture

from viewer.slides import UnsupportedSlideError, open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("in_this_process")

_SRGB = 16


def coded(path: Path, values: NDArray[Any], bits: int) -> Path:
    options = {"level": 0, "reversible": True, "mct": False, "bitspersample": bits}
    path.write_bytes(
        imagecodecs.jpeg2k_encode(values, codecformat=path.suffix.removeprefix("."), **options)
    )
    return path


@pytest.mark.parametrize("name", ["a.jp2", "a.j2k"])
@pytest.mark.parametrize("bits", [9, 17, 23, 24, 25, 26, 31])
@pytest.mark.parametrize("is_signed", [False, True])
def test_deep_samples_are_shown_or_refused(
    tmp_path: Path, name: str, bits: int, is_signed: bool
) -> None:
    """The highest bits are lost: of 24 in the transform of colors, of more in coding, too."""
    low = -(1 << (bits - 2)) if is_signed else 0
    values = (picture()[..., 1].astype(np.int64) << (bits - 9)) + low
    kind = f"{'i' if is_signed else 'u'}{2 if bits <= 16 else 4}"
    path = coded(tmp_path / name, values.astype(kind), bits)
    if bits > 23:
        with pytest.raises(UnsupportedSlideError, match=r"2[456] bits per sample.*save it with 16"):
            open_slide(path)
        return
    span = values - values.min()
    (note,) = assert_shows(path, gray(np.rint(span * 255 / span.max()).astype(np.uint8)), 1)
    assert note.startswith("Stretched for display: ")


def test_bytes_below_zero_are_stretched_and_said(tmp_path: Path) -> None:
    values = (picture()[..., 1].astype(int) // 2 - 90).astype(np.int8)
    span = values.astype(int) - values.min()
    path = coded(tmp_path / "a.jp2", values, 8)
    (note,) = assert_shows(path, gray(np.rint(span * 255 / span.max()).astype(np.uint8)), 1)
    assert note == f"Stretched for display: values from {values.min()} to {values.max()}."


def test_tiles_of_32_bits_are_refused(tmp_path: Path) -> None:
    values = picture()[..., 1].astype(np.uint32) << 23
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, tile=(128, 128), compression="jpeg2000")
    with pytest.raises(UnsupportedSlideError, match=r"JPEG 2000 tiles of 32 bits per sample"):
        open_slide(path)


@pytest.mark.parametrize(("space", "name"), [(14, "L*a*b*"), (1, "YCbCr of BT.709"), (21, "ROMM")])
@pytest.mark.parametrize("bits", [8, 16])
def test_colors_that_are_not_read_are_named(
    tmp_path: Path, space: int, name: str, bits: int
) -> None:
    values = picture() if bits == 8 else picture().astype(np.uint16) * 257
    path = jp2_of(tmp_path / "a.jp2", values, space, bits=bits)
    with pytest.raises(UnsupportedSlideError, match="JPEG 2000 image whose colors are ") as caught:
        open_slide(path)
    assert name in str(caught.value)


@pytest.mark.parametrize("depths", [(8, 8, 8, 1), (5, 6, 5), (8, 4, 2)])
def test_components_of_different_depth(tmp_path: Path, depths: tuple[int, ...]) -> None:
    """Opacity of one bit is clear or opaque, not half of it."""
    clear = np.indices((HEIGHT_PX, WIDTH_PX)).sum(axis=0)[..., np.newaxis] // 40 % 2
    samples = np.concatenate([picture(), clear * 255], axis=2)[..., : len(depths)]
    stored = np.stack([samples[..., i] >> (8 - bits) for i, bits in enumerate(depths)], axis=2)
    # All are coded as 8 bits round 128; what the header says of the depth moves that middle.
    moved = stored + 128 - np.array([1 << (bits - 1) for bits in depths])
    path = jp2_of(tmp_path / "a.jp2", moved.astype(np.uint8), _SRGB)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\x4f\xff\x51") + 42
    data[at : at + 3 * len(depths) : 3] = bytes(bits - 1 for bits in depths)
    path.write_bytes(data)
    shown = np.stack(
        [stored[..., i] * 255 // ((1 << bits) - 1) for i, bits in enumerate(depths)], axis=2
    ).astype(np.uint8)
    if len(depths) == 4:
        shown = on_white(shown[..., :3], shown[..., 3:])
    assert_shows(path, shown, 1)
    with closing(open_slide(path)) as source:
        assert source.info.display_range is None
