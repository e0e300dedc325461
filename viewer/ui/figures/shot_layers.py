"""What a picture of a slide shows over it: what a model finds, and what files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.document import Document
from viewer.annotations.selection import Selection
from viewer.canvas.annotations_layer import AnnotationsLayer
from viewer.canvas.expected_layer import ExpectedLayer
from viewer.canvas.hatched_layer import HatchedLayer
from viewer.canvas.layer import LayerOrder
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.canvas.patch_layer import PatchLayer
from viewer.errors import CoverslipError
from viewer.geometry import Box, Size
from viewer.inference.runs.running import run_model
from viewer.inference.tasks.known import TASKS
from viewer.overlays.heatmap import (
    HeatmapStyle,
    attention_heatmap,
    class_heatmap,
    painted_colors,
    score_heatmap,
)
from viewer.slides.calibration import no_pixel_size
from viewer.ui.figures.legend import Entry, gradient_entries
from viewer.ui.overlays.presenters.expected import boxes_of, expected_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.canvas.layer import Layer
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.running import ModelRun
    from viewer.overlays.files.result_file import ResultFile
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.slides.source import SlideInfo
    from viewer.ui.figures.strips import FigureCanvas


class ShotError(CoverslipError):
    """A picture that cannot be taken as asked; `str()` is one sentence."""


def model_layers(
    path: Path,
    model: ModelBundle,
    box: Box,
    canvas: FigureCanvas,
    image: int | None,
    entries: list[Entry],
) -> list[tuple[Layer, LayerOrder]]:
    """Return what the model finds in the field, computed here, and where it has no answer."""
    field = box.intersection(canvas.slide_box)
    if canvas.optics.mean_mpp_um is None:
        raise ShotError(no_pixel_size(path.name, "--slide-mpp"))
    run = run_model(path, model, field, canvas.optics.mean_mpp_um, image=image)
    hatched = HatchedLayer()
    hatched.show_mask(run.unanswered.joined(run.unlike))
    return [_results_layer(run, model, entries), (hatched, LayerOrder.OBJECTS)]


def _results_layer(
    run: ModelRun, model: ModelBundle, entries: list[Entry]
) -> tuple[Layer, LayerOrder]:
    if (outlined := run.found.as_objects) is not None:
        entries += [(color, name) for name, color in model.colors]
        objects = ObjectsLayer()
        objects.show_map(outlined, [color for _, color in model.colors])
        return objects, LayerOrder.OBJECTS
    heatmap, found = None, run.found.as_patches
    if found is None:
        raise ShotError(f"What {model.name} finds is shown in the window alone.")
    if run.judged is not None:
        heatmap = attention_heatmap(run.judged, HeatmapStyle(as_percentiles=True))
    elif TASKS[model.task].tells_where_to_look:
        return _expected(found, model), LayerOrder.HEATMAPS
    elif TASKS[model.task].has_head:
        colors = painted_colors(model.colors, is_map=TASKS[model.task].is_map)
        entries += [(color, name) for (name, _), color in zip(model.colors, colors, strict=True)]
        heatmap = class_heatmap(found, HeatmapStyle(), colors)
    if heatmap is None:
        raise ShotError(
            f"{model.name} paints nothing by itself: choose a model of objects, classes, slides or "
            "attention."
        )
    if heatmap.classes is None:
        entries += gradient_entries(model.name, heatmap)
    cells = PatchLayer()
    cells.show_colors(heatmap.colors, found.cell, smooth=heatmap.classes is None)
    return cells, LayerOrder.HEATMAPS


def _place(info: SlideInfo, canvas: FigureCanvas) -> SlidePlace:
    """Return what a file of annotations or results is told of the slide."""
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.slides.bounds import bounds_px

    return SlidePlace(bounds_px=bounds_px(info), mpp_um=canvas.optics.mpp_um)


def annotations_layer(
    path: Path,
    info: SlideInfo,
    field: Box,
    canvas: FigureCanvas,
    on_note: Callable[[str], object],
    entries: list[Entry],
) -> tuple[Layer, LayerOrder]:
    """Return the annotations of a file; the classes in the field go to the legend."""
    from viewer.annotations.formats.exchange import read_annotations
    from viewer.annotations.formats.problems import Problems

    problems = Problems()
    place = _place(info, canvas)
    document = Document(read_annotations(path, problems, slide=place))
    for problem in problems:
        on_note(f"{path.name}: {problem}")
    for annotation in document.inside(field):
        entries.append((annotation.shown_color, annotation.class_name or NO_CLASS))
    return AnnotationsLayer(document, Selection(document), canvas.update), LayerOrder.ANNOTATIONS


def file_layer(
    path: Path,
    score: str | None,
    origin: Origin | None,
    info: SlideInfo,
    canvas: FigureCanvas,
    on_note: Callable[[str], object],
    entries: list[Entry],
) -> tuple[Layer, LayerOrder]:
    """Return what a file holds for the slide, as the window shows it, with a legend for it."""
    from viewer.overlays.files.result_files import read_result_file

    box = canvas.slide_box
    mpp_um = canvas.optics.mean_mpp_um or 1.0
    place = _place(info, canvas)
    file = read_result_file(path, Size(box.width, box.height), mpp_um, place, origin)
    for sentence in file.troubles:
        on_note(sentence)
    if file.vectors is not None:
        raise ShotError(
            f"{path.name} holds vectors of an encoder, which paint nothing by themselves: open it "
            "in the window and ask for fields like one of the slide."
        )
    colors = [color for _, color in file.colors]
    if (outlined := file.found.as_objects) is not None:
        objects = ObjectsLayer()
        objects.show_map(outlined, colors)
        entries += [(color, name) for name, color in file.colors]
        return objects, LayerOrder.OBJECTS
    if score is None and not file.is_score_sure:
        names = ", ".join(name for name, _ in file.colors[:8])
        on_note(
            f"{path.name} does not say which column is the score, of {names}: give it with --score."
        )
    found = file.found.as_patches
    assert found is not None
    heatmap = score_heatmap(found, HeatmapStyle(shown=_index_of(score, file)))
    cells = PatchLayer()
    if heatmap is not None:
        entries += gradient_entries(file.colors[_index_of(score, file)][0], heatmap)
        cells.show_colors(heatmap.colors, found.raster_px, smooth=False, origin=found.origin)
        on_note(
            f"{file.path.name}: {file.colors[_index_of(score, file)][0]}, colors from "
            f"{heatmap.low:.6g} to {heatmap.high:.6g}."
        )
    return cells, LayerOrder.HEATMAPS


def _index_of(score: str | None, file: ResultFile) -> int:
    names = [name for name, _ in file.colors]
    if score is None:
        return 0
    if score not in names:
        raise ShotError(f'{file.path.name} has no score "{score}"; it has {", ".join(names[:8])}.')
    return names.index(score)


def _expected(found: PatchFeatureMap, model: ModelBundle) -> Layer:
    """Return where readers would look in the field, as the window shows it."""
    layer = ExpectedLayer()
    picture = expected_picture(found, HeatmapStyle(as_percentiles=True), model)
    if picture is not None:
        layer.show_colors(picture.colors, found.cell)
        layer.show_boxes(boxes_of(picture))
    return layer
