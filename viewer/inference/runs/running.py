"""A model over a part of a slide from beginning to end, without a window."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.errors import CoverslipError
from viewer.geometry import Box, Size
from viewer.inference.cells.estimating import slide_stains
from viewer.inference.cells.stain_vectors import stain_doubt
from viewer.inference.models.bundle import slide_refusal
from viewer.inference.models.model_library import all_models
from viewer.inference.runs.bands import check_blocks
from viewer.inference.runs.engine import Engine
from viewer.inference.runs.plan import block_grid
from viewer.inference.runs.results import cell_values
from viewer.inference.runs.slide_inference import (
    JudgingError,
    check_vectors,
    engine_model,
    mark_unlike,
    predict_slide,
)
from viewer.inference.tasks.known import TASKS, kind_of
from viewer.overlays.area import blocks_of, bounds_of, holds, part_within
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.patch_mask import place_text
from viewer.overlays.result_store import ResultStoreError
from viewer.plurals import plural
from viewer.slides import TileError, open_slide
from viewer.slides.bounds import bounds_px
from viewer.slides.calibration import known_mpp_um, no_pixel_size
from viewer.slides.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.bands import Band
    from viewer.inference.runs.run_clock import Progress
    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockKey
    from viewer.overlays.objects import Objects
    from viewer.overlays.patch_mask import PatchMask
    from viewer.overlays.result_map import BlockResult, ResultMap
    from viewer.overlays.segments.places import StorePlace
    from viewer.overlays.slide_prediction import SlidePrediction
    from viewer.slides.source import SlideSource


class RunError(CoverslipError):
    """A run that cannot begin or go on; `str()` is one sentence."""


class ModelRun(msgspec.Struct):
    """What a run gave.

    Attributes
    ----------
    found
        Everything known of the slide, also from earlier runs.
    area
        What was asked for.
    mpp_um
        Micrometers per level-0 pixel.
    judged
        What a slide model says of what was asked for.
    troubles
        Sentences about what is missing, such as unreadable tiles.
    """

    found: ResultMap
    area: Area
    mpp_um: float
    judged: SlidePrediction | None = None
    device: str = ""
    elapsed_s: float = 0.0
    troubles: list[str] = msgspec.field(default_factory=list[str])
    identity: str = ""
    """Content key of the slide."""
    bounds_px: tuple[float, float] = (0.0, 0.0)
    """From where QuPath counts on the slide, level-0 pixels."""
    trained_on: str = ""
    """What the model was trained on, in words."""
    results: str = ""
    """Name of the file of results, from the folder of all; "" where none are kept."""
    computed: int = 0
    """Blocks that were computed for it, and not known from before."""
    unreadable: int = 0
    """Blocks of which tiles could not be read: nothing is known of them."""
    tissue_mm2: float | None = None
    """Tissue in what was asked for; None where it was not measured."""

    @property
    def unanswered(self) -> PatchMask:
        """Return the tiles of what was asked for that the model gave no answer for."""
        return self.found.unanswered_in(self.area)

    @property
    def unlike(self) -> PatchMask:
        """Return the tiles of what was asked for that are unlike what the model was trained on."""
        return self.found.unlike_in(self.area)

    def all_troubles(self) -> list[str]:
        """Return what went wrong and where not to rely on the model, a sentence each."""
        return [*self.troubles, *self._about_holes(), *self._about_unlike()]

    def _about_unlike(self) -> list[str]:
        unlike = self.unlike
        if not unlike.count:
            return []
        are = "is" if unlike.count == 1 else "are"
        return [
            f"{plural(unlike.count, 'tile')} {are} unlike the training data of the model "
            f"({self.trained_on}): do not rely on the results there; the first begins at "
            f"{place_text(unlike.boxes(1)[0])}."
        ]

    def _about_holes(self) -> list[str]:
        holes = self.unanswered
        if not holes.count:
            return []
        are = "is" if holes.count == 1 else "are"
        sentence = (
            f"The model gave no answer (no finite numbers) for {plural(holes.count, 'tile')}, "
            f"which {are} left out; the first begins at {place_text(holes.boxes(1)[0])}."
        )
        return [sentence]

    @property
    def box(self) -> Box:
        """Round what was asked for, level-0 pixels."""
        return bounds_of(self.area)

    def objects(self) -> Objects:
        """Return those whose middle lies in what was asked for; of models that find objects."""
        objects = self.found.as_objects
        assert objects is not None
        found = objects.all_objects()
        return found.taken(holds(self.area, found.centroids[:, 0], found.centroids[:, 1]))

    def cell_values(self, bundle: ModelBundle) -> tuple[NDArray[np.float32], list[str]]:
        """(rows, columns, d) of models that tell of cells, and a name for each of the d.

        NaN beyond what was asked for: earlier runs may have found more of the slide.
        """
        found = self.found.as_patches
        assert found is not None
        values, names = cell_values(found, bundle.task, bundle.colors, self.judged)
        asked = found.cells_in(self.area)
        return np.where(asked[..., np.newaxis], values, np.float32(np.nan)), names


def run_model(
    path: Path,
    bundle: ModelBundle,
    area: Area | None = None,
    mpp_um: float | None = None,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    image: int | None = None,
    features: Path | None = None,
    *,
    measures_tissue: bool = False,
    store: StorePlace | None = None,
    band: Band | None = None,
    most_blocks: int | None = None,
) -> ModelRun:
    """Compute an area of a slide, by default all of it, and keep the results.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel, where the file does not tell.
    on_progress
        Called in threads of the engine.
    image
        Which image of a file that holds several; None for the largest.
    features
        Of slide models: a file of vectors that its encoder made elsewhere, instead of running it.
    measures_tissue
        Whether to measure how much tissue there is in what is asked for.
    store
        Where results are kept that many machines share; by default on this machine.
    band
        Compute only this band of what is asked for; nothing is said of the slide as a whole.
    most_blocks
        How many blocks are computed in one run.

    Raises
    ------
    TooManyBlocksError
        There are more than `most_blocks`; nothing was computed.
    SlideError
        The slide cannot be opened.
    BundleError
        The encoder of a slide model is not here.
    RunError
        One sentence says why there is no result.
    """
    source = open_slide(path, image)
    try:
        if features is not None:
            return _judge_features(source, bundle, features, area, mpp_um)
        run = _run(
            path, source, bundle, area, mpp_um, device, on_progress, store, band, most_blocks
        )
        if measures_tissue:
            run.tissue_mm2 = _tissue_mm2(source, run)
        if band is None and bundle.description.cells is not None:
            run.troubles += _stain_doubts(source, bundle.description.cells)
        return run
    finally:
        source.close()


def _run(
    path: Path,
    source: SlideSource,
    bundle: ModelBundle,
    area: Area | None,
    mpp_um: float | None,
    device: str,
    on_progress: Callable[[Progress], None] | None,
    store: StorePlace | None,
    band: Band | None,
    most_blocks: int | None,
) -> ModelRun:
    asked, scale = _asked(source, bundle, area, mpp_um)
    training = bundle.description.training
    fed = engine_model(bundle, all_models())
    grid = block_grid(source, fed.description, scale)
    if most_blocks is not None:
        check_blocks(grid, asked, most_blocks)
    if band is not None:
        asked = band.of(grid, asked)
    about = fed.description
    run = ModelRun(TASKS[about.task].empty_map(grid, scale, about.head), asked, scale)
    run.identity, run.bounds_px = source.info.identity, bounds_px(source.info)
    run.trained_on = training.text if training is not None else ""
    if bounds_of(asked).is_empty:
        return run  # a band of an area that has nothing there
    # What a band finds is kept in the store alone, so that a large slide takes no more memory.
    listener = _Listener(run, on_progress, gathers=band is None)
    wants = None if band is None else frozenset(blocks_of(grid, asked))
    started_s = time.monotonic()
    engine = Engine(
        path.absolute(), source.info.identity, grid, scale, fed, listener, device,
        store=store, wants=wants,
    )  # fmt: skip
    try:
        engine.run(asked)
        listener.finished.wait()
        if not listener.failure:
            engine.flush()
    except ResultStoreError as error:
        raise RunError(str(error)) from error
    finally:
        engine.close()
    run.results, run.computed = engine.results, engine.timing.blocks
    run.unreadable = engine.unreadable
    if listener.failure:
        raise RunError(listener.failure)
    patches = run.found.as_patches
    if band is None and fed is not bundle and patches is not None:
        mark_unlike(bundle, patches)
        try:
            run.judged = predict_slide(bundle, patches, patches.cells_in(asked))
        except JudgingError as error:
            raise RunError(str(error)) from error
    run.elapsed_s = time.monotonic() - started_s
    return run


def _tissue_mm2(source: SlideSource, run: ModelRun) -> float | None:
    """Return how much tissue lies in what was asked for; None where it cannot be told."""
    try:
        mask = tissue_mask(source)
    except TileError:
        return None
    width, height = mask.cell_px
    rows, columns = np.nonzero(mask.cells)
    inside = holds(run.area, (columns + 0.5) * width, (rows + 0.5) * height)
    return round(float(inside.sum()) * width * height * run.mpp_um**2 / 1e6, 6)


def _stain_doubts(source: SlideSource, cells: CellSettings) -> list[str]:
    """Return what speaks against the stains that cells were found by."""
    try:
        likely = slide_stains(source)
    except TileError:
        return []  # of which the run tells
    doubt = stain_doubt(cells.stains, likely)
    option = "h-e" if likely == "H&E" else "h-dab"
    return [f"{doubt.removesuffix('.')}, or --stains {option}."] if doubt else []


def _asked(
    source: SlideSource, bundle: ModelBundle, area: Area | None, mpp_um: float | None
) -> tuple[Area, float]:
    """Return what of the slide is asked for, and its micrometers per level-0 pixel."""
    if kind_of(bundle.task).asks_for == "prompt":
        raise RunError(
            f"{bundle.name} outlines what is clicked: it runs in the window alone, by its tool."
        )
    base = source.levels[0]
    slide = Box(0, 0, base.width_px, base.height_px)
    asked = slide if area is None else part_within(area, slide)
    if bounds_of(asked).is_empty:
        raise RunError(
            f"The region lies outside the slide, which is {base.width_px} x {base.height_px} px."
        )
    return asked, fitting_mpp_um(source, bundle, mpp_um)


def _judge_features(
    source: SlideSource,
    bundle: ModelBundle,
    features: Path,
    area: Area | None,
    mpp_um: float | None,
) -> ModelRun:
    """Have a slide model judge the vectors of a file."""
    asked, scale = _asked(source, bundle, area, mpp_um)
    base, started_s = source.levels[0], time.monotonic()
    try:
        file = read_result_file(features, Size(base.width_px, base.height_px), scale)
        notes = check_vectors(bundle, file)
        found = file.found.as_patches
        assert found is not None
        mark_unlike(bundle, found)
        judged = predict_slide(bundle, found, found.cells_in(asked))
    except (ResultFileError, JudgingError) as error:
        raise RunError(str(error)) from error
    run = ModelRun(file.found, asked, scale, judged, f"features of {features.name}")
    run.troubles += [*file.troubles, *notes]
    run.identity, run.bounds_px = source.info.identity, bounds_px(source.info)
    run.elapsed_s = time.monotonic() - started_s
    return run


def fitting_mpp_um(source: SlideSource, bundle: ModelBundle, mpp_um: float | None) -> float:
    """Return micrometers per level-0 pixel of a slide that a model can be asked of.

    Raises
    ------
    RunError
        The model is none for this slide, or its pixel size is unknown.
    """
    scale = mpp_um or known_mpp_um(source)
    if sentence := slide_refusal(bundle, source.info, scale):
        raise RunError(sentence)
    if scale is None:
        raise RunError(no_pixel_size(source.path.name))
    return scale


class _Listener:
    """Gathers what the engine tells, and knows when all has come."""

    def __init__(
        self, run: ModelRun, on_progress: Callable[[Progress], None] | None, *, gathers: bool
    ) -> None:
        self._run = run
        self._gathers = gathers
        self._on_progress = on_progress
        self.finished = threading.Event()
        self.failure = ""

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
        if self._gathers:
            self._run.found.take(key, result)

    def on_progress(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)
        if progress.total and progress.done == progress.total:
            self.finished.set()

    def on_ready(self, device: str) -> None:
        self._run.device = device

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        if is_final:
            self.failure = sentence
            self.finished.set()
        elif sentence not in self._run.troubles:
            self._run.troubles.append(sentence)
