"""One display transform for all that shows a slide, and what cannot be used is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from cmap import Colormap
from little_cms import ADOBE, by_little_cms
from PIL import Image
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot
from scaled_tiles import load_scaling
from ui_steps import show_slide

from viewer.tiles.display import DisplaySettings
from viewer.tiles.stains import Stain
from viewer.ui.main_window import MainWindow
from viewer.ui.overlays.settings_pages import Legend
from viewer.ui.slides.thumbnails import Thumbnails

COLOR = (180, 90, 120)


def slide(path: Path, profile: bytes | None, color: tuple[int, int, int] = COLOR) -> Path:
    picture = np.full((512, 512, 3), color, np.uint8)
    tifffile.imwrite(path, picture, tile=(256, 256), photometric="rgb", iccprofile=profile)
    return path


def shown_color(color: tuple[int, int, int], profile: bytes) -> list[int]:
    return by_little_cms(Image.new("RGB", (1, 1), color), profile)[0, 0].tolist()


def middle(path: Path) -> list[int]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))[picture.height // 2, picture.width // 2].tolist()


def test_a_shot_shows_what_the_window_shows(tmp_path: Path) -> None:
    path = slide(tmp_path / "slide.tif", ADOBE)
    for options, expected in (
        ((), shown_color(COLOR, ADOBE)),
        (("--display", "icc"), shown_color(COLOR, ADOBE)),
        (("--display", "raw"), list(COLOR)),
    ):
        told = coverslip("shot", path, "-o", "a.png", "--size", "64x64", *options, folder=tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
        assert middle(tmp_path / "a.png") == expected
    told = coverslip("shot", path, "-o", "a.png", "--display", "cmyk", folder=tmp_path)
    assert told.returncode == 2
    assert "--display takes icc or raw" in told.stderr


@pytest.mark.parametrize("space", [b"GRAY", b"CMYK", b"Lab ", b""])
def test_an_unusable_profile_is_said_everywhere(
    tmp_path: Path, window: MainWindow, space: bytes, qtbot: QtBot
) -> None:
    profile = bytearray(ADOBE)
    profile[16:20] = space or profile[16:20]
    broken = bytes(profile) if space else bytes(profile[:200])
    path = slide(tmp_path / "slide.tif", broken)
    show_slide(window, path, qtbot)
    pane = window.panes.active
    assert pane.bars.color_hint.isVisible()
    sentence = pane.bars.color_hint.sentence.text()
    assert sentence.startswith("The slide's color profile cannot be used (")
    assert window.status.display.text() == "Display: raw, unusable ICC profile"
    assert window.status.display.toolTip() == sentence
    window.display.show()
    assert not window.display.icc.isChecked()
    assert not window.display.icc.isEnabled()
    assert window.display.profile_problem.text() == sentence
    assert not window.commands["display.icc"].isEnabled()
    if space == b"GRAY":
        told = coverslip("shot", path, "-o", "a.png", "--size", "64x64", folder=tmp_path)
        assert told.returncode == 0
        assert told.stderr.strip() == sentence
        assert middle(tmp_path / "a.png") == list(COLOR)
        about = coverslip("info", path, "--json", folder=tmp_path)
        assert json.loads(about.stdout)["icc_profile_problem"] == sentence


def test_thumbnails_go_through_the_profile(
    tmp_path: Path, window: MainWindow, qtbot: QtBot
) -> None:
    path = slide(tmp_path / "slide.tif", ADOBE)
    thumbnails = Thumbnails(window, QSize(64, 64))
    for uses_icc, expected in ((True, shown_color(COLOR, ADOBE)), (False, list(COLOR))):
        thumbnails.set_uses_icc(uses_icc=uses_icc)
        with qtbot.waitSignal(thumbnails.changed):
            thumbnails.picture(path)
        color = thumbnails.picture(path).toImage().pixelColor(32, 32)
        assert [color.red(), color.green(), color.blue()] == expected
    thumbnails.shut_down()


def test_label_and_macro_go_through_the_profile(
    tmp_path: Path, window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    with tifffile.TiffFile(sample_slide) as tiff:
        at = tiff.pages[0].aspage().tags["ImageDescription"]
        description = at.value
    path = tmp_path / "slide.svs"
    with tifffile.TiffWriter(path) as out:
        tile = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg"}
        tissue = np.full((512, 512, 3), COLOR, np.uint8)
        out.write(tissue, description=description, iccprofile=ADOBE, metadata=None, **tile)
        plain = {"photometric": "rgb", "rowsperstrip": 16, "metadata": None}
        out.write(tissue[::4, ::4], description="Aperio Image Library", **plain)
        label = np.full((64, 96, 3), (200, 40, 60), np.uint8)
        out.write(label, description="Aperio\nlabel 96x64", subfiletype=1, **plain)
        out.write(label, description="Aperio\nmacro 96x64", subfiletype=9, **plain)
    show_slide(window, path, qtbot)
    source = window.panes.active.source
    assert source is not None
    assert "macro" in source.info.associated
    window.associated.show()
    macro = window.associated.pictures["macro"]
    qtbot.waitUntil(lambda: macro.image is not None)
    assert macro.image is not None
    color = macro.image.pixelColor(40, 30)
    expected = shown_color((200, 40, 60), ADOBE)
    assert [color.red(), color.green(), color.blue()] == expected


def test_adjustments_come_back_with_their_slide(
    make_window: Callable[[], MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    first = slide(tmp_path / "a.tif", None)
    other = slide(tmp_path / "b.tif", None, (90, 160, 200))
    window = make_window()
    show_slide(window, first, qtbot)
    window.display.show()
    window.display.brightness.box.setValue(0.2)
    adjusted = window.panes.active.canvas.look
    assert adjusted == DisplaySettings(brightness=0.2)
    show_slide(window, other, qtbot)
    assert window.panes.active.canvas.look == DisplaySettings()
    assert window.display.brightness.box.value() == 0.0
    show_slide(window, first, qtbot)
    assert window.panes.active.canvas.look == adjusted
    assert window.status.display.text() == "Display: adjusted"
    window.close()
    again = make_window()
    renamed = first.rename(tmp_path / "renamed.tif")
    show_slide(again, renamed, qtbot)
    assert again.panes.active.canvas.look == adjusted


def spots(path: Path) -> Path:
    """Two tissues that differ little, with a profile."""
    rng = np.random.default_rng(5)
    picture = np.full((1024, 1024, 3), (225, 170, 200), np.float64)
    rows, columns = np.ogrid[:1024, :1024]
    picture[(rows - 512) ** 2 + (columns - 512) ** 2 < 200**2] = (190, 120, 170)
    picture += rng.normal(0, 6, picture.shape)
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", iccprofile=ADOBE)
    return path


def test_the_wand_takes_the_same_whatever_the_display_does(
    tmp_path: Path, window: MainWindow, qtbot: QtBot
) -> None:
    canvas = window.panes.active.canvas
    # Else Qt scales the first tiles, and rounds differently.
    load_scaling()
    show_slide(window, spots(tmp_path / "spots.tif"), qtbot)
    canvas.set_magnification(10) or canvas.go_to(canvas.slide_box.center, 4.0, animated=False)
    areas: list[float] = []
    for look in (
        DisplaySettings(),
        DisplaySettings(icc=True),
        DisplaySettings(brightness=0.5),
        DisplaySettings(contrast=4.0, gamma=0.4),
        DisplaySettings(stain=Stain.HEMATOXYLIN, icc=True),
    ):
        canvas.set_look(look)
        qtbot.waitUntil(lambda: canvas.is_sharp)
        areas.append(_wand_area(window, qtbot))
    assert areas == pytest.approx([areas[0]] * len(areas))
    assert areas[0] == pytest.approx(np.pi * 200**2, rel=0.1)


def _wand_area(window: MainWindow, qtbot: QtBot) -> float:
    """Of what one click with the wand into the middle takes; it is taken back again."""
    canvas, annotations = window.panes.active.canvas, window.annotations
    qtbot.waitUntil(lambda: annotations.can_annotate)
    assert annotations.active is not None
    document = annotations.active.document
    window.commands["annotate.wand"].trigger()
    at = canvas.view.to_screen(canvas.slide_box.center)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(at.x), round(at.y)))
    qtbot.waitUntil(lambda: len(document) == 1)
    (region,) = document
    area: float = region.geometry.area
    document.undo()
    assert len(document) == 0
    return area


def test_the_legend_has_the_colors_of_the_map_and_no_others(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    legend = Legend(parent)
    legend.resize(512, 30)
    for name in ("viridis", "magma"):
        legend.show_map(name)
        picture = legend.grab().toImage()
        colors = [picture.pixelColor(2 * entry, 5) for entry in range(256)]
        shown = [(color.red(), color.green(), color.blue()) for color in colors]
        known = np.round(np.array(Colormap(name).lut(256))[:, :3] * 255).astype(int)
        assert shown == [tuple(color) for color in known.tolist()]
    assert known[0].tolist() == [0, 0, 4]  # as matplotlib has it


def test_a_stretched_image_is_not_called_raw(
    tmp_path: Path, window: MainWindow, qtbot: QtBot
) -> None:
    path = tmp_path / "12 bit.tif"
    ramp = np.tile(np.arange(512, dtype=np.uint16) * 8, (512, 1))
    tifffile.imwrite(path, ramp, tile=(256, 256))
    show_slide(window, path, qtbot)
    assert window.status.display.text() == "Display: stretched 0 to 4,088"
