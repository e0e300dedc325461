"""Files that are written in a thread, with word beside them of which overlays were shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.files.atomic_write import unwritable
from viewer.ui.services import MessageHost, OverlayHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.slides.slide_pane import SlidePane


class WritingHost(MessageHost, OverlayHost, Protocol):
    """What writing a file asks of the window."""


def write_file(
    window: WritingHost,
    background: BackgroundRunner,
    pane: SlidePane,
    path: Path,
    write: Callable[[], object],
) -> None:
    """Have `write` write a file about the slide in a pane; what came of it is said."""
    from viewer.overlays.shown_overlays import write_shown_beside

    shown = window.overlays.shown_in(pane)

    def work() -> None:
        write()
        write_shown_beside(path, shown)

    background.run(
        work,
        lambda _: window.say(f"Wrote {path.name}."),
        lambda error: window.show_error(unwritable(path, error)),
        keeps=path.name,
    )
