"""Cells by settings: stains, detection, measurements and classes on fields that are drawn here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from viewer.geometry import Box
from viewer.inference.cells.detection import StainImages, detected
from viewer.inference.cells.finding import measured_cells
from viewer.inference.cells.kept_settings import keep_settings, kept_settings
from viewer.inference.cells.measuring import NUCLEUS_AREA, Runs, stain_measurements
from viewer.inference.cells.models import with_settings
from viewer.inference.cells.preview import FieldPreview
from viewer.inference.cells.settings import CellSettings, CellSettingsError, changed
from viewer.inference.cells.stain_vectors import (
    StainError,
    StainVectors,
    estimated_white,
    likely_stains,
    macenko,
    optical_density,
    single_stain,
    stain_doubt,
)
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_library import find_model
from viewer.inference.process.field_chances import nucleus_chances
from viewer.inference.runs.cell_previewer import CellPreviewer, PreviewError
from viewer.inference.runs.running import RunError, run_model
from viewer.overlays.objects import Objects
from viewer.slides import open_slide
from viewer.slides.region import read_region
from viewer.slides.source import RgbImage

_RADIUS_UM = 4.0
_OD_SUM = CellSettings(detection_image="Optical density sum")


def stained(
    hematoxylin: NDArray[np.floating],
    dab: NDArray[np.floating],
    stains: StainVectors | None = None,
    white: float = 245.0,
) -> NDArray[np.uint8]:
    """Return the pixels of amounts of both stains on glass of a brightness."""
    stains = stains or StainVectors()
    one, other = (np.array(each) / np.linalg.norm(each)
                  for each in (stains.hematoxylin, stains.second))  # fmt: skip
    density = hematoxylin[..., np.newaxis] * one + dab[..., np.newaxis] * other
    return np.rint(white * 10.0**-density).clip(0, 255).astype(np.uint8)


def drawn_field(
    side_px: int, pixel_um: float, every_um: float = 20.0
) -> tuple[NDArray[np.uint8], NDArray[np.float64], list[str]]:
    """Return a field of round nuclei on a lattice, their middles in pixels, and their grades."""
    grades = {"Negative": 0.0, "1+": 0.3, "2+": 0.5, "3+": 0.9}
    at = np.arange(side_px) + 0.5
    h, d = np.full((2, side_px, side_px), 0.02)
    count = int(side_px * pixel_um / every_um)
    middles, names = [], []
    for number in range(count * count):
        row, column = divmod(number, count)
        y, x = ((each + 0.5) * every_um / pixel_um for each in (row, column))
        inside = (at[:, None] - y) ** 2 + (at - x) ** 2 <= (_RADIUS_UM / pixel_um) ** 2
        name = list(grades)[number % 4]
        h[inside], d[inside] = 0.4, grades[name]
        middles.append((x, y))
        names.append(name)
    return stained(h, d), np.array(middles), names


def test_stains_are_separated_and_hematoxylin_comes_first() -> None:
    h, d = np.meshgrid(np.linspace(0, 0.8, 9), np.linspace(0, 0.6, 9))
    pixels = stained(h, d, white=240)
    stains = StainVectors(white=(240, 240, 240))
    found = optical_density(pixels, stains.white) @ stains.weights()
    np.testing.assert_allclose(found[..., 0], h, atol=0.02)
    np.testing.assert_allclose(found[..., 1], d, atol=0.02)
    assert stains.text.startswith("H-DAB: Hematoxylin 0.651 0.701 0.290; DAB 0.269 0.568 0.778")
    with pytest.raises(StainError, match="same"):
        StainVectors(second=StainVectors().hematoxylin)


@pytest.mark.parametrize("kind", ["H-DAB", "H&E"])
def test_macenko_finds_the_stains_of_a_region(kind: str) -> None:
    truth = StainVectors.default("H-DAB" if kind == "H-DAB" else "H&E")
    rng = np.random.default_rng(0)
    h, d = rng.exponential(0.35, (2, 120, 120)) * (rng.random((2, 120, 120)) < 0.6)
    found = macenko(stained(h, d, truth, 250), truth.kind, (250, 250, 250))
    for ours, right in ((found.hematoxylin, truth.hematoxylin), (found.second, truth.second)):
        cosine = np.dot(ours, right) / np.linalg.norm(ours) / np.linalg.norm(right)
        assert np.degrees(np.arccos(min(cosine, 1))) < 6
    assert "Macenko" in found.text
    with pytest.raises(StainError, match="one stain only"):
        macenko(stained(h, 0 * d, truth, 250), truth.kind, (250, 250, 250))
    with pytest.raises(StainError, match="too little"):
        macenko(np.full((50, 50, 3), 250, np.uint8), truth.kind)


@pytest.mark.parametrize("kind", ["H-DAB", "H&E"])
def test_vectors_of_another_stain_are_doubted(kind: str) -> None:
    truth = StainVectors.default("H-DAB" if kind == "H-DAB" else "H&E")
    other = StainVectors.default("H&E" if kind == "H-DAB" else "H-DAB")
    rng = np.random.default_rng(0)
    h, d = rng.exponential(0.35, (2, 120, 120)) * (rng.random((2, 120, 120)) < 0.6)
    likely = likely_stains(stained(h, d, truth, 250), (250, 250, 250))
    assert likely == kind
    assert not stain_doubt(truth, likely)
    assert f"Choose {kind} under Stains" in stain_doubt(other, likely)
    for blank in (stained(h, 0 * d, truth, 250), np.full((50, 50, 3), 250, np.uint8)):
        assert likely_stains(blank, (250, 250, 250)) is None  # one stain tells nothing


def test_a_run_says_that_the_slide_is_stained_otherwise(sample_slide: Path) -> None:
    cells = find_model("cells")
    region = Box(800, 1200, 1000, 1400)
    assert any(
        "nearer eosin than DAB" in each and each.endswith("under Stains, or --stains h-e.")
        for each in run_model(sample_slide, cells, region).all_troubles()
    )
    as_it_is = with_settings(
        cells, CellSettings(stains=StainVectors.default("H&E"), is_scored=False)
    )
    assert not run_model(sample_slide, as_it_is, region).all_troubles()


def test_one_stain_is_taken_from_a_region_of_its_own() -> None:
    amounts = np.linspace(0.1, 0.9, 400).reshape(20, 20)
    pixels = stained(0 * amounts, amounts, white=240)
    found = single_stain(pixels, (240, 240, 240))
    right = np.array(StainVectors().second) / np.linalg.norm(StainVectors().second)
    np.testing.assert_allclose(found, right, atol=0.01)
    with pytest.raises(StainError, match="too little"):
        single_stain(np.full((9, 9, 3), 240, np.uint8), (240, 240, 240))


def test_white_is_that_of_the_glass() -> None:
    picture = np.full((100, 100, 3), (231, 229, 238), np.uint8)
    picture[:60] = 90
    assert estimated_white(picture) == (231, 229, 238)
    assert estimated_white(picture[:50]) == (255, 255, 255)


def found_cells(rgb: RgbImage, box: Box, settings: CellSettings) -> Objects:
    """Find and measure as a run does."""
    images = StainImages(rgb, settings)
    return measured_cells(detected(images, settings), images, box, box, settings)


@pytest.mark.parametrize("pixel_um", [0.5, 0.35])
def test_cells_are_found_measured_and_graded(pixel_um: float) -> None:
    side_px = round(200 / pixel_um)
    pixels, middles, names = drawn_field(side_px, pixel_um)
    settings = changed(_OD_SUM, {"requested_pixel_size_um": pixel_um, "sigma_um": 0.8})
    box = Box(1000, 2000, 1000 + side_px, 2000 + side_px)
    found = found_cells(pixels, box, settings)
    assert len(found) == len(middles)
    offsets = found.centroids[:, np.newaxis] - middles - np.array([1000, 2000])
    nearest = np.hypot(*np.moveaxis(offsets, 2, 0)).argmin(1)
    assert sorted(nearest.tolist()) == list(range(len(middles)))
    classes = [settings.class_names[each] for each in found.classes]
    assert classes == [names[each] for each in nearest]
    areas = found.measurements[NUCLEUS_AREA]
    np.testing.assert_allclose(areas, np.pi * _RADIUS_UM**2, rtol=0.2)
    np.testing.assert_allclose(found.measurements["Nucleus: Circularity"], 1, atol=0.1)
    cells = found.measurements["Cell: Area µm^2"]
    np.testing.assert_allclose(cells, np.pi * (_RADIUS_UM + 5) ** 2, rtol=0.2)
    strong = np.array([names[each] == "3+" for each in nearest])
    mean = found.measurements["Nucleus: DAB OD mean"]
    np.testing.assert_allclose(mean[strong], 0.9, atol=0.06)
    assert (found.measurements["Cytoplasm: DAB OD mean"] < mean)[strong].all()


def test_a_preview_is_what_a_run_finds_after_each_change() -> None:
    pixels, _, _ = drawn_field(200, 0.5)
    box = Box(0, 0, 200, 200)
    preview = FieldPreview()
    assert len(preview.cells(box, _OD_SUM)) == 0
    preview.set_field(pixels)
    steps: list[dict[str, object]] = [
        {},
        {"threshold": 0.3},
        {"threshold_1": 0.35},
        {"single_threshold": True},
        {"sigma_um": 1.0},
        {"background_radius_um": 0},
        {"compartment": "Cytoplasm"},
        {"stains": {"kind": "H-DAB", "white": [245, 245, 245]}},
    ]
    for changes in steps:
        settings = changed(_OD_SUM, changes)
        shown, found = preview.cells(box, settings), found_cells(pixels, box, settings)
        np.testing.assert_array_equal(shown.points, found.points)
        np.testing.assert_array_equal(shown.classes, found.classes)


def test_what_touches_is_parted_by_shape() -> None:
    at = np.arange(100) + 0.5
    two = ((at[:, None] - 50) ** 2 + (at - 40) ** 2 <= 100) | (
        (at[:, None] - 50) ** 2 + (at - 58) ** 2 <= 100
    )
    pixels = stained(np.where(two, 0.5, 0.0), np.zeros((100, 100)))
    box = Box(0, 0, 100, 100)
    settings = changed(CellSettings(), {"sigma_um": "0.6", "background_radius_um": 0})
    assert len(found_cells(pixels, box, settings)) == 2
    whole = changed(settings, {"split_by_shape": False})
    assert len(found_cells(pixels, box, whole)) == 1
    assert len(found_cells(pixels, box, changed(whole, {"max_area_um2": 100}))) == 0
    assert len(found_cells(np.full_like(pixels, 245), box, settings)) == 0


def test_measurements_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 40, (60, 70)).astype(np.int32)
    image = rng.random((60, 70)).astype(np.float32)
    found = stain_measurements("Nucleus", Runs.of(labels, 39), ["DAB"], [image])
    for number in range(1, 40):
        values = image[labels == number]
        row = [found[f"Nucleus: DAB OD {what}"][number - 1]
               for what in ("mean", "std dev", "max", "min")]  # fmt: skip
        want = [values.mean(), values.std(), values.max(), values.min()]
        np.testing.assert_allclose(row, want, rtol=1e-4)


def test_settings_are_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path))
    for change, words in {
        ("threshold_2", 0.1): "have to rise",
        ("max_area_um2", 5): "leaves no cell",
        ("sigma_um", -1): "sigma_um",
        ("sigma", 1): 'no setting "sigma"',
    }.items():
        with pytest.raises(CellSettingsError, match=words):
            changed(CellSettings(), dict([change]))
    own = changed(_OD_SUM, {"threshold": "0.15"})
    keep_settings("slide-a", own)
    assert kept_settings("slide-a") == own
    assert kept_settings("slide-b") is None
    (file,) = (tmp_path / "data" / "cells").glob("*.json")
    file.write_text('{"threshold": -4}')
    assert kept_settings("slide-a") is None
    assert [each.suffix for each in file.parent.iterdir()] == [".bad"]


def test_results_of_other_settings_are_of_another_model() -> None:
    cells, nuclei = find_model("cells"), find_model("nuclei")
    assert cells.key != with_settings(cells, _OD_SUM).key
    assert cells.key == with_settings(cells, CellSettings()).key
    tuned = with_settings(nuclei, changed(_OD_SUM, {"threshold": 0.5}))
    assert tuned.description.mpp_um == nuclei.description.mpp_um
    assert [name for name, _ in tuned.colors] == ["Negative", "1+", "2+", "3+"]
    with pytest.raises(CellSettingsError, match="of Nuclei is a probability: choose less than 1"):
        with_settings(nuclei, changed(_OD_SUM, {"threshold": 2}))
    single = with_settings(cells, changed(_OD_SUM, {"single_threshold": True}))
    assert [name for name, _ in single.colors] == ["Negative", "Positive"]
    with pytest.raises(BundleError, match="takes no settings"):
        with_settings(find_model("tissue-quality"), CellSettings())


@pytest.fixture(scope="module")
def drawn_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide of 560 µm: more than one block of the detector."""
    pixels, _, _ = drawn_field(1120, 0.5)
    path = tmp_path_factory.mktemp("drawn") / "drawn.ome.tif"
    scale = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, pixels, tile=(256, 256), metadata={"axes": "YXS", **scale}, ome=True)
    return path


@pytest.mark.usefixtures("home")
def test_a_run_counts_each_cell_once_across_blocks(drawn_slide: Path) -> None:
    bundle = with_settings(find_model("cells"), changed(_OD_SUM, {"sigma_um": 0.8}))
    run = run_model(drawn_slide, bundle, device="cpu")
    found = run.objects()
    assert len(found) == 28 * 28
    assert np.bincount(found.classes, minlength=4).tolist() == [28 * 28 // 4] * 4
    part = run_model(drawn_slide, bundle, Box(0, 0, 400, 200), device="cpu").objects()
    assert len(part) == 10 * 5


@pytest.mark.usefixtures("home")
def test_the_network_takes_the_same_settings(sample_slide: Path) -> None:
    field = Box(1100, 1100, 1400, 1300)
    settings = changed(CellSettings(), {"threshold": 0.5, "is_scored": False})
    bundle = with_settings(find_model("nuclei"), settings)
    found = run_model(sample_slide, bundle, field, device="cpu").objects()
    assert len(found) > 10
    assert "Cell: Hematoxylin OD mean" in found.measurements
    less = with_settings(find_model("nuclei"), changed(settings, {"min_area_um2": 60}))
    large = run_model(sample_slide, less, field, device="cpu").objects()
    assert len(large) == (found.measurements[NUCLEUS_AREA] >= 60).sum()


@pytest.mark.usefixtures("home")
def test_a_slide_without_pixel_size_and_a_region_without_cells_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bare.tif"
    tifffile.imwrite(path, np.full((300, 300, 3), 240, np.uint8), tile=(128, 128))
    with pytest.raises(
        RunError, match=r"no known pixel size: open it and choose Edit > Set pixel size"
    ):
        run_model(path, find_model("cells"), device="cpu")
    none = run_model(path, find_model("cells"), mpp_um=0.5, device="cpu")
    assert len(none.objects()) == 0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def test_model_json_with_impossible_cells_is_refused(tmp_path: Path) -> None:
    from viewer.inference.models.bundle import load_bundle

    source = find_model("cells").folder
    card = msgspec.json.decode((source / "model.json").read_bytes())
    card["cells"]["threshold_3"] = 0.1
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="have to rise"):
        load_bundle(tmp_path)


@pytest.mark.usefixtures("home")
def test_a_slide_in_fluorescence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dapi.ome.tif"
    pixels = np.random.default_rng(0).integers(0, 4000, (1, 64, 64), np.uint16)
    channel = {"Channel": {"Name": ["DAPI"]}, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, pixels, metadata={"axes": "CYX", **channel}, ome=True)
    with pytest.raises(RunError, match="scanned in fluorescence, and Cells finds cells"):
        run_model(path, find_model("cells"), device="cpu")


class _Brightness:
    """Answers as a network does, by the pixels alone, for less than it is fed."""

    LOST = 8

    def answers(self, pictures: list[np.ndarray]) -> np.ndarray:
        (picture,) = pictures
        inner = picture[self.LOST : -self.LOST, self.LOST : -self.LOST, 0].astype(np.float32)
        return np.stack([inner / 32 - 4, inner * 0])[np.newaxis]


def test_a_field_is_seen_by_a_network_patch_by_patch_without_seams() -> None:
    about = msgspec.structs.replace(
        find_model("nuclei").description, patch_px=128, margin_px=24, answer_px=112
    )
    rgb = np.random.default_rng(2).integers(0, 255, (150, 333, 3), np.uint8)
    alive: list[int] = []
    chances = nucleus_chances(_Brightness(), about, rgb, lambda: alive.append(1))  # type: ignore[arg-type]
    expected = 1 / (1 + np.exp(-(rgb[..., 0].astype(np.float32) / 32 - 4)))
    assert np.allclose(chances, expected, atol=1e-6)
    assert len(alive) == 2 * 5


def test_a_preview_of_a_network_follows_the_settings_of_its_map() -> None:
    chances = np.zeros((120, 200), np.float32)
    for number, chance in enumerate((0.35, 0.55, 0.95)):
        chances[40:60, 20 + 60 * number : 40 + 60 * number] = chance
    preview, box = FieldPreview(), Box(0, 0, 200, 120)
    settings = CellSettings(threshold=0.5, sigma_um=0.5)
    preview.set_field(np.full((120, 200, 3), 200, np.uint8), chances)
    assert len(preview.cells(box, settings)) == 2
    assert len(preview.cells(box, msgspec.structs.replace(settings, threshold=0.2))) == 3
    assert len(preview.cells(box, msgspec.structs.replace(settings, threshold=0.8))) == 1
    assert len(preview.cells(box, msgspec.structs.replace(settings, max_area_um2=20.0))) == 0


@pytest.mark.slow
def test_a_network_is_previewed_in_a_process_of_its_own(sample_slide: Path) -> None:
    network, box = find_model("nuclei"), Box(700, 1100, 1000, 1400)
    source = open_slide(sample_slide)
    rgb = read_region(source, box, 300, 300)
    source.close()
    previewer = CellPreviewer()
    try:
        previewer.use(network)
        settings = CellSettings(threshold=0.5, requested_pixel_size_um=network.description.mpp_um)
        found = previewer.cells(rgb, box, settings)
        assert len(found) > 5
        assert previewer.knows(box, settings)
        more = msgspec.structs.replace(settings, threshold=0.95)
        assert len(previewer.cells(None, box, more)) < len(found)
        previewer.use(None)
        assert not previewer.knows(box, settings)
    finally:
        previewer.close()


def test_a_preview_whose_network_cannot_be_loaded_says_so_each_time(tmp_path: Path) -> None:
    """Not once, and then shows what is found without it."""
    folder = Path(shutil.copytree(find_model("nuclei").folder, tmp_path / "nuclei"))
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    pixels, _, _ = drawn_field(200, 0.5)
    previewer = CellPreviewer()
    try:
        previewer.use(load_bundle(folder))
        for _ in range(2):
            with pytest.raises(PreviewError, match="weights"):
                previewer.cells(pixels, Box(0, 0, 200, 200), _OD_SUM)
    finally:
        previewer.close()
