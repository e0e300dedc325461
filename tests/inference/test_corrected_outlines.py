"""Corrected outlines: what they say, what is held back, and a network that learns from them."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import shapely
from cli_steps import coverslip
from shy_nuclei import SIDE, found_nuclei, shy_network

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import find_model
from viewer.inference.process.tuning_messages import Agreement, TunedNetwork
from viewer.inference.runs.running import run_model
from viewer.inference.teaching.correction_fields import (
    UNKNOWN,
    HeldBack,
    held_back,
    planned_fields,
)
from viewer.inference.teaching.corrections import (
    CorrectedSlide,
    Corrections,
    corrections_of,
    read_corrections,
)
from viewer.inference.teaching.errors import (
    CanceledError,
    ContradictionError,
    NoGainError,
    NoMarksError,
    OffSlideError,
    OtherSlideError,
    TeachingError,
)
from viewer.inference.teaching.nuclei_tuning import (
    NucleiTeacher,
    TuningProgress,
    check_gain,
    tune_nuclei,
)
from viewer.inference.teaching.taught_card import CorrectionFigures, TaughtCard
from viewer.slides import open_slide

PLACE = SlidePlace(name="a.svs", size_px=(1000, 1000), mpp_um=(0.5, 0.5))


def disc(x: float, y: float, radius: float = 8, name: str = "Nucleus") -> Annotation:
    shape = shapely.Point(x, y).buffer(radius)
    return Annotation(shape, shown_as=AnnotationClass(name, "#ff0000") if name else None)


def area(x0: float, y0: float, x1: float, y1: float) -> Annotation:
    return Annotation(
        shapely.box(x0, y0, x1, y1), shown_as=AnnotationClass("Corrected*", "#00ff00")
    )


# What annotations say --------------------------------------------------------------------------


def test_outlines_areas_and_what_teaches_nothing() -> None:
    drawn = [
        disc(100, 100), disc(140, 100, name=""), disc(600, 600), area(0, 0, 300, 300),
        Annotation(shapely.LineString([(0, 0), (50, 50)])), disc(500, 500, 300),
    ]  # fmt: skip
    found = corrections_of(drawn, PLACE, 0.5)
    assert [tuple(map(round, each.centroid.coords[0])) for each in found.outlines] == [
        (100, 100),
        (140, 100),
    ]
    assert [each.area for each in found.areas] == [300 * 300]
    assert found.notes == (
        "a.svs: 2 annotations are no outline of a nucleus and teach nothing.",
        "a.svs: 1 outline lies outside the corrected area and teaches nothing.",
    )
    (note,) = corrections_of(drawn[:2], PLACE, 0.5).notes
    assert "deleted ones teach nothing" in note


def test_two_outlines_of_a_nucleus_and_outlines_beside_the_slide_are_refused() -> None:
    with pytest.raises(ContradictionError, match="nucleus at 100, 100 px has two"):
        corrections_of([disc(100, 100), disc(101, 100)], PLACE, 0.5)
    touching = corrections_of([disc(100, 100), disc(112, 100)], PLACE, 0.5)
    assert len(touching.outlines) == 2
    with pytest.raises(OffSlideError, match=r"1 of 2 outlines lies outside a\.svs"):
        corrections_of([disc(100, 100), disc(1100, 100)], PLACE, 0.5)
    with pytest.raises(OffSlideError, match="corrected area lies outside"):
        corrections_of([disc(100, 100), area(1200, 0, 1300, 100)], PLACE, 0.5)


def test_a_third_is_held_back_and_never_teaches(slide: Slide) -> None:
    with closing(open_slide(slide.path)) as source:
        ((_, found),) = read_corrections([slide.path], [slide.marks])
        one = CorrectedSlide(source, SlidePlace.of(source), 0.5, found)
        held = held_back([one])
        assert held.by == "block"
        assert held.learned + held.held == slide.count
        assert 0.2 < held.held / slide.count < 0.45
        (plan,), notes = planned_fields([one], held, find_model("nuclei").description)
        assert not notes
        assert plan.is_whole
        assert ((plan.labels == UNKNOWN).mean(), (plan.labels > 0).any()) > (0.3, False)
        for number in range(1, slide.count + 1):
            own = plan.is_held[plan.labels == number]
            assert own.all() or not own.any()
        few = CorrectedSlide(source, one.place, 0.5, Corrections(found.outlines[:7]))
        with pytest.raises(TeachingError, match="7 corrected outlines are too few"):
            held_back([few])
        near = tuple(shapely.Point(5 + i, 5).buffer(1) for i in range(30))
        with pytest.raises(TeachingError, match="side by side"):
            held_back([CorrectedSlide(source, one.place, 0.5, Corrections(near))])
        assert held_back([one] * 3).by == "slide"


# What is learned -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slide:
    """A slide of 180 µm, its nuclei as the bundled network outlines them, and a shy network."""

    path: Path
    marks: Path
    count: int
    shy: Path


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Slide:
    folder = tmp_path_factory.mktemp("corrected")
    path, shapes = found_nuclei(folder)
    features = [
        {"type": "Feature", "geometry": json.loads(shapely.to_geojson(shape)),
         "properties": {"objectType": "annotation", "classification": {"name": name}}}
        for shape, name in [*((each, "Nucleus") for each in shapes),
                            (shapely.box(0, 0, SIDE, SIDE), "Corrected*")]
    ]  # fmt: skip
    marks = folder / "part.geojson"
    marks.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return Slide(path, marks, len(shapes), shy_network(folder / "shy"))


def test_corrected_outlines_make_a_better_network(slide: Slide, tmp_path: Path) -> None:
    out = tmp_path / "Learned"
    done = coverslip(
        "train", "nuclei", slide.path, "--marks", slide.marks, "-o", out,
        "--model", slide.shy, "--steps", "8", "--by", "ada", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["outlines"] == slide.count
    assert record["quality_after"] > record["quality_before"] + 0.02
    assert record["f1_after"] >= record["f1_before"]
    made = load_bundle(out)
    card = made.description.teaching
    assert card is not None
    assert (card.by, card.base, card.slides != ()) == ("ada", "Shy", True)
    assert card.corrections is not None
    assert msgspec.to_builtins(card.corrections)["held_back"] == record["held_back"]
    assert made.description.sha256 != load_bundle(slide.shy).description.sha256
    assert "with corrected outlines on 1 slide" in made.description.about
    # An ordinary model: what the shy one found and this one finds are counted alike.
    found = run_model(slide.path, made).objects()
    assert abs(len(found) - slide.count) < 0.25 * slide.count


def figures(quality: tuple[float, float], f1: tuple[float, float]) -> CorrectionFigures:
    return CorrectionFigures(90, 30, "block", *f1, *quality)


@pytest.mark.parametrize(
    ("quality", "f1", "is_gain"),
    [
        ((0.578, 0.609), (0.910, 0.829), False),  # closer outlines of fewer nuclei
        ((0.578, 0.609), (0.910, 0.9099), False),
        ((0.578, 0.609), (0.910, 0.910), True),
        ((0.578, 0.609), (0.910, 0.930), True),
        ((0.578, 0.583), (0.910, 0.930), True),
        ((0.578, 0.5829), (0.910, 0.930), False),
        ((0.609, 0.578), (0.829, 0.910), False),
        ((float("nan"), 0.6), (0.8, 0.9), False),
    ],
)
def test_a_network_is_kept_if_quality_rises_and_f1_does_not_fall(
    quality: tuple[float, float],
    f1: tuple[float, float],
    is_gain: bool,
) -> None:
    found = figures(quality, f1)
    assert found.is_gain is is_gain
    said = TaughtCard(base="Nuclei", base_version="1", corrections=found).sentences
    assert said[1] == found.sentence
    assert f"from {quality[0]:.3f} to {quality[1]:.3f}" in found.sentence
    assert f"F1 from {f1[0]:.3f} to {f1[1]:.3f}" in found.sentence
    rule = "panoptic quality rises by 0.005 or more and F1 does not fall"
    assert [each for each in said if rule in each] == ([said[2]] if is_gain else [])


def test_a_network_that_loses_nuclei_is_not_kept() -> None:
    held = HeldBack("block", 0, 60, 30)
    before = Agreement(0.91, 0.578, 30, 30)

    def found(f1: float, quality: float) -> TunedNetwork:
        return TunedNetwork(before, before, Agreement(f1, quality, 25, 30), b"")

    check_gain("Nuclei", found(0.91, 0.609), held)
    sentence = (
        "Nuclei got no better, and nothing was saved. 30 of 90 outlines were held back, by blocks "
        "of 40 µm: on them panoptic quality went from 0.578 to 0.609, F1 from 0.910 to 0.829. It "
        "is kept if panoptic quality rises by 0.005 or more and F1 does not fall. Correct more "
        "outlines, in other places."
    )
    with pytest.raises(NoGainError, match=f"^{re.escape(sentence)}$"):
        check_gain("Nuclei", found(0.829, 0.609), held)


def test_nothing_is_kept_without_gain_or_when_it_is_stopped(slide: Slide) -> None:
    corrected = read_corrections([slide.path], [slide.marks])
    with pytest.raises(NoGainError, match="finds already"):
        tune_nuclei(corrected, NucleiTeacher(find_model("nuclei"), "cpu", steps=1))
    told: list[TuningProgress] = []

    def stop(done: TuningProgress) -> None:
        told.append(done)
        teacher.cancel()

    teacher = NucleiTeacher(load_bundle(slide.shy), "cpu", stop, 50)
    with pytest.raises(CanceledError, match="nothing was saved"):
        tune_nuclei(corrected, teacher)
    assert told == [TuningProgress("Fields", 0, 1)]


def test_what_cannot_be_learned_from_is_one_sentence(slide: Slide, tmp_path: Path) -> None:
    with pytest.raises(TeachingError, match="Cells does not learn from outlines"):
        tune_nuclei(
            read_corrections([slide.path], [slide.marks]), NucleiTeacher(find_model("cells"))
        )
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(NoMarksError, match=r"empty\.geojson holds no outlines"):
        read_corrections([slide.path], [empty])
    text = json.loads(slide.marks.read_text())
    moved = tmp_path / "moved.geojson"
    moved.write_text(json.dumps({"coverslip": {"slide": "another"}, **text}))
    with pytest.raises(OtherSlideError, match="made on another slide"):
        read_corrections([slide.path], [moved])
    for feature in text["features"]:
        feature["properties"]["metadata"] = {"slide": "other.svs"}
    moved.write_text(json.dumps(text))
    with pytest.raises(
        OtherSlideError, match=r'marks lie on "other\.svs", and not on part\.ome\.tif'
    ):
        read_corrections([slide.path], [moved])
    text = json.loads(slide.marks.read_text())
    corner = [[0, 0], [9, 0], [9, 9], [0, 0]]
    text["features"][-1]["geometry"] = {"type": "Polygon", "coordinates": [corner]}
    moved.write_text(json.dumps(text))
    with pytest.raises(
        NoMarksError, match=r"no outlines of nuclei \(.* outside the corrected area"
    ):
        read_corrections([slide.path], [moved])
    text["features"] = text["features"][:5]
    few = tmp_path / "few.geojson"
    few.write_text(json.dumps(text))
    done = coverslip("train", "nuclei", slide.path, "--marks", few, "-o", tmp_path / "m")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("5 corrected outlines are too few")
    assert not (tmp_path / "m").exists()
