"""Counting of mitoses and the like per area: the mode, its bar and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.annotations.counting.frame import NO_PIXEL_SIZE, CountingError, CountingFrame
from viewer.annotations.counting.tally import (
    LOOK_ALIKE,
    MITOSIS,
    has_fields,
    is_other_scale,
)
from viewer.annotations.sets.together import together
from viewer.canvas.annotating.count_tool import CountTool
from viewer.geometry import Box
from viewer.recording.events import Counted
from viewer.slides.remote.address import folder_beside
from viewer.ui.annotations.toolbox import MOVE
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands.command import with_slide
from viewer.ui.counting.counting_bar import CountingBar
from viewer.ui.file_dialogs import ask_new_file
from viewer.ui.services import (
    CommandHost,
    DialogHost,
    MessageHost,
    OverlayHost,
    PaneHost,
    SettingsHost,
)
from viewer.ui.written_file import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

    from viewer.annotations.counting.tally import FieldCount
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.sets.annotation_set import SetKey
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.status_bar import WindowStatusBar

_MOST_CLASSES = 9
_MARGIN = 1.08
"""The view is so much larger than a field that is traveled to."""
_FILTERS = {"CSV table (*.csv)": ".csv", "QuPath GeoJSON (*.geojson)": ".geojson"}


class CountingHost(
    MessageHost, DialogHost, PaneHost, CommandHost, SettingsHost, OverlayHost, Protocol
):
    """What counting asks of the window."""

    annotations: AnnotationsController
    recording: RecordingController
    status: WindowStatusBar
    toolbox: Toolbox


class CountingController(QObject):
    """Owned by the window; `shut_down` writes what is left."""

    def __init__(self, window: CountingHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._disk = BackgroundRunner("counts", 1, self)
        self._bar: CountingBar | None = None
        self._tool: CountTool | None = None
        self._pane: SlidePane | None = None
        self._former = MOVE
        self._currents: dict[SlidePane, UUID] = {}
        self._logged: Counted | None = None
        settings = window.settings
        self._options = window.toolbox.options
        try:
            self._options.frame = CountingFrame(settings.counting_area_mm2, settings.counting_shape)
        except CountingError:
            self._options.frame = CountingFrame()
        commands = window.commands
        commands.on_toggle("annotate.mitosis_count", self._switch)
        commands.on("annotate.counting_frame", self.ask_frame)
        commands.on("annotate.export_counts", self.ask_where)
        window.toolbox.tool_chosen.connect(self._on_tool)
        window.panes.active_changed.connect(lambda _: self._follow())
        window.annotations.opened.connect(lambda _: self._follow())
        window.annotations.closing.connect(self._on_closing)

    @property
    def is_counting(self) -> bool:
        """Return whether the counter is in hand."""
        return self._window.toolbox.name == CountTool.name

    def shut_down(self) -> None:
        self._disk.close(finish=True)

    def begin(self) -> None:
        """Count in the active pane, from the field in the middle of the view on."""
        toolbox = self._window.toolbox
        if not self._can_begin():
            self._window.commands["annotate.mitosis_count"].setChecked(False)
            return
        if not self.is_counting:
            self._former = toolbox.name
            self._take_classes()
            toolbox.choose(CountTool.name)
        self._follow()
        if self._tool is not None and self._pane is not None:
            canvas = self._pane.canvas
            self._show_field(self._tool.begin(canvas.destination.center, canvas.slide_box))

    def end(self) -> None:
        """Count no more; the tool from before is in hand again."""
        if self.is_counting:
            self._window.toolbox.choose(self._former)

    def ask_frame(self) -> None:
        """Ask for shape and area of the next field, and count in it."""
        from viewer.ui.counting.frame_dialog import FrameDialog
        from viewer.ui.opened_dialog import open_dialog

        dialog = FrameDialog(self._options.frame, self._window.window())

        def take() -> None:
            frame = dialog.frame
            if frame is None:
                return
            self._options.frame = frame
            self._window.change_settings(
                counting_area_mm2=frame.area_mm2, counting_shape=frame.shape
            )
            if self.is_counting:
                self._window.say(f"The next field is a {frame.text}.")
            else:
                self.begin()

        dialog.accepted.connect(take)
        open_dialog(dialog)

    def ask_where(self) -> None:
        """Ask for a file and write the count of the active pane's slide."""
        pane = self._window.panes.active
        held = self._window.annotations.states_in_sight(pane)
        if pane.path is None or not any(has_fields(state) for _, state in held):
            self._window.say("Nothing is counted on this slide: start a mitosis count first.")
            return
        ask_new_file(
            self._window.window(),
            "Export counts",
            lambda path, _: self.write(path, held),
            formats=_FILTERS,
            start=folder_beside(pane.path),
            stem=f"{pane.path.stem} counts",
        )

    def write(self, path: Path, held: Sequence[tuple[SetKey, DocumentState]]) -> None:
        """Write the fields of sets and what is in them, by the ending of the name."""
        from viewer.annotations.counting.table import write_count_file

        pane = self._window.panes.active
        write_file(
            self._window, self._disk, pane, path, lambda: write_count_file(path, together(held))
        )

    # -----------------------------------------------------------------------------------------

    def _switch(self, on: bool) -> None:
        if on:
            self.begin()
        else:
            self.end()

    def _can_begin(self) -> bool:
        """Return whether the active pane's slide can be counted on; says why not."""
        pane, active = self._window.panes.active, self._window.annotations.active
        if active is None:
            self._window.say(with_slide.reason)
            return False
        if pane.canvas.optics.mpp_um is None:
            pane.bars.scale_hint.tell(NO_PIXEL_SIZE, "warning", "Set...")
            self._window.say(NO_PIXEL_SIZE)
            return False
        active.calibrate()
        return True

    def _take_classes(self) -> None:
        """The digits are mitoses, look-alikes, then the classes of the window."""
        palette = self._window.annotations.classes.palette.classes
        named = {each.name: each.annotation_class for each in palette}
        first = [named.pop(each.name, each) for each in (MITOSIS, LOOK_ALIKE)]
        rest = [each for each in named.values() if not each.name.endswith("*")]
        self._options.counted_classes = (*first, *rest)[:_MOST_CLASSES]
        if self._options.counted_class not in self._options.counted_classes:
            self._options.counted_class = first[0]

    def _on_tool(self, name: str) -> None:
        self._window.commands["annotate.mitosis_count"].setChecked(name == CountTool.name)
        self._follow()

    def _on_closing(self, each: PaneAnnotations) -> None:
        """The slide leaves the pane, and its tool with it."""
        if each.pane is self._pane:
            self._let_go()

    def _let_go(self) -> None:
        if self._bar is not None:
            self._bar.hide()
            self._bar.deleteLater()
        if self._tool is not None and self._pane is not None and self._tool.current is not None:
            self._currents[self._pane] = self._tool.current
        self._bar = self._tool = self._pane = self._logged = None

    def _follow(self) -> None:
        """The bar stands over the active pane while the counter is in hand."""
        pane = self._window.panes.active
        tool = self._window.toolbox.tool_of(pane)
        counter = tool if isinstance(tool, CountTool) else None
        if counter is self._tool and pane is self._pane:
            return
        self._let_go()
        if counter is None:
            return
        self._tool, self._pane = counter, pane
        counter.current = self._currents.get(pane)
        counter.tallied.connect(self._show)
        counter.left.connect(self.end)
        counter.next_wanted.connect(self._next_field)
        counter.middle_counted.connect(self._count_middle)
        bar = self._bar = CountingBar(pane)
        bar.class_chosen.connect(counter.choose_class)
        bar.next_wanted.connect(self._next_field)
        bar.frame_wanted.connect(self.ask_frame)
        bar.export_wanted.connect(self.ask_where)
        bar.left.connect(self.end)
        pane.bars.add(bar)
        self._show()
        bar.show()

    def _next_field(self) -> None:
        if self._tool is not None and self._pane is not None:
            canvas = self._pane.canvas
            center = canvas.destination.center
            self._show_field(self._tool.add_field(center, canvas.slide_box))
            self._pane.focus()

    def _count_middle(self) -> None:
        if self._tool is not None and self._pane is not None:
            self._tool.count_at(self._pane.canvas.view.center)
            self._window.say("Counted in the middle of the view.")

    def _show_field(self, found: FieldCount | None) -> None:
        """Bring a field into view whole, where it is not."""
        if self._pane is None or found is None:
            return
        canvas = self._pane.canvas
        bounds = Box(*found.field.geometry.bounds)
        corners = [canvas.destination.to_screen(corner) for corner in bounds.corners]
        size = canvas.destination.size
        if all(0 <= at.x <= size.width and 0 <= at.y <= size.height for at in corners):
            return
        wanted = Box.around(bounds.center, bounds.width * _MARGIN, bounds.height * _MARGIN)
        downsample = max(canvas.destination.downsample, canvas.view.showing(wanted).downsample)
        canvas.go_to(bounds.center, downsample)

    def _show(self) -> None:
        tool, pane = self._tool, self._pane
        if tool is None or pane is None or self._bar is None:
            return
        options, summary = self._options, tool.tally.summary
        mpp_um = pane.canvas.optics.mpp_um
        is_other = any(is_other_scale(each, mpp_um) for each in summary.fields)
        notice = "Fields were laid out by another pixel size." if is_other else ""
        chosen = options.counted_class
        self._bar.show_count(summary, tool.current, options.counted_classes, chosen, notice)
        self._window.status.show_drawing(
            f"{chosen.name}: {summary.counts[chosen.name]:,} in {summary.area_mm2:.4f} mm²"
        )
        event = Counted(
            summary.counts[chosen.name], round(summary.area_mm2, 6), len(summary.fields),
            chosen.name,
        )  # fmt: skip
        if event != self._logged:
            self._logged = event
            self._window.recording.control.record(event, pane)
