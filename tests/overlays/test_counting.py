"""Objects counted in regions, and what models found made into annotations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import shapely

from viewer.annotations.document import Document, adding
from viewer.geometry import Box, Size
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.counting import Positive, analyzed_share, count_in_region, shown_inside
from viewer.overlays.heatmap import Heatmap
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.object_style import ObjectStyle
from viewer.overlays.objects import Objects
from viewer.overlays.to_annotations import annotations_of_heatmap, annotations_of_objects, patches

CLASSES = [("Epithelial", "#ff0000"), ("Stromal", "#00ff00")]


def _objects(places: Sequence[tuple[float, float]], classes: Sequence[int]) -> Objects:
    """Squares of 4 pixels; the measurement is the number of each."""
    rings = [[(x - 2, y - 2), (x + 2, y - 2), (x + 2, y + 2), (x - 2, y + 2)] for x, y in places]
    return Objects(
        np.array(rings, np.float32).reshape(-1, 2),
        np.arange(0, 4 * len(places) + 1, 4),
        np.array(places, np.float32),
        np.array(classes, np.uint8),
        {"DAB OD mean": np.arange(len(places), dtype=np.float32)},
    )


@pytest.fixture
def found() -> ObjectMap:
    """Blocks of 256 pixels; three objects in the first, one in the next."""
    held = ObjectMap(BlockGrid(Size(1000, 1000), 1.0, 256, 8), mpp_um=0.5)
    held.put(BlockKey(0, 0), _objects([(10, 10), (50, 50), (90, 90)], [0, 1, 0]))
    held.put(BlockKey(1, 0), _objects([(300, 20)], [1]))
    return held


def test_objects_are_counted_by_their_middle_with_density(found: ObjectMap) -> None:
    ring = shapely.box(0, 0, 400, 100).difference(shapely.box(40, 40, 60, 60))
    count = count_in_region(found, ObjectStyle(), 2, ring)
    assert (count.count, count.by_class) == (3, (2, 1))
    area_mm2 = (400 * 100 - 20 * 20) * 0.25 / 1e6
    assert count.per_mm2 == pytest.approx(3 / area_mm2)
    told = count.measurements([name for name, _ in CLASSES])
    assert (told["Objects"], told["Objects: Epithelial"], told["Objects: Stromal"]) == (3, 2, 1)
    assert told["Objects per mm2"] == pytest.approx(3 / area_mm2, abs=1e-3)
    assert "Positive %" not in told


def test_the_positive_share_follows_the_threshold_and_what_is_shown(found: ObjectMap) -> None:
    whole = shapely.box(0, 0, 1000, 1000)
    positive = Positive("DAB OD mean", 1.0)
    count = count_in_region(found, ObjectStyle(), 2, whole, positive)
    assert (count.count, count.positive) == (4, 2)
    assert count.measurements(["a", "b"])["Positive %"] == 50.0
    one_class = count_in_region(found, ObjectStyle(hidden=frozenset({1})), 2, whole, positive)
    assert (one_class.count, one_class.positive) == (2, 1)
    nothing = count_in_region(found, ObjectStyle(), 2, shapely.box(600, 600, 700, 700), positive)
    assert nothing.positive_percent is None
    missing = count_in_region(found, ObjectStyle(), 2, whole, Positive("unknown", 0.0))
    assert missing.positive == 0


def test_objects_become_regions_with_class_and_measurements(found: ObjectMap) -> None:
    inside = shown_inside(found, ObjectStyle(), shapely.box(0, 0, 60, 60))
    made = annotations_of_objects(inside, CLASSES, "ada")
    assert [each.class_name for each in made] == ["Epithelial", "Stromal"]
    assert made[1].geometry.area == pytest.approx(16)
    assert made[1].measurements == {"DAB OD mean": 1.0}
    assert made[0].author == "ada"
    document = Document()
    document.do(adding("Objects to regions", made))
    document.undo()
    assert len(document) == 0
    assert len(shown_inside(found, ObjectStyle(), None)) == 4


def test_painted_cells_become_one_region_a_patch() -> None:
    colors = np.zeros((4, 5, 4), np.uint8)
    classes = np.zeros((4, 5), np.int16)
    colors[0, :3, 3] = 255
    classes[0, 2] = 1
    colors[3, 4, 3] = 255
    heatmap = Heatmap(colors, np.zeros((4, 5), np.float32), classes, [])
    made = annotations_of_heatmap(heatmap, 10.0, CLASSES, "")
    assert [(each.class_name, each.geometry.area) for each in made] == [
        ("Epithelial", 200.0),
        ("Epithelial", 100.0),
        ("Stromal", 100.0),
    ]
    alone = annotations_of_heatmap(Heatmap(colors, heatmap.values, None, []), 10.0, CLASSES, "")
    assert [(each.class_name, each.geometry.area) for each in alone] == [
        ("Epithelial", 300.0),
        ("Epithelial", 100.0),
    ]


def test_a_ring_of_cells_has_a_hole() -> None:
    wanted = np.ones((3, 3), bool)
    wanted[1, 1] = False
    (ring,) = patches(wanted, 2.0)
    assert ring.area == pytest.approx(32)
    assert isinstance(ring, shapely.Polygon)
    assert len(ring.interiors) == 1
    assert patches(np.zeros((3, 3), bool), 2.0) == []


def test_a_count_of_a_part_names_its_share_and_is_dense_as_the_part(found: ObjectMap) -> None:
    region = shapely.box(0, 0, 1000, 100)  # four blocks wide, of which two are known
    part = count_in_region(found, ObjectStyle(), 2, region, is_whole=False)
    assert part.count == 4
    assert part.share == pytest.approx(512 / 1000)
    assert part.per_mm2 == pytest.approx(4 / (512 * 100 * 0.25 / 1e6))
    whole = count_in_region(found, ObjectStyle(), 2, region)
    assert (whole.share, whole.per_mm2) == (1.0, pytest.approx(4 / (1000 * 100 * 0.25 / 1e6)))


def test_the_share_is_of_the_slide_not_of_blocks_beyond_it(found: ObjectMap) -> None:
    assert analyzed_share(found, Box(0, 0, 512, 256)) == 1.0
    assert analyzed_share(found, Box(0, 0, 5000, 5000)) == pytest.approx(2 * 256**2 / 1000**2)
    assert analyzed_share(found, shapely.Point(300, 100).buffer(50)) == 1.0
    assert analyzed_share(found, shapely.box(600, 600, 700, 700)) == 0.0
