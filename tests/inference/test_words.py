"""Models with a tower for words: held to the transformers library's own, and what they refuse."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_steps import coverslip
from PIL import Image
from word_steps import (
    SIDE,
    SLIDE_PX,
    WORDS,
    Towers,
    make_towers,
    stained_squares,
    tell,
    tokenizer_file,
)

from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.runs.running import RunError
from viewer.inference.runs.word_classes import word_vectors


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Towers:
    return make_towers(tmp_path_factory.mktemp("towers"))


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "squares.png"
    Image.fromarray(stained_squares()).save(path)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check_rows(
    rows: list[dict[str, str]], towers: Towers, slide: Path, phrases: list[str], *, scaled: bool
) -> None:
    pixels = np.asarray(Image.open(slide))
    assert len(rows) == (SLIDE_PX // SIDE) ** 2
    told, wanted = [], []
    for row in rows:
        x, y = (int(float(row[name])) for name in ("X px", "Y px"))
        said = towers.similarities(pixels[y : y + SIDE, x : x + SIDE], phrases)
        if scaled:
            scale = towers.clip.logit_scale.detach().exp()
            said = torch.softmax(torch.from_numpy(said) * scale, 0).numpy()
        wanted.append(said)
        told.append([float(row[phrase]) for phrase in phrases])
    np.testing.assert_allclose(told, np.array(wanted), atol=5e-3 if scaled else 1e-3)
    assert np.ptp(wanted, axis=0).min() > 0.05, "the squares have to differ"


def test_similarity_with_a_phrase_is_that_of_transformers(
    towers: Towers, slide: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tumor.csv"
    phrase = "tumor of the colon"
    run = ("run", towers.folder, slide, "--mpp", "0.5", "--device", "cpu", "--json")
    done = coverslip(*run, "--words", " tumor  of the colon", "-o", out)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    check_rows(rows := rows_of(out), towers, slide, [phrase], scaled=False)
    mean = np.mean([float(row[phrase]) for row in rows])
    assert record["means"][phrase] == pytest.approx(mean, abs=1e-4)


def test_several_phrases_are_classes(towers: Towers, slide: Path, tmp_path: Path) -> None:
    phrases = ["tumor", "stroma of the colon"]
    out, areas = tmp_path / "classes.csv", tmp_path / "areas.geojson"
    run = ("run", towers.folder, slide, "--mpp", "0.5", "--device", "cpu", "--json")
    asked = [part for phrase in phrases for part in ("--words", phrase)]
    done = coverslip(*run, *asked, "-o", out)
    assert done.returncode == 0, done.stderr
    check_rows(rows := rows_of(out), towers, slide, phrases, scaled=True)
    likeliest = [max(phrases, key=lambda phrase: float(row[phrase])) for row in rows]
    counts = {phrase: likeliest.count(phrase) for phrase in phrases}
    assert json.loads(done.stdout)["classes"] == counts
    assert coverslip(*run, *asked, "-o", areas).returncode == 0
    features = json.loads(areas.read_text())["features"]
    named = {each["properties"]["classification"]["name"] for each in features}
    assert named == {phrase for phrase, count in counts.items() if count}


def test_vectors_of_words(towers: Towers) -> None:
    """Also of a phrase that is longer than the model takes, which is said."""
    phrases = ["tumor", "image of stroma", "stroma " + "of the colon " * 5 + "image"]
    found = word_vectors(load_bundle(towers.folder), phrases)
    said = towers.tokenizer(
        phrases, padding=True, truncation=True, max_length=10, return_tensors="pt"
    )
    asked = {name: said[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        own = towers.clip.get_text_features(**asked).pooler_output
    wanted = torch.nn.functional.normalize(own, dim=-1).numpy()
    np.testing.assert_allclose(found.vectors, wanted, atol=1e-5)
    assert found.scale == pytest.approx(float(towers.clip.logit_scale.detach().exp()), rel=1e-5)
    assert found.cut == (phrases[2],)


def copied(towers: Towers, folder: Path) -> Path:
    folder.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        os.link(towers.folder / name, folder / name)
    return folder


def test_what_cannot_be_asked_is_said(towers: Towers, slide: Path) -> None:
    run = ("run", towers.folder, slide, "--mpp", "0.5")
    for words, sentence in (
        ((" ",), "A phrase is empty"),
        (("tumor", "tumor "), "given twice"),
        (("tumor",) * 40, "given twice"),
        (tuple(f"tumor {place}" for place in range(33)), "at most 32"),
        (("x" * 1001,), "say it shorter"),
    ):
        done = coverslip(*run, *(part for each in words for part in ("--words", each)))
        assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
    other = coverslip("run", "nuclei", slide, "--mpp", "0.5", "--words", "tumor")
    assert (other.returncode, "takes no words" in other.stderr) == (2, True), other.stderr
    many = coverslip("run", "nuclei", slide.parent, "--words", "tumor")
    assert (many.returncode, "takes no words" in many.stderr) == (2, True), many.stderr


def test_phrases_are_asked_of_many_slides(towers: Towers, slide: Path, tmp_path: Path) -> None:
    slides = tmp_path / "slides"
    slides.mkdir()
    shutil.copyfile(slide, slides / slide.name)
    done = coverslip(
        "run", towers.folder, slides, "--mpp", "0.5", "--device", "cpu", "--json",
        "--words", "tumor; stroma of the colon", "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert set(record["classes"]) == {"tumor", "stroma of the colon"}
    rows = rows_of(tmp_path / "out" / f"{slide.stem}.csv")
    check_rows(rows, towers, slide, ["tumor", "stroma of the colon"], scaled=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": {}}, "data has to name tokenizer.json"),
        ({"architecture": "vision-transformer"}, 'the architecture "clip"'),
        ({"words": {"template": "an image"}}, "has to hold {}"),
        ({"words": None}, "data belongs to models of the format onnx, and to those that take"),
    ],
)
def test_a_description_that_contradicts_itself(
    towers: Towers, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    folder = copied(towers, tmp_path / "m")
    tell(folder, **changes)
    with pytest.raises(BundleError, match=sentence.replace("{}", r"\{\}")):
        load_bundle(folder)


def test_tokenizers_that_do_not_fit(towers: Towers, tmp_path: Path) -> None:
    folder = copied(towers, tmp_path / "many")
    (folder / "tokenizer.json").unlink()
    tokenizer_file(folder / "tokenizer.json", [*WORDS, "necrosis"])
    tell(folder)
    with pytest.raises(RunError, match="does not fit its network"):
        word_vectors(load_bundle(folder), ["necrosis"])
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(RunError, match=r"is not the file that model\.json names"):
        word_vectors(load_bundle(folder), ["tumor"])
    tell(folder)
    with pytest.raises(RunError, match="is no tokenizer"):
        word_vectors(load_bundle(folder), ["tumor"])


def test_the_template_holds_the_phrase(towers: Towers, tmp_path: Path) -> None:
    folder = copied(towers, tmp_path / "m")
    tell(folder, words={"template": "image of {}"})
    templated = word_vectors(load_bundle(folder), ["stroma"])
    plain = word_vectors(load_bundle(towers.folder), ["image of stroma"])
    np.testing.assert_allclose(templated.vectors, plain.vectors, atol=1e-6)
