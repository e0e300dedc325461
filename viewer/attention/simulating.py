"""Simulated readers: sessions of policies, written through the real recorder.

They are for tests and demonstration. Their header says `origin: simulated` and the reader is
"simulated:scan" and so on; nothing mixes them with people's sessions unless asked to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from viewer.attention.density import nuclei_per_cell
from viewer.attention.simulated_session import SCREEN_PX, Look, write_simulated
from viewer.geometry import Optics, Point, Size, View
from viewer.recording.session import SessionError
from viewer.slides.calibration import known_mpp_um, no_pixel_size
from viewer.slides.tissue import tissue_mask
from viewer.typed.scipy import uniform_filter1d

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource
    from viewer.slides.tissue import TissueMask

PolicyName = Literal["scan", "drill", "random"]
POLICIES: tuple[PolicyName, ...] = ("scan", "drill", "random")

_OVERVIEW_S = 2.0
_CELL_UM = 64.0
_LEAST_TISSUE = 0.15
"""Share of a field below which a scan passes it over."""
_RANDOM_LOOKS = 40
_RANDOM_MAGNIFICATIONS = (5.0, 10.0, 20.0, 40.0)


class PolicyParameters(msgspec.Struct, frozen=True):
    """The settings of a policy.

    Attributes
    ----------
    magnification
        Of a scan's fields.
    inspect_magnification, peek_magnification
        A drill's first and second look at a place.
    spots
        How many places a drill goes to.
    noise
        Standard deviation of the logarithm of the noise on what a drill thinks of a place: readers
        of one policy differ.
    """

    magnification: float = 10.0
    inspect_magnification: float = 20.0
    peek_magnification: float = 40.0
    spots: int = 8
    noise: float = 0.1


def simulate_session(
    source: SlideSource,
    policy: PolicyName,
    seed: int,
    library: Path,
    parameters: PolicyParameters = PolicyParameters(),
    mpp_um: float | None = None,
) -> Path:
    """Write the session of a simulated reader; return its folder.

    Parameters
    ----------
    library
        Where the session's folder is made.
    mpp_um
        Micrometers per level-0 pixel, where the file does not tell.

    Raises
    ------
    SessionError
        The slide tells no scale, or the folder cannot be written.
    TileError
        The slide cannot be read.
    """
    scale = mpp_um or known_mpp_um(source)
    if scale is None:
        raise SessionError(no_pixel_size(source.path.name))
    stated = source.info.optics
    optics = stated if stated.mpp_um is not None else Optics((scale, scale), stated.objective_power)
    simulation = _Simulation(source, optics, scale, np.random.default_rng(seed), parameters)
    looks: dict[PolicyName, Callable[[], Iterator[Look]]] = {
        "scan": simulation.scan,
        "drill": simulation.drill,
        "random": simulation.random,
    }
    return write_simulated(source, optics, policy, list(looks[policy]()), library)


class _Simulation:
    """The policies, over one slide."""

    def __init__(
        self,
        source: SlideSource,
        optics: Optics,
        mpp_um: float,
        rng: Generator,
        parameters: PolicyParameters,
    ) -> None:
        base = source.levels[0]
        self._source, self._optics, self._mpp_um = source, optics, mpp_um
        self._slide = Size(base.width_px, base.height_px)
        self._rng, self._parameters = rng, parameters
        self._tissue: TissueMask = tissue_mask(source)

    def scan(self) -> Iterator[Look]:
        """Yield all tissue at one magnification, line by line, to and fro."""
        yield self._overview()
        view = self._view(Point(0, 0), self._parameters.magnification)
        width, height = (side * view.downsample for side in view.size)
        columns, rows = (
            max(1, int(np.ceil(side / (0.8 * field))))
            for side, field in ((self._slide.width, width), (self._slide.height, height))
        )
        for row in range(rows):
            line = range(columns) if row % 2 == 0 else range(columns - 1, -1, -1)
            for column in line:
                center = Point(
                    (column + 0.5) * self._slide.width / columns,
                    (row + 0.5) * self._slide.height / rows,
                )
                if self._tissue_share(center, width, height) >= _LEAST_TISSUE:
                    look = self._view(center, self._parameters.magnification)
                    yield Look(look, self._rng.uniform(1.3, 2.2), "drag")

    def drill(self) -> Iterator[Look]:
        """Look where nuclei lie densest from nearby, then at the cells, then at the next place."""
        yield self._overview()
        parameters = self._parameters
        inspect = self._view(Point(0, 0), parameters.inspect_magnification)
        field = Size(*(side * inspect.downsample for side in inspect.size))
        for center in self._dense_places(field, parameters.spots):
            near = self._view(center, parameters.inspect_magnification)
            yield Look(near, self._rng.uniform(1.5, 3.0), "wheel")
            aside = field.width / 8
            for _ in range(2):
                x, y = self._rng.normal(0, aside / 2, 2).tolist()
                peek = self._view(Point(center.x + x, center.y + y), parameters.peek_magnification)
                yield Look(peek, self._rng.uniform(2.0, 4.0), "wheel")

    def random(self) -> Iterator[Look]:
        """Anywhere on the slide, tissue or not, at any magnification."""
        yield self._overview()
        for _ in range(_RANDOM_LOOKS):
            x, y = self._rng.uniform(0, 1, 2).tolist()
            magnification = float(self._rng.choice(_RANDOM_MAGNIFICATIONS))
            center = Point(x * self._slide.width, y * self._slide.height)
            yield Look(self._view(center, magnification), self._rng.uniform(1.2, 3.5), "go-to")

    def _overview(self) -> Look:
        width, height = self._slide
        fit = max(width / SCREEN_PX.width, height / SCREEN_PX.height)
        return Look(View(Point(width / 2, height / 2), fit, SCREEN_PX), _OVERVIEW_S, "open")

    def _view(self, center: Point, magnification: float) -> View:
        downsample = self._optics.downsample(magnification)
        assert downsample is not None
        return View(center, downsample, SCREEN_PX)

    def _tissue_share(self, center: Point, width: float, height: float) -> float:
        cell_width, cell_height = self._tissue.cell_px
        rows, columns = (
            slice(max(0, int((at - side / 2) / cell)), max(1, int(np.ceil((at + side / 2) / cell))))
            for at, side, cell in ((center.y, height, cell_height), (center.x, width, cell_width))
        )
        part = self._tissue.cells[rows, columns]
        return float(part.mean()) if part.size else 0.0

    def _dense_places(self, field: Size, count: int) -> list[Point]:
        """Middles of the fields with the most nuclei, apart from each other, the densest first."""
        cell = _CELL_UM / self._mpp_um
        shape = (
            int(np.ceil(self._slide.height / cell)),
            int(np.ceil(self._slide.width / cell)),
        )
        counts = nuclei_per_cell(self._source, self._mpp_um, cell, shape)
        rows, columns = (max(1, round(side / cell)) for side in (field.height, field.width))
        dense = uniform_filter1d(counts, max(1, rows // 2), 0)
        dense = uniform_filter1d(dense, max(1, columns // 2), 1)
        dense = dense * self._rng.lognormal(0, self._parameters.noise, dense.shape)
        return [
            Point((column + 0.5) * cell, (row + 0.5) * cell)
            for row, column in peaks_apart(dense, rows, columns, count)
        ]


def peaks_apart(
    values: NDArray[np.floating], rows: int, columns: int, count: int
) -> list[tuple[int, int]]:
    """Return the highest cells, none within half a field of a higher one."""
    left = values.copy()
    found: list[tuple[int, int]] = []
    for _ in range(count):
        row, column = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        if left[row, column] <= 0:
            break
        found.append((row, column))
        above, before = (rows + 1) // 2, (columns + 1) // 2
        left[
            max(0, row - above) : row + above + 1, max(0, column - before) : column + before + 1
        ] = 0
    return found
