"""Slide models from labels: what is refused before anything runs, and what is learned."""

import io
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewer.cohort.features.rows import Encoder, SlideFeatures
from viewer.cohort.features.store import FeatureStore
from viewer.cohort.learning import fitting
from viewer.cohort.learning.bags import read_bags
from viewer.cohort.learning.figures import slide_model_figures
from viewer.cohort.learning.fitting import EpochDone
from viewer.cohort.learning.folds import patient_folds
from viewer.cohort.learning.labels import LabeledSlide, LabelsError, classes_of, read_labels
from viewer.cohort.learning.training import SlideTrainingOptions, train_slide_model
from viewer.inference.models.bundle import load_bundle
from viewer.slides import open_slide

LENGTH = 8
ENCODER = Encoder("toy key", "Toy encoder", "1", LENGTH, 224, 0.5, "0" * 64)
SLIDES = {
    "key1": {"name": "one.svs", "path": "/a/one.svs"},
    "key2": {"name": "two.svs", "path": "/a/two.svs"},
    "key3": {"name": "two.svs", "path": "/b/two.svs"},
    "key4": {"name": "four.svs", "path": "/a/four.svs"},
    "key5": {"name": "five.svs", "path": "/a/five.svs"},
}


def labels(tmp_path: Path, text: str) -> list[LabeledSlide]:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_labels(path, SLIDES)


GOOD = "slide,label\none.svs,x\n/a/two.svs,x\nfour.svs,y\nfive.svs,y\n"


def test_slides_are_named_by_key_path_name_or_stem(tmp_path: Path):
    found = labels(
        tmp_path, "slide_id;label;case_id\nkey1;1;p\n/b/two.svs;1;s\nfour;0;q\nfive;0;r\n"
    )
    assert [(each.slide, each.label, each.patient) for each in found] == [
        ("key1", "1", "p"), ("key3", "1", "s"), ("key4", "0", "q"), ("key5", "0", "r"),
    ]  # fmt: skip
    assert [each.patient for each in labels(tmp_path, GOOD)] == [
        "one.svs", "/a/two.svs", "four.svs", "five.svs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'needs a column "slide" and a column "label"'),
        ("name,value\na,b\n", 'needs a column "slide" and a column "label"'),
        ("slide,label\n", "names no slides"),
        (GOOD + ",y\n", 'line 6: the label "y" has no slide'),
        (GOOD + "key3,NaN\n", "line 6: key3 has no label"),
        ('slide,label,why\none.svs,x,"a\nb"\nfour.svs,,\n', "line 4: four.svs has no label"),
        ("slide,label,patient\none.svs,x,p\nfour.svs,y,\n", "line 3: four.svs has no patient"),
        ("slide,label\nnine.svs,x\none.svs,y\n", "names slides that the store does not hold: nine"),
        ("slide,label\ntwo.svs,x\none.svs,y\n", "line 2: 2 slides of the store are called two.svs"),
        ("slide,label\none.svs,\n", "line 2: one.svs has no label"),
        (GOOD.replace(",y", ",x"), 'has one class only, "x"'),
        ("slide,label\none.svs,x\n/a/two.svs,x\nfour.svs,y\n", 'one patient only of the class "y"'),
        (GOOD + "one.svs,y\n", "line 6: one.svs has two rows that differ"),
        ("slide,label,patient\none.svs,x,p\nfour.svs,y,p\n", "gives the patient p two labels, x"),
    ],
)  # fmt: skip
def test_labels_that_nothing_can_be_learned_from_are_refused(tmp_path, text, sentence):
    with pytest.raises(LabelsError, match=sentence):
        labels(tmp_path, text)


def test_a_slide_of_two_names_is_one_and_numbers_are_in_order(tmp_path: Path):
    found = labels(
        tmp_path,
        "slide,label,patient\none.svs,10,\n/a/one.svs,10,\nkey3,9.5,\nfour,9.5,\nfive,10,\n",
    )
    assert [each.slide for each in found] == ["key1", "key3", "key4", "key5"]
    assert classes_of(found) == ["9.5", "10"]


def test_a_slide_is_known_beside_the_table_and_by_its_content(tmp_path: Path):
    (tmp_path / "renamed é.png").write_bytes(png())
    with closing(open_slide(tmp_path / "renamed é.png")) as source:
        key = source.info.identity
    slides = SLIDES | {key: {"name": "old.png", "path": "/gone/old.png"}}
    slides["key1"] = {"name": "one.svs", "path": str(tmp_path / "sub" / "one.svs")}
    table = tmp_path / "labels.csv"
    table.write_text("slide,label\nrenamed é.png,x\nsub/one.svs,y\nfour,x\nfive,y\n", "utf-8")
    assert [each.slide for each in read_labels(table, slides)] == [key, "key1", "key4", "key5"]


def png() -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (64, 64), "purple").save(sink, "PNG")
    return sink.getvalue()


def test_no_patient_is_learned_from_and_measured_on():
    labeled = [
        LabeledSlide(f"{patient}{n}", "", "xy"[patient % 2], str(patient))
        for patient in range(12)
        for n in range(1 + patient % 3)
    ]
    folds = patient_folds(labeled, 4, seed=1)
    tested = sorted(index for fold in folds for index in fold.tested)
    assert tested == list(range(len(labeled)))
    for fold in folds:
        parts = [
            {labeled[i].patient for i in part} for part in (fold.taught, fold.stopping, fold.tested)
        ]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts)) == 12
        assert {labeled[i].label for i in fold.taught} == {"x", "y"}
    assert folds == patient_folds(labeled, 4, seed=1)
    assert len(patient_folds(labeled[:7], 5, seed=0)) == 2  # the rarest class has two patients


def test_figures_are_those_of_the_definitions():
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]])
    figures = slide_model_figures(chances, np.array([0, 1, 1, 0]), list("abcd"), 2)
    assert figures.auc.value == 0.75  # three of four pairs are in order
    assert figures.balanced_accuracy.value == 0.5
    assert figures.auc.low <= 0.75 <= figures.auc.high
    assert figures.brier == pytest.approx((0.02 + 0.08 + 0.72 + 0.72) / 4)
    assert (figures.slides, figures.patients) == (4, 4)


class Silent:
    def __init__(self, end_after: int = 10**9):
        self.left = end_after

    def on_slide(self, number: int) -> None:
        assert number > 0

    def on_epoch(self, fold: int, folds: int, done: EpochDone) -> None:
        assert 1 <= fold <= folds + 1
        assert done.epoch >= done.best_epoch
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory):
    """Return a store of 16 slides, half of which hold a few patches of another kind."""
    store = FeatureStore(tmp_path_factory.mktemp("store"), writes=True)
    rng = np.random.default_rng(0)
    labeled = []
    for number in range(16):
        vectors = rng.normal(size=(30, LENGTH)).astype(np.float16)
        if number % 2:
            vectors[:5, :3] += 3
        places = np.stack([np.arange(30) % 6, np.arange(30) // 6], 1).astype(np.float64) * 224
        quality = np.full(30, np.nan, np.float32)
        name = f"slide{number}"
        store.add_slide(
            ENCODER,
            SlideFeatures(name, f"/s/{name}.svs", name, 0.5, 224, places, vectors, quality),
        )
        labeled.append(LabeledSlide(name, name, ["no", "yes"][number % 2], name))
    return store, labeled


@pytest.mark.parametrize("architecture", ["abmil", "clam", "r2t"])
def test_a_model_learns_which_slides_hold_the_other_patches(taught, tmp_path, architecture):
    store, labeled = taught
    out = tmp_path / "model"
    epochs = {"abmil": 25, "clam": 2, "r2t": 1}[architecture]
    options = SlideTrainingOptions("Toy", architecture, folds=2, epochs=epochs)
    training = train_slide_model(store, ENCODER, labeled, out, options, Silent())
    bundle = load_bundle(out)
    about = bundle.description
    assert [each.name for each in about.classes] == ["no", "yes"]
    assert about.encoder is not None
    assert (about.task, about.encoder.name, about.encoder.length) == ("slide", "Toy encoder", 8)
    assert json.loads((out / "figures.json").read_text())["folds"] == 2
    rows = (out / "predictions.csv").read_text().splitlines()
    assert len(rows) == 17
    assert not (out / ".training").exists()
    assert (out / "predictions.csv").stat().st_mode & 0o077 == 0
    if architecture == "abmil":
        assert training.figures.auc.value > 0.9


def test_a_training_that_was_ended_goes_on_to_the_same_weights(taught, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "_SAVED_EVERY_S", 0.0)
    store, labeled = taught
    options = SlideTrainingOptions("Toy", folds=2, epochs=4)
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    train_slide_model(store, ENCODER, labeled, whole, options, Silent())
    for after in (3, 9):
        with pytest.raises(KeyboardInterrupt):
            train_slide_model(store, ENCODER, labeled, ended, options, Silent(after))
    train_slide_model(store, ENCODER, labeled, ended, options, Silent())
    name = "weights.safetensors"
    assert (whole / name).read_bytes() == (ended / name).read_bytes()
    assert (whole / "predictions.csv").read_bytes() == (ended / "predictions.csv").read_bytes()


def test_a_folder_with_something_else_is_not_written_over(taught, tmp_path):
    store, labeled = taught
    (tmp_path / "model.json").write_text("of somebody")
    options = SlideTrainingOptions("Toy", folds=2, epochs=1)
    with pytest.raises(LabelsError, match="holds something else: give a new folder"):
        train_slide_model(store, ENCODER, labeled, tmp_path, options, Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    out = tmp_path / "new"
    for _ in range(2):
        train_slide_model(store, ENCODER, labeled, out, options, Silent())
    other = SlideTrainingOptions("Toy", folds=2, epochs=2)
    with pytest.raises(LabelsError, match="holds something else"):
        train_slide_model(store, ENCODER, labeled, out, other, Silent())


def test_features_that_are_no_numbers_are_said(tmp_path):
    store = FeatureStore(tmp_path / "store", writes=True)
    vectors = np.full((4, LENGTH), np.inf, np.float16)
    places, quality = np.zeros((4, 2)), np.zeros(4, np.float32)
    store.add_slide(
        ENCODER, SlideFeatures("k", "/s/k.svs", "k.svs", 0.5, 224, places, vectors, quality)
    )
    labeled = [LabeledSlide("k", "k.svs", "x", "k"), LabeledSlide("l", "l.svs", "y", "l")]
    with pytest.raises(LabelsError, match=r"features of k\.svs hold values that are no numbers"):
        read_bags(store, ENCODER, labeled)
