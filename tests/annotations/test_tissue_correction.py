"""What counts as tissue can be looked at, and corrected by what is drawn."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import shapely
from cli_steps import coverslip
from inference_steps import Roomless, make_bundle
from PIL import Image

from viewer.annotations import drawn_places
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.annotations.sets.annotation_set import AnnotationSet, SetKey
from viewer.annotations.sets.places import SetFiles
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.slide_file import open_annotations
from viewer.annotations.storage.store import Stamped
from viewer.annotations.tissue_correction import corrected_tissue, correction_of
from viewer.folders import data_folder
from viewer.slides import open_slide
from viewer.slides.tissue import TissueMask, tissue_mask

SECTION = (200, 200, 712, 712)
ADDED, REMOVED = (1100, 300, 1400, 600), (180, 180, 480, 732)


@pytest.fixture(scope="module")
def picture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    picture = 244 + rng.normal(0, 2, (900, 1600, 3))
    x0, y0, x1, y1 = SECTION
    picture[y0:y1, x0:x1] = np.array([190, 110, 170]) + rng.normal(0, 14, (512, 512, 3))
    path = tmp_path_factory.mktemp("picture") / "s.png"
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)
    return path


@pytest.fixture
def slide(picture_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(picture_file, tmp_path))


def drawn() -> list[Annotation]:
    return [
        Annotation(shapely.box(*ADDED), shown_as=AnnotationClass("Tissue")),
        Annotation(shapely.box(*REMOVED), shown_as=AnnotationClass("Ignore*")),
        Annotation(shapely.box(0, 0, 1600, 900), shown_as=AnnotationClass("Tumor")),
    ]


def keep(slide: Path) -> None:
    with closing(open_slide(slide)) as source:
        identity = source.info.identity
    opened = open_annotations(annotations_path(identity, slide))
    opened.store.write([Stamped.now(adding("Draw", drawn()))])
    opened.close()


def share(mask: TissueMask, x0: float, y0: float, x1: float, y1: float) -> float:
    width, height = mask.cell_px
    columns = slice(round(x0 / width) + 1, round(x1 / width) - 1)
    return float(mask.cells[round(y0 / height) + 1 : round(y1 / height) - 1, columns].mean())


def test_regions_say_what_is_tissue(slide: Path) -> None:
    with closing(open_slide(slide)) as source:
        plain = tissue_mask(source)
        keep(slide)
        mask = corrected_tissue(source)
    assert (share(plain, *ADDED), share(mask, *ADDED)) == (0, 1)
    assert share(plain, *SECTION) > 0.95
    assert share(mask, *REMOVED) == 0
    assert share(mask, 500, 200, 712, 712) == share(plain, 500, 200, 712, 712)


def test_another_correction_has_another_key() -> None:
    keys = {correction_of(drawn()[:n]).key for n in range(3)}
    assert len(keys) == 3
    assert correction_of(drawn()[2:]).key == ""


def test_the_order_in_which_it_was_drawn_makes_no_other_key() -> None:
    assert correction_of(drawn()).key == correction_of([*drawn()[::-1], *drawn()]).key


def test_strips_that_cross_millions_of_times_are_told_in_a_moment() -> None:
    side, count = 256.0, 3000
    step = side / count
    strips = [shapely.box(0, i * step, side, (i + 0.4) * step) for i in range(count)]
    strips += [shapely.box(i * step, 0, (i + 0.4) * step, side) for i in range(count)]
    strips += [shapely.box(0, 0, side / 2, side)] * count
    kind = AnnotationClass("Ignore*")
    correction = correction_of(Annotation(each, shown_as=kind) for each in strips)
    mask = TissueMask(np.ones((256, 256), np.bool_), (1.0, 1.0))
    began_s = time.process_time()
    cells = correction.applied(mask).cells
    assert correction.key
    assert time.process_time() - began_s < 5  # their union takes minutes
    assert not cells[:, :128].any()
    middle = (np.arange(256) + 0.5) / step % 1 < 0.4
    assert np.array_equal(cells[:, 128:], ~(middle[:, None] | middle[128:]))


def test_models_skip_what_is_corrected_and_do_not_mix_results(tmp_path: Path, slide: Path) -> None:
    classes = [{"name": name, "color": "#112233"} for name in ("A", "B")]
    model = make_bundle(
        tmp_path / "m", Roomless(64), task="classification", classes=classes, patch_px=64,
        margin_px=0, head="probabilities",
    )  # fmt: skip
    places: list[set[tuple[int, int]]] = []
    for _ in range(2):
        told = coverslip("run", model, slide, "--mpp", "0.5", "-o", "a.csv", folder=tmp_path)
        assert told.returncode == 0, told.stderr
        rows = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1, ndmin=2)
        places.append({(int(x), int(y)) for x, y in rows[:, :2]})
        keep(slide)
    assert (256, 256) in places[0]
    assert (256, 256) not in places[1]  # in what is to be ignored
    assert (576, 448) in places[0] & places[1]
    assert (1216, 448) not in places[0]
    assert (1216, 448) in places[1]  # glass that was said to be tissue


def test_regions_of_sets_correct_it_too(slide: Path, tmp_path: Path) -> None:
    with closing(open_slide(slide)) as source:
        identity = source.info.identity
        plain = corrected_tissue(source)
        imported = AnnotationSet(data_folder(), identity, SetKey("A", "x.geojson"), "imported")
        of_project = AnnotationSet(tmp_path / "study", identity, SetKey("A"))
        for which, part in ((imported, drawn()[:1]), (of_project, drawn()[1:])):
            with closing(SetStore(which)) as store:
                store.write([Stamped.now(adding("Draw", part))])
        assert share(plain, *ADDED) == 0
        assert share(corrected_tissue(source), *ADDED) == 1
        assert share(corrected_tissue(source), *SECTION) > 0.9
        drawn_places.drawn_in = lambda _: [SetFiles(of_project)]
        try:
            assert share(corrected_tissue(source), *SECTION) < 0.6
        finally:
            drawn_places.drawn_in = drawn_places.no_places
