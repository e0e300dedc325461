"""The pixel sizes that the user set for slides that bring none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_json, set_aside
from viewer.folders import data_folder
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideSource


class _PixelSize(msgspec.Struct, forbid_unknown_fields=False):
    """What is kept; micrometers per level-0 pixel."""

    identity: str
    x_um: float
    y_um: float
    typed_utc: str = ""


def remembered_mpp_um(identity: str) -> tuple[float, float] | None:
    """Micrometers per level-0 pixel in x and y that were set for this slide, if any.

    A file that cannot be understood is set aside.

    Raises
    ------
    OSError
        There is no folder to remember things in, and it cannot be made.
    """
    path, what = _path(identity), "The pixel size that was set for a slide"
    kept = kept_json(path, _PixelSize, what)
    if kept is None:
        return None
    if not _is_size(kept.x_um) or not _is_size(kept.y_um):
        set_aside(path, "it tells no pixel size", what)
        return None
    return kept.x_um, kept.y_um


def known_mpp_um(source: SlideSource) -> float | None:
    """Return micrometers per level-0 pixel, by the file or as the user has set it."""
    stated = source.info.optics.mean_mpp_um
    if stated is not None:
        return stated
    remembered = remembered_mpp_um(source.info.identity)
    return None if remembered is None else (remembered[0] * remembered[1]) ** 0.5


def no_pixel_size(name: str, option: str = "--mpp") -> str:
    """Return the sentence for a slide whose pixel size is needed and not known."""
    return (
        f"{name} has no known pixel size: open it and choose Edit > Set pixel size "
        f"(on the command line, {option})."
    )


def typed_on(identity: str) -> str:
    """Return the day on which the user typed the pixel size of a slide, ISO 8601; "" if unknown."""
    try:
        kept = msgspec.json.decode(read_kept(_path(identity)), type=prepared(_PixelSize))
    except (OSError, *DECODE_ERRORS):
        return ""
    return kept.typed_utc[:10]


def remember_mpp_um(identity: str, mpp_um: tuple[float, float]) -> None:
    """Keep what the user set, until `forget`.

    Raises
    ------
    ValueError
        The sizes are not positive and finite.
    OSError
        They cannot be written.
    """
    x_um, y_um = mpp_um
    if not _is_size(x_um) or not _is_size(y_um):
        raise ValueError(f"{mpp_um} um is no pixel size")
    now_utc = utc_stamp()
    path = _path(identity)
    make_folder(path.parent)
    atomic_write_bytes(path, msgspec.json.encode(_PixelSize(identity, x_um, y_um, now_utc)))


def _path(identity: str) -> Path:
    """A file of its own for each slide: two windows that write can lose nothing of each other."""
    from viewer.slides.slide_key import file_name_of

    return data_folder() / "pixel-sizes" / f"{file_name_of(identity)}.json"


def _is_size(size_um: float) -> bool:
    return 0 < size_um < float("inf")
