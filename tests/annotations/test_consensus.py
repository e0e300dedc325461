"""The consensus of readers of very many objects: as by trying all pairs, and in time."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from cli_steps import coverslip

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.consensus import READERS, VOTES, consensus, majority
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.studies.project import Project, ProjectSlide
from viewer.studies.project_file import create_project

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

TUMOR = AnnotationClass("Tumor", "#ff0000")
Sets = Sequence[Sequence["BaseGeometry"]]
Found = list[tuple["BaseGeometry", int]]


def drawn(sets: Sets) -> list[list[Annotation]]:
    return [[Annotation(shape, shown_as=TUMOR) for shape in shapes] for shapes in sets]


def where_at_least(shapes: list[BaseGeometry], needed: int) -> BaseGeometry:
    common = [shapely.intersection_all(list(some)) for some in combinations(shapes, needed)]
    polygons = [part for each in common for part in shapely.get_parts(each) if part.area > 0]
    return shapely.union_all(polygons)


def by_trying_all(sets: Sets, needed: int) -> Found:
    """Return geometries and votes of the consensus, as its docstring defines it."""
    objects = [(reader, shape) for reader, shapes in enumerate(sets) for shape in shapes]
    pairs = [
        (one.intersection(other).area / one.union(other).area, i, j)
        for (i, (by, one)), (j, (other_by, other)) in combinations(enumerate(objects), 2)
        if by != other_by
    ]
    cluster_of = [{number} for number in range(len(objects))]
    for iou, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        both = cluster_of[i] | cluster_of[j]
        if iou >= 0.5 and len({objects[each][0] for each in both}) == len(both):
            for each in both:
                cluster_of[each] = both
    found: Found = []
    for cluster in {min(each): each for each in cluster_of}.values():
        if len(cluster) >= needed:
            shapes = [objects[each][1] for each in cluster]
            found.append((where_at_least(shapes, majority(len(cluster))), len(cluster)))
    unions = [shapely.union_all(shapes) for shapes in sets if shapes]
    if len(unions) < needed:
        return found
    least = max(1, 0.1 * float(np.median([shape.area for _, shape in objects])))
    taken = shapely.union_all([shape for shape, _ in found])
    for part in shapely.get_parts(where_at_least(unions, needed).difference(taken)):
        if part.area >= least:
            inner = part.representative_point()
            found.append((part, sum(union.intersects(inner) for union in unions)))
    return found


def nuclei(rng: random.Random, count: int, side_px: float, readers: int = 3) -> Sets:
    """Return nuclei that some readers missed, and that each outlined a little otherwise."""
    sets: list[list[BaseGeometry]] = [[] for _ in range(readers)]
    for _ in range(count):
        x, y, radius = rng.uniform(0, side_px), rng.uniform(0, side_px), rng.uniform(4, 9)
        for reader in sets:
            if rng.random() < 0.85:
                middle = shapely.Point(x + rng.gauss(0, 1), y + rng.gauss(0, 1))
                reader.append(middle.buffer(radius * rng.uniform(0.8, 1.2), 4))
    return sets


def nested(count: int, readers: int = 3) -> Sets:
    boxes = [shapely.box(at, at, 10 * count - at, 10 * count - at) for at in range(count)]
    return [boxes[reader::readers] for reader in range(readers)]


@pytest.mark.parametrize("needed", [0, 2, 5])
@pytest.mark.parametrize("side_px", [60, 150, 400])
@pytest.mark.parametrize("readers", [2, 3, 5])
def test_the_consensus_is_that_of_trying_all_pairs(
    readers: int, side_px: float, needed: int
) -> None:
    rng = random.Random(readers * side_px + needed)
    sets = nuclei(rng, 30, side_px, readers)
    needed = min(needed, readers) if needed > majority(readers) else majority(readers)
    expected = by_trying_all(sets, needed)
    made = consensus(drawn(sets), needed)
    assert len(made) == len(expected)
    left = list(expected)
    for each in made:
        assert each.measurements[READERS] == readers
        index, (shape, votes) = min(
            enumerate(left), key=lambda entry: entry[1][0].symmetric_difference(each.geometry).area
        )
        assert shape.symmetric_difference(each.geometry).area < 1e-6
        assert each.measurements[VOTES] == votes
        del left[index]


def test_one_vote_leaves_nothing_out() -> None:
    sets = nuclei(random.Random(4), 60, 200)
    made = consensus(drawn(sets), 1)
    every = shapely.union_all([shape for shapes in sets for shape in shapes])
    left = every.difference(shapely.union_all([each.geometry for each in made]))
    areas = [shape.area for shapes in sets for shape in shapes]
    assert max(part.area for part in shapely.get_parts(left)) < 0.1 * float(np.median(areas))
    assert all(1 <= each.measurements[VOTES] <= 3 for each in made)


def taken_s(sets: Sets) -> float:
    annotations = drawn(sets)
    begin_s = time.process_time()
    assert consensus(annotations)
    return time.process_time() - begin_s


def test_thousands_of_nested_boxes_and_of_nuclei_take_seconds() -> None:
    """The boxes took 26 s, 30,000 of the nuclei 67 s."""
    assert taken_s(nested(3000)) < 8
    rng = random.Random(1)
    few, many = (taken_s(nuclei(rng, count, 30 * count**0.5)) for count in (1000, 6000))
    assert many < 6 * 2.5 * few


def test_what_lies_on_one_another_too_often_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    create_project(folder, Project(slides=(ProjectSlide(identity="slide-1", path="1.svs"),)))
    for reader, shapes in zip("ABC", [[shapely.box(0, 0, 9, 9)] * 1500] * 3, strict=True):
        store = SetStore(AnnotationSet(folder, "slide-1", SetKey(reader)))
        store.write([Stamped.now(adding("Draw", drawn([shapes])[0]), reader)])
        store.close()
    done = coverslip("projects", "consensus", folder, "--reader", "D")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert "The annotations of the readers lie on one another about" in line
