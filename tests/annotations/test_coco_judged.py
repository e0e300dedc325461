"""COCO files against pycocotools: run-length masks of both spellings, and what is written here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as some
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.coco import CocoImage, write_coco
from viewer.annotations.formats.coco_runs import region_of_runs
from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.masks.label_strips import LabelPainter

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.annotations.formats.problems import Problem


def painted(geometry: Any, shape: tuple[int, int]) -> NDArray[Any]:
    painter = LabelPainter([geometry], [1])
    return painter.painted(0, 0, (shape[1], shape[0]), (1.0, 1.0), np.uint8)


def encoded(mask: NDArray[Any]) -> dict[str, Any]:
    runs: Any = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


def uncompressed(mask: NDArray[Any]) -> dict[str, Any]:
    flat = np.asarray(mask, np.uint8).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.array([0, *edges, len(flat)])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


@settings(max_examples=60, deadline=None)
@given(
    shape=some.tuples(some.integers(1, 40), some.integers(1, 40)),
    seed=some.integers(0, 1 << 30),
    share=some.sampled_from([0.02, 0.3, 0.7, 1.0]),
)
def test_runs_are_the_pixels_that_pycocotools_decodes(
    shape: tuple[int, int], seed: int, share: float
) -> None:
    mask = (np.random.default_rng(seed).random(shape) < share).astype(np.uint8)
    mask[seed % shape[0], seed % shape[1]] = 1
    packed: Any = encoded(mask)
    plain: Any = uncompressed(mask)
    height, width = shape
    theirs: Any = coco_mask.frPyObjects(plain, height, width)
    assert theirs["counts"].decode() == packed["counts"]
    for runs in (packed, plain):
        region = region_of_runs(runs)
        assert region.area == coco_mask.area(theirs)
        assert (painted(region, shape) == coco_mask.decode(packed)).all()


def test_runs_of_large_masks(tmp_path: Path) -> None:
    mask = np.zeros((3000, 4000), np.uint8)
    mask[100:2900, 50:3950] = 1
    mask[1000:1200, 300:3000] = 0
    mask[2999, 3999] = 1  # the last run reaches the end
    region = region_of_runs(encoded(mask))
    assert region.area == mask.sum()
    assert (painted(region, mask.shape) == mask).all()


@pytest.mark.parametrize("key", ["packed", "plain"])
def test_a_file_of_runs_is_read_as_pycocotools_reads_it(tmp_path: Path, key: str) -> None:
    draw = np.random.default_rng(5)
    masks = [(draw.random((60, 50)) < share).astype(np.uint8) for share in (0.1, 0.5, 0.9)]
    spell = encoded if key == "packed" else uncompressed
    told = {
        "images": [{"id": 7, "file_name": "a.png", "height": 60, "width": 50}],
        "categories": [{"id": 3, "name": "Tumor"}],
        "annotations": [
            {"id": n, "image_id": 7, "category_id": 3, "iscrowd": 1, "segmentation": spell(mask),
             "bbox": [0, 0, 1, 1], "area": 1}
            for n, mask in enumerate(masks, 1)
        ],
    }  # fmt: skip
    path = tmp_path / "a.coco.json"
    path.write_text(json.dumps(told))
    theirs = COCO(str(path))
    problems: list[Problem] = []
    ours = list(read_annotations(path, problems))
    assert problems == []
    for annotation, id_ in zip(ours, theirs.getAnnIds(), strict=True):
        assert annotation.class_name == "Tumor"
        expected = theirs.annToMask(theirs.loadAnns(id_)[0])
        assert (painted(annotation.geometry, (60, 50)) == expected).all()


def test_results_of_detectors_are_read_as_pycocotools_reads_them(tmp_path: Path) -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[5:20, 6:30] = 1
    results = [
        {"image_id": 1, "category_id": 1, "segmentation": encoded(mask), "score": 0.75},
        {"image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 5], "score": 0.5},
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    problems: list[Problem] = []
    ours = list(read_annotations(path, problems))
    assert problems == []
    assert [each.geometry.area for each in ours] == [mask.sum(), 50]
    assert [dict(each.measurements) for each in ours] == [{"Score": 0.75}, {"Score": 0.5}]


def test_what_is_written_is_read_by_pycocotools(tmp_path: Path) -> None:
    ring = shapely.box(5, 5, 55, 45).difference(shapely.box(20, 15, 30, 25))
    both = shapely.MultiPolygon([shapely.box(60, 5, 70, 15), shapely.box(60, 25, 70, 35)])
    tumor = AnnotationClass("Tumor", "#c80000")
    drawn = [
        Annotation(ring, shown_as=tumor), Annotation(both), Annotation(shapely.Point(3, 4)),
    ]  # fmt: skip
    path = tmp_path / "a.coco.json"
    assert write_coco(path, drawn, CocoImage("a.svs", 80, 50)) == []
    theirs = COCO(str(path))
    (image,) = theirs.loadImgs(theirs.getImgIds())
    assert (image["file_name"], image["width"], image["height"]) == ("a.svs", 80, 50)
    told: list[Any] = theirs.loadAnns(theirs.getAnnIds())
    names = [theirs.loadCats(each["category_id"])[0]["name"] for each in told]
    assert names == ["Tumor", "No class", "No class"]
    for each, annotation in zip(told[:2], drawn, strict=False):
        expected = painted(annotation.geometry, (50, 80)).astype(int)
        # pycocotools draws an outline through the middles of pixels, half a pixel wider.
        assert np.abs(theirs.annToMask(each).astype(int) - expected).sum() <= 100
        assert each["area"] == annotation.geometry.area
    assert told[2]["keypoints"] == [3, 4, 2]
