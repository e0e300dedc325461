"""Draws on the bundled slide and takes docs/pictures/annotating.png and classes.png."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import shapely
from PySide6.QtWidgets import QApplication

from scripts.waiting import wait_ms
from viewer.annotations.annotation import DESCRIPTION, Annotation
from viewer.annotations.document import adding
from viewer.geometry import Point
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.annotations.classes_dialog import ClassesDialog
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import apply_theme, theme_named

_REPOSITORY = Path(__file__).resolve().parent.parent
_PICTURES = _REPOSITORY / "docs" / "pictures"
_EPITHELIUM = [
    (1185, 730), (1346, 608), (1407, 709), (1548, 951), (1326, 1072), (1165, 1314), (1124, 1596),
    (1245, 1817), (1407, 1677), (1568, 1515), (1729, 1334), (1790, 1394), (1568, 1616),
    (1427, 1797), (1326, 2039), (1165, 2240), (1084, 2160), (1084, 1797), (1044, 1475),
    (1084, 1112),
]  # fmt: skip
_DERMIS = [
    (883, 1112), (1020, 1152), (1020, 1515), (1050, 1878), (1060, 2160), (883, 2361), (842, 1878),
    (883, 1475),
]  # fmt: skip
_DRAWN = (
    ("Tumor", "Epithelium", shapely.Polygon(_EPITHELIUM), "Keratinises in the middle"),
    ("Stroma", "Dermis", shapely.Polygon(_DERMIS), ""),
    ("Immune cells", "", shapely.Point(1000, 900).buffer(90), ""),
    ("Immune cells", "", shapely.Point(930, 640).buffer(70), ""),
    ("Other", "Margin", shapely.LineString([(1700, 1000), (1560, 1250), (1500, 1600)]), ""),
)
"""Class, name, shape in level-0 pixels, description."""


def main() -> None:
    """Drives a real window, as an annotator would; with a folder, writes there."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _PICTURES
    name: Literal["dark", "light"] = "light" if "light" in sys.argv[2:] else "dark"
    app = QApplication([])
    apply_theme(app, theme_named(name))
    window = MainWindow(Settings(reader="ada", theme=name), TileCache(256 << 20))
    window.resize(1280, 820)
    window.show()
    window.open_paths([_REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"])
    wait_ms(2500)
    window.commands["panels.annotations"].trigger()
    wait_ms(300)
    _draw(window)
    window.panes.active.canvas.go_to(Point(1200, 1350), 2.6, animated=False)
    window.commands["annotate.bookmark"].trigger()
    for command in ("annotate.filled", "annotate.names", "annotate.select"):
        window.commands[command].trigger()
    active = window.annotations.active
    assert active is not None
    active.selection.choose([next(iter(active.document)).id])
    wait_ms(7000)
    window.grab().save(str(folder / "annotating.png"))
    window.commands["annotate.classes"].trigger()
    wait_ms(300)
    dialog = window.findChild(ClassesDialog)
    assert dialog is not None
    dialog.grab().save(str(folder / "classes.png"))
    dialog.close()
    window.close()


def _draw(window: MainWindow) -> None:
    active = window.annotations.active
    assert active is not None
    for which, name, shape, text in _DRAWN:
        palette_class = window.annotations.classes.palette.named(which)
        assert palette_class is not None
        drawn = Annotation(shape, shown_as=palette_class.annotation_class, name=name)
        active.do(adding("Polygon", [drawn.noted(DESCRIPTION, text).signed("ada")]))


if __name__ == "__main__":
    main()
