"""What TIAToolbox's patch predictor writes: tiles, probabilities and classes as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.annotations.formats.packed_files import unpacked, unpacked_bytes
from viewer.limits import TABLE_BYTES
from viewer.overlays.files.foreign_table import ForeignTable
from viewer.overlays.files.result_file import ResultFileError
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_HEAD_BYTES = 4096
_PLACES = ("x_start", "y_start", "x_end", "y_end")


class _Predictions(msgspec.Struct):
    coordinates: list[tuple[float, float, float, float]]
    resolution: float
    units: str
    predictions: list[float] | None = None
    probabilities: list[list[float]] | None = None


def tiatoolbox_table(path: Path, mpp_um: float) -> ForeignTable | None:
    """Return the tiles of a file in level-0 pixels; None where it is of another kind.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel: TIAToolbox counts in pixels of the resolution it read.

    Raises
    ------
    ResultFileError
        It counts in units that cannot be turned into level-0 pixels.
    AnnotationFileError
        It cannot be read.
    """
    with unpacked(path, (".json",)) as pieces:
        head = pieces[0](_HEAD_BYTES)
    if b'"type"' in head or not head.lstrip().startswith(b"{"):
        return None  # GeoJSON says what it is, and may be too large to be read at once
    data = unpacked_bytes(path, (".json",), TABLE_BYTES)
    try:
        read = msgspec.json.decode(data, type=prepared(_Predictions))
    except DECODE_ERRORS:
        return None
    places = np.array(read.coordinates, np.float64).reshape(-1, 4) * _scale(path, read, mpp_um)
    columns: dict[str, NDArray[np.float64]] = dict(zip(_PLACES, places.T, strict=True))
    scores = np.array(read.probabilities or [], np.float64)
    if scores.ndim == 2 and len(scores) == len(places):
        columns |= {f"prob_{index}": column for index, column in enumerate(scores.T)}
    if read.predictions is not None and len(read.predictions) == len(places):
        columns["prediction"] = np.array(read.predictions, np.float64)
    numbers = {name: np.ascontiguousarray(each).tobytes() for name, each in columns.items()}
    return ForeignTable(len(places), list(columns), numbers, list(columns))


def _scale(path: Path, read: _Predictions, mpp_um: float) -> float:
    """Return level-0 pixels per pixel that the file counts in."""
    match read.units:
        case "mpp" if read.resolution > 0:
            return read.resolution / mpp_um
        case "baseline" if read.resolution > 0:
            return 1 / read.resolution
        case "level" if read.resolution == 0:
            return 1.0
        case _:
            raise ResultFileError(
                f"{path.name} counts in pixels of {read.units} {read.resolution:g}, whose size is "
                "not known here: write it with units mpp, baseline or level 0."
            )
