"""What a model may measure on the open slide, and nothing else: no files, no commands.

Arguments come from a model and are checked against types; what a tool gives is plain data. Texts
of annotations are data too: `viewer.agents.chat.conversation.data_field` fences them before a model
reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import msgspec
import numpy as np

from viewer.agents.chat.conversation import Tool
from viewer.agents.errors import MicroscopeError, ToolError
from viewer.agents.findings import corners
from viewer.agents.microscope import LEAST_BOX_PX, LEAST_FIELD_PX, on_slide, slide_box
from viewer.agents.tool_arguments import (
    Arguments,
    BoxArguments,
    NoArguments,
    SimilarArguments,
    checked_arguments,
    schema_of,
)
from viewer.geometry import Box
from viewer.inference.runs.results import cell_values
from viewer.overlays.scoring import best_cells, nearest_prototype, similarity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from viewer.agents.canceling import Cancel
    from viewer.agents.slide_models import SlideModels
    from viewer.annotations.annotation import Annotation
    from viewer.overlays.heatmap import Mark
    from viewer.slides.source import SlideSource

NUCLEI, LIKENESS, QUALITY = "nuclei", "tissue-likeness", "tissue-quality"
"""Bundled models by their folders."""
_AREA = "Area um2"
_MOST_ANNOTATIONS = 50
_MOST_NAME_CHARS = 200


class _SlideTool(msgspec.Struct, Generic[Arguments], frozen=True):
    description: str
    arguments: type[Arguments]
    run: Callable[[Arguments, Cancel], dict[str, object]]


class SlideTools:
    """The tools of one slide. Called in the agent's thread.

    Parameters
    ----------
    annotations
        Gives those that are on the slide now.
    marks
        Of few-shot classes; without any there is no class map.
    tissue_model
        Name of a model of tissue classes that fits the organ; None where none is known to.
    """

    def __init__(
        self,
        source: SlideSource,
        instruments: SlideModels,
        annotations: Callable[[], Sequence[Annotation]] = lambda: (),
        marks: Sequence[Mark] = (),
        tissue_model: str | None = None,
    ) -> None:
        self._source = source
        self._instruments = instruments
        self._annotations = annotations
        self._marks = marks
        self._tissue_model = tissue_model
        self._tools = self._made()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def described(self) -> list[Tool]:
        """Return them as they are described to a model."""
        return [
            Tool(name, tool.description, schema_of(tool.arguments))
            for name, tool in self._tools.items()
        ]

    def call(
        self, name: str, arguments: str | Mapping[str, object], cancel: Cancel
    ) -> dict[str, object]:
        """Return what a tool measures.

        Parameters
        ----------
        arguments
            As JSON text, or decoded.

        Raises
        ------
        ToolError
            There is no such tool, the arguments are wrong, or nothing can be measured.
        AgentCancelledError
            The user stopped it.
        """
        checked = self.check(name, arguments)
        return self._tools[name].run(checked, cancel)

    def check(self, name: str, arguments: str | Mapping[str, object]) -> msgspec.Struct:
        """Return the arguments of a call as the tool takes them. Raises ToolError."""
        tool = self._tools.get(name)
        if tool is None:
            raise ToolError(f'There is no tool "{name}": there are {", ".join(self._tools)}.')
        return checked_arguments(name, arguments, tool.arguments)

    def close(self) -> None:
        """End the models' processes."""
        self._instruments.close()

    def _made(self) -> dict[str, _SlideTool[Any]]:
        tools = {
            "count_nuclei": _SlideTool(
                "Count nuclei in a box: number, density and size.", BoxArguments, self._nuclei
            ),
            "tissue_quality": _SlideTool(
                "Shares of sound tissue, blur, pen marks and folds in a box.",
                BoxArguments,
                self._quality,
            ),
            "similar_regions": _SlideTool(
                "Fields of this slide that look most like a box.", SimilarArguments, self._similar
            ),
            "measure": _SlideTool(
                "Width, height, diagonal and area of a box in micrometers.",
                BoxArguments,
                self._measure,
            ),
            "read_annotations": _SlideTool(
                "Names, classes and boxes of the annotations on the slide.",
                NoArguments,
                self._read_annotations,
            ),
        }
        if self._tissue_model is not None:
            tools["tissue_classes"] = _SlideTool(
                "Shares of tissue classes in a box.", BoxArguments, self._classes
            )
        if self._marks:
            tools["class_map"] = _SlideTool(
                "Shares of the classes that the user marked a few fields of, in a box.",
                BoxArguments,
                self._class_map,
            )
        return tools

    def _box(self, arguments: BoxArguments, least_px: float = LEAST_FIELD_PX) -> Box:
        try:
            return on_slide(arguments.box, self._source, least_px)
        except MicroscopeError as error:
            raise ToolError(str(error)) from error

    def _mpp_um(self) -> float:
        mpp_um = self._instruments.mpp_um
        if mpp_um is None:
            raise ToolError("The pixel size is unknown: nothing can be measured.")
        return mpp_um

    def _nuclei(self, arguments: BoxArguments, cancel: Cancel) -> dict[str, object]:
        box, mpp_um = self._box(arguments), self._mpp_um()
        objects = self._instruments.objects_in(NUCLEI, box, cancel)
        area_mm2 = box.width * box.height * mpp_um**2 / 1e6
        areas = objects.measured(_AREA)
        result: dict[str, object] = {
            "nuclei": len(objects),
            "nuclei_per_mm2": round(len(objects) / area_mm2),
            "box_mm2": round(area_mm2, 4),
        }
        if len(objects):
            result["median_area_um2"] = round(float(np.nanmedian(areas)), 1)
            result["largest_area_um2"] = round(float(np.nanmax(areas)), 1)
        return result

    def _quality(self, arguments: BoxArguments, cancel: Cancel) -> dict[str, object]:
        return self._class_shares(QUALITY, self._box(arguments), cancel)

    def _classes(self, arguments: BoxArguments, cancel: Cancel) -> dict[str, object]:
        assert self._tissue_model is not None
        return self._class_shares(self._tissue_model, self._box(arguments), cancel)

    def _class_shares(self, model: str, box: Box, cancel: Cancel) -> dict[str, object]:
        found = self._instruments.cells_of(model, box, cancel)
        inside = found.cells_in(box)
        if not inside.any():
            return {"shares": {}, "about": "There is no tissue in the box."}
        bundle = self._instruments.bundle(model)
        values, names = cell_values(found, bundle.task, bundle.colors)
        likeliest = values[inside].argmax(-1)
        shares = np.bincount(likeliest, minlength=len(names)) / len(likeliest)
        return {"shares": _shares(names, shares.tolist()), "about": bundle.about}

    def _similar(self, arguments: SimilarArguments, cancel: Cancel) -> dict[str, object]:
        box = self._box(arguments)
        # A part of the slide about the box: all of a large slide would take hours.
        part = on_slide(box.grown(max(box.width, box.height) * 2), self._source)
        try:
            found = self._instruments.cells_of(LIKENESS, part, cancel)
        except ToolError:
            found = self._instruments.cells_of(LIKENESS, box, cancel)
        marked = found.cells_in(box)
        if not marked.any():
            raise ToolError("There is no tissue in the box that others could be like.")
        values = np.where(marked, np.nan, similarity(found.values, marked)).astype(np.float32)
        best = best_cells(values, arguments.count, apart=2)
        return {
            "regions": [
                {
                    "box": corners(found.cell_box(*cell).intersection(slide_box(self._source))),
                    "likeness": round(float(values[cell]), 3),
                }
                for cell in best
            ],
            "searched": corners(part),
        }

    def _class_map(self, arguments: BoxArguments, cancel: Cancel) -> dict[str, object]:
        box = self._box(arguments)
        for mark in self._marks:
            self._instruments.cells_of(LIKENESS, mark.box, cancel)
        found = self._instruments.cells_of(LIKENESS, box, cancel)
        names = list(dict.fromkeys(mark.name for mark in self._marks))
        cells = [
            np.any([found.cells_in(mark.box) for mark in self._marks if mark.name == name], axis=0)
            for name in names
        ]
        classes, clarity = nearest_prototype(found.values, cells)
        inside = found.cells_in(box) & (classes >= 0)
        if not inside.any():
            raise ToolError("There is no tissue in the box, or none under the marks.")
        shares = np.bincount(classes[inside], minlength=len(names)) / inside.sum()
        clear = round(float(clarity[inside].mean()), 3)
        return {"shares": _shares(names, shares.tolist()), "mean_clarity": clear}

    def _measure(self, arguments: BoxArguments, _cancel: Cancel) -> dict[str, object]:
        box, mpp_um = self._box(arguments, LEAST_BOX_PX), self._mpp_um()
        x_um, y_um = self._source.info.optics.mpp_um or (mpp_um, mpp_um)
        width_um, height_um = box.width * x_um, box.height * y_um
        return {
            "width_um": round(width_um, 1),
            "height_um": round(height_um, 1),
            "diagonal_um": round(float(np.hypot(width_um, height_um)), 1),
            "area_um2": round(width_um * height_um, 1),
            "area_mm2": round(width_um * height_um / 1e6, 6),
        }

    def _read_annotations(self, _arguments: NoArguments, _cancel: Cancel) -> dict[str, object]:
        annotations = self._annotations()
        return {
            "count": len(annotations),
            "annotations": [_described(each) for each in annotations[:_MOST_ANNOTATIONS]],
        }


def _shares(names: Sequence[str], shares: Sequence[float]) -> dict[str, float]:
    """Return those of at least a hundredth, the largest first."""
    ranked = sorted(zip(names, shares, strict=True), key=lambda pair: -pair[1])
    return {name: round(share, 3) for name, share in ranked if share >= 0.01}


def _described(annotation: Annotation) -> dict[str, object]:
    x0, y0, x1, y1 = annotation.geometry.bounds
    shown_as = annotation.shown_as
    return {
        "name": annotation.name[:_MOST_NAME_CHARS],
        "class": shown_as.name[:_MOST_NAME_CHARS] if shown_as else "",
        "shape": annotation.geometry.geom_type,
        "box": corners(Box(x0, y0, x1, y1)),
    }
