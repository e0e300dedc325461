"""Fields of a slide with their label masks, as folders that networks are trained from."""

from __future__ import annotations

import csv
import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import imagecodecs
import msgspec
import numpy as np
from msgspec.structs import asdict

from viewer import __version__
from viewer.annotations.annotation import NO_CLASS
from viewer.annotations.formats.problems import Problem, Problems
from viewer.annotations.masks.label_masks import MaskError, MaskPlace, labeled
from viewer.annotations.masks.mask_legend import Legend, text_of
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.cell_text import cell_of
from viewer.errors import CoverslipError
from viewer.files.atomic_write import atomic_write_bytes, atomic_write_text
from viewer.geometry import Box
from viewer.limits import read_kept
from viewer.slides.displayed import stored_colors
from viewer.slides.errors import SlideLostError, TileError
from viewer.slides.region import Beyond, read_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.masks.label_masks import Labeled
    from viewer.annotations.masks.label_strips import LabelPainter
    from viewer.annotations.pixel_calibration import MicronsPerPixel
    from viewer.slides.source import SlideSource

MANIFEST, SETTINGS, LEGEND = "manifest.csv", "tiles.json", "legend.json"
IMAGES, MASKS = "images", "masks"
_AHEAD = 4
"""Tiles in work for each thread."""
_COLUMNS: tuple[str, ...] = (
    "image", "mask", "x0_px", "y0_px", "x1_px", "y1_px", "tile_px", "mpp_um_x", "mpp_um_y",
    "annotated_share", "classes", "slide", "slide_identity", "annotations", "annotations_sha256",
    "made_with", "colors",
)  # fmt: skip


class TilesError(CoverslipError):
    """Tiles that cannot be made as asked; `str()` is one sentence."""


class TileOptions(msgspec.Struct, frozen=True):
    """What is cut.

    Attributes
    ----------
    mpp_um
        Of a pixel of the tiles; that of level 0 by default.
    stride_px
        From one tile to the next; the side of a tile by default.
    least_share
        The part of a tile that must be annotated, 0 to 1; with 0 all of the slide is cut.
    slide_mpp_um
        Of level 0, where it is known better than the slide tells.
    """

    mpp_um: float | None = None
    tile_px: int = 256
    stride_px: int | None = None
    least_share: float = 0.05
    by_instance: bool = False
    slide_mpp_um: MicronsPerPixel | None = None
    threads: int = 4


class AnnotationsOrigin(msgspec.Struct, frozen=True):
    """The file that the annotations are from."""

    name: str
    sha256: str


def origin_of_drawn(annotations: Iterable[Annotation], name: str) -> AnnotationsOrigin:
    """Return a checksum of ids, classes and shapes, for annotations that are in no file."""
    digest = sha256()
    for annotation in annotations:
        digest.update(annotation.id.bytes)
        digest.update(f"{annotation.class_name}\0".encode())
        digest.update(annotation.geometry.wkb)
    return AnnotationsOrigin(name, digest.hexdigest())


class TilesReport(msgspec.Struct, frozen=True):
    """How many tiles there are, how many of them were there already, and what went wrong."""

    tiles: int
    kept: int
    problems: list[Problem]


def cut_tiles(
    source: SlideSource,
    annotations: Iterable[Annotation],
    folder: Path,
    options: TileOptions,
    origin: AnnotationsOrigin,
    tell: Callable[[float], None] | None = None,
) -> TilesReport:
    """Write pairs of PNG files, a legend and a table of the pairs; go on where it was stopped.

    Parameters
    ----------
    tell
        Is called tile by tile with the share of the slide that is done; what it raises stops all,
        and the folder is one to go on with.

    Raises
    ------
    TilesError
        The folder holds something else, or tiles that were cut otherwise.
    MaskError
        The scale is not known.
    SlideLostError
        Nothing more can be read of the slide; the folder is one to go on with.
    OSError
        Something cannot be written.
    """
    level = source.levels[0]
    own = PixelCalibration.of(options.slide_mpp_um).mpp_um
    place = MaskPlace(
        (level.width_px, level.height_px),
        own or source.info.optics.mpp_um, options.mpp_um,
        source.path.name, source.info.identity,
    )  # fmt: skip
    problems = Problems()
    painting = labeled(annotations, problems, place, by_instance=options.by_instance)
    if len(painting.labels) > 0xFFFF:
        raise MaskError("More than 65,535 values do not fit a PNG: cut tiles by class.")
    _begin(folder, options, place, origin)
    _write_legend(folder, painting, place, by_instance=options.by_instance)
    cutter = _Cutter(source, folder, painting, painting.painter(), place, options)
    rows: list[dict[str, object]] = []
    kept = 0
    for (_, top), tile in _in_threads(cutter.cut, cutter.places(), options.threads):
        if tell is not None:
            tell(top / place.size_px[1])
        if tile is None:
            continue
        if isinstance(tile, Problem):
            problems.append(tile)
            continue
        kept += tile.was_there
        rows.append(tile.row)
    _write_manifest(folder / MANIFEST, rows, place, origin, stored_colors(source.info))
    return TilesReport(len(rows), kept, problems)


class _Tile(msgspec.Struct, frozen=True):
    row: dict[str, object]
    was_there: bool


class _Cutter(msgspec.Struct, frozen=True):
    source: SlideSource
    folder: Path
    painting: Labeled
    painter: LabelPainter
    place: MaskPlace
    options: TileOptions

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield the left and top of the tiles in pixels of their scale.

        The last ends at the edge.
        """
        width, height = self.place.size_px
        side, stride = self.options.tile_px, self.options.stride_px or self.options.tile_px
        for top in _starts(height, side, stride):
            for left in _starts(width, side, stride):
                if self.options.least_share == 0 or self.painter.touched(self._bounds(left, top)):
                    yield left, top

    def cut(self, at: tuple[int, int]) -> _Tile | Problem | None:
        """Return None where too little of it is annotated."""
        left, top = at
        side = self.options.tile_px
        mask = self.painter.painted(left, top, (side, side), self.place.scale, self.painting.dtype)
        share = np.count_nonzero(mask) / mask.size
        if share < self.options.least_share:
            return None
        name = f"{self.source.path.stem}_{left}_{top}.png"
        image_path, mask_path = self.folder / IMAGES / name, self.folder / MASKS / name
        was_there = image_path.exists() and mask_path.exists()
        x0, y0, x1, y1 = self._bounds(left, top)
        if not was_there:
            try:
                # The mask is empty beyond the slide, so there must be no tissue either.
                box = Box(x0, y0, x1, y1)
                image = read_region(self.source, box, side, side, Beyond.WHITE)
            except SlideLostError:
                raise
            except TileError as error:
                return Problem(0, f"the tile at {x0:.0f}, {y0:.0f}: {error}")
            _write_png(image_path, image)
            _write_png(mask_path, mask)
        row: dict[str, object] = {
            "image": f"{IMAGES}/{name}", "mask": f"{MASKS}/{name}",
            "x0_px": round(x0, 2), "y0_px": round(y0, 2), "x1_px": round(x1, 2),
            "y1_px": round(y1, 2), "tile_px": side, "annotated_share": round(share, 4),
            "classes": self._shares(mask),
        }  # fmt: skip
        return _Tile(row, was_there)

    def _bounds(self, left: int, top: int) -> tuple[float, float, float, float]:
        (x, y), side = self.place.scale, self.options.tile_px
        return left * x, top * y, (left + side) * x, (top + side) * y

    def _shares(self, mask: NDArray[Any]) -> str:
        """Such as "Stroma=0.25;Tumor=0.5"."""
        shares: dict[str, float] = {}
        for value, count in zip(*np.unique(mask, return_counts=True), strict=True):
            if value:
                name = self.painting.labels[int(value) - 1].class_name or NO_CLASS
                shares[name] = shares.get(name, 0.0) + int(count) / mask.size
        return ";".join(f"{name}={share:.4g}" for name, share in sorted(shares.items()))


def _starts(length: int, side: int, stride: int) -> list[int]:
    last = max(0, length - side)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def _in_threads(
    work: Callable[[tuple[int, int]], _Tile | Problem | None],
    places: Iterator[tuple[int, int]],
    threads: int,
) -> Iterator[tuple[tuple[int, int], _Tile | Problem | None]]:
    """Yield each place and what came of it, in order, never many ahead of the oldest not done."""
    waiting: deque[tuple[tuple[int, int], Future[_Tile | Problem | None]]] = deque()
    with ThreadPoolExecutor(threads, "tiles") as pool:
        try:
            for at in places:
                waiting.append((at, pool.submit(work, at)))
                if len(waiting) >= threads * _AHEAD:
                    begun, task = waiting.popleft()
                    yield begun, task.result()
            while waiting:
                begun, task = waiting.popleft()
                yield begun, task.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(folder: Path, options: TileOptions, place: MaskPlace, origin: AnnotationsOrigin) -> None:
    """Make the folder, or see that it is one to go on with. Raises TilesError, OSError."""
    record = asdict(options) | {"slide": place.slide_identity, "annotations": origin.sha256}
    del record["threads"]
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    settings = folder / SETTINGS
    if settings.exists():
        if read_kept(settings) != text:
            raise TilesError(
                f"{folder} holds tiles of another slide, other annotations or other settings: "
                "choose another folder."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TilesError(f"{folder} is not empty: choose a new folder for the tiles.")
    for inner in (IMAGES, MASKS):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    if not settings.exists():
        atomic_write_bytes(settings, text)


def _write_legend(folder: Path, painting: Labeled, place: MaskPlace, *, by_instance: bool) -> None:
    legend = Legend(
        "instances" if by_instance else "classes", place.size_px, place.scale, place.pixel_um,
        place.slide, place.slide_identity, place.slide_px, len(painting.labels), painting.labels,
    )  # fmt: skip
    atomic_write_bytes(folder / LEGEND, text_of(legend))


def _write_manifest(
    path: Path,
    rows: list[dict[str, object]],
    place: MaskPlace,
    origin: AnnotationsOrigin,
    colors: str,
) -> None:
    x, y = place.pixel_um or (math.nan, math.nan)
    common: dict[str, object] = {
        "mpp_um_x": "" if math.isnan(x) else f"{x:.6g}",
        "mpp_um_y": "" if math.isnan(y) else f"{y:.6g}",
        "slide": place.slide, "slide_identity": place.slide_identity, "annotations": origin.name,
        "annotations_sha256": origin.sha256, "made_with": f"Coverslip {__version__}",
        "colors": colors,
    }  # fmt: skip
    with atomic_write_text(path) as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        for row in rows:
            cells = row | common
            writer.writerow({name: cell_of(value) for name, value in cells.items()})


def _write_png(path: Path, pixels: NDArray[Any]) -> None:
    data = imagecodecs.png_encode(np.ascontiguousarray(pixels), level=6)
    atomic_write_bytes(path, data)
