"""What a model tells of places as areas of classes, in the GeoJSON of QuPath."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import shapely

from viewer.annotations.formats.exchange import FORMATS, write_as
from viewer.geometry import Box
from viewer.overlays.heatmap import HeatmapStyle, class_heatmap, painted_colors
from viewer.overlays.result_card import write_card
from viewer.overlays.to_annotations import annotations_of_heatmap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.overlays.area import Area
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.overlays.result_card import ResultCard

AREA_FORMATS: dict[str, tuple[str, ...]] = {"GeoJSON, areas for QuPath": (".geojson",)}


def write_areas(
    path: Path,
    found: PatchFeatureMap,
    classes: Sequence[tuple[str, str]],
    area: Area,
    slide: SlidePlace,
    least_um2: float = 0.0,
    card: ResultCard | None = None,
    *,
    is_map: bool,
) -> int:
    """Write the areas of the likeliest class within an area, and return how many there are.

    What is background, and classes that end with a star, become no areas.

    Parameters
    ----------
    classes
        Name and color of each.
    least_um2
        Smaller areas are left out.
    is_map
        As of `painted_colors`.

    Raises
    ------
    AnnotationFileError
        The format cannot hold them.
    OSError
        The file cannot be written; one that was there is left as it was.
    """
    heatmap = class_heatmap(found, HeatmapStyle(), painted_colors(classes, is_map=is_map))
    made: list[Annotation] = []
    if heatmap is not None:
        within = area.polygon if isinstance(area, Box) else area
        shapely.prepare(within)
        for each in annotations_of_heatmap(heatmap, found.raster_px, classes, "", found.origin):
            inside = shapely.intersection(each.geometry, within)
            if inside.area > 0 and inside.area * found.mpp_um**2 >= least_um2:
                made.append(replace(each, geometry=inside))
    write_as(path, FORMATS["qupath"], made, slide)
    if card is not None:
        write_card(path, card)
    return len(made)
