"""Samples that are easy to take for something else, against what was put into the file by hand."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from jpeg_builder import marked
from PIL import Image
from test_tiff_jpeg_color import smooth
from tiff_steps import (
    HEIGHT_PX,
    ROWS,
    WIDTH_PX,
    assert_shows,
    gray,
    on_white,
    opacity,
    picture,
    strip_tags,
    write_tiff,
)

from viewer.slides import SlideError, UnsupportedSlideError, open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tiff_steps import Tags

pytestmark = pytest.mark.usefixtures("in_this_process")

GRAY, RGB, PALETTE, CMYK, YCBCR = 1, 2, 3, 5, 6


def deflated(samples: NDArray[Any]) -> list[bytes]:
    """Strips of big-endian samples."""
    stored = samples.astype(samples.dtype.newbyteorder(">"))
    return [zlib.compress(stored[y : y + ROWS].tobytes()) for y in range(0, HEIGHT_PX, ROWS)]


def ycbcr() -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(smooth()).convert("YCbCr"))


def stretched(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    return np.rint(np.clip((values - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("states_sampling", [True, False])
def test_ycbcr_of_16_bits(tmp_path: Path, states_sampling: bool) -> None:
    deep = ycbcr().astype(np.uint16) * 257
    about = strip_tags(16, 3, YCBCR)
    if states_sampling:
        about[530] = ("H", (1, 1))
    assert assert_shows(write_tiff(tmp_path / "a.tif", about, deflated(deep)), smooth(), 3) == ()


def test_ycbcr_of_which_the_lowest_bit_comes_first(tmp_path: Path) -> None:
    reverse = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)
    data = [reverse[ycbcr()[y : y + ROWS]].tobytes() for y in range(0, HEIGHT_PX, ROWS)]
    about: Tags = strip_tags(8, 3, YCBCR, compression=1) | {266: ("H", (2,)), 530: ("H", (1, 1))}
    assert_shows(write_tiff(tmp_path / "a.tif", about, data), smooth(), 3)


def test_integers_of_24_bits(tmp_path: Path) -> None:
    stored = np.zeros((HEIGHT_PX, WIDTH_PX, 3, 3), np.uint8)
    stored[..., 0] = picture()  # the highest byte comes first
    assert_shows(
        write_tiff(tmp_path / "a.tif", strip_tags(24, 3, RGB), deflated(stored)), picture(), 1
    )


@pytest.mark.parametrize("ids", [b"\1\2\3", b"\0\1\2"])
def test_jpeg_of_12_bits_goes_by_its_markers_too(tmp_path: Path, ids: bytes) -> None:
    """Alone, libjpeg would take ids 1, 2, 3 for YCbCr; without a marker the tag says RGB."""
    deep = (smooth().astype(np.uint32) * 4095 // 255).astype(np.uint16)
    data: list[bytes] = []
    for y in range(0, HEIGHT_PX, ROWS):
        strip = np.ascontiguousarray(deep[y : y + ROWS])
        coded = bytes(
            imagecodecs.jpeg8_encode(
                strip, level=98, bitspersample=12, colorspace="RGB", outcolorspace="RGB"
            )
        )
        data.append(marked(coded, ids=ids))
    assert_shows(write_tiff(tmp_path / "a.tif", strip_tags(12, 3, RGB, 7), data), smooth(), 4)


def test_a_palette_with_opacity(tmp_path: Path) -> None:
    table = np.random.default_rng(1).integers(0, 256, (256, 3)).astype(np.uint8)
    about: Tags = strip_tags(8, 2, PALETTE) | {
        320: ("H", tuple(int(entry) * 257 for entry in table.T.ravel())),
        338: ("H", (2,)),
    }
    index = picture()[..., 1:2]
    path = write_tiff(tmp_path / "a.tif", about, deflated(np.concatenate([index, opacity()], 2)))
    assert_shows(path, on_white(table[index[..., 0]], opacity()), 1)


@pytest.mark.parametrize("full", [255, 4095, 65535])
@pytest.mark.parametrize("is_premultiplied", [False, True])
def test_opacity_uses_as_many_bits_as_the_colors(
    tmp_path: Path, full: int, is_premultiplied: bool
) -> None:
    share = opacity() / 255
    color = picture() / 255 * full * (share if is_premultiplied else 1)
    samples = np.rint(np.concatenate([color, share * full], 2)).astype(np.uint16)
    about: Tags = strip_tags(16, 4, RGB) | {338: ("H", (1 if is_premultiplied else 2,))}
    path = write_tiff(tmp_path / "a.tif", about, deflated(samples))
    assert_shows(path, on_white(picture(), opacity()), 2)


def printed(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    paper = 255 - inks.astype(float)
    return np.rint(paper[..., :3] * paper[..., 3:] / 255).astype(np.uint8)


def inks() -> NDArray[np.uint8]:
    black = picture()[..., 1:2] // 4
    return np.concatenate([255 - picture(), black], 2)


def test_inks_of_which_none_is_255(tmp_path: Path) -> None:
    about: Tags = strip_tags(8, 4, CMYK) | {336: ("H", (255, 0))}
    path = write_tiff(tmp_path / "a.tif", about, deflated(255 - inks()))
    assert_shows(path, printed(inks()), 1)
    with closing(open_slide(path)) as source:
        assert source.info.display_range is None


def test_inks_that_are_multiplied_by_opacity(tmp_path: Path) -> None:
    thin = np.rint(inks() * (opacity() / 255)).astype(np.uint8)
    about: Tags = strip_tags(8, 5, CMYK) | {338: ("H", (1,))}
    path = write_tiff(tmp_path / "a.tif", about, deflated(np.concatenate([thin, opacity()], 2)))
    assert_shows(path, on_white(printed(inks()), opacity()), 3)


@pytest.mark.parametrize("value", ["-9999", "-3.4028234663852886e+38"])
def test_what_stands_for_no_data_does_not_count(tmp_path: Path, value: str) -> None:
    values = picture()[..., 1].astype(np.float32)
    known = values <= 170
    stored = np.where(known, values, np.float32(value))
    about: Tags = strip_tags(32, 1, GRAY) | {
        339: ("H", (3,)),
        42113: ("s", tuple(value.encode() + b"\0")),
    }
    path = write_tiff(tmp_path / "a.tif", about, deflated(stored))
    low, high = values[known].min(), values[known].max()
    expected = stretched(np.where(known, values, low), low, high)
    (note,) = assert_shows(path, gray(expected), 1)
    assert note.startswith("Stretched for display: floating-point values from 20 to 170; -")
    assert note.endswith("stands for no data.")


@pytest.mark.parametrize("rows", [HEIGHT_PX, 16])
def test_old_jpeg_that_lies_in_the_file_whole(tmp_path: Path, rows: int) -> None:
    """Strips are parts of one JPEG, which only its own tags point to."""
    coded = bytes(imagecodecs.jpeg8_encode(smooth(), level=97))
    about: Tags = strip_tags(8, 3, YCBCR, compression=6) | {
        278: ("H", (rows,)),
        513: ("I", (8,)),
        514: ("I", (len(coded),)),
        530: ("H", (2, 2)),
    }
    step = -(-len(coded) // -(-HEIGHT_PX // rows)) + 1 & ~1
    parts = [coded[at : at + step] for at in range(0, len(coded), step)]
    assert_shows(write_tiff(tmp_path / "a.tif", about, parts), smooth(), 12)


def test_a_damaged_tag_is_told_without_words_of_python(tmp_path: Path) -> None:
    """The number of samples is two numbers."""
    about: Tags = strip_tags(8, 3, RGB) | {277: ("H", (3, 3))}
    path = write_tiff(tmp_path / "a.tif", about, deflated(picture()))
    with pytest.raises(SlideError) as caught:
        open_slide(path)
    assert str(caught.value) == (
        "a.tif is a TIFF file that cannot be read; it may be damaged or cut short, so copy it "
        "again from where it came."
    )


def _rgb_tags(bits: tuple[int, ...] = (8, 8, 8)) -> dict[int, tuple[str, tuple[int, ...]]]:
    return {
        256: ("I", (WIDTH_PX,)), 257: ("I", (HEIGHT_PX,)), 258: ("H", bits), 259: ("H", (1,)),
        262: ("H", (2,)), 273: ("I", ()), 277: ("H", (3,)), 278: ("I", (HEIGHT_PX - 50,)),
        279: ("I", ()), 284: ("H", (1,)),
    }  # fmt: skip


@pytest.mark.parametrize("counts", [(0, 0), (1 << 31, 1 << 31)])
def test_sizes_of_strips_that_cannot_be(tmp_path: Path, counts: tuple[int, int]) -> None:
    """Two strips without compression, whose sizes are all zero, or beyond the file's end."""
    path, rows = tmp_path / "a.tif", HEIGHT_PX - 50
    strips = [picture()[:rows].tobytes(), picture()[rows:].tobytes()]
    data = write_tiff(path, _rgb_tags(), strips).read_bytes()
    right = struct.pack(">2I", *map(len, strips))
    assert data.count(right) == 1
    path.write_bytes(data.replace(right, struct.pack(">2I", *counts)))
    assert assert_shows(path, picture()) == ()


def test_samples_of_different_depth_are_refused(tmp_path: Path) -> None:
    path = write_tiff(
        tmp_path / "a.tif", _rgb_tags((5, 6, 5)), [bytes(WIDTH_PX * 500), b"\0" * 42_000]
    )
    with pytest.raises(UnsupportedSlideError, match=r"different depth \(5, 6, 5 bits\)"):
        open_slide(path)
