"""A picture of a slide painted by the real canvas, without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from PySide6.QtWidgets import QApplication

from viewer.annotations.document import Document
from viewer.annotations.selection import Selection
from viewer.canvas.annotations_layer import AnnotationsLayer
from viewer.canvas.expected_layer import ExpectedLayer
from viewer.canvas.hatched_layer import HatchedLayer
from viewer.canvas.layer import LayerOrder
from viewer.canvas.objects_layer import ObjectsLayer
from viewer.canvas.overview import Overview
from viewer.canvas.patch_layer import PatchLayer
from viewer.canvas.scale_bar import ScaleBar
from viewer.canvas.tile_picture import TilePicture
from viewer.errors import CoverslipError
from viewer.geometry import Box, Point, Size, View
from viewer.inference.runs.running import run_model
from viewer.inference.tasks.known import TASKS
from viewer.limits import TILES_READ
from viewer.overlays.heatmap import (
    HeatmapStyle,
    attention_heatmap,
    class_heatmap,
    painted_colors,
    score_heatmap,
)
from viewer.overlays.shown_overlays import ShownOverlay, overlays_text
from viewer.slides.calibration import no_pixel_size
from viewer.slides.channel_choice import channels_named, displays_of, plane_of
from viewer.tiles.cache import TileCache
from viewer.tiles.color_profile import profile_problem
from viewer.tiles.display import default_display
from viewer.tiles.plan import level_for, tiles_in
from viewer.ui.figures.legend import Entry, Legend, gradient_entries
from viewer.ui.figures.strips import SCREEN_DPI, FigureCanvas, figure_strips
from viewer.ui.figures.writing import write_figure
from viewer.ui.overlays.expected_presenter import boxes_of, expected_picture
from viewer.ui.slides.opened_slide import opened_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.canvas.layer import Layer
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.running import ModelRun
    from viewer.overlays.files.result_file import ResultFile
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.slides.source import Level, SlideInfo
    from viewer.tiles.display import DisplaySettings

_CACHE_BYTES = 512 << 20


_NO_SCALE = (
    "The pixel size of this slide is unknown, so {} cannot be met: "
    "give --slide-mpp, or --downsample (slide pixels per picture pixel) instead."
)


class ShotError(CoverslipError):
    """A picture that cannot be taken as asked; `str()` is one sentence."""


class Shot(msgspec.Struct, frozen=True):
    """What to paint.

    Attributes
    ----------
    center
        Level-0 pixels; None for the slide's middle.
    magnification, mpp_um, downsample
        At most one of them; with none the whole slide is shown.
    size_px
        Of the picture.
    furniture
        Whether scale bar and overview map are painted.
    uses_icc
        Whether the slide's color profile is used, where it has one, or its pixels are as stored.
    model
        What it finds in the field is painted too.
    results
        A file of results that were made elsewhere, which are painted too.
    score
        Of a table with several scores, the one that is shown; the first by default.
    origin
        From where the file of results counts, as of `read_result_file`.
    annotations
        A file of annotations, which are painted too.
    dpi
        Pixels an inch: lines and letters are as large on paper as on a screen.
    has_scale_bar, has_legend
        Whether these are painted.
    channels
        Names of the channels that are painted, with commas; None for those shown at first.
    z, t
        The focal plane and time point, from 0.
    others
        Slides of the same field, whose channels are put beside those of the first.
    slide_mpp_um
        Micrometers per level-0 pixel in x and y, in place of what the slide tells.
    """

    center: Point | None
    magnification: float | None
    downsample: float | None
    size_px: tuple[int, int]
    rotation_deg: float = 0.0
    mirrored: bool = False
    furniture: bool = False
    model: ModelBundle | None = None
    uses_icc: bool = True
    results: Path | None = None
    score: str | None = None
    mpp_um: float | None = None
    origin: Origin | None = None
    annotations: Path | None = None
    dpi: float = SCREEN_DPI
    has_scale_bar: bool = False
    has_legend: bool = False
    channels: str | None = None
    z: int = 0
    t: int = 0
    others: tuple[Path, ...] = ()
    slide_mpp_um: tuple[float, float] | None = None


def take_shot(
    path: Path,
    shot: Shot,
    out: Path,
    image: int | None = None,
    on_note: Callable[[str], object] = lambda _: None,
) -> list[str]:
    """Paints a field of a slide to a file once it is sharp; gives the tiles that failed.

    Parameters
    ----------
    on_note
        Takes a sentence on what of the display is not as asked, such as an unusable profile.

    Raises
    ------
    SlideError, ShotError, PictureError, BundleError, RunError, ResultFileError, LimitError
        One sentence says why there is no picture.
    """
    QApplication.instance() or QApplication([])
    slide = opened_slide(path, image, shot.others)
    canvas = FigureCanvas(TileCache[TilePicture](_CACHE_BYTES))
    try:
        canvas.dpi = shot.dpi
        canvas.set_scale_bar_visible(False)
        canvas.set_overview_visible(False)
        info = slide.source.info
        plane = plane_of(path, info.axes, shot.z, shot.t)
        canvas.set_look(_look(path, info, shot))
        optics = slide.optics
        if shot.slide_mpp_um is not None:
            optics = replace(optics, mpp_um=shot.slide_mpp_um)
        canvas.set_source(slide.source, optics)
        canvas.set_plane(plane)
        whole = _view(canvas, shot)
        if not whole.sees(canvas.slide_box):
            size = canvas.slide_box
            raise ShotError(
                f"The field lies outside the slide, which is {size.width:,.0f} x "
                f"{size.height:,.0f} px: give another --center."
            )
        _check_tiles(path, slide.source.levels, whole, canvas.ratio)
        canvas.show_any_view(whole)
        entries: list[Entry] = []
        if shot.model is not None:
            for layer, order in _overlay(path, shot.model, whole.box, canvas, image, entries):
                canvas.add_layer(layer, order)
        if shot.results is not None:
            canvas.add_layer(*_file_layer(shot, info, canvas, on_note, entries))
        if shot.annotations is not None:
            canvas.add_layer(*_annotations_layer(shot, info, whole.box, canvas, on_note, entries))
        strips = figure_strips(canvas, whole, shot.size_px, _furniture(shot, canvas, entries))
        write_figure(strips, shot.size_px, shot.dpi, out, overlays_text(_shown(shot)))
        if shot.uses_icc and (problem := profile_problem(info.icc_profile)):
            on_note(problem)
        return list(canvas.loader.failures.values()) if canvas.loader else []
    finally:
        canvas.clear()


def _look(path: Path, info: SlideInfo, shot: Shot) -> DisplaySettings:
    look = default_display(info, uses_icc=shot.uses_icc)
    if shot.channels is None:
        return look
    shown = channels_named(path, info.axes, shot.channels)
    return replace(look, channels=displays_of(info.axes, shown))


def _shown(shot: Shot) -> list[ShownOverlay]:
    """Return the overlays that are painted over the slide."""
    shown: list[ShownOverlay] = []
    if shot.model is not None:
        shown.append(ShownOverlay(shot.model.name, shot.model.version))
    if shot.results is not None:
        shown.append(ShownOverlay(shot.results.name))
    return shown


def _furniture(shot: Shot, canvas: FigureCanvas, entries: list[Entry]) -> list[Layer]:
    """Return what lies over the whole figure."""
    layers: list[Layer] = []
    if shot.furniture:
        overview = Overview()
        overview.set_loader(canvas.loader)
        layers.append(overview)
    if shot.furniture or shot.has_scale_bar:
        layers.append(ScaleBar())
    if shot.has_legend:
        layers.append(Legend(entries))
    return layers


def _view(canvas: FigureCanvas, shot: Shot) -> View:
    """Return the view of the whole figure; what is asked for is by pixel of the figure."""
    width, height = shot.size_px
    size = Size(width / canvas.ratio, height / canvas.ratio)
    upright = View(canvas.slide_box.center, 1.0, size, shot.rotation_deg % 360.0)
    view = upright.flipped_horizontally() if shot.mirrored else upright
    downsample = shot.downsample
    if shot.magnification is not None:
        downsample = canvas.optics.downsample(shot.magnification)
        if downsample is None:
            raise ShotError(_NO_SCALE.format("--mag"))
    if shot.mpp_um is not None:
        own_mpp_um = canvas.optics.mean_mpp_um
        if own_mpp_um is None:
            raise ShotError(_NO_SCALE.format("--mpp"))
        downsample = shot.mpp_um / own_mpp_um
    if downsample is None:
        view = view.showing(canvas.slide_box)
    else:
        view = view.zoomed(downsample * canvas.ratio)
    return View(
        shot.center or view.center, view.downsample, view.size, view.rotation_deg, view.mirrored
    )


def _check_tiles(path: Path, levels: Sequence[Level], view: View, ratio: float) -> None:
    """Raise LimitError where a field is made of more stored tiles than can be read for it."""
    index = level_for(levels, view.downsample / ratio)
    tiles = sum(1 for _ in tiles_in(levels, index, view.box))
    TILES_READ.check(tiles * levels[index].stored_tiles_per_tile, path.name)


def _overlay(
    path: Path,
    model: ModelBundle,
    box: Box,
    canvas: FigureCanvas,
    image: int | None,
    entries: list[Entry],
) -> list[tuple[Layer, LayerOrder]]:
    """What the model finds in the field, computed here and now, and where it has no answer."""
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


def _annotations_layer(
    shot: Shot,
    info: SlideInfo,
    field: Box,
    canvas: FigureCanvas,
    on_note: Callable[[str], object],
    entries: list[Entry],
) -> tuple[Layer, LayerOrder]:
    """Return the annotations of a file; the classes in the field go to the legend."""
    from viewer.annotations.formats.exchange import read_annotations
    from viewer.annotations.formats.problems import Problems

    assert shot.annotations is not None
    problems = Problems()
    place = _place(info, canvas)
    document = Document(read_annotations(shot.annotations, problems, slide=place))
    for problem in problems:
        on_note(f"{shot.annotations.name}: {problem}")
    for annotation in document.inside(field):
        entries.append((annotation.shown_color, annotation.class_name or "No class"))
    return AnnotationsLayer(document, Selection(document), canvas.update), LayerOrder.ANNOTATIONS


def _file_layer(
    shot: Shot,
    info: SlideInfo,
    canvas: FigureCanvas,
    on_note: Callable[[str], object],
    entries: list[Entry],
) -> tuple[Layer, LayerOrder]:
    """Return what a file holds for the slide, as the window shows it, with a legend for it."""
    from viewer.overlays.files.result_files import read_result_file

    path, score, origin = shot.results, shot.score, shot.origin
    assert path is not None
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
