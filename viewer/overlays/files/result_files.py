"""Results made elsewhere, for the slide that is open: outlines, scores or features of tiles."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.annotations.formats.exchange import geojson_origin
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.errors import reason_of
from viewer.limits import NoRegularFileError, check_regular, unreadable
from viewer.overlays.files.foreign_table import read_binary_table, read_csv
from viewer.overlays.files.outline_files import (
    dicom_outlines,
    geojson_outlines,
    of_outlines,
    table_outlines,
)
from viewer.overlays.files.qupath_table import is_qupath_table, of_qupath_table
from viewer.overlays.files.result_file import ResultFile, ResultFileError
from viewer.overlays.files.tiatoolbox import tiatoolbox_table
from viewer.overlays.files.tile_features import of_features
from viewer.overlays.files.tile_scores import of_table

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.geometry import Size

_log = logging.getLogger(__name__)
RESULT_SUFFIXES = (
    ".geojson", ".json", ".csv", ".tsv", ".txt", ".h5", ".hdf5", ".parquet", ".geoparquet",
)  # fmt: skip


def read_result_file(
    path: Path,
    slide: Size,
    mpp_um: float,
    place: SlidePlace | None = None,
    origin: Origin | None = None,
) -> ResultFile:
    """Read outlines, scores of tiles, or their features.

    These are GeoJSON, GeoParquet, DICOM, a CSV of x, y and scores, CLAM's attention scores (.h5),
    or the features that TRIDENT writes (.h5).

    Parameters
    ----------
    slide, mpp_um
        Size in level-0 pixels, and micrometers per level-0 pixel.
    place
        The slide itself, which tells where DICOM's places in mm are, and from where QuPath counts.
    origin
        From where the file counts, instead of what it says or its format does: QuPath's GeoJSON
        from the bounds, tables from the corner of the slide.

    Raises
    ------
    ResultFileError
        One sentence says what is wrong and what to do.
    """
    bounds_px = (0.0, 0.0) if place is None else place.bounds_px
    shift_px = bounds_px if origin == "bounds" else (0.0, 0.0)
    try:
        check_regular(path)
        match path.suffix.lower():
            case ".csv" | ".tsv" | ".txt":
                table = read_csv(path)
                if not is_qupath_table(table):
                    return of_table(path, table, slide, mpp_um, shift_px)
                mpps = (None if place is None else place.mpp_um) or (mpp_um, mpp_um)
                corner_px = (0.0, 0.0) if origin == "slide" else bounds_px
                return of_qupath_table(path, table, slide, mpps, corner_px)
            case ".h5" | ".hdf5" | ".parquet" | ".geoparquet":
                table = read_binary_table(path)
                if table.vector_length:
                    return of_features(path, table, slide, mpp_um, shift_px)
                if table.geometry is None:
                    return of_table(path, table, slide, mpp_um, shift_px)
                return of_outlines(path, table_outlines(table), slide, mpp_um, shift_px)
            case ".dcm":
                return of_outlines(path, dicom_outlines(path, place), slide, mpp_um)
            case ".json" if (table := tiatoolbox_table(path, mpp_um)) is not None:
                return of_table(path, table, slide, mpp_um, shift_px)
            case _:
                outlines = geojson_outlines(path)
                if not any(bounds_px):
                    return of_outlines(path, outlines, slide, mpp_um)
                used, sentence = geojson_origin(path, bounds_px, origin)
                file = of_outlines(
                    path, outlines, slide, mpp_um, bounds_px if used == "bounds" else (0.0, 0.0)
                )
                return replace(file, troubles=[*file.troubles, f"{path.name}: {sentence}."])
    except AnnotationFileError as error:
        raise ResultFileError(str(error)) from error
    except ResultFileError:
        raise
    except NoRegularFileError as error:
        raise ResultFileError(f"{path.name} cannot be read ({reason_of(error)}).") from error
    except FileNotFoundError as error:
        raise ResultFileError(f"{path.name} is not there any more.") from error
    except Exception as error:  # a damaged file can make a parser fail in any way
        _log.info("%s cannot be read", path, exc_info=error)
        raise ResultFileError(unreadable(path.name)) from error
