"""Annotations as a table: what each is, its size, and what was measured in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.counting.tally import with_counts
from viewer.annotations.measured import up_to_date
from viewer.annotations.operations import is_region
from viewer.annotations.pixel_calibration import PixelCalibration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.annotations.annotation import Annotation

Cell = str | float


def measurement_rows(
    annotations: Sequence[Annotation],
    mpp_um: tuple[float, float] | None,
    kind_of: Callable[[Annotation], str],
    chosen: Sequence[Annotation] | None = None,
) -> list[list[Cell]]:
    """Return a header and a row an annotation; lengths in µm, in pixels where that is unknown.

    Parameters
    ----------
    annotations
        All of the slide: what is counted in fields is among them.
    kind_of
        Gives the shape in a word.
    chosen
        Those that get a row; by default all.
    """
    calibration = PixelCalibration(mpp_um)
    unit = "µm" if calibration.unit == "um" else "px"
    ids = None if chosen is None else {each.id for each in chosen}
    wanted = [
        up_to_date(each, mpp_um)
        for each in with_counts(annotations)
        if ids is None or each.id in ids
    ]
    names = list(dict.fromkeys(name for each in wanted for name in each.measurements))
    header: list[Cell] = ["Name", "Class", "Type", f"Centroid X {unit}", f"Centroid Y {unit}",
                          f"Area {unit}^2", f"Length {unit}", *names]  # fmt: skip
    rows = [header]
    width, height = calibration.pixel
    for each in wanted:
        shape = each.geometry
        middle = shape.centroid
        has_area, has_length = is_region(each), shape.length > 0
        rows.append(
            [
                each.name,
                each.class_name,
                kind_of(each),
                round(middle.x * width, 3),
                round(middle.y * height, 3),
                round(calibration.area_of(shape), 3) if has_area else "",
                round(calibration.length_of(shape), 3) if has_length else "",
                *(each.measurements.get(name, "") for name in names),
            ]
        )
    return rows
