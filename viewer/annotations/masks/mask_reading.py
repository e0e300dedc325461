"""Label masks read back as regions, strip by strip."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import shapely
import tifffile
from PIL import Image

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.masks.label_masks import MOST_PNG_PX
from viewer.annotations.masks.mask_legend import (
    Label,
    Legend,
    legend_beside,
    legend_of,
    legend_path,
)
from viewer.annotations.masks.outlines import joined, outlines_of
from viewer.annotations.masks.png_strips import PLAIN_DESCRIPTION
from viewer.annotations.shape_numbers import bounds_of
from viewer.colors import class_color
from viewer.limits import LimitError, open_regular
from viewer.slides.readers.coded_size import check_tiff_tile
from viewer.slides.readers.small_parts import check_parts
from viewer.slides.readers.tiff.description_xml import description_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

_STRIP_PX = 256
_MOST_STRIP_BYTES = 1 << 30
_PNG_HEADER = struct.Struct(">8s4x4sIIBB")
_GRAY, _PALETTE = 0, 3
_PNG_SIGNATURE_BYTES, _PNG_CHECKSUM_BYTES = 8, 4
_MOST_DESCRIPTION_BYTES = 1 << 16


def read_mask(
    path: Path,
    problems: list[Problem],
    *,
    after_strip: Callable[[], object] = lambda: None,
) -> Iterator[Annotation]:
    """Yield regions of a mask in level-0 pixels, by the legend beside it or in it.

    Without a legend a pixel is taken for one of the slide, and that is reported; its values are
    classes up to 8 bits, and instances above.

    Parameters
    ----------
    after_strip
        Called after each stretch of rows.

    Raises
    ------
    AnnotationFileError
        It is no mask that can be read.
    """
    strips = _Strips(path, problems)
    legend, own = legend_beside(path), strips.own_legend
    is_of_other = legend is not None and own is not None and own.mask not in ("", legend.mask)
    if legend is None or is_of_other or legend.size_px != strips.size_px:
        legend = own
        if own is not None and len(own.labels) < own.label_count:
            why = "is of another mask" if is_of_other else "is missing"
            reason = f"its classes and names: {legend_path(path).name} {why}, export it again"
            problems.append(Problem(0, reason, is_repaired=True))
    if legend is None:
        reason = "its scale: it has no legend, so a pixel of it is taken for one of the slide"
        problems.append(Problem(0, reason, is_repaired=True))
    by_instance = strips.is_wide if legend is None else legend.of == "instances"
    regions = Regions(legend, by_instance)
    for top, labels in strips.each():
        yield from regions.taken(top, labels)
        after_strip()
    yield from regions.rest()


class Regions:
    """Puts together what the edges of strips cut.

    Parameters
    ----------
    by_instance
        Whether each value is one region, however many areas it has.
    """

    def __init__(self, legend: Legend | None, by_instance: bool) -> None:
        self._labels: dict[int, Label] = (
            {label.value: label for label in legend.labels} if legend else {}
        )
        self._scale = np.array(legend.scale if legend else (1.0, 1.0))
        self._by_instance = by_instance
        self._cut: dict[int, list[BaseGeometry]] = {}

    def taken(self, top: int, labels: NDArray[Any]) -> Iterator[Annotation]:
        shapes, values = outlines_of(labels)
        if not len(shapes):
            return
        _, tops, _, bottoms = bounds_of(shapes).T
        is_cut = (tops == 0) | (bottoms == len(labels)) | self._by_instance
        moved = shapely.transform(shapes, lambda places: places + np.array((0, top)))
        for shape, value, cut in zip(moved, values.tolist(), is_cut.tolist(), strict=True):
            if cut:
                self._cut.setdefault(value, []).append(shape)
            else:
                yield self._annotation(shape, value)

    def rest(self) -> Iterator[Annotation]:
        for value, shapes in self._cut.items():
            whole = joined(shapes)
            if self._by_instance:
                yield self._annotation(whole, value)
            else:
                for part in shapely.get_parts(whole).tolist():
                    yield self._annotation(part, value)

    def _annotation(self, shape: BaseGeometry, value: int) -> Annotation:
        place = shapely.transform(shapely.simplify(shape, 0.0), lambda p: p * self._scale)
        label = self._labels.get(value)
        if label is None:
            which = AnnotationClass(f"Label {value}", class_color(value - 1))
            if self._by_instance:
                return Annotation(place, name=str(value))
            return Annotation(place, shown_as=which)
        id_: UUID | None = label.annotation_id
        annotation = Annotation(place, shown_as=label.shown_as, name=label.name)
        return (
            annotation
            if id_ is None
            else Annotation(place, id_, shown_as=annotation.shown_as, name=annotation.name)
        )


class _Strips:
    """The rows of a mask, some hundreds at a time; each strip uint8 to uint32 (rows, width)."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self._path = path
        self._problems = problems
        self.own_legend: Legend | None = None
        try:
            if path.suffix.lower() == ".png":
                self._png = _png_header(path)
                width, height, bits, _ = self._png
                self.size_px, self.is_wide = (width, height), bits > 8
                self.own_legend = _legend_in(_png_description(path))
            else:
                self._look_at_tiff()
        except AnnotationFileError:
            raise
        except Exception as error:  # a damaged file can make a parser fail in any way
            raise self._unreadable(error) from error

    def each(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the first row of each strip, and the strip."""
        if self._path.suffix.lower() != ".png":
            yield from self._tiff_strips()
            return
        try:
            labels = _png_labels(self._path, self._png)
        except Exception as error:  # a damaged file can make a parser fail in any way
            raise self._unreadable(error) from error
        for top in range(0, len(labels), _STRIP_PX):
            yield top, labels[top : top + _STRIP_PX]

    def _unreadable(self, error: Exception) -> AnnotationFileError:
        return AnnotationFileError(
            f"{self._path.name} is no label mask that can be read ({error})."
        )

    def _look_at_tiff(self) -> None:
        with tifffile.TiffFile(self._path) as file:
            page = file.pages.first
            if page.ndim != 2 or page.dtype is None or page.dtype.kind not in "ui":
                raise AnnotationFileError(
                    f"{self._path.name} is a picture in color, not a label mask of whole numbers."
                )
            if not len(page.dataoffsets) == len(page.databytecounts) == math.prod(page.chunked):
                raise AnnotationFileError(
                    f"{self._path.name} is damaged: its pieces do not make up its size."
                )
            rows = _rows_at_once(page)
            if page.imagewidth * rows * page.dtype.itemsize > _MOST_STRIP_BYTES:
                raise AnnotationFileError(
                    f"{self._path.name} is stored in pieces that are too large: save it in tiles."
                )
            self.size_px = page.imagewidth, page.imagelength
            self.is_wide = page.dtype.itemsize > 1
            self.own_legend = _legend_in(file.ome_metadata or page.description)

    def _tiff_strips(self) -> Iterator[tuple[int, NDArray[Any]]]:
        with tifffile.TiffFile(self._path) as file:
            page: Any = file.pages.first
            rows = _rows_at_once(page)
            is_tiled = page.is_tiled
            tile_px = (page.tilewidth if is_tiled else page.imagewidth), rows
            strip = np.zeros((min(rows, page.imagelength), page.imagewidth), page.dtype)
            top = 0
            for index, (offset, size) in enumerate(
                zip(page.dataoffsets, page.databytecounts, strict=True)
            ):
                try:
                    file.filehandle.seek(offset)
                    data = file.filehandle.read(size) if size else None
                    if data:
                        check_tiff_tile(page.compression, data, *tile_px, len(page.extrasamples))
                    segment, (_, _, y, x, _), _ = page.decode(data, index)
                    if segment is None:
                        continue
                    piece = segment.reshape(segment.shape[-3:-1])
                except Exception as error:  # a damaged file can make a parser fail in any way
                    self._problems.append(Problem(index + 1, f"a tile of the mask ({error})"))
                    continue
                while y >= top + rows:
                    yield top, strip
                    top += rows
                    strip = np.zeros(
                        (min(rows, page.imagelength - top), page.imagewidth), page.dtype
                    )
                part = strip[y - top :, x:]
                height, width = min(len(part), len(piece)), min(part.shape[1], piece.shape[1])
                part[:height, :width] = piece[:height, :width]
            yield top, strip


def _rows_at_once(page: Any) -> int:
    if page.is_tiled:
        return page.tilelength
    rows = max(1, page.rowsperstrip)
    return rows * max(1, _STRIP_PX // rows)


def _legend_in(description: str) -> Legend | None:
    root = description_root(description)
    if root is None:
        return legend_of(description)
    for element in root.iter():
        if element.tag.endswith("}Description") and element.text:
            return legend_of(element.text)
    return None


def _png_header(path: Path) -> tuple[int, int, int, int]:
    """Width, height, bits and kind of color. Raises AnnotationFileError and OSError."""
    try:
        check_parts(path)
    except LimitError as error:
        raise AnnotationFileError(str(error)) from error
    with open_regular(path) as file:
        head = file.read(_PNG_HEADER.size)
    if len(head) < _PNG_HEADER.size:
        raise AnnotationFileError(f"{path.name} is no PNG: it is too short.")
    signature, name, width, height, bits, color = _PNG_HEADER.unpack(head)
    if signature != b"\x89PNG\r\n\x1a\n" or name != b"IHDR":
        raise AnnotationFileError(f"{path.name} is no PNG.")
    if color not in (_GRAY, _PALETTE):
        raise AnnotationFileError(f"{path.name} is a picture in color, not a label mask.")
    if width * height > MOST_PNG_PX:
        raise AnnotationFileError(f"{path.name} is too large for a PNG mask: use an OME-TIFF.")
    return width, height, bits, color


def _png_description(path: Path) -> str:
    """Return what a PNG says of itself before its pixels, as `write_png` writes it; "" if nothing.

    Raises OSError.
    """
    with open_regular(path) as file:
        file.seek(_PNG_SIGNATURE_BYTES)
        while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
            length = int.from_bytes(head[:4], "big")
            if head[4:] != b"iTXt" or length > _MOST_DESCRIPTION_BYTES:
                file.seek(length + _PNG_CHECKSUM_BYTES, 1)
                continue
            text = file.read(length)
            file.seek(_PNG_CHECKSUM_BYTES, 1)
            if text.startswith(PLAIN_DESCRIPTION):
                return text.removeprefix(PLAIN_DESCRIPTION).decode(errors="replace")
    return ""


def _png_labels(path: Path, header: tuple[int, int, int, int]) -> NDArray[Any]:
    if header[3] == _PALETTE:
        with Image.open(path) as picture:
            return np.asarray(picture)
    with open_regular(path) as file:
        labels = np.asarray(imagecodecs.png_decode(file.read()))
    return labels.reshape(labels.shape[:2])
