"""Networks of the YOLO kind: layouts of boxes, suppression within and across blocks, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_steps import coverslip
from in_process import checked, found_on
from numpy.typing import NDArray
from onnx_networks import Net, classes, onnx_bundle
from PIL import Image

from viewer.geometry import Size
from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError
from viewer.inference.steps.detection import Boxes, likeliest
from viewer.inference.tasks.detection import box_layout
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.object_map import ObjectMap
from viewer.overlays.objects import Objects

SIDE = 700
SPOT = 12


@pytest.fixture(scope="module")
def spots(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, NDArray[np.int64], NDArray[np.bool_]]:
    """Tissue with dark and with red spots; their places (x, y), and which are red."""
    numbers = np.random.default_rng(5)
    pixels = np.full((SIDE, SIDE, 3), (200, 170, 200), np.uint8)
    columns, rows = np.meshgrid(np.arange(20, SIDE - 20, 34), np.arange(20, SIDE - 20, 34))
    places = np.stack([columns.ravel(), rows.ravel()], 1) + numbers.integers(
        -8, 9, (columns.size, 2)
    )
    is_red = numbers.random(len(places)) < 0.4
    for (x, y), red in zip(places.tolist(), is_red.tolist(), strict=True):
        box = (slice(y - SPOT // 2, y + SPOT // 2), slice(x - SPOT // 2, x + SPOT // 2))
        pixels[box] = (220, 20, 20) if red else (20, 20, 60)
    path = tmp_path_factory.mktemp("spots") / "spots.png"
    Image.fromarray(pixels).save(path)
    return path, places, is_red


def spot_net(layout: str, side: int = 128) -> Net:
    """Finds spots of two classes as a detector does: an anchor each two pixels, scored by color.

    The score is highest in the middle of a spot, so that suppression finds it.
    """
    net = Net((1, 3, side, side))
    alike = net.op(
        "Clip",
        net.mixed([[-6, -6, 0], [3, -3, 0]], [3.0, -1.0]),
        net.constant(0.0),
        net.constant(1.0),
    )
    near = net.op(
        "AveragePool", alike, kernel_shape=[SPOT + 1, SPOT + 1], strides=[2, 2],
        pads=[SPOT // 2] * 4,
    )  # fmt: skip
    count = (side // 2) ** 2
    scores = net.op("Reshape", near, net.constant([1, 2, count], np.int64))
    y, x = np.mgrid[0:side:2, 0:side:2].reshape(2, 1, 1, -1).astype(np.float32)
    sizes = np.full((1, 2, count), SPOT, np.float32)
    middles = np.concatenate([x, y], 1)
    if layout == "scores":
        answer = net.op("Concat", net.constant(np.concatenate([middles, sizes], 1)), scores, axis=1)
        net.output("output0", answer, [1, 6, count])
    elif layout == "objectness":
        boxes = net.constant(np.concatenate([middles, sizes, sizes[:, :1] * 0 + 1], 1))
        answer = net.op("Concat", boxes, scores, axis=1)
        net.output("output0", net.op("Transpose", answer, perm=[0, 2, 1]), [1, count, 7])
    else:
        best = net.op("ReduceMax", scores, axes=[1])
        which = net.op("Cast", net.op("ArgMax", scores, axis=1), to=1)
        corners = net.constant(np.concatenate([middles - SPOT / 2, middles + SPOT / 2], 1))
        answer = net.op("Concat", corners, best, which, axis=1)
        net.output("output0", net.op("Transpose", answer, perm=[0, 2, 1]), [1, count, 6])
    return net


def detector(folder: Path, net: Net, **about: object) -> Path:
    card: dict[str, object] = {
        "task": "detection", "patch_px": 128, "margin_px": 16, "classes": classes("Dark", "Red"),
        "decoding": {"least_score": 0.6, "most_overlap": 0.2},
    }  # fmt: skip
    return onnx_bundle(folder, net, **(card | about))


def matches(found: Objects, places: NDArray[np.int64], is_red: NDArray[np.bool_]) -> int:
    """How many places have exactly one box near by, of their class."""
    apart = np.hypot(*np.moveaxis(places[:, None] - found.centroids[None], 2, 0))
    return sum(
        1
        for row, red in zip(apart, is_red, strict=True)
        if (row < 3).sum() == 1 and found.classes[row.argmin()] == int(red)
    )


@pytest.mark.parametrize("layout", ["scores", "objectness", "corners"])
def test_each_layout_finds_every_spot_once(
    tmp_path: Path, spots: tuple[Path, NDArray[np.int64], NDArray[np.bool_]], layout: str
) -> None:
    slide, places, is_red = spots
    found = found_on(detector(tmp_path / "m", spot_net(layout)), slide)
    assert isinstance(found, ObjectMap)
    assert len(found.done) > 30
    objects = found.all_objects()
    assert len(objects) == len(places)
    assert matches(objects, places, is_red) == len(places)
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    np.testing.assert_allclose(sides, SPOT, atol=0.01)
    np.testing.assert_allclose(objects.measurements["Area um2"], (SPOT * 0.5) ** 2, rtol=1e-3)


@pytest.mark.slow
def test_the_command_writes_boxes_as_objects(
    tmp_path: Path, spots: tuple[Path, NDArray[np.int64], NDArray[np.bool_]]
) -> None:
    slide, places, is_red = spots
    out = tmp_path / "boxes.geojson"
    folder = detector(tmp_path / "m", spot_net("scores"))
    told = coverslip("run", folder, slide, "--mpp", "0.5", "-o", out, "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    record = json.loads(told.stdout)
    assert record["classes"] == {"Dark": int((~is_red).sum()), "Red": int(is_red.sum())}
    features = json.loads(out.read_text())["features"]
    assert len(features) == len(places)
    assert len(features[0]["geometry"]["coordinates"][0]) == 5


def test_layouts_are_told_by_their_shape_or_asked_for() -> None:
    assert box_layout(None, 80, 84, 8400) == ("scores", "")
    assert box_layout(None, 80, 25_200, 85) == ("objectness", "")
    assert box_layout(None, 2, 300, 6) == ("corners", "")
    layout, why = box_layout(None, 1, 300, 6)
    assert layout is None
    assert '"objectness" or "corners"' in why
    assert box_layout("corners", 1, 300, 6) == ("corners", "")
    assert "no boxes of 3 classes" in box_layout(None, 3, 84, 8400)[1]
    assert 'no boxes "scores" of 3 classes' in box_layout("scores", 3, 300, 6)[1]


@pytest.mark.parametrize(
    ("layout", "about", "complaint"),
    [
        ("scores", {"classes": classes("A", "B", "C")}, "no boxes of 3 classes"),
        ("corners", {"classes": classes("A")}, 'say "boxes": "objectness" or "corners"'),
        ("scores", {"margin_px": 64}, "margin_px leaves nothing"),
        ("scores", {"boxes": "nonsense"}, "boxes"),
        ("scores", {"head": "sigmoid"}, 'head "sigmoid" does not belong'),
    ],
)
def test_what_contradicts_the_answer_is_refused(
    tmp_path: Path, layout: str, about: dict[str, object], complaint: str
) -> None:
    with pytest.raises((BundleError, ModelFailedError)) as caught:
        checked(detector(tmp_path / "m", spot_net(layout), **about))
    assert complaint in str(caught.value)


def test_scores_that_are_logits_are_refused(tmp_path: Path) -> None:
    net = Net((1, 3, 128, 128))
    flat = net.op(
        "Reshape", net.mixed([[9, 0, 0]] * 6, [-5.0] * 6), net.constant([1, 6, -1], np.int64)
    )
    net.output("output0", flat, [1, 6, 128 * 128])
    with pytest.raises(ModelFailedError, match="scores below 0 or above 1"):
        checked(detector(tmp_path / "m", net))


def test_of_boxes_of_a_class_that_overlap_the_likeliest_stays() -> None:
    corners = np.array(
        [[0, 0, 10, 10], [1, 1, 11, 11], [20, 0, 30, 10], [0, 0, 10, 10]], np.float32
    )
    boxes = Boxes(corners, np.array([0.5, 0.9, 0.3, 0.4], np.float32), np.array([0, 0, 0, 1]))
    kept = likeliest(boxes, 0.35, 0.45)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.4])
    assert kept.classes.tolist() == [0, 1]


def test_a_box_that_two_blocks_see_is_kept_once() -> None:
    grid = BlockGrid(Size(200, 100), 1.0, 100, 20)
    found = ObjectMap(grid, 0.5, are_boxes=True)
    seen, cut = (boxes(80, 40, 118, 70), boxes(82, 41, 118, 72))
    assert len(found.add(BlockKey(0, 0), seen)) == 1
    assert len(found.add(BlockKey(1, 0), cut)) == 0
    assert len(found.add(BlockKey(1, 0), boxes(150, 40, 180, 70))) == 1
    assert found.count == 2


def boxes(x0: float, y0: float, x1: float, y1: float) -> Objects:
    points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)
    middle = points.mean(0, keepdims=True)
    return Objects(points, np.array([0, 4]), middle, np.zeros(1, np.uint8))
