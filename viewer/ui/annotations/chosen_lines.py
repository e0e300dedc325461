"""What the panel says of the chosen annotations, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.counted import former_mpp_um, is_outdated
from viewer.annotations.kept_geometry import geometry_parts
from viewer.annotations.measured import RULED, figure_of, is_measured
from viewer.annotations.shape_numbers import dimensions
from viewer.measurement_names import with_signs
from viewer.plurals import percent, plural
from viewer.progress import tell_progress
from viewer.ui.annotations.shown import kind_of
from viewer.ui.annotations.wording import many
from viewer.utc import shown_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.pixel_calibration import PixelCalibration
    from viewer.overlays.counting import RegionCount
    from viewer.ui.annotations.pane_annotations import PaneAnnotations

LEAST_SHARE = 1e-3
"""Of a region that is analyzed before its objects are told."""


def total_line(active: PaneAnnotations) -> list[str]:
    """Return how much is drawn; nothing where nothing is."""
    marks = active.document.marks_count
    drawn = len(active.document) - marks
    parts = [many(drawn)] if drawn else []
    parts += [f"{marks:,} bookmarks and notes"] if marks > 1 else []
    parts += ["1 bookmark or note"] if marks == 1 else []
    return [", ".join(parts)] if parts else []


def size_lines(chosen: Sequence[Annotation], active: PaneAnnotations) -> list[str]:
    """Return how large is what is chosen, and of one annotation who drew it and its figures."""
    head = f"{len(chosen):,} selected"
    sizes = summed_sizes(chosen, active.calibration)
    if len(chosen) == 1 and is_measured(chosen[0]):
        sizes = [f"{kind_of(chosen[0]).lower()} {figure_of(chosen[0], active.calibration)}"]
    lines = [": ".join([head, ", ".join(sizes)]) if sizes else head]
    if len(chosen) == 1 and (signed := _signature(chosen[0])):
        lines.append(signed)
    figures = [
        f"{with_signs(name)} {value:,.6g}"
        for name, value in (chosen[0].measurements.items() if len(chosen) == 1 else ())
        if not (is_measured(chosen[0]) and name in RULED)
    ]
    if figures:
        lines.append(f"{_count_state(chosen[0], active.mpp_um)}: " + "; ".join(figures))
    return lines


def summed_sizes(chosen: Sequence[Annotation], calibration: PixelCalibration) -> list[str]:
    """Return the area and perimeter of the chosen regions, and the length of the chosen lines."""
    area = perimeter = length = 0.0
    for shapes in geometry_parts(chosen):
        tell_progress(0.0)
        area += float(calibration.areas(shapes).sum())
        is_line = dimensions(shapes) == 1
        lengths = calibration.lengths(shapes)
        perimeter += float(lengths[~is_line].sum())
        length += float(lengths[is_line].sum())
    sizes = [calibration.area_text(area)] if area else []
    return sizes + [
        f"{name} {calibration.length_text(each)}"
        for name, each in (("perimeter", perimeter), ("length", length))
        if each
    ]


def _signature(annotation: Annotation) -> str:
    """Return who drew it, and when it was drawn or changed."""
    by = f"By {annotation.author}" if annotation.author else ""
    return ", ".join(filter(None, (by, shown_moment(annotation.modified_utc))))


def _count_state(annotation: Annotation, mpp_um: float | None) -> str:
    """Say whether what was counted in a region still holds."""
    if is_outdated(annotation):
        return "Outdated, of another shape"
    then_um = former_mpp_um(annotation, mpp_um)
    return "Saved" if then_um is None else f"Outdated, made with a pixel size of {then_um:.4g} µm"


def count_line(name: str, counts: Sequence[RegionCount]) -> str:
    """Return what an overlay of this name found in regions."""
    total, area_mm2 = sum(each.count for each in counts), sum(each.area_mm2 for each in counts)
    analyzed_mm2 = sum(each.area_mm2 * each.share for each in counts)
    if area_mm2 and analyzed_mm2 < LEAST_SHARE * area_mm2:
        return f"{name}: the region is not analyzed yet"
    line = f"{name}: {plural(total, 'object')}"
    if analyzed_mm2:
        line += f", {total / analyzed_mm2:,.0f} per mm²"
    if area_mm2 and analyzed_mm2 < (1 - 1e-6) * area_mm2:
        line += f" ({100 * analyzed_mm2 / area_mm2:.3g} % of the region analyzed)"
    if counts and counts[0].positive is not None:
        positive = sum(each.positive or 0 for each in counts)
        line += f", {positive:,} positive"
        line += f" ({percent(positive / total, 1)})" if total else ""
    return line
