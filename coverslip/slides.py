"""Slides for scripts: open one, read its tiles, read a region at a µm/px."""

from __future__ import annotations

from os import fspath
from typing import TYPE_CHECKING, Any

import viewer.slides
from viewer.errors import CoverslipError
from viewer.geometry import Box
from viewer.slides import region
from viewer.slides.calibration import remembered_mpp_um
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from viewer.slides import Level, RgbImage, SlideInfo, SlideSource


class Slide:
    """An open slide, to be used in a `with` statement or closed by hand.

    Tiles can be read from any thread. `source` is what the packages under `viewer` take.
    """

    def __init__(self, source: SlideSource) -> None:
        self.source = source

    @property
    def path(self) -> Path:
        """Return the file or folder that was opened."""
        return self.source.path

    @property
    def info(self) -> SlideInfo:
        """Return what the slide says of itself; `info.optics.mpp_um` is an (x, y) pair or None."""
        return self.source.info

    @property
    def levels(self) -> tuple[Level, ...]:
        """Return the resolutions, from the finest (level 0) to the coarsest."""
        return self.source.levels

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        """Return a tile as displayed, whatever the file holds: uint8 (height, width, 3).

        Tiles at the right and lower edge are cut to the image.

        Raises
        ------
        CoverslipError
            The slide has no such tile, or it cannot be read.
        """
        self._check(level, column, row)
        return self.source.read_tile(level, column, row)

    def read_channels(
        self, level: int, column: int, row: int, channels: Sequence[int], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        """Return the stored values of a tile, (channels, height, width), in the order asked for.

        An RGB slide gives its red, green and blue as channels 0, 1 and 2. All are counted from 0;
        `info.axes` has the names of channels and the counts of planes and time points.

        Raises
        ------
        CoverslipError
            The slide has no such tile, channel or plane, or it cannot be read.
        """
        self._check(level, column, row)
        axes = self.info.axes
        counts = {"channel": len(axes.channels) or 3, "plane": axes.z_count, "time": axes.t_count}
        for name, wanted in (
            *(("channel", channel) for channel in channels), ("plane", z), ("time", t),
        ):  # fmt: skip
            if not 0 <= wanted < counts[name]:
                raise CoverslipError(
                    f"There is no {name} {wanted}: the slide has {counts[name]}, counted from 0."
                )
        return self.source.read_channels(level, column, row, tuple(channels), z, t)

    def _check(self, level: int, column: int, row: int) -> None:
        if not 0 <= level < len(self.levels):
            raise CoverslipError(f"There is no level {level}: the slide has {len(self.levels)}.")
        grid = self.levels[level]
        if not (0 <= column < grid.columns and 0 <= row < grid.rows):
            raise CoverslipError(
                f"There is no tile ({column}, {row}): level {level} has {grid.columns} columns "
                f"and {grid.rows} rows."
            )

    def close(self) -> None:
        """Close the files and the reader of the slide."""
        self.source.close()

    def __enter__(self) -> Slide:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_slide(path: str | PathLike[str]) -> Slide:
    """Open a slide or a picture.

    Raises
    ------
    CoverslipError
        It cannot be opened; the reason is one sentence.
    """
    return Slide(viewer.slides.open_slide(slide_path(fspath(path))))


def read_region(
    slide: Slide, box: Box | tuple[float, float, float, float], mpp_um: float | None = None
) -> RgbImage:
    """Read a part of a slide at any scale.

    Parameters
    ----------
    box
        x0, y0, x1, y1 in level-0 pixels.
    mpp_um
        Micrometers per pixel of the result; None reads level-0 pixels as they are.

    Returns
    -------
    uint8 (height, width, 3), colors as stored; beyond the slide it is filled as models see it.

    Raises
    ------
    CoverslipError
        The pixel size is unknown, the box is empty, or a tile cannot be read.
    """
    wanted = box if isinstance(box, Box) else Box(*box)
    if not (wanted.width > 0 and wanted.height > 0):
        raise CoverslipError("The box is empty: give x0 < x1 and y0 < y1 in level-0 pixels.")
    scale_x, scale_y = _scale(slide, mpp_um)
    width_px = max(1, round(wanted.width * scale_x))
    height_px = max(1, round(wanted.height * scale_y))
    return region.read_region(slide.source, wanted, width_px, height_px)


def _scale(slide: Slide, mpp_um: float | None) -> tuple[float, float]:
    """Return pixels of the result per level-0 pixel, across and down."""
    if mpp_um is None:
        return 1.0, 1.0
    if not mpp_um > 0:
        raise CoverslipError("mpp_um is micrometers per pixel: give a number above 0.")
    own_um = slide.info.optics.mpp_um or remembered_mpp_um(slide.info.identity)
    if own_um is None:
        raise CoverslipError(
            f"The pixel size of {slide.path.name} is unknown: leave out mpp_um to read pixels."
        )
    return own_um[0] / mpp_um, own_um[1] / mpp_um
