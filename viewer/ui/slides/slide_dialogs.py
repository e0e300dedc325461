"""Dialogs that are about the slide of a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QInputDialog

    from viewer.ui.slides.slide_pane import SlidePane


def finish_with_slide(dialog: QInputDialog, pane: SlidePane) -> None:
    """Have a dialog accepted when the pane's slide leaves: what was typed belongs to that slide."""

    def finish() -> None:
        if dialog.textValue().strip():
            dialog.accept()
        else:
            dialog.reject()

    connection = pane.slide_closing.connect(finish)
    dialog.finished.connect(lambda: pane.disconnect(connection))
