"""Marks of classes out of files, and the estimate of what is learned of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from viewer.annotations.formats.slide_place import SlidePlace
from viewer.inference.teaching.errors import (
    NoMarksError,
    OffSlideError,
    OneClassError,
    OtherSlideError,
    TeachingError,
)
from viewer.inference.teaching.held_out import Places, held_out
from viewer.inference.teaching.marked_slides import marked_slides
from viewer.inference.teaching.marks import check_classes, class_colors, read_marks
from viewer.inference.teaching.taught_card import taught_now

PLACE = SlidePlace(name="a.svs", identity="key-of-a", size_px=(1000, 800))


def marks_file(folder: Path, *marks: tuple[object, str], name: str = "marks.geojson",
               **members: object) -> Path:  # fmt: skip
    """Write points (x, y), or whole geometries, with their classes."""
    features = []
    for where, kind in marks:
        geometry = where
        if isinstance(where, tuple):
            geometry = {"type": "Point", "coordinates": list(where)}
        properties: dict[str, object] = {"objectType": "annotation"}
        if kind:
            properties["classification"] = {"name": kind, "color": [200, 0, 0]}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", **members, "features": features}))
    return path


def test_points_of_one_feature_are_a_mark_each(tmp_path: Path) -> None:
    points = {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}
    read = read_marks(marks_file(tmp_path, (points, "Tumor"), ((5, 6), "Stroma")), PLACE)
    assert read.counts == {"Tumor": 2, "Stroma": 1}
    assert [mark.place for mark in read.marks] == [(1, 2), (3, 4), (5, 6)]


def test_classes_of_one_color_get_colors_of_their_own(tmp_path: Path) -> None:
    read = read_marks(marks_file(tmp_path, ((1, 2), "Tumor"), ((5, 6), "Stroma")), PLACE)
    colors = class_colors(read.marks)
    assert list(colors) == ["Tumor", "Stroma"]
    assert len(set(colors.values())) == 2


def test_annotations_without_class_are_counted(tmp_path: Path) -> None:
    read = read_marks(marks_file(tmp_path, ((1, 2), "Tumor"), ((5, 6), "")), PLACE)
    assert any("1 annotation has no class" in note for note in read.notes)


@pytest.mark.parametrize("marks", [(), (((1, 2), ""),)])
def test_a_file_without_marks_says_what_to_do(tmp_path: Path, marks: tuple[()]) -> None:
    with pytest.raises(NoMarksError, match="two classes"):
        read_marks(marks_file(tmp_path, *marks), PLACE)


def test_marks_of_another_slide_are_refused(tmp_path: Path) -> None:
    path = marks_file(tmp_path, ((1, 2), "Tumor"), coverslip={"slide": "key-of-b"})
    with pytest.raises(OtherSlideError, match="another slide"):
        read_marks(path, PLACE)
    same = marks_file(tmp_path, ((1, 2), "Tumor"), coverslip={"slide": "key-of-a"})
    assert read_marks(same, PLACE).counts == {"Tumor": 1}


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(OneClassError, match='"Tumor"'):
        check_classes({"Tumor": 9, "Stroma": 0})
    with pytest.raises(NoMarksError):
        check_classes({})
    with pytest.raises(TeachingError, match="33 classes"):
        check_classes({str(number): 1 for number in range(33)})


@pytest.mark.parametrize("other", ["tumor", "TUMOR", "Tumor  cell"])
def test_classes_that_differ_by_how_they_are_written_are_refused(other: str) -> None:
    first = "Tumor cell" if " " in other else "Tumor"
    with pytest.raises(TeachingError, match=f'"{first}" and "{other}" differ by how they are'):
        check_classes({first: 3, "Stroma": 4, other: 1})
    check_classes({first: 3, "Stroma": 4, other: 0})


def test_slides_take_a_file_each_or_a_folder(tmp_path: Path, sample_slide: Path) -> None:
    pair = ((10, 20), "Tumor"), ((30, 40), "Stroma")
    marks_file(tmp_path, *pair, name=f"{sample_slide.stem}.geojson")
    found = marked_slides([sample_slide], [tmp_path])
    assert found.counts == {"Tumor": 1, "Stroma": 1}
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoMarksError, match="holds no marks of"):
        marked_slides([sample_slide], [tmp_path / "empty"])


def test_one_file_for_several_slides_has_to_name_them(tmp_path: Path, sample_slide: Path) -> None:
    other = tmp_path / "other.svs"
    other.symlink_to(sample_slide)
    path = marks_file(tmp_path, ((10, 20), "Tumor"), ((30, 40), "Stroma"))
    with pytest.raises(TeachingError, match="a file of marks for each slide"):
        marked_slides([sample_slide, other], [path])
    content = json.loads(path.read_text())
    for feature, slide in zip(content["features"], (sample_slide, other), strict=True):
        feature["properties"]["metadata"] = {"slide": slide.name}
    path.write_text(json.dumps(content))
    found = marked_slides([sample_slide, other], [path])
    assert [len(each.marks) for each in found.slides] == [1, 1]


def test_marks_that_name_another_slide_are_refused(tmp_path: Path, sample_slide: Path) -> None:
    path = marks_file(tmp_path, ((10, 20), "Tumor"), ((30, 40), "Stroma"), ((50, 60), "Stroma"))

    def named(*names: str) -> list[Path]:
        content = json.loads(path.read_text())
        for feature, name in zip(content["features"], names, strict=True):
            feature["properties"]["metadata"] = {"slide": name}
        path.write_text(json.dumps(content))
        return [path]

    with pytest.raises(OtherSlideError, match=r'lie on "other\.svs", and not on'):
        marked_slides([sample_slide], named(*["other.svs"] * 3))
    own = [sample_slide.name, f"{sample_slide.name} - Series 1", "other.svs"]
    assert marked_slides([sample_slide], named(*own)).counts == {"Tumor": 1, "Stroma": 1}


def test_marks_beside_the_slide_are_refused(tmp_path: Path, sample_slide: Path) -> None:
    path = marks_file(tmp_path, ((10, 20), "Tumor"), ((30, 999_999), "Stroma"))
    with pytest.raises(OffSlideError, match="1 of 2 marks lies outside"):
        marked_slides([sample_slide], [path])


# The estimate -------------------------------------------------------------------------------


def nearest_mean(features: np.ndarray, truth: np.ndarray):
    """Teach the nearest mean, of the classes that are there."""
    means = np.array(
        [features[truth == n].mean(0) if (truth == n).any() else [1e9] for n in range(2)]
    )

    def chances(asked: np.ndarray) -> np.ndarray:
        nearness = -np.abs(asked - means.T)
        powers = np.exp(nearness - nearness.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    return chances


def places(slides: list[int], x_um: list[float]) -> Places:
    return Places(np.array(slides), np.array(x_um), np.zeros(len(slides)))


def test_too_few_regions_give_no_number() -> None:
    truth = np.array([0, 0, 1, 1])
    near = places([0] * 4, [0, 10, 400, 499])
    estimate = held_out(np.zeros((4, 1)), truth, 2, near, nearest_mean)
    assert estimate.by == ""
    assert estimate.error is None
    assert not estimate.wrong.any()
    assert "not enough to estimate" in estimate.sentence(["a", "b"])
    card = taught_now("", {"a": 2, "b": 2}, ["s"], estimate, 1)
    assert card.held_out.error is None


def test_blocks_are_held_out_and_mistakes_found() -> None:
    truth = np.array([0, 1] * 4)
    features = truth[:, None].astype(float)
    features[-1] = -1.0  # looks like the other class
    apart = places([0] * 8, [0, 0, 600, 600, 1200, 1200, 1800, 1800])
    estimate = held_out(features, truth, 2, apart, nearest_mean)
    assert estimate.by == "block"
    assert estimate.regions == (4, 4)
    assert np.flatnonzero(estimate.wrong).tolist() == [7]
    assert estimate.error == pytest.approx(1 / 8)
    assert estimate.confusion().tolist() == [[4, 0], [1, 3]]
    card = taught_now("r1", {"a": 4, "b": 4}, ["s"], estimate, 1, ("Nuclei", "5"))
    assert card.held_out.called == {"a": {"a": 4, "b": 0}, "b": {"a": 1, "b": 3}}
    assert "Taught by r1 with marks on 1 slide: 4 a, 4 b" in card.sentences[0]


def test_slides_come_before_blocks() -> None:
    truth = np.array([0, 1] * 3)
    estimate = held_out(
        truth[:, None].astype(float), truth, 2, places([0, 0, 1, 1, 2, 2], [0] * 6), nearest_mean
    )
    assert estimate.by == "slide"
    assert estimate.error == 0
