"""Fields that are unlike what a model was trained on are told, and fluorescence is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from inference_steps import Brightness, dark_is_unlike, make_bundle
from PIL import Image

from viewer.inference.field_features import FEATURES, field_features
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.models.training_data import FeatureStatistics
from viewer.inference.runs.running import RunError, run_model
from viewer.overlays.objects import UNLIKE, Objects
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import CELLS, PatchFeatures
from viewer.slides import open_slide
from viewer.slides.fluorescence import is_fluorescence
from viewer.slides.source import SlideInfo

SLIDE = Path(__file__).parents[2] / "resources" / "slides" / "CMU-1-Small-Region.svs"
SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def crop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A field of the bundled slide as a picture."""
    path = tmp_path_factory.mktemp("crop") / "crop.png"
    source = open_slide(SLIDE)
    tiles = [[source.read_tile(0, column, row) for column in (4, 5)] for row in (8, 9)]
    source.close()
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in tiles])).save(path)
    return path


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, pale at the left and dark at the right."""
    path = tmp_path_factory.mktemp("halves") / "halves.png"
    picture = np.full((256, 512, 3), (225, 150, 190), np.int16)
    picture[:, 256:] = (90, 40, 110)
    picture += np.random.default_rng(0).integers(-12, 13, picture.shape, np.int16)
    Image.fromarray(picture.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("size_px", [(1, 1), (300, 1), (2, 2)])
def test_the_smallest_pictures_get_an_answer(tmp_path: Path, size_px: tuple[int, int]) -> None:
    """Of a line of single pixels nothing is said; the model fails on it no more than on others."""
    path = tmp_path / "small.png"
    Image.new("RGB", size_px, (120, 60, 140)).save(path)
    run = run_model(path, load_bundle(BUNDLED / "nuclei"), mpp_um=0.5)
    assert (run.unanswered.count, run.unlike.count) == (0, min(size_px) > 1)


@pytest.mark.parametrize("mpp_um", [pytest.param(2.0, marks=pytest.mark.slow), 0.125])
def test_nuclei_at_a_fourfold_wrong_scale_are_told(crop: Path, mpp_um: float) -> None:
    bundle = load_bundle(BUNDLED / "nuclei")
    right, wrong = (run_model(crop, bundle, mpp_um=each) for each in (0.5, mpp_um))
    assert right.unlike.count == 0
    assert not any("unlike" in each for each in right.all_troubles())
    assert wrong.unlike.mask.mean() >= 0.8
    assert any("unlike the training data" in each for each in wrong.all_troubles())


def test_unlike_is_the_last_column(tmp_path: Path, crop: Path) -> None:
    told = coverslip(
        "run", "nuclei", crop, "--mpp", "0.5", "-o", "n.csv", "--json", folder=tmp_path
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["unlike_training"] == 0
    with (tmp_path / "n.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 20
    first = ["Number", "Class", "X px", "Y px", "X um", "Y um", "Area um2", "Eccentricity"]
    assert list(rows[0]) == [*first, "Haematoxylin OD mean", "Confidence", UNLIKE]
    assert {row[UNLIKE] for row in rows} == {"0"}
    assert all(0.4 <= float(row["Confidence"]) <= 1 for row in rows)


def test_patches_are_told_one_by_one(tmp_path: Path, halves: Path) -> None:
    classes = [{"name": name, "color": "#112233"} for name in ("A", "B")]
    model = make_bundle(
        tmp_path / "m", Brightness(), task="classification", classes=classes, patch_px=64,
        margin_px=0, head="probabilities", training=dark_is_unlike(),
    )  # fmt: skip
    told = coverslip("run", model, halves, "--mpp", "0.5", "-o", "c.csv", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "16 tiles are unlike the training data" in told.stderr
    assert "liver; H&E; 0.5 um/px" in told.stderr
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-1] == UNLIKE
    assert {row["X px"] for row in rows if row[UNLIKE] == "1"} == {"256", "320", "384", "448"}
    assert sum(row[UNLIKE] == "1" for row in rows) == 16
    assert sum(row[UNLIKE] == "0" for row in rows) == 16


def test_a_slide_scanned_in_fluorescence_is_refused(tmp_path: Path) -> None:
    glow = np.random.default_rng(0).integers(0, 60, (256, 256, 3), np.uint8)
    tifffile.imwrite(
        tmp_path / "glow.ome.tif", glow, photometric="rgb",
        metadata={"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5,
                  "Channel": {"Name": ["DAPI"], "EmissionWavelength": [455]}},
    )  # fmt: skip
    told = coverslip("run", "nuclei", "glow.ome.tif", folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.strip().count("\n") == 0
    assert "fluorescence" in told.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("leica.illumination-source", "fluorescence"),
        ("hamamatsu.;NDP Shading Data\r;Name=x\r;EmissionWaveLength=455\r", ""),
        ("mirax.GENERAL.SLIDE_TYPE", "SLIDE_TYPE_FLUORESCENCE"),
        ("tiff.ImageDescription", '<Channel ID="Channel:0" Name="DAPI" SamplesPerPixel="1">'),
        ("tiff.ImageDescription", '<Channel ID="Channel:0" ContrastMethod="Fluorescence">'),
    ],
)
def test_metadata_names_fluorescence(name: str, value: str) -> None:
    info = open_info()
    assert not is_fluorescence(info)
    assert is_fluorescence(replace(info, properties={**info.properties, name: value}))


def test_what_only_looks_like_fluorescence_in_metadata_is_not() -> None:
    others = {
        "hamamatsu.AHEX[0].fluorescence": "000F0107",
        "hamamatsu.x;EmissionWaveLength=0": "",
        "leica.illumination-source": "brightfield",
        "aperio.Title": "kidney, immunofluorescence negative",
        "aperio.Filter": "None",
    }
    assert not is_fluorescence(replace(open_info(), properties=others))


def open_info() -> SlideInfo:
    source = open_slide(SLIDE)
    source.close()
    return source.info


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared slides are not here")
@pytest.mark.parametrize("name", ["test3-DAPI-2-387.ndpi", "test3-TRITC-2-560.ndpi"])
def test_a_fluorescence_scan_of_hamamatsu_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="fluorescence"):
        run_model(SHARED / "slides" / name, load_bundle(BUNDLED / "nuclei"))


@pytest.mark.parametrize("model", ["colorectal-tissue", "osteosarcoma"])
def test_demonstrations_say_that_skin_is_unlike_their_tissue(crop: Path, model: str) -> None:
    run = run_model(crop, load_bundle(BUNDLED / model), mpp_um=0.5)
    assert isinstance(run.found, PatchFeatureMap)
    assert run.unlike.count >= 0.8 * run.found.cells_in(run.area).sum() > 0
    assert any("do not rely" in each for each in run.all_troubles())


def test_results_keep_what_is_unlike() -> None:
    unlike = np.zeros((CELLS, CELLS), bool)
    unlike[1, 2] = True
    values = np.random.default_rng(0).random((CELLS, CELLS, 3)).astype(np.float16)
    again = PatchFeatures.from_bytes(PatchFeatures(values, unlike=unlike).to_bytes())
    assert np.array_equal(again.unlike, unlike)
    assert np.array_equal(again.values, values)
    assert not PatchFeatures.from_bytes(PatchFeatures(values).to_bytes()).unlike.any()
    assert Objects.from_bytes(
        msgspec.structs.replace(Objects.none(), is_unlike=True).to_bytes()
    ).is_unlike


def test_glass_has_no_features() -> None:
    assert field_features(np.full((64, 64, 3), 250, np.uint8)) is None


def test_statistics_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for number, changes in enumerate(
        ({"mean": [0.0]}, {"spread": [0.0] * FEATURES}, {"weights": []})
    ):
        folder = make_bundle(tmp_path / str(number), training=dark_is_unlike(**changes))
        with pytest.raises(BundleError, match=r"model\.json is invalid"):
            load_bundle(folder)


def test_far_features_count_as_so_far_and_no_farther() -> None:
    statistics = FeatureStatistics(
        "embedding", (0.0,), (1.0,), ("like", "other"), ((0.0, 0.0), (1.0, -3.0)), 0.5
    )
    assert statistics.is_unlike(np.array([[0.0], [5.0], [1e9], [np.nan]])).tolist() == [
        False, True, True, False,
    ]  # fmt: skip


def test_a_slide_of_channels_is_no_slide_in_color(tmp_path: Path) -> None:
    values = np.zeros((3, 256, 256), np.uint16)
    values[:, 50:100] = 900
    about = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    names = {"Channel": {"Name": ["CD3", "CD8", "PanCK"]}}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values, photometric="minisblack", metadata={**about, **names})
    told = coverslip("run", "nuclei", path, folder=tmp_path)
    assert told.returncode == 2
    assert "takes RGB colors, and this slide has 3 channels (CD3, CD8, PanCK)" in told.stderr
