"""Levels that do not lie over the whole image are left out, which is said."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from dicom_steps import run_lengths, write_slide
from pydicom.uid import RLELossless
from zarr_steps import pyramid, write_image

from viewer.slides import open_slide
from viewer.slides.level_places import LEVELS_LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides import Level, SlideSource

    Edit = Callable[[list[dict[str, Any]]], None]

pytestmark = pytest.mark.usefixtures("in_this_process")

FULL = np.random.default_rng(5).integers(0, 255, (3, 300, 420), dtype=np.uint8)
HALF = FULL[:, ::2, ::2]


def of_file(source: SlideSource) -> list[Level]:
    """Return the levels that are not made here."""
    return [level for level in source.levels if level.stored_tiles_per_tile == 1]


def moved(x_um: float) -> Edit:
    """Return what says of the second level that it begins elsewhere."""

    def edit(datasets: list[dict[str, Any]]) -> None:
        told = {"type": "translation", "translation": [0.0, 0.0, x_um]}
        datasets[1]["coordinateTransformations"].append(told)

    return edit


def scaled(*y_and_x_um: float) -> Edit:
    """Return what says another size of the pixels of the second level."""

    def edit(datasets: list[dict[str, Any]]) -> None:
        datasets[1]["coordinateTransformations"][0]["scale"] = [1.0, *y_and_x_um]

    return edit


@pytest.mark.parametrize(
    ("second", "edit", "is_kept"),
    [
        (HALF, None, True),
        (HALF, moved(0.25), True),  # the middle of its first pixel
        (HALF, scaled(0.5, 0.5), True),  # as that of the full size: it tells nothing
        (FULL[:, 1::2, 1::2][:, :149, :209], None, True),  # halved, with a remainder
        (FULL[:, ::3, ::3], scaled(1.5, 1.5), True),
        (np.pad(HALF, ((0, 0), (0, 106), (0, 46))), None, False),
        (HALF[:, :100], None, False),
        (HALF, moved(50.0), False),
        (FULL[:, :, ::2], scaled(0.5, 1.0), False),
    ],
)
def test_levels_lie_over_the_whole_image(
    tmp_path: Path, second: NDArray[np.uint8], edit: Edit | None, is_kept: bool
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, [FULL, second], "cyx")
    if edit is not None:
        described = path / "zarr.json"
        told = json.loads(described.read_text())
        edit(told["attributes"]["ome"]["multiscales"][0]["datasets"])
        described.write_text(json.dumps(told))
    with closing(open_slide(path)) as source:
        sizes = [(level.width_px, level.height_px) for level in of_file(source)]
        assert sizes == [(420, 300), *([second.shape[:0:-1]] if is_kept else [])]
        assert (LEVELS_LEFT_OUT in source.info.notes) is not is_kept


def test_the_levels_after_one_that_is_padded_are_kept(tmp_path: Path) -> None:
    first, second, third = pyramid(FULL)
    path = tmp_path / "a.zarr"
    write_image(path, [first, np.pad(second, ((0, 0), (0, 90), (0, 90))), third], "cyx")
    with closing(open_slide(path)) as source:
        assert [level.width_px for level in of_file(source)] == [420, 105]
        assert LEVELS_LEFT_OUT in source.info.notes


@pytest.mark.parametrize(
    ("second", "reader", "is_kept"),
    [
        (HALF, "OpenSlide", True),
        (HALF, "wsidicom", True),
        (np.pad(HALF, ((0, 0), (0, 106), (0, 46))), "OpenSlide", False),
        (np.pad(HALF, ((0, 0), (0, 106), (0, 46))), "wsidicom", False),
        (HALF[:, :, :100], "wsidicom", False),
        (np.pad(HALF, ((0, 0), (0, 30), (0, 42))), "wsidicom", False),  # by its pixel size alone
        (FULL[:, :, ::2], "OpenSlide", False),
    ],
)
def test_levels_of_dicom(
    tmp_path: Path,
    shared_slide: Callable[[str], Path],
    second: NDArray[np.uint8],
    reader: str,
    is_kept: bool,
) -> None:
    """Their pixels are half the size, whatever they show."""
    coding = {"encode": run_lengths, "syntax": RLELossless} if reader == "wsidicom" else {}
    template = shared_slide("slides/sm_image.dcm")
    for name, values, step in (("a.dcm", FULL, 1), ("b.dcm", second, 2)):
        picture = np.moveaxis(values, 0, 2)[np.newaxis]
        path = write_slide(tmp_path / name, template, picture, **coding)
        slide = pydicom.dcmread(path)
        measures = slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.PixelSpacing = [0.0005 * step, 0.0005 * step]
        slide.save_as(path)
    with closing(open_slide(tmp_path / "a.dcm")) as source:
        sizes = [(level.width_px, level.height_px) for level in of_file(source)]
        assert sizes == [(420, 300), *([second.shape[:0:-1]] if is_kept else [])]
        assert (LEVELS_LEFT_OUT in source.info.notes) is not is_kept
