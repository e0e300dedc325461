"""Density maps in the window: asked for by a dialog, shown as an overlay, with the hot spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import shapely
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QWidget,
)

from viewer.annotations.annotation import Annotation
from viewer.annotations.counted import with_count
from viewer.annotations.document import adding
from viewer.annotations.statistics import OBJECTS
from viewer.overlays.density_map import (
    ALL,
    DensityError,
    DensityOptions,
    HotSpot,
    density_map,
    hot_spot,
)
from viewer.overlays.files.result_file import ResultFile
from viewer.overlays.object_map import ObjectMap
from viewer.ui.opened_dialog import answer_buttons
from viewer.ui.services import DialogHost, DrawingHost, MessageHost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.services import ListedResults

_RADII_UM = (20.0, 5_000.0)
_QUARTER_SEGMENTS = 32


class DensityDialog(QDialog):
    """Asks for class, radius and kernel of a map, and for the area of the hot spot."""

    def __init__(self, model: str, classes: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Density map")
        hint = QLabel(
            f"Objects of {model} per mm², as far as the slide was analyzed. The map is shown over "
            "the slide; its card exports it.",
            self,
        )
        hint.setWordWrap(True)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        self.classes = QComboBox(self)
        self.classes.addItem(ALL, None)
        if len(classes) > 1:
            for index, name in enumerate(classes):
                self.classes.addItem(name, index)
        self.radius = QDoubleSpinBox(self)
        self.radius.setRange(*_RADII_UM)
        self.radius.setDecimals(0)
        self.radius.setSuffix(" µm")
        self.radius.setSingleStep(50)
        self.radius.setValue(DensityOptions().radius_um)
        self.kernel = QComboBox(self)
        for text, key in (("Disc", "disc"), ("Gaussian, half the radius wide", "gaussian")):
            self.kernel.addItem(text, key)
        self.area = QDoubleSpinBox(self)
        self.area.setRange(0.0, 100.0)
        self.area.setDecimals(4)
        self.area.setSuffix(" mm²")
        self.area.setSpecialValueText("None")
        self.area.setSingleStep(0.1)
        self.area.setValue(1.0)
        buttons, self.make = answer_buttons(self, "Make map")
        form = QFormLayout(self)
        form.addRow(hint)
        for text, field in (
            ("&Objects:", self.classes),
            ("&Radius:", self.radius),
            ("&Kernel:", self.kernel),
            ("&Hot spot of:", self.area),
        ):
            field.setAccessibleName(text.replace("&", "").rstrip(":"))
            form.addRow(text, field)
        form.addRow(buttons)

    @property
    def options(self) -> DensityOptions:
        """Return what the map is to be made by."""
        return DensityOptions(self.radius.value(), self.kernel.currentData())


class DensityHost(MessageHost, DialogHost, DrawingHost, Protocol):
    """What density maps ask of the window."""


def ask_density(
    window: DensityHost, listed: ListedResults, background: BackgroundRunner, run: Overlay
) -> None:
    """Ask by what a map of the objects of an overlay is made, and make it in a thread."""
    from viewer.ui.opened_dialog import open_dialog

    names = [name for name, _ in run.origin.colors]
    dialog = DensityDialog(run.origin.name, names, window.window())
    dialog.accepted.connect(
        lambda: _make(window, listed, background, run, names, dialog.classes.currentData(), dialog)
    )
    open_dialog(dialog)


def _make(
    window: DensityHost,
    listed: ListedResults,
    background: BackgroundRunner,
    run: Overlay,
    names: list[str],
    class_index: int | None,
    dialog: DensityDialog,
) -> None:
    found, options, area_mm2 = run.found.as_objects, dialog.options, dialog.area.value()
    assert found is not None
    pane, source = run.pane, run.pane.source
    model, of = run.origin.name, ALL if class_index is None else names[class_index]
    wanted = None if class_index is None else [class_index]
    window.say("Making the density map...")

    def work() -> tuple[ResultFile, HotSpot | DensityError | None]:
        picked = found if wanted is None else _of_class(found, wanted[0])
        made, _ = density_map(picked, [of], options)
        title = f"Density of {model}" if wanted is None else f"Density of {model}: {of}"
        told = f"{of} of {model} {options.text}. As it was when it was made; make it anew for more."
        made_file = ResultFile(
            Path(title), made, [(f"{of} per mm²", "#ffb000")], [], title=title, told=told
        )
        try:
            return made_file, hot_spot(found, area_mm2, wanted) if area_mm2 else None
        except DensityError as error:
            return made_file, error

    def take(result: tuple[ResultFile, HotSpot | DensityError | None]) -> None:
        made, spot = result
        if pane.source is not source:
            return
        if not made.found.count:
            window.say(f"{model} has analyzed too little of the slide for a map of this radius.")
            return
        said = f"{made.name}: {options.text}."
        if isinstance(spot, DensityError):
            said += f" {spot}"
        elif spot is not None:
            said += (
                f" Hot spot: {spot.objects:,} in {spot.area_mm2:g} mm², {spot.per_mm2:,.0f}/mm²."
                f" {spot.caveat}"
            )
        listed.show_results(made, pane, said=said.rstrip())
        if isinstance(spot, HotSpot):
            _mark(window, run, of, spot)

    background.run(
        work, take, lambda error: window.show_error(f"The map cannot be made ({error}).")
    )


def _of_class(found: ObjectMap, index: int) -> ObjectMap:
    """Return the objects of one class, on the same grid."""
    picked = ObjectMap(found.grid, found.mpp_um)
    for key, objects in found:
        picked.put(key, objects.taken(objects.classes == index))
    return picked


def _mark(window: DensityHost, run: Overlay, of: str, spot: HotSpot) -> None:
    """Draw the hot spot as an annotation with its count, and go there."""
    active = window.annotations.active
    if active is None or active.pane is not run.pane or active.document.is_read_only:
        return
    disc = shapely.Point(*spot.center).buffer(spot.radius_px, quad_segs=_QUARTER_SEGMENTS)
    name = f"Hot spot, {run.origin.name}" + ("" if of == ALL else f": {of}")
    drawn = Annotation(disc, name=name, is_ellipse=True).signed(active.author)
    counts = {OBJECTS: float(spot.objects), f"{OBJECTS} per mm2": round(spot.per_mm2, 3)}
    model = f"{run.origin.name} at {run.mpp_um:.4g} µm/px"
    marked = with_count(drawn, counts, model, 1.0, active.mpp_um)
    if active.do(adding("Mark hot spot", [marked])):
        active.selection.choose([marked.id])
        active.travel([marked])
