"""Pixel classifiers that are taught by strokes: features, what is learned, refusals, bundles."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from cli_steps import coverslip
from PIL import Image

from viewer.geometry import Size
from viewer.inference.models.bundle import load_bundle
from viewer.inference.runs.running import run_model
from viewer.inference.teaching.errors import ContradictionError
from viewer.inference.teaching.marks import Mark
from viewer.inference.teaching.pixel_features import PixelFeatures
from viewer.inference.teaching.pixel_samples import pixel_samples
from viewer.inference.teaching.pixel_settings import PixelSettings, lesson_grid
from viewer.inference.teaching.pixel_teacher import PixelTeacher, TaughtSlide
from viewer.overlays.blocks import BlockKey
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.slides import open_slide

WIDTH, HEIGHT, MPP_UM = 1800, 1200, 1.0
SETTINGS = PixelSettings(mpp_um=2.0)
NAMES = ["Striped", "Plain", "Ignore*"]
Stroke = tuple[str, list[tuple[float, float]]]
STROKES: list[Stroke] = [
    (name, [(x, y), (x + 60, y + 40)])
    for name, left in (("Striped", 150), ("Plain", 750), ("Ignore*", 1350))
    for x, y in ((left, 100), (left + 100, 600), (left, 1050))
]


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tissue with stripes, the same colors without an order, and glass."""
    noise = np.random.default_rng(0)
    pixels = np.full((HEIGHT, WIDTH, 3), 244, np.int16)
    stripes = (np.arange(600) // 12 % 2).astype(bool)
    striped = np.where(stripes[None, :, None], (120, 60, 150), (220, 130, 180))
    pixels[:, :600] = striped
    pixels[:, 600:1200] = np.mean([(120, 60, 150), (220, 130, 180)], 0)
    pixels += noise.integers(-6, 7, pixels.shape, np.int16)
    path = tmp_path_factory.mktemp("slide") / "slide.png"
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return path


def marks_file(folder: Path, strokes: list[Stroke]) -> Path:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "LineString" if len(at) > 1 else "Point",
                         "coordinates": at if len(at) > 1 else at[0]},
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for name, at in strokes
    ]  # fmt: skip
    path = folder / "marks.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def as_marks(strokes: list[Stroke]) -> list[Mark]:
    return [Mark(shapely.LineString(at), name, "#d55e00") for name, at in strokes]


@pytest.fixture(scope="module")
def taught(slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that the command line wrote."""
    folder = tmp_path_factory.mktemp("taught")
    out = folder / "stripes"
    done = coverslip(
        "train", "pixels", slide, "--marks", marks_file(folder, STROKES), "-o", out,
        "--resolution", "2", "--mpp", str(MPP_UM), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["marks"] == {"Striped": 3, "Plain": 3, "Ignore*": 3}
    assert record["held_out_error"] < 0.05
    return out


def test_features_do_not_depend_on_where_a_picture_begins() -> None:
    noise = torch.from_numpy(np.random.default_rng(1).random((1, 3, 256, 256), np.float32))
    features = PixelFeatures()
    with torch.inference_mode():
        whole, part = features(noise), features(noise[:, :, 64:, 32:])
    inner = slice(64, 128)
    there = whole[:, :, 128:192, 96:160]
    torch.testing.assert_close(part[:, :, inner, inner], there, rtol=1e-4, atol=1e-5)


def test_what_was_taught_tells_textures_apart_on_the_whole_slide(taught: Path, slide: Path) -> None:
    bundle = load_bundle(taught)
    assert [name for name, _ in bundle.colors] == NAMES
    run = run_model(slide, bundle, mpp_um=MPP_UM, device="cpu")
    assert isinstance(run.found, PatchFeatureMap)
    likeliest = np.nan_to_num(run.found.values).argmax(-1)
    columns = (np.arange(run.found.columns) + 0.5) * run.found.cell
    for number, left in enumerate((0, 600)):
        inside = (columns > left + 120) & (columns < left + 480)
        rows = slice(10, int((HEIGHT - 40) / run.found.cell))
        assert (likeliest[rows, inside] == number).mean() > 0.97


def test_its_areas_are_annotations(taught: Path, slide: Path, tmp_path: Path) -> None:
    out = tmp_path / "areas.geojson"
    done = coverslip(
        "run", taught, slide, "--mpp", str(MPP_UM), "-o", out, "--device", "cpu",
        "--least-area", "20000",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    features = json.loads(out.read_text())["features"]
    sizes = {"Striped": 0.0, "Plain": 0.0}
    for each in features:
        area = shapely.from_geojson(json.dumps(each["geometry"])).area
        assert area * MPP_UM**2 >= 20_000
        sizes[each["properties"]["classification"]["name"]] += area
    for size in sizes.values():
        assert 0.6 < size / (600 * HEIGHT) < 1.6


def test_features_of_another_version_are_refused(taught: Path, slide: Path, tmp_path: Path) -> None:
    old = shutil.copytree(taught, tmp_path / "old")
    about = json.loads((old / "model.json").read_text())
    about["teaching"]["features_version"] = 99
    (old / "model.json").write_text(json.dumps(about))
    done = coverslip("run", old, slide, "--mpp", str(MPP_UM), "-o", tmp_path / "areas.geojson")
    assert done.returncode == 2
    assert "taught on features of version 99" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"classes": 2}, "settings say classes 2, and classes names 3: make them the same"),
        ({"scales": 5}, "scales of settings has to be 1 to 4"),
        ({"texture": 7}, "texture of settings has to be 1 or 0"),
        (
            {"depth": 3},
            "settings of a pixel classifier are classes, scales, texture, and not depth",
        ),
        ({"scales": 3}, "mean holds 44 numbers where 33 are expected: settings in model.json are"),
        ({"texture": 0}, "mean holds 44 numbers where 12 are expected: settings in model.json are"),
    ],
)
def test_settings_that_are_not_those_of_the_weights_are_said(
    taught: Path, tmp_path: Path, settings: dict[str, int], told: str
) -> None:
    other = shutil.copytree(taught, tmp_path / "other")
    about = json.loads((other / "model.json").read_text())
    about["settings"] |= settings
    (other / "model.json").write_text(json.dumps(about))
    done = coverslip("models", "check", other)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="of Linux")
def test_a_place_that_cannot_be_written_is_said_before_anything_is_learned(
    slide: Path, tmp_path: Path
) -> None:
    arguments = (slide, "--marks", marks_file(tmp_path, STROKES), "-o", "/proc/stripes")
    for kind, more in (("pixels", ("--mpp", str(MPP_UM))), ("objects", ()), ("nuclei", ())):
        done = coverslip("train", kind, *arguments, *more)
        assert (done.returncode, "/proc/stripes cannot be written" in done.stderr) == (2, True)
        assert len(done.stderr.strip().splitlines()) == 1


def test_the_live_answer_is_that_of_the_bundle(taught: Path, slide: Path) -> None:
    """The same marks teach the same, and a block that is asked alone says what the run says."""
    teacher = PixelTeacher(SETTINGS)
    with closing(open_slide(slide)) as source:
        on = TaughtSlide.of(source, MPP_UM, SETTINGS)
        samples = pixel_samples(as_marks(STROKES), NAMES, on.grid, MPP_UM)
        try:
            weights = teacher.fit([on], [samples], NAMES)
            chances = teacher.chances(on, BlockKey(1, 0))
        finally:
            teacher.close()
    assert weights == (taught / "weights.safetensors").read_bytes()
    run = run_model(slide, load_bundle(taught), mpp_um=MPP_UM, device="cpu")
    assert isinstance(run.found, PatchFeatureMap)
    side = len(chances)
    kept = run.found.values[:side, side : 2 * side]
    inside = kept.shape[1] - 4
    assert np.abs(kept - chances)[:, :inside].max() < 0.02


def test_marks_of_two_classes_on_one_place_contradict_each_other(slide: Path) -> None:
    grid = lesson_grid(Size(WIDTH, HEIGHT), MPP_UM, SETTINGS)
    same: list[Stroke] = [
        ("Striped", [(100, 100), (200, 100)]),
        ("Plain", [(110, 100), (190, 100)]),
    ]
    with pytest.raises(ContradictionError, match="same place is marked Striped and Plain"):
        pixel_samples(as_marks(same), NAMES, grid, MPP_UM)
    crossing: list[Stroke] = [
        ("Striped", [(100, 100), (300, 100)]),
        ("Plain", [(200, 0), (200, 300)]),
    ]
    found = pixel_samples(as_marks(crossing), NAMES, grid, MPP_UM)
    assert "overlap" in found.notes[0]
    pixels = set(zip(found.columns.tolist(), found.rows.tolist(), strict=True))
    assert len(pixels) == len(found.columns)
    assert (100, 50) not in pixels


def test_marks_on_the_same_tissue_give_no_map_of_one_color(tmp_path: Path) -> None:
    Image.new("RGB", (600, 400), (180, 90, 150)).save(tmp_path / "even.png")
    strokes: list[Stroke] = [
        (name, [(50.0, y), (350.0, y)]) for name, y in (("Striped", 100), ("Plain", 300))
    ]
    done = coverslip(
        "train", "pixels", tmp_path / "even.png", "--marks", marks_file(tmp_path, strokes),
        "-o", tmp_path / "m", "--mpp", "1",
    )  # fmt: skip
    assert done.returncode == 2
    assert "look like those of" in done.stderr
    assert not (tmp_path / "m").exists()


def test_few_regions_are_not_enough_to_estimate(slide: Path, tmp_path: Path) -> None:
    strokes = [each for each in STROKES if each[1][0][1] < 1000]
    done = coverslip(
        "train", "pixels", slide, "--marks", marks_file(tmp_path, strokes), "-o", tmp_path / "m",
        "--mpp", "1", "--resolution", "4", "--features", "color", "--scales", "2", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["held_out_error"] is None
    assert "not enough to estimate" in record["about"]


@pytest.mark.parametrize(
    ("strokes", "options", "words"),
    [
        (STROKES[:3], (), 'All marks are of the class "Striped"'),
        ([*STROKES, ("Plain", [(5000.0, 50.0)])], (), "outside"),
        (STROKES, ("--resolution", "0"), "--resolution"),
        (STROKES, ("--resolution", "64", "--mpp", "0.25"), "choose a finer resolution"),
        ([], (), "holds no annotation"),
    ],
)
def test_marks_that_teach_nothing_are_refused_in_a_sentence(
    slide: Path, tmp_path: Path, strokes: list[Stroke], options: tuple[str, ...], words: str
) -> None:
    file = marks_file(tmp_path, strokes)
    done = coverslip(
        "train", "pixels", slide, "--marks", file, "-o", tmp_path / "m", "--mpp", "1", *options
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "m").exists()


def test_a_slide_without_pixel_size_is_refused(slide: Path, tmp_path: Path) -> None:
    done = coverslip(
        "train", "pixels", slide, "--marks", marks_file(tmp_path, STROKES), "-o", tmp_path / "m"
    )
    assert done.returncode == 2
    assert "no known pixel size" in done.stderr
