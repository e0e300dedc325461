"""Where the tissue is, against painted truth and against the same slide without a mark."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from viewer.slides import open_slide
from viewer.slides.tissue import TissueMask, both_masks, candidate_mask, tissue_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

LEFT, TOP = 250, 150
WIDTH, HEIGHT = 1800, 1500


@pytest.fixture(scope="module")
def section() -> Picture:
    from tests.conftest import SAMPLE_SLIDE

    with tifffile.TiffFile(SAMPLE_SLIDE) as file:
        return file.pages.first.asarray()[600:2900:2, 500:2000:2]


def glass(level: float = 244.0, noise: float = 2.0) -> Picture:
    return _noisy(level, noise).copy()


@cache
def _noisy(level: float, noise: float) -> Picture:
    values = level + np.random.default_rng(1).normal(0, noise, (HEIGHT, WIDTH, 3))
    return np.clip(values, 0, 255).astype(np.uint8)


def with_section(picture: Picture, section: Picture, left: int = LEFT) -> Picture:
    """The section multiplied into the glass, so that its own glass takes the slide's color."""
    place = picture[TOP : TOP + section.shape[0], left : left + section.shape[1]]
    place[:] = (place.astype(np.float32) * section / 244.0).clip(0, 255).astype(np.uint8)
    return picture


def masks(tmp_path: Path, picture: Picture) -> tuple[TissueMask, TissueMask]:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(
        path,
        picture,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": 92},
        resolution=(1e4 / 0.998, 1e4 / 0.998),
        resolutionunit="CENTIMETER",
    )
    source = open_slide(path)
    try:
        return both_masks(source)
    finally:
        source.close()


def on_pixels(mask: TissueMask, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask at a quarter of the slide's pixels."""
    size = shape[1] // 4, shape[0] // 4
    image = Image.fromarray(mask.cells.astype(np.uint8) * 255)
    return np.asarray(image.resize(size, Image.Resampling.NEAREST)) > 0


def stained(picture: Picture) -> NDArray[np.bool_]:
    """Truth at a quarter: what absorbs clearly in the mean of 4 x 4 pixels."""
    h, w = picture.shape[0] // 4 * 4, picture.shape[1] // 4 * 4
    small = picture[:h, :w].astype(np.float32).reshape(h // 4, 4, w // 4, 4, 3).mean((1, 3))
    return np.log10(244 / np.maximum(small, 1)).max(2) > 0.08


def truth_of(section: Picture, left: int = LEFT) -> NDArray[np.bool_]:
    return stained(with_section(np.full((HEIGHT, WIDTH, 3), 244, np.uint8), section, left))


def black_edge(picture: Picture) -> None:
    picture[:, -20:] = 0


def padding(share: float, value: int) -> Callable[[Picture], None]:
    def pad(picture: Picture) -> None:
        picture[:, WIDTH - round((WIDTH - 1025) * share) :] = value

    return pad


def ink(color: tuple[int, int, int]) -> Callable[[Picture], None]:
    def draw(picture: Picture) -> None:
        picture[50:1450, 1250:1350] = picture[50:150, 1250:1750] = color
        picture[50:1450, 1650:1750] = color

    return draw


MARKS = {
    "black edge": black_edge,
    "black padding, some": padding(0.3, 0),
    "black padding, most": padding(1.0, 0),
    "white padding": padding(0.7, 255),
    "black ink": ink((18, 22, 26)),
    "green ink": ink((30, 140, 70)),
    "blue ink": ink((30, 50, 150)),
    "red ink": ink((200, 30, 40)),
}


@pytest.fixture(scope="module")
def tissue_of(
    section: Picture, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[float], TissueMask]:
    """The tissue of the section on glass of a level, without any mark."""

    @cache
    def found(level: float) -> TissueMask:
        folder = tmp_path_factory.mktemp("plain")
        return masks(folder, with_section(glass(level), section))[0]

    return found


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("level", [244.0, pytest.param(205.0, marks=pytest.mark.slow)])
def test_a_mark_elsewhere_changes_nothing(
    tmp_path: Path,
    section: Picture,
    tissue_of: Callable[[float], TissueMask],
    mark: str,
    level: float,
) -> None:
    marked = with_section(glass(level), section)
    MARKS[mark](marked)
    tissue_marked, candidates = masks(tmp_path, marked)
    part = np.s_[: HEIGHT // 4, : 1000 // 4]
    before = on_pixels(tissue_of(level), marked.shape[:2])[part]
    after = on_pixels(tissue_marked, marked.shape[:2])[part]
    assert (before != after).mean() < 0.01
    truth = truth_of(section)
    assert on_pixels(candidates, marked.shape[:2])[truth].mean() >= 0.99
    # Nothing of the mark is tissue, but for its edges.
    beyond = on_pixels(tissue_marked, marked.shape[:2])[:, 1100 // 4 :]
    assert beyond.mean() < 0.05


def test_tissue_is_what_absorbs(tmp_path: Path, section: Picture) -> None:
    tissue, candidates = masks(tmp_path, with_section(glass(), section))
    found, truth = on_pixels(tissue, (HEIGHT, WIDTH)), truth_of(section)
    assert found[truth].mean() > 0.95
    assert (found & ~truth).sum() / truth.sum() < 0.25
    assert on_pixels(candidates, (HEIGHT, WIDTH)).mean() < 0.6


def test_a_pale_piece_beside_a_dark_one_is_tissue(tmp_path: Path, section: Picture) -> None:
    pale = (255 - (255 - section.astype(np.float32)) * 0.35).astype(np.uint8)
    picture = with_section(with_section(glass(), section), pale, left=1025)
    tissue, candidates = masks(tmp_path, picture)
    truth = truth_of(section, 1025)
    assert on_pixels(candidates, (HEIGHT, WIDTH))[truth].mean() >= 0.99
    assert on_pixels(tissue, (HEIGHT, WIDTH))[truth].mean() >= 0.9


def test_faint_eosin_is_looked_at(tmp_path: Path) -> None:
    picture = glass()
    faint = np.array([0, 9, 4])
    picture[300:1000, 400:1300] -= faint.astype(np.uint8)
    _, candidates = masks(tmp_path, picture)
    found = on_pixels(candidates, (HEIGHT, WIDTH))
    assert found[300 // 4 : 1000 // 4, 400 // 4 : 1300 // 4].mean() >= 0.99
    assert found[:, : 200 // 4].mean() < 0.1


def test_an_empty_slide_has_no_tissue(tmp_path: Path) -> None:
    for picture in (glass(), glass(205, 1), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)):
        tissue, candidates = masks(tmp_path, picture)
        assert not tissue.cells.any()
        assert candidates.cells.mean() < 0.02


def test_tissue_that_fills_the_picture_is_all_looked_at(tmp_path: Path, section: Picture) -> None:
    inside = section[600:950, 150:450]
    picture = np.tile(inside, (3, 4, 1))
    tissue, candidates = masks(tmp_path, picture)
    assert candidates.cells.all()
    assert tissue.cells.mean() > 0.9


@pytest.mark.parametrize("kind", ["ADI", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"])
def test_whole_tiles_of_tissue_are_all_looked_at(
    tmp_path: Path, shared_slide: Callable[[str], Path], kind: str
) -> None:
    folder = shared_slide(f"tiles/crc-val-he-7k/{kind}")
    tiles = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())[:6]]
    row = np.concatenate(tiles, 1)
    _, candidates = masks(tmp_path, np.concatenate([row] * 4, 0))
    assert candidates.cells.mean() >= 0.99


def test_fat_beside_glass_is_looked_at(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    folder = shared_slide("tiles/crc-val-he-7k/ADI")
    tile = np.asarray(Image.open(sorted(folder.iterdir())[0]).convert("RGB"))
    picture = glass()
    piece = np.tile(tile, (4, 5, 1))
    picture[250 : 250 + piece.shape[0], 350 : 350 + piece.shape[1]] = piece
    _, candidates = masks(tmp_path, picture)
    found = on_pixels(candidates, (HEIGHT, WIDTH))
    inside = found[250 // 4 : (250 + piece.shape[0]) // 4, 350 // 4 : (350 + piece.shape[1]) // 4]
    assert inside.mean() >= 0.99


def test_light_on_a_dark_ground_is_tissue(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    picture = np.clip(rng.normal(6, 1.5, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    truth = np.zeros((HEIGHT // 4, WIDTH // 4), bool)
    for x, y in rng.integers(60, 200, (400, 2)):
        picture[y * 4 : y * 4 + 20, x * 4 : x * 4 + 20, 2] = 120
        truth[y : y + 5, x : x + 5] = True
    tissue, candidates = masks(tmp_path, picture)
    assert on_pixels(candidates, (HEIGHT, WIDTH))[truth].mean() >= 0.99
    assert on_pixels(tissue, (HEIGHT, WIDTH))[:, : 60 // 2].mean() < 0.01


def test_brown_nuclei_do_not_hide_their_counterstain(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    source = open_slide(shared_slide("not-openslide/OS-2-ndpi.ome.tif"))
    try:
        tissue, candidates = both_masks(source)
        assert (tissue.cells == tissue_mask(source).cells).all()
        assert (candidates.cells == candidate_mask(source).cells).all()
    finally:
        source.close()
    assert tissue.cells.mean() > 0.5
    assert candidates.cells.mean() > 0.9
