"""Every bad input gives its own error with one sentence, and nothing raw escapes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viewer.slides import (
    DamagedSlideError,
    IncompleteSlideError,
    SlideAccessError,
    SlideError,
    SlideIsFolderError,
    SlideNotFoundError,
    TileError,
    UnsupportedSlideError,
    open_slide,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def complaint(path: Path, kind: type[SlideError]) -> str:
    with pytest.raises(SlideError) as caught:
        open_slide(path)
    assert type(caught.value) is kind
    assert caught.value.path == path
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_missing_file(tmp_path: Path) -> None:
    assert "There is no file" in complaint(tmp_path / "gone.svs", SlideNotFoundError)


def test_missing_folder(tmp_path: Path) -> None:
    complaint(tmp_path / "no folder" / "gone.svs", SlideNotFoundError)


def test_a_file_as_folder(sample_slide: Path) -> None:
    complaint(sample_slide / "slide.svs", SlideNotFoundError)


def test_folder(tmp_path: Path) -> None:
    assert "is a folder" in complaint(tmp_path, SlideIsFolderError)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.svs"
    path.touch()
    assert "is empty" in complaint(path, DamagedSlideError)


@pytest.mark.parametrize("suffix", ["svs", "tif", "ndpi", "dcm", "png", "jpg", "scn", "vms"])
def test_renamed_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"notes.{suffix}"
    path.write_text("These are notes about a slide, and no slide.\n" * 20)
    assert "unrecognized file format" in complaint(path, UnsupportedSlideError)


def test_broken_svs(shared_slide: Callable[[str], Path]) -> None:
    complaint(shared_slide("slides/broken.svs"), UnsupportedSlideError)


def test_unopenable_tiff(shared_slide: Callable[[str], Path]) -> None:
    sentence = complaint(shared_slide("slides/unopenable.tiff"), UnsupportedSlideError)
    assert "TIFF compression 52479" in sentence


def test_dicom_without_its_pixels(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    """The thumbnail's file alone."""
    path = tmp_path / "boxes_1.dcm"
    shutil.copy(shared_slide("slides/boxes_1.dcm"), path)
    assert "put all files of the series into one folder" in complaint(path, IncompleteSlideError)


def test_mrxs_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "case.mrxs"
    path.write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 100)
    assert "copy its folder case" in complaint(path, IncompleteSlideError)


def test_slide_cut_in_half(tmp_path: Path, sample_slide: Path) -> None:
    path = tmp_path / "half.svs"
    data = sample_slide.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    complaint(path, DamagedSlideError)


def test_tiff_cut_behind_its_header(tmp_path: Path) -> None:
    """Where the directory comes first the slide opens, and only the lost tiles fail."""
    pixels = np.random.default_rng(1).integers(0, 256, (512, 512, 3), np.uint8)
    path = tmp_path / "cut.tif"
    tifffile.imwrite(
        path, pixels, tile=(128, 128), photometric="rgb", compression="jpeg", metadata=None
    )
    os.truncate(path, path.stat().st_size // 2)
    source = open_slide(path)
    grid = source.levels[0]
    assert source.read_tile(0, 0, 0).shape == (128, 128, 3)
    with pytest.raises(TileError):
        source.read_tile(0, grid.columns - 1, grid.rows - 1)
    assert source.read_tile(0, 1, 0).shape == (128, 128, 3)
    source.close()


def test_damaged_tiff_header(tmp_path: Path, sample_slide: Path) -> None:
    path = tmp_path / "header.svs"
    data = bytearray(sample_slide.read_bytes())
    data[4:8] = (len(data) - 40).to_bytes(4, "little")
    path.write_bytes(data)
    complaint(path, DamagedSlideError)


def test_unreadable_tiles(shared_slide: Callable[[str], Path]) -> None:
    source = open_slide(shared_slide("slides/unreadable.svs"))
    for _ in range(3):
        with pytest.raises(TileError, match=r"Tile 0, 0 of level 0 cannot be read: .+"):
            source.read_tile(0, 0, 0)
    with pytest.raises(DamagedSlideError, match="thumbnail"):
        source.read_associated("thumbnail")
    source.close()


def test_unknown_associated_picture(sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    with pytest.raises(SlideError):
        source.read_associated("no such picture")
    source.close()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="rights of files are other on Windows")
def test_no_permission(tmp_path: Path, sample_slide: Path) -> None:
    path = tmp_path / "secret.svs"
    shutil.copy(sample_slide, path)
    path.chmod(0)
    if os.getuid() != 0:
        assert "no permission" in complaint(path, SlideAccessError)
        return
    # Rights do not bind root, so another user tries; the import needs rights and comes first.
    script = (
        "import os, sys; from pathlib import Path\n"
        "from viewer.slides import open_slide, SlideAccessError\n"
        "os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534)\n"
        "try: open_slide(Path('secret.svs'))\n"
        "except SlideAccessError as error: print(error)\n"
    )
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "You have no permission to read secret.svs" in done.stdout, done.stderr


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_nothing_raw_escapes_from_a_spoilt_slide(
    data: st.DataObject, tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    """Random bytes overwrite parts of small slides of several kinds."""
    name = data.draw(st.sampled_from(["small-16x16.svs", "boxes.tiff", "sm_image.dcm"]))
    content = bytearray(shared_slide(f"slides/{name}").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(content) - 1))
        noise = data.draw(st.binary(min_size=1, max_size=8))
        content[position : position + len(noise)] = noise
    path = tmp_path / name
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        source = open_slide(path)
    except SlideError:
        return
    for level, grid in enumerate(source.levels[:3]):
        with contextlib.suppress(TileError):
            tile = source.read_tile(level, grid.columns - 1, grid.rows - 1)
            width, height = grid.tile_size_px(grid.columns - 1, grid.rows - 1)
            assert tile.shape == (height, width, 3)
    source.close()
