"""Writes how the slide in a pane is adjusted, a moment after the last change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.tiles.display import default_display
from viewer.ui.slides.rest_keeper import RestKeeper

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from viewer.slides.source import SlideInfo
    from viewer.tiles.display import DisplaySettings

_REST_MS = 500


class DisplayKeeper(RestKeeper):
    """Keeps brightness, contrast, stain and the like, slide by slide."""

    def __init__(self, parent: QObject) -> None:
        super().__init__("Display", _REST_MS, parent)

    def note(self, info: SlideInfo, display: DisplaySettings, *, uses_icc: bool) -> None:
        """Take the settings of a slide whose identity is known."""
        from viewer.tiles.kept_channels import remember_channels
        from viewer.tiles.kept_display import save_display

        identity, default = info.identity, default_display(info, uses_icc=uses_icc)
        display = replace(display, channels=display.channels or default.channels)

        def save() -> None:
            save_display(identity, display, default)
            if not info.axes.is_rgb:
                remember_channels(info.axes, display.channels)

        self.keep(save)
