"""Icons: each is there, says one thing, and is crisp in every theme and at every scale."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon, QImage
from pytestqt.qtbot import QtBot
from test_theme import contrast

import viewer
from viewer.resource_files import resource
from viewer.ui.commands import COMMANDS
from viewer.ui.drawn_icons import drawn_icon
from viewer.ui.font_icons import font_icon
from viewer.ui.icon_engine import icon_colors
from viewer.ui.theme import DARK, LIGHT, Theme, colored_icon, icon

_SAME_MEANING = (
    {"edit.undo", "review.undo"},
    {"edit.redo", "review.redo"},
    {"file.close", "review.reject"},
    {"recording.pause", "agent.pause"},
    {"overlays.stop", "agent.stop"},
    {"overlays.on", "panels.overlays"},
    {"agent.start", "panels.agent"},
    {"file.open", "project.open"},
)
"""Commands that may share an icon, since they do the same to something else."""


def test_commands_that_do_different_things_have_different_icons() -> None:
    by_icon: defaultdict[str, set[str]] = defaultdict(set)
    for command in COMMANDS:
        if not command.id.startswith("view.magnify_"):
            by_icon[command.icon].add(command.id)
    shared = [ids for ids in by_icon.values() if len(ids) > 1 and ids not in _SAME_MEANING]
    assert shared == []


def test_every_drawn_icon_is_of_use(qtbot: QtBot) -> None:
    files = {path.stem for path in resource("icons").glob("*.svg")}
    drawn = {c.icon.removeprefix("drawn.") for c in COMMANDS if c.icon.startswith("drawn.")}
    assert drawn <= files
    for name in files:
        assert not icon(f"drawn.{name}").isNull()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_drawn_icons_are_seen_in_both_themes(theme: Theme, qtbot: QtBot) -> None:
    for path in sorted(resource("icons").glob("*.svg")):
        own_colors = re.findall("#[0-9a-f]{6}", path.read_text(encoding="utf-8"))
        for color in own_colors or [theme.text]:
            for ground in (theme.window, theme.panel, theme.field):
                assert contrast(color, ground) >= 3.0, path.name
        painted = drawn_icon(path.stem, icon_colors(theme.text))
        picture = painted.pixmap(QSize(20, 20), 1.0).toImage()
        strongest = max(_alphas(picture))
        assert strongest > 200, f"{path.name} is blurred"


def test_every_icon_of_the_font_that_the_program_names_is_in_it() -> None:
    sources = (Path(viewer.__file__).parent / "ui").rglob("*.py")
    named = {
        name for path in sources for name in re.findall(r'"(mdi6\.[\w-]*\w)"', path.read_text())
    }
    assert len(named) > 100
    for name in named:
        font_icon(name, icon_colors("#000000"))


def test_an_icon_of_the_font_is_what_qtawesome_draws(qtbot: QtBot) -> None:
    script = (
        "import sys, qtawesome\n"
        "from PySide6.QtCore import QSize\n"
        "from PySide6.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "icon = qtawesome.icon('mdi6.ruler', color='#ff0000')\n"
        "icon.pixmap(QSize(32, 32), 1.0).save(sys.argv[1])\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "ruler.png")
        subprocess.run([sys.executable, "-c", script, file], check=True, timeout=60)
        theirs = QImage(file)
    ours = colored_icon("mdi6.ruler", "#ff0000").pixmap(QSize(32, 32), 1.0).toImage()
    pairs = list(zip(_alphas(ours), _alphas(theirs), strict=True))
    assert sum(abs(one - other) > 64 for one, other in pairs) < 0.05 * len(pairs)
    assert sum(one > 128 for one, _ in pairs) > 100


@pytest.mark.parametrize("name", ["drawn.polygon", "mdi6.ruler"])
def test_an_icon_has_the_pixels_of_its_screen_and_grays_out(name: str, qtbot: QtBot) -> None:
    painted = colored_icon(name, "#ff0000", color_disabled="#0000ff")
    twice = painted.pixmap(QSize(20, 20), 2.0)
    assert twice.size() == QSize(40, 40)
    assert twice.devicePixelRatio() == 2.0
    # A side of a corner's square, which at 20 pixels falls between two.
    assert sum(alpha in (0, 255) for alpha in _alphas(twice.toImage())) > 40 * 40 * 0.7
    off = painted.pixmap(QSize(20, 20), 1.0, QIcon.Mode.Disabled).toImage()
    colors = {off.pixelColor(x, y).rgb() for x in range(20) for y in range(20)} - {0}
    assert QColor("#0000ff").rgb() in colors
    assert QColor("#ff0000").rgb() not in colors


def _alphas(image: QImage) -> list[int]:
    return [
        image.pixelColor(x, y).alpha() for x in range(image.width()) for y in range(image.height())
    ]
