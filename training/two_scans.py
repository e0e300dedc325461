"""Counts one field of a section in two scans of it: python -m training.two_scans DATA."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import shapely
from msgspec.structs import replace

from training.data_folders import folder_with
from viewer.geometry import Box
from viewer.inference.cells.estimating import estimated_stains
from viewer.inference.cells.models import with_settings
from viewer.inference.cells.settings import CellSettings, changed
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.runs.running import run_model
from viewer.overlays.graded_cells import GradedCells
from viewer.slides import open_slide
from viewer.slides.alignment.automatic import align_automatically, overview_of

if TYPE_CHECKING:
    from pathlib import Path

SCANS = ("OS-2-ndpi.ome.tif", "OS-2-vsi.ome.tif")
FIELD_UM = 500.0
SETTINGS = CellSettings(
    detection_image="Optical density sum", threshold=0.06, sigma_um=2.0, min_area_um2=20.0
)
"""The same in both scans, QuPath's defaults but for these, which were chosen on this field."""


class Count(NamedTuple):
    """What was counted in one scan."""

    scan: str
    stains: str
    cells: GradedCells


def fields(data: Path) -> list[tuple[Path, shapely.Polygon]]:
    """Return each scan with the outline of the one field on it, level-0 pixels."""
    paths = [data / "not-openslide" / name for name in SCANS]
    sources = [open_slide(path) for path in paths]
    try:
        pictures = [overview_of(source, source.info.optics.mpp_um) for source in sources]
        affine = align_automatically(pictures[0], pictures[1]).affine
        base, mpp_um = sources[0].levels[0], sources[0].info.optics.mean_mpp_um
    finally:
        for source in sources:
            source.close()
    assert mpp_um is not None
    left, top = ((side - FIELD_UM / mpp_um) / 2 for side in (base.width_px, base.height_px))
    field = shapely.box(left, top, left + FIELD_UM / mpp_um, top + FIELD_UM / mpp_um)
    return [
        (paths[0], field),
        (paths[1], shapely.affinity.affine_transform(
            field, (affine.a, affine.b, affine.c, affine.d, affine.tx, affine.ty))),
    ]  # fmt: skip


def counted(path: Path, field: shapely.Polygon, settings: CellSettings = SETTINGS) -> Count:
    """Count a field by the product, with stains and white of its own scan."""
    with closing(open_slide(path)) as source:
        stains = estimated_stains(source, Box(*field.bounds), "H-DAB")
    bundle = with_settings(load_bundle(BUNDLED / "cells"), replace(settings, stains=stains))
    found = run_model(path, bundle, field, device="cpu").objects()
    names = [name for name, _ in bundle.colors]
    counts = {name: int((found.classes == index).sum()) for index, name in enumerate(names)}
    return Count(path.name.partition(".")[0], stains.text, GradedCells.of(counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=folder_with("not-openslide"), help="folder with not-openslide/"
    )
    parser.add_argument("--set", nargs="*", default=[], help="settings, NAME=VALUE")
    options = parser.parse_args()
    settings = changed(SETTINGS, dict(each.split("=") for each in options.set))
    print(two_scans_table(options.data, settings))


def two_scans_table(data: Path, settings: CellSettings = SETTINGS) -> str:
    """Return the rows of a table: what was counted in each scan."""
    rows = ["| scan | cells | positive | H-score | stains |", "| --- | --- | --- | --- | --- |"]
    for path, field in fields(data):
        scan, stains, cells = counted(path, field, settings)
        ends = cells.interval
        assert ends is not None
        rows.append(
            f"| {scan} | {cells.total:,} | {cells.positive_percent:.1f} % "
            f"({100 * ends.low:.1f} to {100 * ends.high:.1f}) | {cells.h_score:.0f} | {stains} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
