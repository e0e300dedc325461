"""Shapes that lie on one another without number, and pairs that are found as by trying them all."""

from __future__ import annotations

import random
import time
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from cli_steps import invoke

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.imagescope import read_imagescope, write_imagescope
from viewer.annotations.overlapping import pairs_alike
from viewer.limits import LimitError

if TYPE_CHECKING:
    from pathlib import Path

TUMOR = AnnotationClass("Tumor", "#ff0000")


def rings(count: int) -> list[Annotation]:
    discs = [shapely.Point(0, 0).buffer(5 * each, 4) for each in range(1, 2 * count + 1)]
    pairs = zip(discs[::2], discs[1::2], strict=True)
    return [Annotation(outer.difference(inner), shown_as=TUMOR) for inner, outer in pairs]


@pytest.mark.parametrize("seed", range(8))
def test_pairs_are_those_of_trying_all(seed: int) -> None:
    rng = random.Random(seed)
    shapes = np.array(
        [
            shapely.Point(rng.uniform(0, 60), rng.uniform(0, 60)).buffer(rng.uniform(4, 12), 4)
            for _ in range(80)
        ],
        dtype=object,
    )
    groups = np.array([rng.randrange(3) for _ in range(80)])
    expected = {
        (i, j): shapes[i].intersection(shapes[j]).area / shapes[i].union(shapes[j]).area
        for i, j in combinations(range(80), 2)
        if groups[i] != groups[j]
    }
    expected = {pair: iou for pair, iou in expected.items() if iou >= 0.3}
    first, second, iou = pairs_alike(shapes, groups, 0.3, "They")
    assert expected
    found = dict(zip(zip(first.tolist(), second.tolist(), strict=True), iou, strict=True))
    assert found == pytest.approx(expected)


def test_thousands_on_one_place_are_one_sentence() -> None:
    shapes = np.array([shapely.box(0, 0, 9, 9)] * 5000, dtype=object)
    with pytest.raises(LimitError, match="They lie on one another about"):
        pairs_alike(shapes, np.arange(5000), 0.5, "They")


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_holes_are_cut_out_of_what_they_touch(tmp_path: Path, seed: int, is_tied: bool) -> None:
    rng = random.Random(seed)
    drawn: list[Annotation] = []
    for _ in range(40):
        middle = shapely.Point(rng.uniform(0, 400), rng.uniform(0, 400))
        size = rng.uniform(8, 40)
        shape = middle.buffer(size, 4).difference(middle.buffer(size / 2, 3))
        drawn.append(Annotation(shapely.set_precision(shape, 0.01), shown_as=TUMOR))
    path = tmp_path / "a.xml"
    write_imagescope(path, drawn)
    if not is_tied:
        path.write_text(path.read_text().replace("ParentRegionId", "Other"))
    inner = shapely.get_rings([each.geometry for each in drawn])[1::2]
    holes = shapely.union_all(shapely.polygons(inner))
    expected = [each.geometry if is_tied else each.geometry.difference(holes) for each in drawn]
    left = [each for each in expected if not each.is_empty and each.area > 0]
    for found, each in zip(read_imagescope(path, []), left, strict=True):
        assert found.geometry.symmetric_difference(each).area < 1


def test_rings_within_rings_keep_their_holes_or_are_one_sentence(tmp_path: Path) -> None:
    path, out = tmp_path / "a.xml", tmp_path / "a.geojson"
    drawn = rings(2000)
    write_imagescope(path, drawn)
    found = list(read_imagescope(path, []))
    assert len(found) == 2000
    assert found[-1].geometry.area == pytest.approx(drawn[-1].geometry.area, rel=1e-3)
    path.write_text(path.read_text().replace("ParentRegionId", "Other"))
    done = invoke(["annotations", "convert", str(path), str(out)])
    assert done.exit_code == 2
    assert "Its regions and holes lie on one another about" in done.output


@pytest.mark.parametrize("seed", range(6))
def test_holes_of_all_kinds_leave_what_cutting_them_one_by_one_leaves(
    tmp_path: Path, seed: int
) -> None:
    """Within the region, over its border, on one another, touching and around one another."""
    rng = random.Random(seed)
    region = shapely.box(0, 0, 400, 400)
    holes = [shapely.box(40 * n, 40 * n, 40 * n + 40, 40 * n + 40) for n in range(3)]
    holes += [shapely.box(200, 0, 210, 400)] if seed % 2 else []
    for _ in range(60):
        size, x, y = rng.choice([2, 5, 30]), rng.uniform(-20, 420), rng.uniform(-20, 420)
        holes.append(shapely.set_precision(shapely.Point(x, y).buffer(size, 4), 0.01))
    path = tmp_path / "a.xml"
    drawn = [Annotation(each, shown_as=TUMOR) for each in (region, *holes)]
    write_imagescope(path, drawn)
    first, *others = path.read_text().split('NegativeROA="0"')
    path.write_text('NegativeROA="1"'.join([f'{first}NegativeROA="0"{others[0]}', *others[1:]]))
    expected = region.difference(shapely.union_all(holes))
    (found,) = read_imagescope(path, [])
    assert found.geometry.is_valid
    assert found.geometry.geom_type == expected.geom_type
    assert found.geometry.symmetric_difference(expected).area < 2


def test_very_many_holes_take_little_longer_than_as_many_regions(tmp_path: Path) -> None:
    """To cut a hundred thousand out took half a minute."""
    corners = [(10.0 * n, 10.0 * m) for n in range(1, 174) for m in range(1, 174)]
    holes = [shapely.box(x, y, x + 5, y + 5).exterior for x, y in corners]
    region = shapely.Polygon(shapely.box(0, 0, 2000, 2000).exterior, holes)
    path = tmp_path / "a.xml"
    write_imagescope(path, [Annotation(region, shown_as=TUMOR)])
    text, taken_s = path.read_text(), list[float]()
    for negative in ("0", "1"):
        path.write_text(text.replace('NegativeROA="1"', f'NegativeROA="{negative}"'))
        begin_s = time.process_time()
        found = list(read_imagescope(path, []))
        taken_s.append(time.process_time() - begin_s)
        assert len(found) == (1 if negative == "1" else len(holes) + 1)
    assert found[0].geometry.normalize() == region.normalize()
    assert taken_s[1] < 1.7 * taken_s[0]
