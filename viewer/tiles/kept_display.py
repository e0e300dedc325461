"""How each slide was adjusted, kept from one opening to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_json, set_aside
from viewer.folders import data_folder
from viewer.slides.slide_key import file_name_of
from viewer.tiles.display import (
    BRIGHTNESS_RANGE,
    CONTRAST_RANGE,
    GAMMA_RANGE,
    DisplaySettings,
    Stain,
)
from viewer.tiles.kept_channels import KeptChannel, kept_channel

if TYPE_CHECKING:
    from pathlib import Path


class _Kept(msgspec.Struct):
    """The members of `DisplaySettings`; the stain by the name that code gives it."""

    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    stain: str = Stain.NONE.name
    icc: bool = False
    channels: list[KeptChannel] = []


def load_display(identity: str) -> DisplaySettings | None:
    """Return how a slide was adjusted; None where it was not, or that cannot be read.

    A file that cannot be understood is set aside.
    """
    path, what = _path(identity), "How a slide was adjusted"
    kept = kept_json(path, _Kept, what)
    if kept is None:
        return None
    try:
        return DisplaySettings(
            _within(kept.brightness, BRIGHTNESS_RANGE),
            _within(kept.contrast, CONTRAST_RANGE),
            _within(kept.gamma, GAMMA_RANGE),
            Stain[kept.stain],
            kept.icc,
            tuple(channel.display() for channel in kept.channels),
        )
    except (ValueError, KeyError) as error:
        set_aside(path, error, what)
        return None


def save_display(identity: str, display: DisplaySettings, default: DisplaySettings) -> None:
    """Keep how a slide is adjusted; nothing is kept where it is shown as it opens by itself.

    Raises
    ------
    OSError
        It cannot be written.
    """
    path = _path(identity)
    if display == default:
        path.unlink(missing_ok=True)
        return
    make_folder(path.parent)
    channels = [kept_channel(each) for each in display.channels]
    kept = asdict(display) | {"stain": display.stain.name, "channels": channels}
    atomic_write_bytes(path, msgspec.json.encode(kept))


def _within(value: float, limits: tuple[float, float]) -> float:
    if not limits[0] <= value <= limits[1]:
        raise ValueError(f"{value} is not from {limits[0]} to {limits[1]}")
    return value


def _path(identity: str) -> Path:
    return data_folder() / "display" / f"{file_name_of(identity)}.json"
