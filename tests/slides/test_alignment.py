"""Slides of the same tissue on each other: by landmarks, and by what they show."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from cli_steps import invoke
from msgspec.structs import replace
from PIL import Image

from viewer.geometry import Point
from viewer.slides.alignment.automatic import (
    SlideOverview,
    align_automatically,
)
from viewer.slides.alignment.files import (
    forget_alignment,
    keep_alignment,
    kept_alignment,
    read_alignment,
    read_landmarks,
    write_alignment,
)
from viewer.slides.alignment.landmarks import align_by_landmarks
from viewer.slides.alignment.transform import Affine, AlignedSlide, AlignmentError, Landmark
from viewer.slides.opener import open_slide
from viewer.slides.region import read_level

HERE = AlignedSlide("s1-here", 20_000, 30_000, (0.25, 0.25))
THERE = AlignedSlide("s1-there", 12_000, 20_000, (0.5, 0.25))
"""Its pixels are oblong."""
PLACES = [Point(1000, 2000), Point(18_000, 3000), Point(9000, 28_000), Point(4000, 15_000)]


def true_map(mirrored: bool = False) -> Affine:
    """Turned by 30 degrees and 1.1 times as large on the tissue, in level-0 pixels."""
    turn = math.radians(30)
    cos, sin = 1.1 * math.cos(turn), 1.1 * math.sin(turn)
    sign = -1 if mirrored else 1
    on_tissue = Affine(cos * sign, -sin, 400.0, sin * sign, cos, -700.0)
    return Affine.scaling(2.0, 4.0).after(on_tissue).after(Affine.scaling(0.25, 0.25))


def pairs(affine: Affine, places: list[Point]) -> list[Landmark]:
    return [Landmark(place, affine.map(place)) for place in places]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("count", [3, 4])
def test_three_pairs_of_landmarks_give_turn_mirror_and_scale(mirrored: bool, count: int) -> None:
    truth = true_map(mirrored)
    found = align_by_landmarks(HERE, THERE, pairs(truth, PLACES[:count]))
    for place in PLACES:
        assert found.map(place) == pytest.approx(truth.map(place), abs=1e-6)
        assert found.reversed.map(found.map(place)) == pytest.approx(place, abs=1e-6)
    assert found.residual == pytest.approx(0, abs=1e-6)
    assert found.text == f"Aligned by {count} pairs of landmarks, residual 0.0 µm."
    turn = found.affine.turn_and_mirror
    assert turn[0] * turn[3] - turn[1] * turn[2] == pytest.approx(-1 if mirrored else 1)


def test_the_residual_is_how_far_landmarks_miss_in_micrometers() -> None:
    marked = pairs(true_map(), PLACES)
    off = marked[0].target
    marked[0] = Landmark(marked[0].source, Point(off.x + 40, off.y))  # 20 µm
    found = align_by_landmarks(HERE, THERE, marked)
    assert 2 < found.residual < 20
    unscaled = align_by_landmarks(HERE, replace(THERE, mpp_um=None), pairs(Affine(), PLACES))
    assert unscaled.residual_text.endswith("px")


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        (PLACES[:2], "3 pairs of landmarks are needed, and there are 2"),
        ([Point(k, 2.0 * k) for k in (0, 100, 5000)], "lie on one line"),
        ([PLACES[0]] * 3, "lie on one line"),
    ],
)
def test_landmarks_that_say_too_little_are_refused(places: list[Point], sentence: str) -> None:
    with pytest.raises(AlignmentError, match=sentence):
        align_by_landmarks(HERE, THERE, pairs(true_map(), places))


def test_landmarks_of_other_places_are_refused_with_the_figure() -> None:
    marked = pairs(true_map(), PLACES)
    swapped = [
        Landmark(a.source, b.target) for a, b in zip(marked, marked[1:] + marked[:1], strict=True)
    ]
    with pytest.raises(AlignmentError, match=r"they miss by [\d,]+ µm, \d+ % of their extent"):
        align_by_landmarks(HERE, THERE, swapped)


def test_an_alignment_is_exchanged_and_kept_for_both_ways(tmp_path: Path) -> None:
    found = align_by_landmarks(HERE, THERE, pairs(true_map(), PLACES))
    path = tmp_path / "a.json"
    write_alignment(path, found)
    assert read_alignment(path) == found
    assert kept_alignment(HERE.key, THERE.key) is None
    keep_alignment(found)
    assert kept_alignment(HERE.key, THERE.key) == found
    back = kept_alignment(THERE.key, HERE.key)
    assert back is not None
    assert back.map(found.map(PLACES[0])) == pytest.approx(PLACES[0], abs=1e-6)
    assert found.between(HERE.key, "another") is None
    forget_alignment(THERE.key, HERE.key)
    assert kept_alignment(HERE.key, THERE.key) is None


@pytest.mark.parametrize(
    "change",
    [
        {"matrix": [[0, 0, 0], [0, 0, 0]]},
        {"matrix": [[1, 0, 1e300], [0, 1, 0]]},
        {"matrix": [[1, 0], [0, 1]]},
        {"format": "else"},
        {"version": 99},
        {"source": {"key": "x", "width_px": 0, "height_px": 5}},
    ],
)
def test_a_file_that_is_no_alignment_is_one_sentence(
    change: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    write_alignment(path, align_by_landmarks(HERE, THERE, pairs(true_map(), PLACES)))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(AlignmentError) as caught:
        read_alignment(path)
    assert "\n" not in str(caught.value)


# By what they show -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(sample_slide: Path) -> SlideOverview:
    """The sample slide at 2 µm per pixel."""
    source = open_slide(sample_slide)
    picture = read_level(source, 1)
    source.close()
    small = Image.fromarray(picture).resize((555, 742), Image.Resampling.BOX)
    return SlideOverview(AlignedSlide("s1-a", 2220, 2967, (0.499, 0.499)), np.asarray(small))


def copied(
    sample: SlideOverview, turn_deg: float, scale: float, *, mirrored: bool, stained: str = ""
) -> tuple[SlideOverview, Affine]:
    """A copy on a slide of its own, and the map from the level 0 of one to that of the other."""
    picture = Image.fromarray(sample.picture)
    width, height = picture.size
    turn, sign = math.radians(turn_deg), -1 if mirrored else 1
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = Affine(cos * sign, -sin, 0, sin * sign, cos, 0)
    corners = [linear.map(Point(x, y)) for x in (0, width) for y in (0, height)]
    left, top = (min(each[axis] for each in corners) for axis in (0, 1))
    right, bottom = (max(each[axis] for each in corners) for axis in (0, 1))
    size = math.ceil(right - left), math.ceil(bottom - top)
    on_picture = Affine(tx=-left, ty=-top).after(linear)
    back = on_picture.inverse
    data = (back.a, back.b, back.tx, back.c, back.d, back.ty)
    made = picture.transform(
        size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC, fillcolor=(243, 243, 243)
    )
    pixels = np.asarray(made)
    if stained == "other colors":
        pixels = pixels[..., ::-1]
    elif stained == "dark":
        pixels = 255 - pixels
    mpp_um = 0.499 * 4 / scale
    copy = SlideOverview(AlignedSlide("s1-b", *made.size, (mpp_um, mpp_um)), pixels)
    return copy, on_picture.after(Affine.scaling(1 / 4, 742 / 2967))


@pytest.mark.parametrize(
    ("turn_deg", "scale", "mirrored", "stained"),
    [(37.0, 1.0, False, "other colors"), (213.0, 0.8, True, "dark")],
)
def test_turned_mirrored_scaled_and_restained_copies_are_aligned(
    sample: SlideOverview, turn_deg: float, scale: float, mirrored: bool, stained: str
) -> None:
    copy, truth = copied(sample, turn_deg, scale, mirrored=mirrored, stained=stained)
    seen: list[float] = []
    found = align_automatically(sample, copy, seen.append)
    assert copy.slide.mpp_um is not None
    misses_um = [
        copy.slide.mpp_um[0] * math.dist(found.map(Point(x, y)), truth.map(Point(x, y)))
        for x in (200, 1100, 2000)
        for y in (300, 1500, 2700)
    ]
    assert np.median(misses_um) < 2  # 20 µm are asked for
    assert found.residual < 2
    assert found.matched > 0.9 * found.tried
    assert seen == sorted(seen)


def test_unlike_slides_are_refused_with_the_figure(sample: SlideOverview) -> None:
    top, bottom = sample.picture[:360], sample.picture[382:]
    source, target = (
        SlideOverview(AlignedSlide(key, 2220, 4 * part.shape[0], (0.5, 0.5)), part)
        for key, part in (("s1-a", top), ("s1-b", np.rot90(bottom, 2)))
    )
    with pytest.raises(AlignmentError, match=r"cannot be aligned surely|too little tissue"):
        align_automatically(source, target)


def test_glass_alone_is_refused() -> None:
    glass = np.full((300, 300, 3), 240, np.uint8)
    slide = AlignedSlide("s1-a", 3000, 3000, (0.5, 0.5))
    with pytest.raises(AlignmentError, match="too little tissue"):
        align_automatically(SlideOverview(slide, glass), SlideOverview(slide, glass))


def test_a_search_is_given_up_when_asked(sample: SlideOverview) -> None:
    def stop(_: float) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError):
        align_automatically(sample, sample, stop)


# The command line --------------------------------------------------------------------------------


def test_landmarks_of_a_file_align_from_the_command_line(
    sample_slide: Path, tmp_path: Path
) -> None:
    marks, out = tmp_path / "marks.csv", tmp_path / "alignment.json"
    marks.write_text("x,y,x2,y2\n0,0,10,20\n2000,0,2010,20\n0,2000,10,2020\n")
    assert len(read_landmarks(marks)) == 3
    args = ["align", str(sample_slide), str(sample_slide), "--landmarks", str(marks)]
    done = invoke([*args, "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert "residual 0.0 µm" in done.stderr
    assert json.loads(done.stdout)["matrix"][0] == pytest.approx([1, 0, 10], abs=1e-9)
    assert read_alignment(out).affine.ty == pytest.approx(20)
    marks.write_text("0,0,0,0\n2000,0,2000,0\n0,2000,1000,1000\n")
    refused = invoke(args)
    assert refused.exit_code == 1
    assert "do not fit" in refused.stderr
    marks.write_text("0,0,10,20\n2000,here,10,2020\n")
    wrong = invoke(args)
    assert wrong.exit_code == 2
    assert "line 2" in wrong.stderr
