"""Objects of a run on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from msgspec.structs import replace

from viewer.canvas.layer import LayerOrder
from viewer.geometry import Box
from viewer.measurement_names import with_signs
from viewer.overlays.heatmap import gradient
from viewer.overlays.legend import LegendRow, object_rows
from viewer.overlays.object_style import STEPS, ObjectStyle
from viewer.overlays.objects import UNLIKE
from viewer.overlays.result_at import ResultAt
from viewer.ui.overlays.presenters.presenter import Presenter
from viewer.ui.view.layer_entries import Ramp

if TYPE_CHECKING:
    from viewer.canvas.objects_layer import ObjectsLayer
    from viewer.geometry import Point
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.objects import Objects
    from viewer.ui.overlays.presenters.presenter import Presented

# The low end of the map is as dark as nuclei are.
MEASURE_COLORS = gradient("viridis", STEPS, 0.35)
_REACH_UM = 30.0
"""No nucleus under the cursor has its middle farther away."""


class ObjectsPresenter(Presenter):
    """Keeps the outlines on the canvas up to date with what is found."""

    stratum = LayerOrder.OBJECTS

    def __init__(self, given: Presented) -> None:
        from viewer.canvas.objects_layer import ObjectsLayer

        super().__init__(given)
        objects = given.found.as_objects
        assert objects is not None
        self.found = objects
        self.style = ObjectStyle()
        self.layer = ObjectsLayer()
        self.layer.show_map(objects, [color for _, color in given.origin.colors])
        self._colors = given.origin.colors

    @classmethod
    def of(cls, shown: Presenter) -> ObjectsPresenter | None:
        """Return a presenter that shows outlines; None for any other."""
        return shown if isinstance(shown, cls) else None

    @property
    def painted(self) -> ObjectsLayer:
        return self.layer

    def refresh(self, key: BlockKey) -> None:
        """The objects of a block changed."""
        self.layer.refresh(key)
        if self._canvas.view.box.intersects(self.found.grid.input_box(key)):
            self._canvas.update()

    def show_preview(self, key: BlockKey, objects: Objects) -> None:
        """Show some objects of a block that is not known yet, until it is."""
        if key not in self.found:
            self.layer.show_preview(key, objects)
            self._canvas.update()

    def end_preview(self) -> None:
        """Take off what was shown of a block that is not known yet."""
        if self.layer.preview is not None:
            self.refresh(self.layer.preview[0])

    def show_classes(self, colors: list[tuple[str, str]]) -> None:
        """Take other classes into use: name and color of each."""
        self._colors = colors
        self.style = replace(self.style, hidden=frozenset())
        self.layer.show_map(self.found, [color for _, color in colors])
        self.layer.set_style(self.style, MEASURE_COLORS if self.style.measurement else ())
        self._canvas.update()

    def refresh_all(self) -> None:
        """Everything may have changed; the layer makes its pictures when it paints."""

    def set_filled(self, *, filled: bool) -> None:
        self.layer.is_filled = filled
        self._canvas.update()

    def set_style(self, style: ObjectStyle) -> None:
        """Colors by class or measurement, and what is left out."""
        self.style = style
        self.layer.set_style(style, MEASURE_COLORS if style.measurement else ())
        self._canvas.update()

    def switch_class(self, index: int, *, on: bool) -> None:
        hidden = self.style.hidden - {index} if on else self.style.hidden | {index}
        self.set_style(replace(self.style, hidden=hidden))

    def point_out(self, objects: Objects, index: int) -> None:
        """Draw one object boldly, so that it is found among the others."""
        self.layer.pointed_out = objects.outline(index)
        self._canvas.update()

    @property
    def measurements(self) -> list[str]:
        """Return the names of what is measured, once objects are known."""
        for _, objects in self.found:
            if len(objects):
                return [name for name in objects.measurements if name != UNLIKE]
        return []

    def result_at(self, point: Point) -> ResultAt | None:
        """Return the object at a level-0 point; None beside objects."""
        near = Box(point.x, point.y, point.x, point.y).grown(_REACH_UM / self.found.mpp_um)
        for _, objects in self.found.inside(near):
            if not len(objects):
                continue
            offsets = objects.centroids - (point.x, point.y)
            for index in np.argsort(np.hypot(*offsets.T))[:3].tolist():
                outline = shapely.Polygon(objects.outline(index))
                if outline.contains(shapely.Point(point.x, point.y)):
                    return self.result_of(objects, index)
        return None

    def result_of(self, objects: Objects, index: int) -> ResultAt:
        """Return an object with what is measured of it."""
        numbers = [
            f"{with_signs(name)} {values[index]:.3g}"
            for name, values in objects.measurements.items()
            if name != UNLIKE
        ]
        text = ", ".join([self._colors[int(objects.classes[index])][0], *numbers])
        outline = objects.outline(index)
        return ResultAt(text, Box(*outline.min(0).tolist(), *outline.max(0).tolist()))

    def color_key(self) -> list[tuple[str, str]]:
        """Return names and colors of the classes that are shown; none where values are."""
        if self.style.measurement is not None:
            return []
        return [each for n, each in enumerate(self._colors) if n not in self.style.hidden]

    def ramp(self) -> Ramp | None:
        """Return the key of the measurement that colors the objects; None of classes."""
        if self.style.measurement is None:
            return None
        low, high = self.style.low, self.style.high
        return Ramp(tuple(MEASURE_COLORS), (f"{low:.3g}", f"{high:.3g} {self.style.measurement}"))

    def legend_rows(self) -> list[LegendRow]:
        """Return the key of the classes, with the objects of each."""
        return object_rows(self._colors, self.found.counts(len(self._colors)), self.style.hidden)

    def lines(self) -> list[str]:
        """Return what the card tells."""
        if self.layer.preview is not None:
            return ["The first of a tile are shown; they count once it is done"]
        count = self.count_in(self._canvas.view.box)
        return [f"{count:,} in view, {self.found.count:,} on the slide so far"]

    def count_in(self, box: Box) -> int:
        """Objects whose middle is in a level-0 box."""
        count = 0
        for _, objects in self.found.inside(box):
            x, y = objects.centroids[:, 0], objects.centroids[:, 1]
            count += int(((x >= box.x0) & (x < box.x1) & (y >= box.y0) & (y < box.y1)).sum())
        return count
