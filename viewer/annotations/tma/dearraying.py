"""Find the cores of a tissue microarray on a slide, at low magnification.

Cores are round pieces of tissue of one size in rows and columns. Each is looked for as a disc of
tissue with little round it; a grid is laid through them, and a place of the grid without tissue is
a missing core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.annotations.tma.array_grid import MOST_CORES, ArrayGrid, Line
from viewer.annotations.tma.disc_search import PRESENT, DiscSearch
from viewer.annotations.tma.labels import LabelScheme, NoCoresError, TmaError
from viewer.annotations.tma.lattice import fitted_lattice
from viewer.plurals import plural
from viewer.slides.glass import overview_classes
from viewer.slides.region import coarsest_level, read_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource

NO_CORES = (
    "no TMA cores were found, which are round pieces of tissue of one size in rows and columns; "
    "give their diameter if there are some."
)
LEAST_CORES, _LEAST_KNOWN = 4, 2
"""On a slide that is an array; fewer are enough where their size or the grid is given."""
_LOOKED_PX, _MOST_PX = 1000, 2400
"""Of the picture that is looked at, in its longer side."""
_SMOOTH_PX, _IS_DENSE = 2.0, 0.3
_LEAST_DIAMETER_PX = 7.0
_MOST_OF_SLIDE = 0.5
"""Of the slide's shorter side, that a core may have across."""
_SAME_SIZE = 0.18
_ALONE, _ALONE_SHARE = 0.35, 0.4
"""By how much more of a core is tissue than of the ring around it, and how many cores are so."""
_COVERED, _PLACED, _OCCUPIED = 0.5, 0.8, 0.35
"""Shares of the tissue in cores, of the cores with a place of their own, of the places with one."""
_CORE_UM = (50.0, 6000.0)
"""Diameters of cores that are looked for, where nobody gave one."""


class DearrayOptions(msgspec.Struct, frozen=True):
    """What is known of an array beforehand.

    Attributes
    ----------
    diameter_um
        Of a core; None where it is to be found.
    rows, columns
        Of the grid; None for as many as are found.
    """

    diameter_um: float | None = None
    rows: int | None = None
    columns: int | None = None
    labels: LabelScheme = msgspec.field(default_factory=LabelScheme)


class FoundCore(msgspec.Struct, frozen=True):
    """A place of the grid; row and column count from 0, the middle is in level-0 pixels."""

    row: int
    column: int
    x_px: float
    y_px: float
    is_missing: bool


class FoundArray(msgspec.Struct, frozen=True):
    """The cores of a slide, row by row.

    Attributes
    ----------
    diameter_px
        Of each, level-0 pixels.
    notes
        Sentences about what was decided on the way.
    """

    cores: tuple[FoundCore, ...]
    rows: int
    columns: int
    diameter_px: float
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> int:
        """Return how many cores are not missing."""
        return sum(not core.is_missing for core in self.cores)


def dearray(
    source: SlideSource, options: DearrayOptions | None = None, mpp_um: float | None = None
) -> FoundArray:
    """Find the cores of a slide; reads tiles and takes seconds, so for worker threads.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel, for a diameter that is given.

    Raises
    ------
    NoCoresError
        There is no array on the slide.
    TmaError
        The options cannot be.
    TileError
        The level that is looked at cannot be read.
    """
    options = options or DearrayOptions()
    name = source.path.name
    index = coarsest_level(source.levels, _LOOKED_PX)
    picture = read_level(source, index)
    factor = max(1, -(-max(picture.shape[:2]) // _MOST_PX))
    if factor > 1:
        from PIL import Image

        picture = np.asarray(Image.fromarray(picture).reduce(factor))
    scale = source.levels[0].width_px / picture.shape[1]
    diameter = None
    if options.diameter_um is not None:
        if mpp_um is None:
            raise TmaError(f"The pixel size of {name} is unknown: set it, or give no diameter.")
        diameter = options.diameter_um / mpp_um / scale
        if not _LEAST_DIAMETER_PX <= diameter <= min(picture.shape[:2]):
            raise TmaError(
                f"A core cannot be {options.diameter_um:g} µm across on {name}, which is "
                f"{source.levels[0].width_px * mpp_um / 1000:.3g} mm wide: give its diameter in µm."
            )
    tissue = overview_classes(picture).is_tissue
    found = array_in(tissue, options, diameter)
    scale_um = mpp_um or source.info.optics.mean_mpp_um
    if diameter is None and not isinstance(found, str) and scale_um is not None:
        least, most = _CORE_UM
        if not least <= found.diameter_px * scale * scale_um <= most:
            found = NO_CORES
    if isinstance(found, str):
        if options.rows is not None or options.columns is not None:
            _check_grid(name, tissue, options, diameter)
        raise NoCoresError(f"{name}: {found}")
    cores = tuple(
        FoundCore(each.row, each.column, each.x_px * scale, each.y_px * scale, each.is_missing)
        for each in found.cores
    )
    return FoundArray(cores, found.rows, found.columns, found.diameter_px * scale, found.notes)


def array_in(
    is_tissue: NDArray[np.bool_], options: DearrayOptions, diameter: float | None = None
) -> FoundArray | str:
    """Return the array in a mask of tissue, in its pixels; a sentence where there is none."""
    from viewer.typed.scipy import gaussian_filter

    dense = gaussian_filter(is_tissue.astype(np.float32), _SMOOTH_PX)
    tissue = (dense > _IS_DENSE).astype(np.float32)
    is_known = diameter is not None or (options.rows is not None and options.columns is not None)
    least = _LEAST_KNOWN if is_known else LEAST_CORES
    size = diameter or _usual_diameter(tissue > 0, least)
    if size is None:
        return NO_CORES
    search = DiscSearch(tissue, size)
    points, shares, rings = search.discs()
    alone = shares - rings >= _ALONE
    if alone.sum() < least or alone.mean() < _ALONE_SHARE:
        return NO_CORES
    if len(points) > MOST_CORES:
        return f"more than {MOST_CORES:,} pieces look like cores: give their diameter."
    lattice = fitted_lattice(points, shares, size)
    if lattice is None or search.covered(points) < _COVERED or lattice.is_placed.mean() < _PLACED:
        return NO_CORES
    grid = ArrayGrid.of(lattice)
    notes = list(grid.drop_strays())
    asked: tuple[tuple[Line, int | None], ...] = (
        ("row", options.rows),
        ("column", options.columns),
    )
    for what, wanted in asked:
        if wanted is not None:
            notes += grid.fit(what, wanted)
    notes += grid.room(options.labels)
    if len(grid.rows) * len(grid.columns) > MOST_CORES:
        return NO_CORES
    cores: list[FoundCore] = []
    for row, row_place in enumerate(grid.rows):
        for column, column_place in enumerate(grid.columns):
            at = lattice.place(row_place, column_place)
            x, y, share = search.near(at, grid.found_at(row_place, column_place))
            cores.append(FoundCore(row, column, x, y, share < PRESENT))
    found = FoundArray(tuple(cores), len(grid.rows), len(grid.columns), size, tuple(notes))
    is_enough = found.present >= max(least, _OCCUPIED * len(cores))
    return found if is_enough else NO_CORES


def _check_grid(
    name: str, tissue: NDArray[np.bool_], options: DearrayOptions, diameter: float | None
) -> None:
    """Raise TmaError where a slide has an array, and only the grid asked for is not its own."""
    found = array_in(tissue, replace(options, rows=None, columns=None), diameter)
    if isinstance(found, str):
        return
    counts = ((options.rows, found.rows, "row"), (options.columns, found.columns, "column"))
    asked = " and ".join(plural(wanted, what) for wanted, _, what in counts if wanted is not None)
    has = " and ".join(plural(count, what) for _, count, what in counts)
    raise TmaError(
        f"{name}: {plural(found.present, 'core')} in {has} were found, which do not fit the "
        f"{asked} asked for: correct the grid, or leave it to be found."
    )


def _usual_diameter(tissue: NDArray[np.bool_], least: int) -> float | None:
    """Return the diameter that most round pieces have, by the discs that fit into the tissue."""
    from viewer.typed.scipy import binary_fill_holes, distance_transform_edt, find_objects, label

    filled = binary_fill_holes(tissue) if tissue.mean() < 0.5 else tissue
    inner = distance_transform_edt(np.pad(filled, 1))[1:-1, 1:-1]
    labels, count = label(filled)
    if not count:
        return None
    # A piece that is round as a whole tells its own size.
    sizes: list[float] = []
    most = _MOST_OF_SLIDE * min(tissue.shape)
    areas = np.bincount(labels.ravel())
    for number, place in find_objects(labels):
        height, width = labels[place].shape
        across = (height + width) / 2
        if not (_LEAST_DIAMETER_PX <= across <= most):
            continue
        fill = areas[number] / (np.pi / 4 * height * width)
        if 0.75 <= height / width <= 1.33 and fill >= 0.8:
            sizes.append(across)
        else:
            piece = np.where(labels[place] == number, inner[place], 0)
            sizes += [2 * radius for radius in _inscribed(piece)]
    found = np.array([each for each in sizes if _LEAST_DIAMETER_PX <= each <= most])
    if len(found) < least:
        return None
    near = np.abs(np.log(found[:, None] / found[None, :])) <= _SAME_SIZE
    best = int((near * found[None, :] ** 2).sum(1).argmax())
    if near[best].sum() < least:
        return None
    return float(np.median(found[near[best]]))


def _inscribed(inner: NDArray[np.float64]) -> list[float]:
    """Return the radii of the largest discs in a piece that do not overlap, at most 64."""
    left, radii = inner.copy(), list[float]()
    while len(radii) < 64:
        at = np.unravel_index(int(left.argmax()), left.shape)
        radius = float(left[at])
        if radius < max(_LEAST_DIAMETER_PX / 2, 0.5 * radii[0] if radii else 0):
            break
        radii.append(radius)
        reach = int(2 * radius) + 1
        top, side = max(0, int(at[0]) - reach), max(0, int(at[1]) - reach)
        near = left[top : int(at[0]) + reach, side : int(at[1]) + reach]
        ys, xs = np.mgrid[top : top + near.shape[0], side : side + near.shape[1]]
        near[np.hypot(ys - at[0], xs - at[1]) < 2 * radius] = 0
    return radii
