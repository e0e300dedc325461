"""Classes of cells that are taught by marks: learned, kept as a bundle, and told of other cells."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import shapely
import torch
from cli_steps import coverslip
from inference_steps import make_bundle

from viewer.inference.architectures.nuclei_unet import NucleiUNet
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_library import find_model
from viewer.inference.teaching.errors import (
    ContradictionError,
    FeaturesVersionError,
    NoObjectError,
    TeachingError,
)
from viewer.inference.teaching.learning import learned
from viewer.inference.teaching.marked_objects import (
    check_contradictions,
    check_found,
    marked_objects,
)
from viewer.inference.teaching.marks import Mark
from viewer.inference.teaching.object_features import object_features
from viewer.inference.teaching.object_vectors import object_vectors
from viewer.inference.teaching.taught_bundles import base_of, check_folder, with_features
from viewer.inference.teaching.taught_objects import CHANCE, TaughtObjects, vectors_for
from viewer.overlays.objects import Objects

BLOCK = "1030,1030,500,500"


def squares(*sizes: float, areas: list[float] | None = None) -> Objects:
    """Squares of some sides, 100 px apart along x, with features of one number."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    points = np.concatenate(
        [corners * size + (100 * index, 50) for index, size in enumerate(sizes)]
    )
    count = len(sizes)
    middles = np.array([[100 * i + s / 2, 50 + s / 2] for i, s in enumerate(sizes)], np.float32)
    measured = {"Area um2": np.array(areas or [s * s for s in sizes], np.float32)}
    return Objects(
        points.astype(np.float32), np.arange(count + 1) * 4, middles,
        np.zeros(count, np.uint8), measured,
        features=np.arange(count, dtype=np.float16)[:, None],
    )  # fmt: skip


def mark(x: float, y: float, name: str) -> Mark:
    return Mark(shapely.Point(x, y), name, "#ff0000")


# Which objects are meant ----------------------------------------------------------------------


def test_points_strokes_and_areas_mean_objects() -> None:
    objects = squares(10, 10, 10)
    marks = [
        mark(5, 55, "in"),
        mark(112, 55, "near"),
        mark(160, 55, "beside"),
        Mark(shapely.LineString([(5, 55), (205, 55)]), "stroke", "#ff0000"),
        Mark(shapely.box(90, 0, 300, 300), "area", "#ff0000"),
        Mark(shapely.box(4, 54, 5, 55), "within", "#ff0000"),
    ]
    found = marked_objects(objects, marks, 1.0)
    assert found.indices == ((0,), (1,), (), (0, 1, 2), (1, 2), (0,))
    assert [each.name for each in found.missed] == ["beside"]


def test_an_object_of_two_classes_is_a_contradiction() -> None:
    objects = squares(10, 10)
    found = marked_objects(objects, [mark(5, 55, "a"), mark(6, 56, "b")], 1.0)
    with pytest.raises(ContradictionError, match='5, 55 px is both "a" and "b"'):
        check_contradictions(found, objects)
    same = marked_objects(objects, [mark(5, 55, "a"), mark(6, 56, "a")], 1.0)
    check_contradictions(same, objects)


def test_marks_on_no_object_are_told_or_refused() -> None:
    marks = [mark(5, 55, "a"), mark(50, 55, "a"), mark(50, 55, "b")]
    (note,) = check_found([*marks[:2], mark(105, 55, "b")], marks[1:2], "Nuclei")
    assert note.startswith("1 of 3 marks lies on no object that Nuclei finds")
    with pytest.raises(NoObjectError, match='No mark of "b" lies on an object'):
        check_found(marks, marks[1:], "Nuclei")
    assert marked_objects(Objects.none(), marks, 1.0).missed == marks


# What is learned ------------------------------------------------------------------------------


def test_a_classifier_tells_apart_what_it_was_taught() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 30)
    vectors = rng.normal(size=(90, 4)).astype(np.float32)
    vectors[:, 0] += 6 * truth
    vectors[:, 3] = np.nan  # a number that no object has
    classifier = learned(vectors, truth, 3, ["a", "b", "c", "d"])
    assert classifier.complaint(3) == ""
    chances = classifier.chances(vectors)
    assert chances.shape == (90, 3)
    assert (chances.argmax(1) == truth).mean() > 0.95
    assert np.allclose(chances.sum(1), 1, atol=1e-5)


def test_a_class_without_marks_is_never_the_answer() -> None:
    vectors = np.array([[0.0], [1.0], [5.0], [6.0]], np.float32)
    chances = learned(vectors, np.array([0, 0, 2, 2]), 3, ["a"]).chances(vectors)
    assert (chances.argmax(1) == [0, 0, 2, 2]).all()
    assert chances[:, 1].max() < 1e-6
    alone = learned(vectors, np.array([1, 1, 1, 1]), 3, ["a"]).chances(vectors)
    assert (alone.argmax(1) == 1).all()


def test_features_of_another_version_are_refused() -> None:
    objects = squares(10, 20)
    names, vectors = object_vectors(objects)
    assert vectors_for(objects, names[::-1]).tolist() == vectors[:, ::-1].tolist()
    with pytest.raises(FeaturesVersionError, match="another model or version"):
        vectors_for(objects, [*names, "Feature 9"])


def test_features_are_kept_with_objects_and_former_bytes_have_none() -> None:
    objects = squares(10, 20, 30)
    again = Objects.from_bytes(objects.to_bytes())
    assert again.features is not None
    assert again.features.tolist() == [[0], [1], [2]]
    taken = again.taken(np.array([False, True, True]))
    assert taken.features is not None
    assert taken.features.tolist() == [[1], [2]]
    joined = Objects.joined([taken, squares(5)])
    assert joined.features is not None
    assert joined.features.tolist() == [[1], [2], [0]]


def test_features_are_pooled_in_each_object() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[20:30, 20:30] = 1, 3
    picture = np.full((40, 40, 3), 255, np.uint8)
    picture[5:15, 5:15] = (90, 60, 130)
    maps = np.stack([np.full((40, 40), 2.0), labels.astype(float)]).astype(np.float32)
    found = object_features(labels, picture, maps, 0.5)
    assert found.shape == (4, 8 + 2), "of the picture, and of the maps"
    assert found.dtype == np.float16
    assert found[[1, 3], -2:].tolist() == [[2, 1], [2, 3]]
    assert found[1, 3] > found[3, 3] >= 0  # density
    assert np.isfinite(found).all()


def test_the_network_gives_its_finest_maps_after_its_logits() -> None:
    network = NucleiUNet(beginnings=2, smooth=True).eval()
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = network(picture)
        network.gives_features = True
        both = network(picture)
    assert both.shape == (1, 27, 64, 64)
    assert torch.equal(both[:, :3], logits)


# As a bundle ----------------------------------------------------------------------------------


def points_file(folder: Path, marks: list[tuple[float, float, str]], name: str = "m") -> Path:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [x, y]},
            "properties": {"classification": {"name": kind, "color": [1, 2 + len(kind), 3]}},
        }
        for x, y, kind in marks
    ]
    path = folder / f"{name}.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_cells_are_taught_and_run_from_the_command_line(sample_slide: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.csv"
    said = coverslip("run", "nuclei", sample_slide, "--region", BLOCK, "-o", found)
    assert said.returncode == 0, said.stderr
    rows = [line.split(",") for line in found.read_text().splitlines()[1:]]
    cells = sorted((float(row[6]), float(row[2]), float(row[3])) for row in rows)
    small, large = cells[:12], cells[-12:]
    marks = [(x, y, "Small") for _, x, y in small] + [(x, y, "Large cell") for _, x, y in large]
    out = tmp_path / "Sizes"
    said = coverslip(
        "train", "objects", sample_slide, "--marks", points_file(tmp_path, marks), "-o", out,
        "--by", "r7", "--json",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["cells"] == {"Small": 12, "Large cell": 12}
    assert told["held_out_error"] is None  # the marks lie in one or two blocks
    assert "not enough to estimate" in told["about"]

    bundle = load_bundle(out)
    card = bundle.description.teaching
    assert card is not None
    assert (card.by, card.marks, card.base) == ("r7", told["cells"], "Nuclei")
    assert bundle.description.taught is not None
    assert len(bundle.description.taught.classifier.features) > 30
    assert base_of(bundle).key == with_features(find_model("nuclei")).key

    for name in ("o.csv", "o.geojson"):
        said = coverslip("run", out, sample_slide, "--region", BLOCK, "-o", tmp_path / name,
                         "--json")  # fmt: skip
        assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["device"] == "kept results"
    assert told["objects"] == len(rows) == sum(told["classes"].values())
    table = (tmp_path / "o.csv").read_text().splitlines()
    head = table[0].split(",")
    classes = {
        (float(row[2]), float(row[3])): row[1] for row in (line.split(",") for line in table[1:])
    }
    assert CHANCE in head
    right = [classes[x, y] == kind for x, y, kind in marks]
    assert np.mean(right) > 0.9
    features = json.loads((tmp_path / "o.geojson").read_text())["features"]
    names = {each["properties"]["classification"]["name"] for each in features}
    assert names == {"Small", "Large cell"}

    # Another weight or version of the features is no answer, but a sentence.
    path = out / "model.json"
    card_text = json.loads(path.read_text())
    path.write_text(json.dumps(card_text | {"features": 99}))
    with pytest.raises(BundleError, match="features of version 99"):
        load_bundle(out)
    path.write_text(json.dumps(card_text | {"features": 0}))
    with pytest.raises(BundleError, match="taught on features of the network"):
        load_bundle(out)
    known = card_text["taught"]["classifier"]["features"]
    card_text["taught"]["classifier"]["features"] = [*known[:-1], "Feature of old"]
    path.write_text(json.dumps(card_text))
    said = coverslip("run", out, sample_slide, "--region", BLOCK)
    assert said.returncode == 2
    assert said.stderr.startswith('What was taught takes "Feature of old"')
    assert len(said.stderr.strip().splitlines()) == 1
    card_text["taught"]["base_sha256"] = "0" * 64
    path.write_text(json.dumps(card_text))
    said = coverslip("run", out, sample_slide, "--region", BLOCK)
    assert said.returncode == 2
    assert "what other weights see" in said.stderr


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ([], "holds no annotation"),
        ([(1200, 1200, "a"), (1210, 1210, "a")], 'All marks are of the class "a"'),
        ([(1200, 1200, "a"), (99_999, 1200, "b")], "1 of 2 marks lies outside"),
        ([(2, 2, "a"), (9, 2, "b")], 'No mark of "a", "b" lies on an object that Dark finds'),
    ],
)
def test_marks_that_teach_nothing_end_in_one_sentence(
    sample_slide: Path, tmp_path: Path, marks: list[tuple[float, float, str]], words: str
) -> None:
    model = make_bundle(tmp_path / "dark")
    said = coverslip(
        "train", "objects", sample_slide, "--marks", points_file(tmp_path, marks), "-o",
        tmp_path / "out", "--model", model,
    )  # fmt: skip
    assert said.returncode == 2
    assert words in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_model_without_outlines_is_not_taught(sample_slide: Path, tmp_path: Path) -> None:
    marks = points_file(tmp_path, [(1200, 1200, "a"), (1300, 1200, "b")])
    arguments = ("train", "objects", sample_slide, "--marks", marks, "-o")
    said = coverslip(*arguments, tmp_path / "out", "--model", "tissue quality")
    assert (said.returncode, said.stdout) == (2, "")
    assert "finds no outlined objects" in said.stderr
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    said = coverslip(*arguments, full)
    assert said.returncode == 2
    assert "holds other files" in said.stderr


@pytest.mark.parametrize(
    ("about", "is_free"),
    [
        ({"task": "instances", "teaching": {"by": "ada"}, "taught": {}}, True),
        ({"task": "instances", "teaching": {"corrections": {"outlines": 30}}}, False),
        ({"task": "segmentation", "teaching": {}}, False),
        ({"task": "instances"}, False),
        ([], False),
    ],
)
def test_only_what_was_taught_alike_is_written_over(
    tmp_path: Path, about: object, *, is_free: bool
) -> None:
    (tmp_path / "model.json").write_text(json.dumps(about))
    if is_free:
        check_folder(tmp_path, "objects")
        return
    with pytest.raises(TeachingError, match="holds another model: give the name of a new folder"):
        check_folder(tmp_path, "objects")


def test_cells_by_settings_are_taught_and_run_without_grades(
    sample_slide: Path, tmp_path: Path
) -> None:
    areas = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, x], [x + 150, x], [x + 150, x + 150], [x, x + 150], [x, x]]],
            },
            "properties": {"classification": {"name": name}},
        }
        for x, name in ((1100, "Positive"), (1350, "Stroma"))
    ]
    path = tmp_path / "areas.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": areas}))
    out = tmp_path / "Taught"
    said = coverslip("train", "objects", sample_slide, "--marks", path, "-o", out,
                     "--model", "cells", "--json")  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert min(json.loads(said.stdout)["cells"].values()) > 5
    bundle = load_bundle(out)
    assert base_of(bundle).key == with_features(find_model("cells")).key
    region = "1100,1100,150,150"
    said = coverslip("run", out, sample_slide, "--region", region, "--json")
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["device"] == "kept results"
    assert list(told["classes"]) == ["Positive", "Stroma"]
    assert "scores" not in told
    said = coverslip("run", out, sample_slide, "--region", region, "--set", "threshold=0.2")
    assert said.returncode == 2
    assert "takes no settings" in said.stderr


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "dark")
    about = load_bundle(folder).description
    classifier = learned(np.array([[0.0], [1.0]], np.float32), np.array([0, 1]), 2, ["Area um2"])
    taught = TaughtObjects("Dark", "1", ("Dark",), about.sha256, classifier)
    card = json.loads((folder / "model.json").read_text())
    two = [{"name": each, "colour": "#00aa00"} for each in "ab"]
    card |= {"taught": msgspec.to_builtins(taught), "classes": two}
    (folder / "model.json").write_text(json.dumps(card))
    assert load_bundle(folder).description.taught == taught
    card["taught"]["classifier"]["mean"] = [0.0, 1.0]
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="do not fit together"):
        load_bundle(folder)
