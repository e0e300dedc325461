"""Patches of a cohort that fit words, found by a model with a tower for words."""

import json
from pathlib import Path
from typing import TypedDict

import numpy as np
import pytest
from cli_steps import coverslip
from PIL import Image
from word_steps import SIDE, SLIDE_PX, Towers, make_towers, stained_squares


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Towers:
    return make_towers(tmp_path_factory.mktemp("towers"))


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("slides")
    pixels = stained_squares()
    for name, each in (("one.png", pixels), ("two.png", pixels[::-1, ::-1])):
        Image.fromarray(np.ascontiguousarray(each)).save(folder / name)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def store(towers: Towers, slides: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    command = ("embed", towers.folder, *slides, "--store", store, "--mpp", "0.5", "--no-quality")
    done = coverslip(*command, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    return store


class Found(TypedDict):
    """A tile that is printed."""

    slide: str
    region: list[float]
    likeness: float
    words: str


def search(store: Path, towers: Towers, *arguments: object) -> list[Found]:
    words = ("similar", *arguments, "--store", store, "--encoder", towers.folder, "--json")
    done = coverslip(*words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def similarity(towers: Towers, found: Found, phrase: str) -> float:
    x, y, _, _ = map(int, found["region"])
    pixels = np.asarray(Image.open(found["slide"]))[y : y + SIDE, x : x + SIDE]
    return float(towers.similarities(pixels, [phrase])[0])


def test_what_fits_a_phrase_comes_first_over_all_slides(store, towers, slides):
    count = 2 * (SLIDE_PX // SIDE) ** 2
    found = search(store, towers, "--words", "tumor", "--count", count, "--per-slide", "0")
    assert len(found) == count
    assert {each["slide"] for each in found} == set(map(str, slides))
    told = [each["likeness"] for each in found]
    assert told == sorted(told, reverse=True)
    own = [similarity(towers, each, "tumor") for each in found]
    np.testing.assert_allclose(told, own, atol=2e-3)


def test_of_several_phrases_the_best_counts(store, towers):
    phrases = ["tumor", "stroma of the colon"]
    asked = [part for phrase in phrases for part in ("--words", phrase)]
    found = search(store, towers, *asked, "--count", "6", "--per-slide", "2")
    assert len(found) == 4
    for each in found:
        best = max(similarity(towers, each, phrase) for phrase in phrases)
        assert each["likeness"] == pytest.approx(best, abs=2e-3)
        assert similarity(towers, each, str(each["words"])) == pytest.approx(best, abs=2e-3)


def test_what_cannot_be_searched_by_is_said(store, towers, slides, tmp_path):
    likeness = tmp_path / "likeness"
    embed = ("embed", "tissue-likeness", slides[0], "--store", likeness, "--mpp", "0.5")
    assert coverslip(*embed, "--no-quality").returncode == 0
    region = ("--region", "0,0,10,10")
    for arguments, sentence in (
        ((), "Say what is looked for"),
        ((slides[0],), "Say what is looked for"),
        (("--words", "tumor", *region), "instead of a slide and a region"),
        ((slides[0], "--words", "tumor", *region), "instead of a slide and a region"),
        (("--words", " "), "A phrase is empty"),
        (("--words", "tumor", "--where", "stain"), "--where takes NAME=VALUE"),
    ):
        done = coverslip("similar", *arguments, "--store", store, "--encoder", towers.folder)
        assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
    done = coverslip("similar", "--words", "tumor", "--store", store)
    assert (done.returncode, "add the model, or give its folder" in done.stderr) == (2, True)
    done = coverslip("similar", "--words", "tumor", "--store", likeness)
    assert (done.returncode, "takes no words" in done.stderr) == (2, True), done.stderr
