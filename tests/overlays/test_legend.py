"""The key of an overlay's colors, and what is painted of classes that are left out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from overlay_steps import GRID

from viewer.geometry import Box
from viewer.overlays.blocks import BlockKey
from viewer.overlays.heatmap import (
    NOT_THIS,
    HeatmapStyle,
    Mark,
    Query,
    class_heatmap,
    painted_colors,
    query_heatmap,
)
from viewer.overlays.legend import object_rows, patch_rows
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures
from viewer.overlays.shown_overlays import ShownOverlay, overlays_text, write_shown_beside

COLORS = [("Tumor", "#ff0000"), ("Stroma", "#00ff00")]
PAINTED = [color for _, color in COLORS]
LEFT, RIGHT = Box(60, 60, 90, 90), Box(260, 60, 290, 90)


def _halves() -> PatchFeatureMap:
    """Left one class, right of it the other."""
    found = PatchFeatureMap(GRID, 0.5)
    for column, values in enumerate(((4, 0), (0, 4))):
        block = np.full((CELLS, CELLS, 2), values, np.float16)
        found.add(BlockKey(column, 0), PatchFeatures(block))
    return found


def _objects(*classes: int) -> Objects:
    count = len(classes)
    centroids = np.stack([np.arange(count) * 20 + 30, np.full(count, 30)], 1).astype(np.float32)
    points = np.repeat(centroids, 3, 0)
    return Objects(points, np.arange(0, 3 * count + 1, 3), centroids, np.array(classes, np.uint8))


def test_rows_of_objects_follow_what_is_known() -> None:
    found = ObjectMap(GRID, 0.5)
    found.put(BlockKey(0, 0), _objects(0, 0, 1))
    found.put(BlockKey(1, 0), _objects(1))
    assert found.counts(2) == [2, 2]
    found.put(BlockKey(0, 0), _objects(0))
    assert (found.count, found.counts(3)) == (2, [1, 1, 0])
    found.put(BlockKey(1, 0), _objects(0, 0))
    assert (found.count, found.counts(2)) == (3, [3, 0])
    rows = object_rows(COLORS, [1234, 0], frozenset({1}))
    assert [row.figures for row in rows] == [("1,234", "100 %"), ("0", "0 %")]
    assert [row.is_shown for row in rows] == [True, False]


def test_rows_of_an_area_leave_the_background_out_of_the_shares() -> None:
    classes = [("Background", "#000000"), *COLORS]
    rows = patch_rows(classes, [60, 30, 10], 0.01, frozenset(), is_map=True)
    assert [(row.index, row.name, row.figures) for row in rows] == [
        (1, "Tumor", ("0.30 mm²", "75 %")),
        (2, "Stroma", ("0.10 mm²", "25 %")),
    ]
    (tumor, _) = patch_rows(COLORS, [1, 999], 0.01, frozenset(), is_map=False)
    assert tumor.figures == ("1", "<1 %")
    assert tumor.about == "Tumor: 1 tile, 0.0100 mm², <1 % of all"


def test_a_class_that_is_left_out_is_counted_and_not_painted() -> None:
    found = _halves()
    whole = class_heatmap(found, HeatmapStyle(), PAINTED)
    part = class_heatmap(found, HeatmapStyle(hidden=frozenset({0})), PAINTED)
    assert whole is not None
    assert part is not None
    assert part.counts == whole.counts == (16, 16)
    assert int((whole.colors[..., 3] > 0).sum()) == 32
    assert int((part.colors[..., 3] > 0).sum()) == 16


def test_a_check_of_quality_lists_what_it_leaves_unpainted() -> None:
    names = ["Sound tissue", "Out of focus", "Pen mark"]
    classes = [(name, "#112233") for name in names]
    painted = list(zip(names, painted_colors(classes, is_map=False), strict=True))
    sound, *problems = patch_rows(painted, [7, 2, 1], 0.01, frozenset(), is_map=False)
    assert (sound.color, sound.can_hide, sound.is_shown) == ("", False, False)
    assert sound.figures == ("7", "70 %")
    assert all(row.color and row.can_hide for row in problems)


def test_one_class_alone_paints_nothing() -> None:
    found, style = _halves(), HeatmapStyle()
    one = Query(marks=(Mark(LEFT, "Tumor"),))
    assert one.lacks_second
    assert query_heatmap(found, style, one, PAINTED) is None
    told_apart = Query(marks=(*one.marks, Mark(RIGHT, NOT_THIS)))
    assert not told_apart.lacks_second
    heatmap = query_heatmap(found, style, told_apart, [PAINTED[0], ""])
    assert heatmap is not None
    painted = heatmap.colors[..., 3] > 0
    assert painted[found.cells_in(LEFT)].all()
    assert not painted[found.cells_in(RIGHT)].any()
    beside_the_slide = Query(marks=(*one.marks, Mark(Box(800, 500, 900, 600), "Stroma")))
    assert query_heatmap(found, style, beside_the_slide, PAINTED) is None


def test_what_was_shown_stands_beside_an_export(tmp_path: Path) -> None:
    path, beside = tmp_path / "a.csv", tmp_path / "a.csv.about.json"
    write_shown_beside(path, [])
    assert not beside.exists()
    shown = [ShownOverlay("Nuclei", "5", 0.6), ShownOverlay("scores.csv")]
    write_shown_beside(path, shown)
    stated = json.loads(beside.read_text())["overlays_shown"]
    assert [each["name"] for each in stated] == ["Nuclei", "scores.csv"]
    write_shown_beside(path, [])
    assert json.loads(beside.read_text()) == {"overlays_shown": []}
    path.write_text("x,y\n")
    write_shown_beside(path, shown)
    stated = json.loads(beside.read_text())
    assert stated["file_sha256"] == hashlib.sha256(b"x,y\n").hexdigest()
    assert overlays_text(shown) == "Overlays shown: Nuclei 5 (opacity 60 %), scores.csv"
    assert overlays_text([]) == "Overlays shown: none"
