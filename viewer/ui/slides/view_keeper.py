"""Writes where the slide in a pane was looked at last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.ui.slides.rest_keeper import RestKeeper

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from viewer.geometry import View

_REST_MS = 3000
"""A view that is rested at this long survives a crash; one that is left by a key is kept too."""


class ViewKeeper(RestKeeper):
    """Keeps the last view, slide by slide and reader by reader."""

    def __init__(self, parent: QObject) -> None:
        super().__init__("Last view", _REST_MS, parent)

    def note(self, identity: str, reader: str, view: View | None) -> None:
        """Take the view of a slide, None for the whole of it."""
        from viewer.tiles.kept_view import save_view

        self.keep(lambda: save_view(identity, reader, view))
