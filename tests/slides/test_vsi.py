"""VSI of Olympus with its ETS data, written here: pixels, levels, gaps, several scans, damage."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
import tifffile
from tiff_steps import picture, whole

from viewer.slides import IncompleteSlideError, TileError, open_slide

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from viewer.slides import RgbImage

pytest.importorskip("fastslide")

_TILE_PX = 256
_RAW, _JPEG, _JPEG2000 = 0, 2, 3
_HEADER, _ETS_HEADER = "<4s3IQ2IQ2IQ2I", "<4s9I17I40s2I18I"


def _encoded(tile: RgbImage, codec: int) -> bytes:
    if codec == _JPEG:
        return bytes(imagecodecs.jpeg8_encode(tile, level=95))
    if codec == _JPEG2000:
        return bytes(imagecodecs.jpeg2k_encode(tile, level=0, codecformat="j2k"))
    return tile.tobytes()


def _write(
    path: Path,
    image: RgbImage,
    codec: int = _JPEG2000,
    stack: str = "stack1",
    axes: int = 4,
    missing: Collection[tuple[int, int, int]] = (),
) -> Path:
    """Write the photograph of the glass and, in the folder beside it, tiles of two levels.

    `missing` names level, column and row of tiles that are left out.
    """
    tifffile.imwrite(path, np.full((64, 80, 3), 9, np.uint8), photometric="rgb")
    parts, table = [bytes(struct.calcsize(_HEADER) + struct.calcsize(_ETS_HEADER))], b""
    count, at = 0, len(parts[0])
    for level, pixels in enumerate((image, image[::2, ::2])):
        height, width = (-(-side // _TILE_PX) * _TILE_PX for side in pixels.shape[:2])
        padded = np.full((height, width, 3), 255, np.uint8)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels
        for row, column in np.ndindex(height // _TILE_PX, width // _TILE_PX):
            if (level, column, row) in missing:
                continue
            top, left = row * _TILE_PX, column * _TILE_PX
            tile = padded[top : top + _TILE_PX, left : left + _TILE_PX]
            data = _encoded(np.ascontiguousarray(tile), codec)
            place = [column, row, *[0] * (axes - 3), level]
            table += struct.pack(f"<I{axes}iqII", axes, *place, at, len(data), 0)
            parts.append(data)
            at, count = at + len(data), count + 1
    body = bytearray(b"".join(parts)) + table
    struct.pack_into(_HEADER, body, 0, b"SIS\0", 64, 2, axes, 64, 228, 0, at, count, *[0] * 4)
    about = [0x30001, 2, 3, 4, codec, 90, _TILE_PX, _TILE_PX, 1]
    rest = [*[0] * 17, bytes([255] * 3 + [0] * 37), 0, 1, *[0] * 18]
    struct.pack_into(_ETS_HEADER, body, 64, b"ETS\0", *about, *rest)
    data_path = path.with_name(f"_{path.stem}_") / stack / "frame_t.ets"
    data_path.parent.mkdir(parents=True)
    data_path.write_bytes(body)
    return path


@pytest.mark.parametrize(
    ("codec", "axes", "tolerance"), [(_RAW, 4, 0), (_JPEG2000, 5, 0), (_JPEG, 6, 24)]
)
def test_the_scan_is_shown_and_not_the_photograph_of_its_glass(
    tmp_path: Path, codec: int, axes: int, tolerance: int
) -> None:
    image = picture()
    path = _write(tmp_path / "a.vsi", image, codec, axes=axes)
    with closing(open_slide(path)) as source:
        assert source.info.vendor == "olympus"
        assert source.info.optics.mpp_um is None  # which only the .vsi could tell
        for level, step in ((0, 1), (1, 2)):
            right = image[::step, ::step]
            shown = whole(source, level).astype(int)
            # Without its own size a scan is as large as its tiles.
            assert shown.shape[:2] == tuple(
                -(-side // _TILE_PX) * _TILE_PX for side in right.shape[:2]
            )
            assert np.abs(shown[: right.shape[0], : right.shape[1]] - right).max() <= tolerance
            assert (shown[right.shape[0] + 16 :] >= 250).all()


def test_tiles_that_were_not_scanned_are_clear_glass(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.vsi", picture(), missing={(0, 1, 1), (1, 0, 0)})
    with closing(open_slide(path)) as source:
        shown = whole(source)
        assert (shown[_TILE_PX:, _TILE_PX:] == 255).all()
        assert np.array_equal(shown[:_TILE_PX, :_TILE_PX], picture()[:_TILE_PX, :_TILE_PX])


def test_the_largest_of_several_scans_is_shown_first(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.vsi", picture()[:200, :200])
    _write(path, picture(), stack="stack2")
    with closing(open_slide(path)) as source:
        assert len(source.info.images) == 2
        assert source.levels[0].width_px == 512
        other = 1 - source.info.image
    with closing(open_slide(path, image=other)) as source:
        assert source.levels[0].width_px == _TILE_PX


@pytest.mark.parametrize(
    ("stacks", "is_said"), [(("stack1",), True), (("stack1", "stack10001"), False)]
)
def test_the_overview_alone_says_that_it_may_be_that(
    tmp_path: Path, stacks: tuple[str, ...], is_said: bool
) -> None:
    path = tmp_path / "a.vsi"
    for number, stack in enumerate(stacks):
        _write(path, picture()[: 150 * (number + 1)], stack=stack)
    with closing(open_slide(path)) as source:
        said = [note for note in source.info.notes if note.startswith("This may be the overview")]
        assert ["_a_ holds stack1, and scans" in note for note in said] == [True] * is_said


@pytest.mark.parametrize("left", [0, 20, 20_000, -100])
def test_a_scan_that_is_empty_or_cut_short_is_not_passed_over_for_another(
    tmp_path: Path, left: int
) -> None:
    path = _write(tmp_path / "a.vsi", picture()[:200, :200])
    _write(path, picture(), stack="stack10001")
    (scan,) = tmp_path.rglob("stack10001/*.ets")
    scan.write_bytes(scan.read_bytes()[: left or 0])
    with pytest.raises(IncompleteSlideError, match=r"stack10001/frame_t\.ets in its folder _a_ is"):
        open_slide(path)
    scan.unlink()
    with closing(open_slide(path)) as source:
        assert source.levels[0].width_px == _TILE_PX


def test_damage_is_told(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.vsi", picture())
    (data_path,) = tmp_path.rglob("*.ets")
    stored = data_path.read_bytes()
    at = stored.index(b"\xff\x4f\xff\x51")
    data_path.write_bytes(stored[:at] + bytes(200) + stored[at + 200 :])
    with closing(open_slide(path)) as source, pytest.raises(TileError, match="Tile 0, 0"):
        source.read_tile(0, 0, 0)
    data_path.write_bytes(stored[:5_000])
    with pytest.raises(IncompleteSlideError, match=r"^The data of a\.vsi is damaged"):
        open_slide(path)
