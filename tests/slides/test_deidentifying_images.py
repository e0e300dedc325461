"""Labels and other images that lie where levels do: only those that show the slide stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from marked_slides import jpeg_tiles, tissue
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PROGRAM = "Aperio Image Library v12\r\n"
WHOLE = tissue(1300, 1000)
LABEL = tissue(325, 250, 9)


def reduced(width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(WHOLE).resize((width, height), Image.Resampling.BOX))


def write_svs(path: Path, *images: tuple[NDArray[np.uint8], str, bool]) -> Path:
    """Write an SVS of level 0 and further images: their pixels, words, and whether in tiles."""
    with tifffile.TiffWriter(path) as tiff:
        for image, words, is_tiled in (
            (WHOLE, f"{PROGRAM}1300x1000|AppMag = 40|MPP = 0.25", True), *images
        ):  # fmt: skip
            tiles = jpeg_tiles(image, 256, marked=False)
            if is_tiled:
                tiff.write(
                    iter(tiles), shape=image.shape, dtype=np.uint8, tile=(256, 256),
                    photometric="ycbcr", subsampling=(2, 2), compression="jpeg",
                    description=words, metadata=None,
                )  # fmt: skip
            else:
                rows = image.shape[0]
                tiff.write(
                    image, compression="lzw", rowsperstrip=rows, description=words, metadata=None
                )
    return path


def kept_sizes(slide: Path) -> list[tuple[int, int]]:
    """Copy a slide by the command and return the widths and heights of the copy's images."""
    copy = slide.with_name(f"copy-{slide.name}")
    done = coverslip("deidentify", slide, copy)
    assert done.returncode == 0, done.stderr
    with tifffile.TiffFile(copy) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        pages += [sub.aspage() for page in pages if page.pages for sub in page.pages]
        return [(page.imagewidth, page.imagelength) for page in pages]


LEVEL = (reduced(650, 500), f"{PROGRAM}1300x1000 (256x256) -> 650x500 JPEG/RGB Q=70", True)
THUMBNAIL = (reduced(325, 250), f"{PROGRAM}1300x1000 -> 325x250 - ", False)


@pytest.mark.parametrize("words", [f"{PROGRAM}label 325x250", f"{PROGRAM}labelimage", ""])
@pytest.mark.parametrize("is_tiled", [True, False])
def test_a_label_of_the_slides_proportions_goes(tmp_path: Path, words: str, is_tiled: bool) -> None:
    slide = write_svs(tmp_path / "a.svs", (LABEL, words, is_tiled), LEVEL)
    assert kept_sizes(slide) == [(1300, 1000), (650, 500)]


def test_of_images_that_are_alike_the_thumbnail_stays(tmp_path: Path) -> None:
    labels = [(LABEL, f"{PROGRAM}{name} 325x250", False) for name in ("label", "label", "macro")]
    again = (LABEL, THUMBNAIL[1], False)
    slide = write_svs(tmp_path / "a.svs", THUMBNAIL, LEVEL, *labels, again)
    assert kept_sizes(slide) == [(1300, 1000), (325, 250), (650, 500)]


def test_a_level_of_which_nothing_is_said_stays(tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "a.svs", (reduced(650, 500), "", True), (LABEL, "", True))
    assert kept_sizes(slide) == [(1300, 1000), (650, 500)]


@pytest.mark.parametrize("name", ["Image 2", "Etikett", "Label_Image", "slide photo"])
def test_a_further_image_of_the_size_of_a_level_goes(tmp_path: Path, name: str) -> None:
    slide = tmp_path / "a.ome.tif"
    scale = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    with tifffile.TiffWriter(slide, ome=True) as tiff:
        tiff.write(tissue(512, 512), photometric="rgb", tile=(256, 256), metadata=scale)
        tiff.write(tissue(256, 256, 9), photometric="rgb", tile=(128, 128), metadata={"Name": name})
    assert kept_sizes(slide) == [(512, 512)]


def test_a_label_below_the_directory_of_the_slide_goes(tmp_path: Path) -> None:
    slide = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(slide, ome=True) as tiff:
        tiff.write(WHOLE, photometric="rgb", tile=(256, 256), subifds=2)
        tiff.write(reduced(650, 500), photometric="rgb", tile=(256, 256), subfiletype=1)
        tiff.write(tissue(100, 160, 9), photometric="rgb")
    assert kept_sizes(slide) == [(1300, 1000), (650, 500)]
