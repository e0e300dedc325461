"""A picture of a slide painted by the real canvas, without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from PySide6.QtWidgets import QApplication

from viewer.canvas.overview import Overview
from viewer.canvas.scale_bar import ScaleBar
from viewer.canvas.tile_picture import TilePicture
from viewer.geometry import Point, Size, View
from viewer.limits import TILES_READ
from viewer.overlays.shown_overlays import ShownOverlay, overlays_text
from viewer.slides.channel_choice import channels_named, displays_of, plane_of
from viewer.slides.colors.profile import profile_problem
from viewer.tiles.cache import TileCache
from viewer.tiles.display import default_display
from viewer.tiles.plan import level_for, tiles_in
from viewer.ui.figures.legend import Entry, Legend
from viewer.ui.figures.shot_layers import (
    ShotError,
    annotations_layer,
    file_layer,
    model_layers,
)
from viewer.ui.figures.strips import SCREEN_DPI, FigureCanvas, figure_strips, unreadable_in
from viewer.ui.figures.writing import write_figure
from viewer.ui.slides.opened_slide import opened_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.canvas.layer import Layer
    from viewer.inference.models.bundle import ModelBundle
    from viewer.slides.source import Level, SlideInfo
    from viewer.tiles.display import DisplaySettings

_CACHE_BYTES = 512 << 20


_NO_SCALE = (
    "The pixel size of this slide is unknown, so {} cannot be met: "
    "give --slide-mpp, or --downsample (slide pixels per picture pixel) instead."
)


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
    """Paint a field of a slide to a file once it is sharp; return the tiles that failed.

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
            for layer, order in model_layers(path, shot.model, whole.box, canvas, image, entries):
                canvas.add_layer(layer, order)
        if shot.results is not None:
            found = file_layer(
                shot.results, shot.score, shot.origin, info, canvas, on_note, entries
            )
            canvas.add_layer(*found)
        if shot.annotations is not None:
            drawn = annotations_layer(shot.annotations, info, whole.box, canvas, on_note, entries)
            canvas.add_layer(*drawn)
        strips = figure_strips(canvas, whole, shot.size_px, _furniture(shot, canvas, entries))
        write_figure(strips, shot.size_px, shot.dpi, out, overlays_text(_shown(shot)))
        if shot.uses_icc and (problem := profile_problem(info.icc_profile)):
            on_note(problem)
        return unreadable_in(canvas, whole)
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
