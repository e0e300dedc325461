"""Slides with their readings, as cells: what training and evaluation work on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from viewer.attention.patches import known_cells
from viewer.attention.readings import BehaviorError, located, reading_of
from viewer.audit_log import trail
from viewer.errors import CoverslipError
from viewer.inference.runs.plan import block_grid
from viewer.overlays.patch_features import CELLS
from viewer.slides import SlideError, TileError
from viewer.slides.calibration import known_mpp_um
from viewer.slides.identity import same_slide
from viewer.slides.known_slides import open_same
from viewer.slides.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from viewer.attention.readings import Reading
    from viewer.inference.models.description import ModelDescription
    from viewer.overlays.blocks import BlockGrid
    from viewer.recording.session import SessionHeader
    from viewer.slides.source import SlideSource
    from viewer.slides.tissue import TissueMask


class SlideRead(msgspec.Struct, frozen=True):
    """A slide that was read, open.

    Attributes
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    known
        (rows, columns) the cells that a predictor answers for.
    """

    identity: str
    source: SlideSource
    mpp_um: float
    grid: BlockGrid
    tissue: TissueMask
    known: NDArray[np.bool_]
    readings: list[Reading]

    @property
    def cell_px(self) -> float:
        """Side of a cell, level-0 pixels."""
        return self.grid.side / CELLS


def slides_read(
    headers: Mapping[Path, SessionHeader],
    places: Sequence[Path],
    about: ModelDescription,
    missing: list[str],
) -> Generator[SlideRead]:
    """Yield one slide after the other, each closed when the next is asked for.

    Parameters
    ----------
    about
        Of the predictor: it tells the cells.
    missing
        Takes a sentence for each slide that is left out.

    Raises
    ------
    BehaviorError
        A session cannot be read.
    """
    by_slide: defaultdict[str, list[Path]] = defaultdict(list)
    for folder, header in headers.items():
        by_slide[header.slide.identity].append(folder)
    paths = located(by_slide, places)
    for identity, folders in _together(by_slide, paths).items():
        name = next((headers[each].slide.name for each in folders if headers[each].slide.name), "")
        label = name or f"The slide {identity[:12]}"
        if identity not in paths:
            missing.append(f"{label} was not found: tell where it lies with --slides.")
            continue
        try:
            source = open_same(paths[identity], identity)
        except SlideError as error:
            missing.append(str(error))
            continue
        trail.note("opened", paths[identity].absolute(), "behavior model")
        try:
            yield slide_read(source, [(each, headers[each]) for each in folders], about)
        except (TileError, _NoScaleError) as error:
            missing.append(f"{label} was left out: {error}")
        finally:
            source.close()


def _together(
    by_slide: Mapping[str, list[Path]], paths: Mapping[str, Path]
) -> dict[str, list[Path]]:
    """The sessions of each slide, also where some of them know it by a name of version 0.1."""
    joined: dict[str, list[Path]] = {}
    by_path: defaultdict[Path, list[str]] = defaultdict(list)  # a file can hold several slides
    for identity, folders in sorted(by_slide.items()):
        others = by_path[paths[identity]] if identity in paths else []
        same = next((other for other in others if same_slide(other, identity)), None)
        if same is None:
            others.append(identity)
        joined.setdefault(same or identity, []).extend(folders)
    return joined


class _NoScaleError(CoverslipError):
    """A slide without a pixel size."""


def slide_read(
    source: SlideSource, sessions: Sequence[tuple[Path, SessionHeader]], about: ModelDescription
) -> SlideRead:
    """Return an open slide with what its sessions tell.

    Raises
    ------
    BehaviorError
        A session cannot be read.
    TileError, CoverslipError
        The slide cannot be read, or its pixel size is unknown.
    """
    scale = known_mpp_um(source)
    recorded_um = (header.slide.optics.mean_mpp_um for _, header in sessions)
    scale = scale or next((mpp_um for mpp_um in recorded_um if mpp_um), None)
    if scale is None:
        raise _NoScaleError("its pixel size is unknown; set it in the window.")
    grid = block_grid(source, about, scale)
    tissue = tissue_mask(source)
    known = known_cells(grid, tissue)
    readings = [
        reading_of(folder, header, grid.side / CELLS, known.shape) for folder, header in sessions
    ]
    return SlideRead(source.info.identity, source, scale, grid, tissue, known, readings)


def none_left(missing: Sequence[str]) -> BehaviorError:
    """Return the error where no slide could be used."""
    return BehaviorError(missing[0] if missing else "There are no slides to work on.")
