"""Embedding a cohort: each slide once, whoever else embeds, and what costs one slide only."""

import threading
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from viewer.cohort.features.asking import region_vector
from viewer.cohort.features.embedding import EmbedOptions, SlideOutcome, embed_slides, encoder_of
from viewer.cohort.features.errors import FeatureStoreError
from viewer.cohort.features.exchange import write_features
from viewer.cohort.features.rows import SlideFeatures
from viewer.cohort.features.store import FeatureStore
from viewer.geometry import Box
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.runs.run_clock import Progress

BUNDLE = find_model(str(BUNDLED / "tissue-likeness"))
LENGTH = 8
ENCODER = replace(encoder_of(BUNDLE, LENGTH), patch_px=100)


class Heard:
    def __init__(self):
        self.outcomes: list[SlideOutcome] = []

    def on_begin(self, name: str) -> None:
        assert name

    def on_progress(self, progress: Progress) -> None: ...

    def on_slide(self, outcome: SlideOutcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture
def slides(tmp_path: Path) -> list[tuple[Path, str]]:
    paths = [tmp_path / f"{name}.png" for name in ("one", "it's zwei", "three")]
    for number, path in enumerate(paths):
        Image.new("RGB", (400, 300), (200, 40 * number, 120)).save(path)
    return [(path, path.name) for path in paths]


def vectors(path: Path, length: int = LENGTH) -> SlideFeatures:
    places = np.stack([np.arange(12) % 4, np.arange(12) // 4], 1).astype(np.float64) * 100
    quality = np.full(12, np.nan, np.float32)
    values = np.ones((12, length), np.float16)
    return SlideFeatures(path.name, str(path), path.name, 0.5, 100.0, places, values, quality)


@pytest.fixture
def options(slides, tmp_path: Path) -> EmbedOptions:
    """Return how the features of the slides are taken in; those of the last are of another kind."""
    for index, length in enumerate((LENGTH, LENGTH, 2 * LENGTH)):
        encoder = replace(ENCODER, length=length)
        store = FeatureStore(tmp_path / f"made {length}", writes=True)
        store.add_slide(encoder, vectors(slides[index][0], length))
        list(write_features(store, encoder, tmp_path / "files", "trident"))
    return EmbedOptions(0.5, files=tmp_path / "files")


def test_vectors_of_another_length_cost_their_slide_only(slides, options, tmp_path):
    store = FeatureStore(tmp_path / "store", writes=True)
    outcomes = embed_slides(BUNDLE, [slides[0], slides[2], slides[1]], store, options, Heard())
    assert [each.state for each in outcomes] == ["done", "failed", "done"]
    assert "three.png have 16 numbers; those of Tissue likeness in the store have 8" in (
        outcomes[1].error
    )


def test_what_another_process_embeds_is_waited_for_and_not_embedded_twice(
    slides, options, tmp_path
):
    store, other = (FeatureStore(tmp_path / "store", writes=True) for _ in range(2))
    key = embed_slides(BUNDLE, slides[:1], FeatureStore(tmp_path / "x", writes=True), options,
                       Heard())[0].slide  # fmt: skip
    heard, outcomes = Heard(), []
    task = threading.Thread(
        target=lambda: outcomes.extend(embed_slides(BUNDLE, slides[:2], store, options, heard))
    )
    with other.claim(ENCODER, key) as is_free:
        assert is_free
        with store.claim(ENCODER, key) as is_free_twice:
            assert not is_free_twice
        task.start()
        while not heard.outcomes and task.is_alive():
            task.join(0.02)
        assert [each.name for each in heard.outcomes] == ["it's zwei.png"]
        other.add_slide(ENCODER, replace(vectors(slides[0][0]), slide=key))
    task.join(30)
    assert [each.state for each in outcomes] == ["before", "done"]
    assert len(store.read_slide(ENCODER, key)) == 12
    assert len(store.slides(ENCODER)) == 2


def test_a_slide_that_was_moved_is_known_at_its_new_place(slides, options, tmp_path):
    store = FeatureStore(tmp_path / "store", writes=True)
    (done,) = embed_slides(BUNDLE, slides[:1], store, options, Heard())
    copy = tmp_path / "copy.png"
    copy.write_bytes(slides[0][0].read_bytes())
    told = replace(options, attributes={"copy.png": {"stain": "IHC"}})
    (before,) = embed_slides(BUNDLE, [(copy, copy.name)], store, told, Heard())
    assert (before.state, before.slide, before.notes) == ("before", done.slide, [])
    held = store.slides(ENCODER)[done.slide]
    assert held["path"] == str(slides[0][0])
    assert store.read_slide(ENCODER, done.slide).attributes["stain"] == "IHC"
    slides[0][0].unlink()
    (moved,) = embed_slides(BUNDLE, [(copy, copy.name)], store, options, Heard())
    assert "is now known at its new place" in moved.notes[0]
    held = store.slides(ENCODER)[done.slide]
    assert (held["path"], held["name"]) == (str(copy), "copy.png")
    assert store.read_slide(ENCODER, done.slide).attributes["stain"] == "IHC"


def test_a_file_of_features_is_of_one_slide_only(slides, options, tmp_path):
    store = FeatureStore(tmp_path / "store", writes=True)
    twin = tmp_path / "other" / "one.png"
    twin.parent.mkdir()
    Image.new("RGB", (400, 300), "blue").save(twin)
    outcomes = embed_slides(BUNDLE, [*slides[:2], (twin, twin.name)], store, options, Heard())
    assert [each.state for each in outcomes] == ["failed", "done", "failed"]
    assert "2 slides are called one, and one.h5 can be of one only" in outcomes[0].error


def test_the_folder_of_clam_is_taken_as_it_is(slides, options, tmp_path):
    assert options.files is not None
    options.files.rename(tmp_path / "h5_files")
    store = FeatureStore(tmp_path / "store", writes=True)
    clam = replace(options, files=tmp_path)
    for state in ("done", "before"):
        (outcome,) = embed_slides(BUNDLE, slides[:1], store, clam, Heard())
        assert (outcome.state, outcome.patches) == (state, 12)


def test_a_region_beside_the_slide_is_said(slides, options, tmp_path):
    store = FeatureStore(tmp_path / "store", writes=True)
    embed_slides(BUNDLE, slides[:1], store, options, Heard())
    with pytest.raises(FeatureStoreError, match="outside the slide, which is 400 x 300 px"):
        region_vector(store, ENCODER, slides[0][0], Box(9000, 0, 9100, 100))
    _, vector = region_vector(store, ENCODER, slides[0][0], Box(100, 100, 120, 120))
    assert vector.shape == (LENGTH,)


def test_what_is_no_slide_is_named_once(slides, options, tmp_path):
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"no slide")
    store = FeatureStore(tmp_path / "store", writes=True)
    (outcome,) = embed_slides(BUNDLE, [(broken, broken.name)], store, options, Heard())
    assert outcome.state == "failed"
    assert outcome.error.startswith("unrecognized file format")
