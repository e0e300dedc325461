"""Alignment of the slides in two panes: made, kept, exchanged, and followed by linked panes."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal

from viewer.errors import CoverslipError
from viewer.slides.alignment.transform import AlignedSlide, AlignmentError, SlideAlignment
from viewer.slides.errors import SlideError
from viewer.slides.remote.address import folder_beside
from viewer.ui.annotations.toolbox import MOVE
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.file_dialogs import ALL_FILES, ask_file, ask_new_file
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.slides.source import SlideSource
    from viewer.ui.alignment.alignment_dialog import AlignmentDialog
    from viewer.ui.alignment.landmark_picking import LandmarkPicking
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.slides.slide_pane import SlidePane

_FORMATS = {"Alignment (*.json)": ".json", ALL_FILES: ".json"}
_PICK = "Click a place on one slide, then the same place on the other."


class _CanceledError(CoverslipError):
    """The search was given up."""


class AlignmentHost(MessageHost, DialogHost, PaneHost, CommandHost, Protocol):
    """What the alignment of slides asks of the window."""

    toolbox: Toolbox


class AlignmentController(QObject):
    """Owned by the window; `shut_down` writes what is left."""

    _progressed = Signal(float)

    def __init__(self, window: AlignmentHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._disk = BackgroundRunner("alignments", 1, self)
        self._search = BackgroundRunner("align", 1, self)
        self._known: dict[frozenset[str], SlideAlignment | None] = {}
        self._dialog: AlignmentDialog | None = None
        self._panes: tuple[SlidePane, SlidePane] | None = None
        self._picking: LandmarkPicking | None = None
        self._stop = threading.Event()
        window.panes.alignment_of = self.alignment_of
        window.commands.on("panes.align", self.open)
        window.panes.watch(self._watch)
        window.panes.panes_changed.connect(self._look_up)
        window.toolbox.tool_chosen.connect(self._on_tool)
        self._progressed.connect(self._show_progress)

    def shut_down(self) -> None:
        self._stop.set()
        self._search.close()
        self._disk.close(finish=True)

    def alignment_of(self, source: SlidePane, target: SlidePane) -> SlideAlignment | None:
        """Return where places of one pane's slide lie on another's; None where nobody knows."""
        here, there = source.identity, target.identity
        found = self._known.get(frozenset((here, there))) if here and there else None
        return found.between(here, there) if found is not None else None

    def open(self) -> None:
        """Open the dialog for the active pane and the one beside it."""
        from viewer.ui.alignment.alignment_dialog import AlignmentDialog

        panes = self._pair()
        if panes is None:
            self._window.say("Open two different slides side by side first, to align them.")
            return
        self._close()
        self._panes = panes
        dialog = self._dialog = AlignmentDialog(self._window.window())
        dialog.automatic_wanted.connect(self.align)
        dialog.canceled.connect(self._stop.set)
        dialog.landmarks_wanted.connect(self._switch_picking)
        dialog.import_wanted.connect(self._ask_file)
        dialog.export_wanted.connect(self._ask_where)
        dialog.removed.connect(self._remove)
        dialog.finished.connect(lambda _: self._close())
        dialog.show_slides(*(_name(pane) for pane in panes))
        dialog.show_alignment(self.alignment_of(*panes))
        dialog.show()

    def align(self) -> None:
        """Align the two slides by what they show, in a thread."""
        if self._panes is None:
            return
        self._end_picking()
        here, there = self._panes
        sources = here.source, there.source
        optics = here.canvas.optics.mpp_um, there.canvas.optics.mpp_um
        if sources[0] is None or sources[1] is None:
            return
        stop = self._stop = threading.Event()
        if self._dialog is not None:
            self._dialog.show_alignment(self.alignment_of(here, there), "Reading the slides...")
            self._dialog.canceled.connect(stop.set)
        self._show_progress(0.0)
        panes = self._panes

        def progress(share: float) -> None:
            if stop.is_set():
                raise _CanceledError("")
            self._progressed.emit(share)

        self._search.run(
            partial(_aligned, (sources[0], optics[0]), (sources[1], optics[1]), progress),
            lambda found: self._take(found, panes),
            self._on_failed,
        )

    # -----------------------------------------------------------------------------------------

    def _pair(self) -> tuple[SlidePane, SlidePane] | None:
        """Return the active pane and the next one with another slide."""
        panes, active = self._window.panes.panes, self._window.panes.active
        if not active.identity:
            return None
        index = panes.index(active)
        for other in (*panes[index + 1 :], *panes[:index]):
            if other.identity and other.identity != active.identity:
                return active, other
        return None

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(lambda _: self._look_up())
        pane.slide_closing.connect(self._on_closing)

    def _look_up(self) -> None:
        """Read what was kept of the slides that are beside each other now."""
        from viewer.slides.alignment.files import kept_alignment

        keys = sorted({key for pane in self._window.panes.panes if (key := pane.identity)})
        for first, here in enumerate(keys):
            for there in keys[first + 1 :]:
                pair = frozenset((here, there))
                if pair not in self._known:
                    self._known[pair] = None
                    self._disk.run(
                        partial(kept_alignment, here, there),
                        lambda found, pair=pair: self._on_kept(found, pair),
                    )

    def _on_kept(self, found: SlideAlignment | None, pair: frozenset[str]) -> None:
        if found is not None and self._known.get(pair) is None:
            self._known[pair] = found
            self._window.panes.realign(self._window.panes.active)

    def _on_closing(self, pane: SlidePane) -> None:
        if self._panes is not None and pane in self._panes:
            self._close()

    def _close(self) -> None:
        self._stop.set()
        self._end_picking()
        dialog, self._dialog, self._panes = self._dialog, None, None
        if dialog is not None:
            dialog.close()
            dialog.deleteLater()

    def _take(self, found: SlideAlignment, panes: tuple[SlidePane, SlidePane]) -> None:
        """Keep an alignment, and have the panes move together by it."""
        from viewer.slides.alignment.files import keep_alignment

        here, there = panes[0].identity, panes[1].identity
        if found.between(here, there) is None:
            return  # another slide is there by now
        self._known[frozenset((here, there))] = found
        self._disk.run(
            lambda: keep_alignment(found),
            lambda _: None,
            lambda error: self._window.say(f"The alignment cannot be kept ({error})."),
            keeps="The alignment",
        )
        if not self._window.panes.is_linked:
            self._window.panes.set_linked(True)
        self._window.panes.realign(panes[0])
        self._show(found.text)

    def _show(self, sentence: str = "") -> None:
        self._show_progress(None)
        if self._dialog is not None and self._panes is not None:
            self._dialog.show_alignment(self.alignment_of(*self._panes), sentence)
        if sentence:
            self._window.say(sentence)

    def _show_progress(self, share: float | None) -> None:
        if self._dialog is not None:
            self._dialog.show_progress(share)

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, _CanceledError):
            self._show("The search was given up.")
        elif isinstance(error, AlignmentError | SlideError):
            self._show(str(error))
        else:
            self._show(f"The slides cannot be aligned ({error}).")

    def _remove(self) -> None:
        from viewer.slides.alignment.files import forget_alignment

        if self._panes is None:
            return
        here, there = self._panes[0].identity, self._panes[1].identity
        self._known[frozenset((here, there))] = None
        self._disk.run(
            lambda: forget_alignment(here, there),
            lambda _: None,
            self._on_failed,
            keeps="That an alignment is removed",
        )
        self._window.panes.realign(self._panes[0])
        self._show("The alignment is removed.")

    # Landmarks -------------------------------------------------------------------------------

    def _switch_picking(self, on: bool) -> None:
        from viewer.ui.alignment.landmark_picking import LandmarkPicking

        self._end_picking()
        if not on or self._panes is None:
            return
        self._window.toolbox.choose(MOVE)
        # Each slide goes its own way while the same place is looked for on both.
        self._window.panes.set_linked(False)
        picking = self._picking = LandmarkPicking(self._panes, self)
        picking.changed.connect(self._on_landmarks)
        picking.left.connect(self._end_picking)
        if self._dialog is not None:
            self._dialog.landmarks.setChecked(True)
        self._show(f"{_PICK} Three pairs at least; Backspace takes the last one back.")
        self._panes[0].focus()

    def _end_picking(self) -> None:
        picking, self._picking = self._picking, None
        if picking is not None:
            picking.end()
        if self._dialog is not None:
            self._dialog.landmarks.setChecked(False)

    def _on_tool(self, name: str) -> None:
        if name != MOVE:
            self._end_picking()

    def _on_landmarks(self) -> None:
        from viewer.slides.alignment.landmarks import LEAST_PAIRS, align_by_landmarks

        if self._picking is None or self._panes is None:
            return
        pairs, panes = self._picking.pairs, self._panes
        first, second = self._picking.counts
        if len(pairs) < LEAST_PAIRS or first != second:
            self._show(f"{_PICK} {first} and {second} are marked.")
            return
        try:
            found = align_by_landmarks(_slide(panes[0]), _slide(panes[1]), pairs)
        except AlignmentError as error:
            self._show(str(error))
            return
        self._take(found, panes)

    # Files -----------------------------------------------------------------------------------

    def _ask_file(self) -> None:
        if self._panes is None or self._panes[0].path is None:
            return
        ask_file(
            self._window.window(),
            "Import alignment",
            self._read,
            start=folder_beside(self._panes[0].path),
            filters=list(_FORMATS),
        )

    def _ask_where(self) -> None:
        if self._panes is None or self._panes[0].path is None:
            return
        path = self._panes[0].path
        ask_new_file(
            self._window.window(),
            "Export alignment",
            lambda path, _: self._write(path),
            formats=_FORMATS,
            start=folder_beside(path),
            stem=f"{path.stem} alignment",
        )

    def _read(self, path: Path) -> None:
        from viewer.slides.alignment.files import read_alignment

        panes = self._panes
        if panes is None:
            return

        def take(found: SlideAlignment) -> None:
            if found.between(panes[0].identity, panes[1].identity) is None:
                self._show(f"{path.name} aligns other slides than these two.")
            else:
                self._take(found, panes)

        self._disk.run(lambda: read_alignment(path), take, self._on_failed)

    def _write(self, path: Path) -> None:
        from viewer.slides.alignment.files import write_alignment

        found = self.alignment_of(*self._panes) if self._panes is not None else None
        if found is not None:
            self._disk.run(
                lambda: write_alignment(path, found),
                lambda _: self._window.say(f"Wrote {path.name}."),
                self._on_failed,
                keeps=path.name,
            )


def _aligned(
    here: tuple[SlideSource, tuple[float, float] | None],
    there: tuple[SlideSource, tuple[float, float] | None],
    on_progress: Callable[[float], object],
) -> SlideAlignment:
    from viewer.slides.alignment.automatic import align_automatically, overview_of

    first = overview_of(*here)
    on_progress(0.0)
    return align_automatically(first, overview_of(*there), on_progress)


def _slide(pane: SlidePane) -> AlignedSlide:
    source = pane.source
    assert source is not None
    base = source.levels[0]
    mpp_um = pane.canvas.optics.mpp_um
    return AlignedSlide(source.info.identity, base.width_px, base.height_px, mpp_um)


def _name(pane: SlidePane) -> str:
    return pane.name_of(pane.path) if pane.path is not None else ""
