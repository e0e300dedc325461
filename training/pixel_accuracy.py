"""Measures pixel classifiers on tiles of known tissue: python -m training.pixel_accuracy TILES.

Tiles of each class are dealt to a few pictures side by side. Each picture in turn is left out: a
classifier is taught by one area in each tile of the others, as `coverslip train pixels` does, and
run on it, as `coverslip run` does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from PIL import Image

from training.data_folders import folder_with
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.inference.runs.running import run_model
from viewer.inference.teaching.held_out import calibration_error
from viewer.inference.teaching.marked_slides import MarkedSlide, MarkedSlides
from viewer.inference.teaching.marks import Mark, class_colors
from viewer.inference.teaching.pixel_settings import PixelSettings
from viewer.inference.teaching.pixel_training import train_pixels, write_pixel_classifier
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.plurals import percent
from viewer.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SETS = (("crc-val-he-7k", 0.5, 7), ("osteosarcoma-ut", 1.0, 5))
"""Folder of tiles, µm/px, and how many pictures they are dealt to."""
_INSET = 0.2
"""Share of a tile's side that no mark comes near."""


@dataclass(slots=True)
class Sums:
    """What was answered for left-out tiles."""

    tiles: int = 0
    right_tiles: int = 0
    truth: list[NDArray[np.intp]] = field(default_factory=list["NDArray[np.intp]"])
    chances: list[NDArray[np.float32]] = field(default_factory=list["NDArray[np.float32]"])
    estimates: list[float] = field(default_factory=list[float])


def main() -> None:
    """Print a row of the table for each set and choice of features."""
    parser = argparse.ArgumentParser(description=__doc__)
    sets = folder_with(*(f"{name}/*/*.jpg" for name, _, _ in _SETS))
    parser.add_argument("tiles", type=sets, help="the folder of the sets of tiles")
    options = parser.parse_args()
    print("| tiles | features | pixels right | tiles right | calibration error | said by cards |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, mpp_um, pictures in _SETS:
        with tempfile.TemporaryDirectory() as folder:
            dealt = [*_dealt(options.tiles / name, pictures, Path(folder), mpp_um)]
            for texture in (True, False):
                sums = Sums()
                for number in range(pictures):
                    _leave_out(dealt, number, PixelSettings(texture=texture), mpp_um, sums)
                    print(f"{name}: {number + 1} of {pictures}", file=sys.stderr, flush=True)
                _print_row(name, sums, is_textured=texture)


def _dealt(
    tiles: Path, pictures: int, folder: Path, mpp_um: float
) -> Iterator[tuple[MarkedSlide, list[tuple[str, int]]]]:
    """Write the pictures; yield each with a mark in each tile, and class and left edge of each."""
    classes = sorted(each for each in tiles.iterdir() if each.is_dir())
    for number in range(pictures):
        files = [file for each in classes for file in sorted(each.glob("*.jpg"))[number::pictures]]
        images = [Image.open(file).convert("RGB") for file in files]
        side = images[0].width
        picture = Image.new("RGB", (side * len(images), side))
        marks: list[Mark] = []
        places: list[tuple[str, int]] = []
        for at, (file, image) in enumerate(zip(files, images, strict=True)):
            left, inset = at * side, _INSET * side
            picture.paste(image, (left, 0))
            area = shapely.box(left + inset, inset, left + side - inset, side - inset)
            marks.append(Mark(area, file.parent.name, "#c80000"))
            places.append((file.parent.name, left))
        path = folder / f"{number}.png"
        picture.save(path)
        source = open_slide(path)
        place = SlidePlace.of(source, (mpp_um, mpp_um))
        source.close()
        yield MarkedSlide(path, place, tuple(marks)), places


def _leave_out(
    dealt: list[tuple[MarkedSlide, list[tuple[str, int]]]],
    number: int,
    settings: PixelSettings,
    mpp_um: float,
    sums: Sums,
) -> None:
    others = [slide for at, (slide, _) in enumerate(dealt) if at != number]
    colors = class_colors(mark for slide in others for mark in slide.marks)
    taught = train_pixels(MarkedSlides(tuple(others), colors, ()), settings, mpp_um)
    if (error := taught.card.held_out.error) is not None:
        sums.estimates.append(error)
    names = list(colors)
    left_out, places = dealt[number]
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_pixel_classifier(Path(folder) / "m", taught, "left out")
        run = run_model(left_out.path, bundle, mpp_um=mpp_um, device="cpu")
    assert isinstance(run.found, PatchFeatureMap)
    found, cell = run.found.values.astype(np.float32), run.found.cell
    side = left_out.place.size_px[1]
    for name, left in places:
        inner = slice(round(_INSET * side / cell), round((1 - _INSET) * side / cell))
        across = slice(inner.start + round(left / cell), inner.stop + round(left / cell))
        chances = found[inner, across].reshape(-1, len(names))
        chances = chances[np.isfinite(chances).all(1)]
        if not len(chances):
            continue
        sums.tiles += 1
        sums.right_tiles += int(chances.mean(0).argmax() == names.index(name))
        sums.truth.append(np.full(len(chances), names.index(name), np.intp))
        sums.chances.append(chances)


def _print_row(name: str, sums: Sums, *, is_textured: bool) -> None:
    truth, chances = np.concatenate(sums.truth), np.concatenate(sums.chances)
    is_right = chances.argmax(1) == truth
    right, calibrated = float(is_right.mean()), calibration_error(chances.max(1), is_right)
    said = (
        percent(float(np.mean(sums.estimates)), 1) if sums.estimates else "not enough to estimate"
    )
    print(
        f"| {name} | {'color and texture' if is_textured else 'color'} | {percent(right, 1)} | "
        f"{sums.right_tiles} of {sums.tiles} | {calibrated:.3f} | "
        f"error {said} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
