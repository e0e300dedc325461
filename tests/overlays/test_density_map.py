"""Density maps: objects per mm² by place, and the disc in which most of them lie."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from overlay_steps import squares

from viewer.geometry import Point, Size
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.density_map import (
    DensityError,
    DensityOptions,
    Kernel,
    density_map,
    hot_spot,
)
from viewer.overlays.object_map import ObjectMap

MPP_UM = 2.0
GRID = BlockGrid(Size(1000, 800), 1.0, 200, 0)


def objects_at(places: np.ndarray, analyzed: range = range(5)) -> ObjectMap:
    """Return objects at level-0 places, of blocks of these columns."""
    found = ObjectMap(GRID, MPP_UM)
    for column in analyzed:
        for row in range(4):
            box = GRID.core_box(BlockKey(column, row))
            inside = [(x, y) for x, y in places.tolist() if box.contains(Point(x, y))]
            made = squares(*[(x - 5, y - 5) for x, y in inside])
            found.put(BlockKey(column, row), made)
    return found


def lattice(step: float) -> np.ndarray:
    xs, ys = np.meshgrid(np.arange(step / 2, 1000, step), np.arange(step / 2, 800, step))
    return np.stack([xs.ravel(), ys.ravel()], 1)


@pytest.mark.parametrize("kernel", ["disc", "gaussian"])
def test_an_even_lattice_is_as_dense_everywhere_to_the_edge(kernel: Kernel) -> None:
    found = objects_at(lattice(10))
    made, names = density_map(found, ["Nucleus"], DensityOptions(120, kernel))
    values = made.values[..., 0]
    assert names == ["All objects"]
    expected = 1e6 / (10 * MPP_UM) ** 2
    known = values[~np.isnan(values)]
    assert known.size == (1000 // made.cell + 1) * (800 // made.cell + 1) or known.size > 3000
    assert np.median(known) == pytest.approx(expected, rel=0.02)
    assert known.min() > 0.8 * expected
    assert known.max() < 1.2 * expected


def test_what_was_not_analyzed_is_unknown_and_never_empty() -> None:
    found = objects_at(lattice(20), range(2))
    made, _ = density_map(found, ["Nucleus"], DensityOptions(100))
    row, column = made.place_of(Point(100, 400)) or (0, 0)
    assert made.values[row, column, 0] > 0
    row, column = made.place_of(Point(600, 400)) or (0, 0)
    assert np.isnan(made.values[row, column, 0])
    row, column = made.place_of(Point(390, 400)) or (0, 0)
    assert made.values[row, column, 0] == pytest.approx(1e6 / 40**2, rel=0.15)


def test_the_hot_spot_is_the_disc_with_most_objects() -> None:
    rng = np.random.default_rng(5)
    cluster = np.array([640.0, 300.0]) + rng.normal(0, 12, (60, 2))
    found = objects_at(np.concatenate([lattice(80), cluster]))
    spot = hot_spot(found, 0.02)
    assert spot is not None
    assert math.hypot(spot.center.x - 640, spot.center.y - 300) < 25
    assert math.pi * (spot.radius_px * MPP_UM) ** 2 == pytest.approx(20_000)
    middles = found.all_objects().centroids.astype(float)
    inside = np.hypot(*(middles - np.array(spot.center)).T) <= spot.radius_px
    assert spot.objects == inside.sum() >= 58
    assert spot.per_mm2 == pytest.approx(spot.objects / 0.02)
    assert hot_spot(found, 0.02, [3]) is None
    assert hot_spot(objects_at(np.zeros((0, 2))), 0.02) is None


def test_what_cannot_be_is_a_sentence() -> None:
    for radius in (0, math.nan, 1e9):
        with pytest.raises(DensityError):
            DensityOptions(radius, "disc")
    with pytest.raises(DensityError):
        DensityOptions(50, "square")  # pyright: ignore[reportArgumentType]
    for area in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(DensityError, match="A hot spot of"):
            hot_spot(objects_at(lattice(80)), area)
    with pytest.raises(DensityError, match="is larger than the slide"):
        hot_spot(objects_at(lattice(80)), 1e6)


def test_a_hot_spot_that_was_analyzed_in_part_lies_on_the_slide_and_says_so() -> None:
    found = objects_at(lattice(80))
    slide = found.grid.slide
    whole_mm2 = slide.width * slide.height * MPP_UM**2 / 1e6
    spot = hot_spot(found, 0.9 * whole_mm2)
    assert spot is not None
    assert 0 <= spot.center.x <= slide.width
    assert 0 <= spot.center.y <= slide.height
    assert 0 < spot.analyzed < 0.98
    assert "of the hot spot was analyzed" in spot.caveat
    small = hot_spot(found, 0.02)
    assert small is not None
    assert small.caveat == ""


def test_the_command_writes_the_map_and_tells_the_hot_spot(tmp_path: Path) -> None:
    pixels = np.full((400, 400, 3), 240, np.uint8)
    at = np.arange(400) + 0.5
    nuclei = [(20 + 40 * row, 20 + 40 * column) for row in range(10) for column in range(10)]
    nuclei += [(40 + 40 * row, 240 + 40 * column) for row in range(4) for column in range(4)]
    for y, x in nuclei:
        pixels[(at[:, None] - y) ** 2 + (at - x) ** 2 <= 9**2] = (120, 90, 150)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, pixels, tile=(128, 128), photometric="rgb", resolution=(20000, 20000),
        resolutionunit=3,
    )  # fmt: skip
    words = ("density", str(path), "--stains", "h-dab", "--radius", "30", "--area", "0.003")
    done = coverslip(*words, "-o", "map.tif", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    spot = record["hot_spot"]
    assert spot["per_mm2"] == pytest.approx(spot["objects"] / 0.003, abs=0.01)
    assert 12 <= spot["objects"] <= 20
    assert spot["x_px"] > 200 > spot["y_px"]
    with tifffile.TiffFile(tmp_path / "map.tif") as tiff:
        values = tiff.asarray()
    assert np.nanmax(values) == pytest.approx(record["highest_per_mm2"], rel=1e-3)
    done = coverslip(*words, "--class", "Negative", "-o", "map.csv", folder=tmp_path)
    rows = list(csv.DictReader((tmp_path / "map.csv").open(newline="")))
    assert "Negative per mm2" in rows[0]
    for wrong, why in (
        (("--kernel", "cone"), '--kernel takes disc or gaussian, not "cone"'),
        (("--radius", "1"), "A radius of 1 µm cannot be"),
        (("--class", "Tumor"), 'has no class "Tumor"'),
        (("-o", "map.txt"), "map.txt"),
        (("-o", "."), ". is a folder"),
        (("--radius", "5000", "-o", "map.tif"), "A radius of 5000 µm is too large"),
        (("--area", "9"), "A hot spot of 9 mm² is larger than the slide"),
        (("--model", "tissue-quality"), "finds no objects to count"),
    ):
        done = coverslip(*words, *wrong, folder=tmp_path)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
        assert why in done.stderr
