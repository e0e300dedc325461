"""A slide that changes while something is made of it: it is said as that, and nothing is made."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
import tifffile
from marked_slides import write_svs

from viewer.agents.environment.kept_tiles import KeptTiles
from viewer.agents.errors import MicroscopeError
from viewer.agents.microscope import picture_of
from viewer.annotations.annotation import Annotation
from viewer.annotations.masks.training_tiles import (
    MANIFEST,
    AnnotationsOrigin,
    TileOptions,
    cut_tiles,
)
from viewer.geometry import Box
from viewer.slides import open_slide
from viewer.slides.errors import SlideChangedError
from viewer.slides.tray import shown_thumbnail, thumbnail
from viewer.slides.writing.convert import convert
from viewer.slides.writing.deidentify import deidentify
from viewer.slides.writing.errors import WritingError
from viewer.slides.writing.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from viewer.slides import SlideSource


def _write(path: Path, value: int = 90) -> Path:
    pixels = np.random.default_rng(value).integers(0, 256, (2048, 2048, 3), np.uint8)
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb")
    return path


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[SlideSource]:
    """A slide that was overwritten since it was opened, of which nothing is read yet."""
    path = _write(tmp_path / "S-1.tif")
    with closing(open_slide(path)) as source:
        assert source.info.identity
        _write(path, 50)
        yield source


SAID = r"^S-1\.tif was changed on the disk while it was open: open it again"


def test_no_thumbnail_is_made(changed: SlideSource) -> None:
    for make in (thumbnail, shown_thumbnail):
        with pytest.raises(SlideChangedError, match=SAID):
            make(changed, 200)


def test_no_training_tiles_are_cut(changed: SlideSource, tmp_path: Path) -> None:
    drawn = [Annotation(shapely.box(0, 0, 2048, 2048))]
    with pytest.raises(SlideChangedError, match=SAID):
        cut_tiles(changed, drawn, tmp_path / "t", TileOptions(), AnnotationsOrigin("a", "0"))
    assert not (tmp_path / "t" / MANIFEST).exists()


def test_agents_are_told_what_to_do(changed: SlideSource) -> None:
    with pytest.raises(MicroscopeError, match=SAID + r" to see it as it is now\.$"):
        picture_of(changed, Box(0, 0, 500, 500), 100)


def test_an_environment_shows_no_pattern_in_its_place(changed: SlideSource) -> None:
    with pytest.raises(SlideChangedError, match=SAID):
        KeptTiles(changed, 1 << 20).read_tile(0, 1, 1)


def _once(act: Callable[[], object]) -> Watch:
    """Return a watch that acts at the first progress."""
    begun: list[float] = []

    def progressed(share: float) -> None:
        begun.append(share)
        if len(begun) == 1:
            act()

    return Watch(progressed)


def _append_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def test_no_copy_without_texts_is_left(tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "S-1.svs")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(WritingError, match=r"S-1\.svs was changed on the disk while it was copied"):
        deidentify(slide, out / "a.svs", watch=_once(lambda: _append_to(slide)))
    assert list(out.iterdir()) == []
    deidentify(slide, out / "a.svs", watch=_once(lambda: slide.chmod(0o600)))
    assert (out / "a.svs").exists()


def test_no_copy_of_a_dicom_slide_without_texts_is_left(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    slide = tmp_path / "S-1"
    shutil.copytree(shared_slide("dicom-folder"), slide)
    files = sorted(slide.rglob("*.dcm"))
    with pytest.raises(WritingError, match=r"was changed on the disk while it was copied"):
        deidentify(files[0].parent, tmp_path / "out", watch=_once(lambda: _append_to(files[-1])))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_no_conversion_is_left(tmp_path: Path, name: str) -> None:
    slide, out = _write(tmp_path / "S-1.tif"), tmp_path / "out"
    out.mkdir()
    with pytest.raises((WritingError, SlideChangedError), match=SAID):
        convert(slide, out / name, watch=_once(lambda: _write(slide, 50)))
    assert list(out.iterdir()) == []


def test_the_pixels_that_a_copy_is_held_against_are_those_of_the_slide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from viewer.slides.writing import sampling

    slide, copy = _write(tmp_path / "S-1.tif"), _write(tmp_path / "copy.tif")
    tiles = sampling.sampled_tiles

    def late(level: object) -> object:
        _write(slide, 50)
        return tiles(level)  # type: ignore[arg-type]

    monkeypatch.setattr(sampling, "sampled_tiles", late)
    with pytest.raises(WritingError, match=SAID):
        sampling.check_same_pixels(slide, copy)
