"""Alignments as JSON: exchanged with others, and kept under the content keys of both slides."""

from __future__ import annotations

import csv
import logging
import math
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write_bytes, unwritable
from viewer.folders import data_folder
from viewer.geometry import Point
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.alignment.transform import (
    Affine,
    AlignedSlide,
    AlignmentError,
    Landmark,
    Method,
    SlideAlignment,
    checked,
)

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_FORMAT, _VERSION = "coverslip-alignment", 1
_MOST_BYTES = 16 << 20
_LANDMARK_COLUMNS = 4


class _Slide(msgspec.Struct):
    key: str
    width_px: int
    height_px: int
    mpp_um: tuple[float, float] | None = None


class _Pair(msgspec.Struct):
    source: tuple[float, float]
    target: tuple[float, float]


class _File(msgspec.Struct, tag_field="format", tag=_FORMAT):
    """`matrix` maps level-0 pixels of `source` to those of `target`: rows of [a, b, tx]."""

    source: _Slide
    target: _Slide
    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    method: Method
    residual: float
    residual_unit: str = "um"
    matched: int = 0
    tried: int = 0
    landmarks: list[_Pair] = []
    version: int = _VERSION


def alignment_json(alignment: SlideAlignment) -> bytes:
    """Return an alignment as JSON."""
    k = alignment.affine
    file = _File(
        _written(alignment.source),
        _written(alignment.target),
        ((k.a, k.b, k.tx), (k.c, k.d, k.ty)),
        alignment.method,
        alignment.residual,
        alignment.unit,
        alignment.matched,
        alignment.tried,
        [_Pair((a.x, a.y), (b.x, b.y)) for a, b in alignment.landmarks],
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def write_alignment(path: Path, alignment: SlideAlignment) -> None:
    """Write an alignment for others. Raises AlignmentError; a file that was there stays."""
    try:
        atomic_write_bytes(path, alignment_json(alignment))
    except OSError as error:
        raise AlignmentError(unwritable(path, error)) from error


def read_alignment(path: Path) -> SlideAlignment:
    """Read an alignment that was written here or elsewhere.

    Raises
    ------
    AlignmentError
        The file cannot be read, or holds no alignment that can be used.
    """
    content = _content(path)
    try:
        file = msgspec.json.decode(content, type=prepared(_File))
    except DECODE_ERRORS as error:
        raise AlignmentError(f"{path.name} holds no alignment of two slides: {error}.") from error
    if file.version > _VERSION:
        raise AlignmentError(f"{path.name} is of a newer version: update Coverslip to read it.")
    source, target = _read(path, file.source), _read(path, file.target)
    (a, b, tx), (c, d, ty) = file.matrix
    affine = checked(Affine(a, b, tx, c, d, ty), source, target)
    pairs = [Landmark(Point(*each.source), Point(*each.target)) for each in file.landmarks]
    residual = file.residual if math.isfinite(file.residual) else 0.0
    return SlideAlignment(
        source, target, affine, file.method, residual, file.matched, file.tried, tuple(pairs)
    )


def read_landmarks(path: Path) -> list[Landmark]:
    """Read pairs of places: rows of x, y on the first slide and x, y on the second (level-0 px).

    A first row that holds no numbers is a header.

    Raises
    ------
    AlignmentError
        The file cannot be read, or a row holds no two places.
    """
    text = _content(path).decode("utf-8-sig", errors="replace")
    mark = next((each for each in ("\t", ";") if each in text), ",")
    pairs: list[Landmark] = []
    for number, row in enumerate(csv.reader(text.splitlines(), delimiter=mark), 1):
        cells = [cell.strip() for cell in row if cell.strip()]
        if not cells or cells[0].startswith("#"):
            continue
        try:
            values = [float(cell) for cell in cells[:_LANDMARK_COLUMNS]]
        except ValueError:
            values = []
        if len(values) == _LANDMARK_COLUMNS and all(map(math.isfinite, values)):
            x, y, to_x, to_y = values
            pairs.append(Landmark(Point(x, y), Point(to_x, to_y)))
        elif number > 1 or values:
            raise AlignmentError(
                f"{path.name}, line {number}: give x and y on the first slide, then x and y on the "
                "second, in level-0 pixels."
            )
    return pairs


# Kept with the slides ----------------------------------------------------------------------------


def keep_alignment(alignment: SlideAlignment) -> None:
    """Keep an alignment for when its slides are shown again. Raises OSError."""
    path = _kept_path(alignment.source.key, alignment.target.key)
    make_folder(path.parent)
    atomic_write_bytes(path, alignment_json(alignment))


def kept_alignment(source_key: str, target_key: str) -> SlideAlignment | None:
    """Return what was kept of two slides, from the first to the second; None where nothing was."""
    path = _kept_path(source_key, target_key)
    if not path.exists():
        return None
    try:
        return read_alignment(path).between(source_key, target_key)
    except AlignmentError as error:
        _log.warning("A kept alignment cannot be used (%s)", error)
        return None


def forget_alignment(source_key: str, target_key: str) -> None:
    """Keep the alignment of two slides no longer. Raises OSError."""
    _kept_path(source_key, target_key).unlink(missing_ok=True)


def _kept_path(source_key: str, target_key: str) -> Path:
    """One file a pair, whichever slide comes first."""
    both = "\n".join(sorted((source_key, target_key)))
    return (
        data_folder() / "alignments" / f"{blake2b(both.encode(), digest_size=16).hexdigest()}.json"
    )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise AlignmentError(f"{path.name} is too large: it holds no alignment.")
        return read_regular(path, JSON_BYTES)
    except OSError as error:
        raise AlignmentError(f"{path.name} cannot be read ({reason_of(error)}).") from error


def _written(slide: AlignedSlide) -> _Slide:
    return _Slide(slide.key, slide.width_px, slide.height_px, slide.mpp_um)


def _read(path: Path, slide: _Slide) -> AlignedSlide:
    sizes = slide.mpp_um or (1.0, 1.0)
    is_good = min(slide.width_px, slide.height_px) > 0
    if not is_good or not all(map(math.isfinite, sizes)) or min(sizes) <= 0:
        raise AlignmentError(f"{path.name} tells no size of a slide that can be.")
    return AlignedSlide(slide.key, slide.width_px, slide.height_px, slide.mpp_um)
