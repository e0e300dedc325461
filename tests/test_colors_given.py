"""Pictures beside the window have its colors: those of Little CMS on an independent decoding."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from pathlib import Path

import imagecodecs
import msgspec
import numpy as np
import pytest
import shapely
import tifffile
from little_cms import ADOBE, by_little_cms
from numpy.typing import NDArray
from PIL import Image
from test_cli import app_py
from test_export import read_slide

from viewer.agents.clients.allowed_folders import AllowedFolders
from viewer.agents.clients.client_desk import ClientDesk
from viewer.agents.clients.headless_place import HeadlessOptions, HeadlessPlace
from viewer.agents.environment.slide_env import SlideEnv
from viewer.agents.microscope import picture_of, slide_box, stored_picture_of
from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.masks.training_tiles import AnnotationsOrigin, TileOptions, cut_tiles
from viewer.cli.explain import _save_slide_picture
from viewer.cohort.arrival.checking import check_slide
from viewer.geometry import Box, Point
from viewer.recording.export.exporting import export_sessions
from viewer.recording.export.options import ExportError, ExportOptions
from viewer.slides import open_slide
from viewer.slides.displayed import AS_STORED, BY_PROFILE, shown_region
from viewer.slides.tray import shown_thumbnail

BROKEN = ADOBE[:16] + b"GRAY" + ADOBE[20:]
SIDE_PX = 2048
COLORS: NDArray[np.uint8] = np.array(
    [[[180, 90, 120], [200, 40, 60]], [[30, 160, 90], [140, 60, 200]]], np.uint8
)
"""Of the quarters of the slide: what is averaged over or coded as JPEG there stays as it is."""
JPEG_ROUNDING = 3


def slide(path: Path, profile: bytes | None) -> Path:
    path.parent.mkdir(exist_ok=True)
    pixels = COLORS.repeat(SIDE_PX // 2, 0).repeat(SIDE_PX // 2, 1)
    tifffile.imwrite(
        path, pixels, tile=(256, 256), photometric="rgb", iccprofile=profile,
        resolution=(40_000, 40_000), resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


def shown_quarters(path: Path) -> NDArray[np.uint8]:
    """The colors of the quarters on a screen, by tifffile and Little CMS alone."""
    with tifffile.TiffFile(path) as file:
        stored = file.pages.first.asarray()[:: SIDE_PX // 2, :: SIDE_PX // 2]
        profile = file.pages.first.tags.valueof(34675)
    shown = by_little_cms(Image.fromarray(stored), profile)
    assert np.abs(shown.astype(int) - stored).max() > 20  # or nothing is told apart
    return shown


def quarters(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    return picture[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2]


def off(picture: NDArray[np.uint8], expected: NDArray[np.uint8]) -> int:
    return int(np.abs(quarters(picture).astype(int) - expected).max())


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def test_a_model_is_given_what_the_window_shows_and_measurements_what_is_stored(
    tmp_path: Path,
) -> None:
    path = slide(tmp_path / "slide.tif", ADOBE)
    with closing(open_slide(path)) as source:
        box = slide_box(source)
        assert off(picture_of(source, box, 512), shown_quarters(path)) == 0
        assert off(stored_picture_of(source, box, 512), COLORS) == 0


def test_what_lies_between_two_levels_is_as_bright_as_on_the_canvas(tmp_path: Path) -> None:
    """The mean of stored values is another color than that of shown ones, of fine patterns."""
    steep = imagecodecs.cms_profile(
        "rgb", whitepoint=(0.3127, 0.329, 1.0), gamma=1.4,
        primaries=(0.7, 0.3, 1.0, 0.2, 0.7, 1.0, 0.14, 0.05, 1.0),
    )  # fmt: skip
    y, x = np.mgrid[:1024, :1024]
    colors = np.array([(200, 40, 160), (245, 240, 245)], np.uint8)
    pixels, path = colors[(x + y) % 2], tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", iccprofile=steep)
    expected = by_little_cms(Image.fromarray(pixels), steep).mean((0, 1))
    mean = np.rint(colors.mean(0)).astype(np.uint8)
    of_means = by_little_cms(Image.fromarray(mean.reshape(1, 1, 3)), steep)[0, 0].astype(int)
    assert np.abs(of_means - expected).max() > 10  # or the two are not told apart
    asked = ["--center", "512,512", "--downsample", "1.7", "--size", "300x300", "-o", "shot.png"]
    told = app_py("shot", path, *asked, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    with closing(open_slide(path)) as source:
        pictures = [
            np.asarray(Image.open(tmp_path / "shot.png").convert("RGB")),
            shown_region(source, Box.around(Point(512, 512), 510, 510), 300, 300),
            picture_of(source, slide_box(source), 700),
            shown_thumbnail(source, 700),
        ]
    for each in pictures:
        assert np.abs(each.mean((0, 1)) - expected).max() <= 2


@pytest.mark.parametrize("profile", [ADOBE, BROKEN, None], ids=["profile", "unusable", "none"])
def test_clients_are_given_it_too_and_are_told(tmp_path: Path, profile: bytes | None) -> None:
    path = slide(tmp_path / "slides" / "slide.tif", profile)
    expected = shown_quarters(path) if profile == ADOBE else COLORS
    place = HeadlessPlace(
        AllowedFolders([path.parent]), HeadlessOptions(tmp_path / "sessions", "me")
    )
    with closing(ClientDesk(place, "Claude Code (1.2)")) as desk:
        opened = desk.call("open_slide", {"path": str(path)})
        assert not opened.refusal, opened.refusal
        look = desk.call("look", {"box": [0, 0, SIDE_PX, SIDE_PX], "why": "All of it."})
        overview = desk.call("overview", {})
    assert off(decoded(look.jpeg), expected) <= JPEG_ROUNDING
    for reply in (look, overview):
        colors = str(reply.data["colors"])
        if profile == BROKEN:
            assert colors.startswith("The slide's color profile cannot be used (it is for gray")
        else:
            assert colors == (BY_PROFILE if profile else AS_STORED)


def test_exported_pictures_have_the_colors_that_readers_saw(tmp_path: Path) -> None:
    path = slide(tmp_path / "slide.tif", ADOBE)
    folder = read_slide(tmp_path / "20261123T080000Z-0", path)
    out = tmp_path / "out"
    manifest = export_sessions([folder], out, ExportOptions(format="pathology-cot"))
    assert [session.colors for session in manifest.sessions] == [BY_PROFILE]
    assert f"- 1 session: {BY_PROFILE}" in (out / "README.md").read_text()
    case = out / folder.name
    expected = shown_quarters(path)
    assert off(decoded((case / "thumbnail.jpeg").read_bytes()), expected) <= JPEG_ROUNDING
    boxes = sorted(case.glob("box_*.jpeg"))
    assert boxes
    for box in boxes:
        corner = decoded(box.read_bytes())[0, 0].astype(int)
        distances = np.abs(expected.reshape(4, 3) - corner).max(1)
        assert distances.min() <= JPEG_ROUNDING, box.name


def test_an_export_says_where_a_profile_cannot_be_used(tmp_path: Path) -> None:
    path = slide(tmp_path / "slide.tif", BROKEN)
    folder = read_slide(tmp_path / "20261123T080000Z-0", path)
    out = tmp_path / "out"
    manifest = export_sessions([folder], out, ExportOptions(format="pathology-cot"))
    assert "The color profiles of 1 slide cannot be used" in manifest.note
    assert "its colors are shown as stored" in manifest.sessions[0].colors
    thumbnail = (out / folder.name / "thumbnail.jpeg").read_bytes()
    assert off(decoded(thumbnail), COLORS) <= JPEG_ROUNDING


def test_an_unfinished_export_with_stored_colors_is_not_gone_on_with(tmp_path: Path) -> None:
    folder = read_slide(tmp_path / "20261123T080000Z-0", slide(tmp_path / "slide.tif", ADOBE))
    options = ExportOptions(format="pathology-cot")
    before = msgspec.json.decode(options.key, type=dict[str, object])
    del before["colors"]
    parts = tmp_path / "out" / ".parts"
    parts.mkdir(parents=True)
    (parts / "options.json").write_bytes(msgspec.json.encode(before))
    (parts / "20261123T080000Z-0").mkdir()
    with pytest.raises(ExportError, match="unfinished export with other options"):
        export_sessions([folder], tmp_path / "out", options)
    assert "colors" not in ExportOptions(format="parquet").key


def test_an_environment_shows_them(tmp_path: Path) -> None:
    path = slide(tmp_path / "slide.tif", ADOBE)
    with closing(SlideEnv([path], size_px=256, seed=0)) as env:
        image, _ = env.reset(options={"slide": 0, "field": (0, 0, SIDE_PX, SIDE_PX)})
    assert isinstance(image, np.ndarray)
    assert off(image, shown_quarters(path)) == 0


def test_a_contact_sheet_shows_them(tmp_path: Path) -> None:
    path = slide(tmp_path / "slide.tif", ADOBE)
    status = path.stat()
    _, picture = check_slide(path, (status.st_size, status.st_mtime_ns), None)
    assert picture is not None
    assert off(picture, shown_quarters(path)) == 0


def test_an_explanation_of_a_slide_is_painted_over_them(tmp_path: Path) -> None:
    path = slide(tmp_path / "slide.tif", ADOBE)
    speaks_for_it = np.zeros((8, 8), np.float32)
    _save_slide_picture(path, speaks_for_it, SIDE_PX / 8, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert off(np.asarray(picture), shown_quarters(path)) == 0


@pytest.mark.parametrize("profile", [ADOBE, None])
def test_training_tiles_are_stored_pixels_and_say_so(tmp_path: Path, profile: bytes | None) -> None:
    path = slide(tmp_path / "slide.tif", profile)
    drawn = [Annotation(shapely.box(0, 0, 512, 512), shown_as=AnnotationClass("Tumor", "#c80000"))]
    origin = AnnotationsOrigin("a.geojson", "0" * 64)
    with closing(open_slide(path)) as source:
        cut_tiles(source, drawn, tmp_path / "tiles", TileOptions(tile_px=256), origin)
    with (tmp_path / "tiles" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    left_out = "; the slide's ICC profile is left out" if profile else ""
    assert {row["colors"] for row in rows} == {f"as stored{left_out}"}
    with Image.open(tmp_path / "tiles" / rows[0]["image"]) as image:
        assert np.asarray(image)[0, 0].tolist() == COLORS[0, 0].tolist()
