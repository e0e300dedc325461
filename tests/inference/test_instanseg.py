"""InstanSeg networks find each object once, and none on glass, by the range of the whole slide."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from cli_steps import coverslip
from layout_steps import RDF, Discs, make_instanseg
from torch import nn

from viewer.geometry import Box
from viewer.inference.layouts.script_facts import script_facts
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_library import add_model, find_model
from viewer.inference.runs.running import run_model

SIDE = 1600
CENTERS = [
    (100, 100), (384, 200), (768, 300), (384, 384), (380, 768), (768, 768), (1152, 1150),
    (1148, 500), (1300, 1300),
]  # fmt: skip
"""Of discs; the corners and sides of blocks lie at multiples of 384."""
RADIUS = 13
PALE = (700, 1300)
"""The middle of a spot that is paler than all tissue and darker than glass."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark discs on glass and a pale spot alone in its block, at 0.5 um/px."""
    pixels = np.full((SIDE, SIDE, 3), 240, np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels[(x - PALE[0]) ** 2 + (y - PALE[1]) ** 2 < 60**2] = (225, 200, 215)
    for center in CENTERS:
        pixels[(x - center[0]) ** 2 + (y - center[1]) ** 2 <= RADIUS**2] = (90, 40, 120)
    path = tmp_path_factory.mktemp("discs") / "discs.ome.tif"
    about = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "axes": "YXS"}
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", metadata=about)
    return path


def test_each_object_is_found_once_and_none_on_glass(slide: Path, tmp_path: Path) -> None:
    folder = make_instanseg(tmp_path / "m")
    run = coverslip("run", str(folder), str(slide), "-o", "o.geojson", "--json", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["classes"] == {"Nucleus": len(CENTERS)}
    features = json.loads((tmp_path / "o.geojson").read_text())["features"]
    shapes = [shapely.geometry.shape(each["geometry"]) for each in features]
    for center in CENTERS:
        disc = shapely.Point(center[0] + 0.5, center[1] + 0.5).buffer(RADIUS + 0.5)
        best = max(shapes, key=lambda shape: shape.intersection(disc).area)
        assert best.intersection(disc).area / best.union(disc).area > 0.9


@pytest.mark.slow
def test_the_range_is_that_of_the_slide_whatever_part_is_asked_for(
    slide: Path, tmp_path: Path
) -> None:
    bundle = find_model(str(make_instanseg(tmp_path / "m")))
    x, y = PALE
    alone = run_model(slide, bundle, Box(x - 100, y - 100, x + 100, y + 100), device="cpu")
    assert len(alone.objects()) == 0  # by its own range the spot is the darkest there is


@pytest.mark.slow
def test_nuclei_and_cells_are_two_classes_each_object_once(slide: Path, tmp_path: Path) -> None:
    bundle = add_model(make_instanseg(tmp_path / "m", Discs(has_cells=True)))
    assert [name for name, _ in bundle.colors] == ["Nucleus", "Cell"]
    objects = run_model(slide, bundle, device="cpu").objects()
    assert np.bincount(objects.classes).tolist() == [len(CENTERS)] * 2
    areas = objects.measured("Area um2")
    assert areas[objects.classes == 1].min() > areas[objects.classes == 0].max()


def test_what_it_says_of_itself_is_kept(tmp_path: Path) -> None:
    folder = make_instanseg(tmp_path / "m")
    assert script_facts(folder / "instanseg.pt")["pixel_size"] == 0.5
    about = add_model(folder).description
    assert (about.name, about.version, about.license) == (
        "brightfield_discs",
        "0.1.1",
        "Apache-2.0",
    )
    assert (about.mpp_um, about.input.percentiles) == (0.5, (0.1, 99.9))


def test_the_network_alone_is_enough(tmp_path: Path) -> None:
    folder = make_instanseg(tmp_path / "nuclei", Discs(pixel_um=0.25), rdf=None)
    assert add_model(folder / "instanseg.pt").description.mpp_um == 0.25


class Unnumbered(nn.Module):
    def forward(self, x):
        return x[:, :1]


class Other(Discs):
    def forward(self, x):
        return x.mean(1)


@pytest.mark.parametrize(
    ("module", "rdf", "told"),
    [
        (Discs(pixel_um=0.25), RDF, "says two pixel sizes, 0.25 and 0.5 um"),
        (Discs(pixel_um=float("nan")), None, "does not say its pixel size"),
        (Unnumbered(), None, "does not say its pixel size"),
        (None, RDF.replace("[0, 0, 32", "[0, 1, 32"), "any number of channels"),
        (None, RDF.replace("[1, 3, 128", "[1, 2, 128"), "takes 2 channels"),
        (None, RDF.replace("name: scale_range", "name: zero_mean"), "asks for zero_mean"),
        (None, RDF.replace("axes: xy,", "axes: cxy,"), "of all channels together"),
        (None, "a: [", "no valid YAML"),
        (Unnumbered(), RDF, "no labels of objects"),
        (Other(), RDF, "was expected"),
    ],
)  # fmt: skip
def test_what_is_missing_or_contradicts_the_network_is_told(
    tmp_path: Path, module: nn.Module | None, rdf: str | None, told: str
) -> None:
    with pytest.raises(BundleError, match=told) as refused:
        add_model(make_instanseg(tmp_path / "m", module, rdf))
    assert "\n" not in str(refused.value)
