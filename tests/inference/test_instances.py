"""Maps cut into objects."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from skimage.measure import regionprops

from viewer.geometry import Box
from viewer.inference.instances import AREA, CONFIDENCE, ECCENTRICITY, labeled, objects_of
from viewer.overlays.files.masks import label_mask

BOX = Box(0, 0, 256, 256)
GRAY = np.full((128, 128, 3), 180, np.uint8)
INSIDE = np.full((128, 128), 0.75, np.float32)


def _disks(*disks: tuple[float, float, float, float]) -> np.ndarray:
    """Maps of ellipses given by x, y and two radii."""
    y, x = np.mgrid[:128, :128] + 0.5
    maps = np.zeros((3, 128, 128), np.float32)
    for at_x, at_y, a, b in disks:
        r = np.hypot((x - at_x) / a, (y - at_y) / b)
        maps[0] = np.maximum(maps[0], r < 1)
        maps[2] = np.maximum(maps[2], np.clip(1 - r, 0, 1))
    return maps


def test_an_ellipse_is_measured_as_it_is() -> None:
    labels = labeled(_disks((60, 50, 10, 6)))
    (found,) = [objects_of(labels, INSIDE, GRAY, BOX, BOX, 0.5)]
    assert len(found) == 1
    assert found.centroids[0] == pytest.approx((120, 100), abs=0.2)
    assert found.measurements[AREA][0] == pytest.approx(np.pi * 60 * 0.25, rel=0.03)
    assert found.measurements[CONFIDENCE][0] == pytest.approx(0.75)
    expected = np.sqrt(1 - (6 / 10) ** 2)
    assert found.measurements[ECCENTRICITY][0] == pytest.approx(expected, abs=0.02)
    ring = found.outline(0)
    assert ring[:, 0].min() == pytest.approx(100, abs=2)
    assert ring[:, 1].max() == pytest.approx(112, abs=2)


def test_area_outline_and_mask_agree() -> None:
    disks = [
        (12 + 20 * (n % 6), 12 + 20 * (n // 6), 3.5 + 0.15 * n, 4 + 0.1 * n) for n in range(36)
    ]
    labels = labeled(_disks(*disks))
    found = objects_of(labels, INSIDE, GRAY, BOX, BOX, 0.5)  # a pixel of the model is 2 of level 0
    assert len(found) == 36
    expected = {
        (round(each.centroid[1] + 0.5), round(each.centroid[0] + 0.5)): each.area * 0.25
        for each in regionprops(labels)
    }
    areas = found.measurements[AREA]
    for (x, y), area in zip((found.centroids / 2).round().tolist(), areas.tolist(), strict=True):
        assert area == pytest.approx(expected[x, y])
    outlines = [shapely.Polygon(found.outline(n)).area * 0.25**2 for n in range(36)]
    np.testing.assert_allclose(outlines, areas, rtol=0.005)
    pixels = np.bincount(label_mask(found, BOX).ravel(), minlength=37)[1:]
    np.testing.assert_allclose(pixels * 0.25**2, areas, rtol=0.01)


def test_touching_nuclei_are_parted() -> None:
    labels = labeled(_disks((50, 64, 9, 9), (66, 64, 9, 9)))
    assert labels.max() == 2 or len(np.unique(labels)) == 3


def test_noise_and_background_give_nothing() -> None:
    maps = np.zeros((3, 128, 128), np.float32)
    maps[0, 10:13, 10:13] = 1
    labels = labeled(maps)
    assert not labels.any()
    assert len(objects_of(labels, INSIDE, GRAY, BOX, BOX, 0.5)) == 0


def test_folds_and_fibres_are_left_out() -> None:
    thin, large = _disks((64, 30, 60, 3)), _disks((64, 64, 50, 50))
    for maps in (thin, large):
        assert len(objects_of(labeled(maps), INSIDE, GRAY, BOX, BOX, 0.5)) == 0


def test_a_block_keeps_only_what_has_its_middle_inside() -> None:
    labels = labeled(_disks((30, 30, 8, 8), (100, 100, 8, 8)))
    core = Box(0, 0, 128, 128)
    found = objects_of(labels, INSIDE, GRAY, BOX, core, 0.5)
    assert len(found) == 1
    assert found.centroids[0] == pytest.approx((60, 60), abs=0.3)
