"""What the user may choose, kept as JSON; described as data so that dialogs are made from it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
from filelock import FileLock

from viewer.access import make_folder
from viewer.atomic_write import atomic_write_bytes
from viewer.redaction import leave_out_names, leave_out_path

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_FILE = "settings.json"
_LOCK = ".settings.lock"
_GIB = 1 << 30
_MIB = 1 << 20


class Settings(msgspec.Struct, omit_defaults=True):
    """All settings, with their defaults.

    Attributes
    ----------
    cache_mib
        Bound of the tiles kept in memory; 0 takes a quarter of the memory, at most 2 GiB.
    worker_count
        Tiles read at the same time; 0 takes one a core, at most four.
    wheel_speed
        1.0 zooms by the square root of two a notch.
    reader
        Pseudonym under which sessions are recorded.
    consent_utc
        When the reader agreed to recording, ISO 8601; empty before.
    reviewer
        Pseudonym under which sessions are reviewed.
    study
        Under which prompts and permissions to send pictures are kept.
    record_names, record_texts
        Whether sessions may hold names of slides, and texts that the reader types.
    device
        What models run on; "auto" takes the fastest.
    results_gib
        Bound of the kept results of models; those not used for longest go first.
    snapping, avoid_overlap, brush_px, brush_on_slide
        How annotations are drawn; see `viewer.canvas.annotating.edit_context.DrawingOptions`.
    back_to_moving
        Whether the mouse moves the slide again after a rectangle, ellipse, line or polygon.
    unconfined_models
        Whether TorchScripts may run where the system cannot confine them.
    annotations_beside
        Whether annotations lie beside their slide instead of in the data folder.
    counting_area_mm2, counting_shape
        Of the fields in which mitoses are counted.
    trusted_folders
        Slides below these folders are read without a process of their own.
    shortcuts
        Command id -> keys in Qt's portable text, only where they differ from the defaults.
    """

    theme: Literal["dark", "light", "system"] = "dark"
    cache_mib: int = 0
    worker_count: int = 0
    kinetic: bool = True
    wheel_speed: float = 1.0
    wheel_inverted: bool = False
    show_overview: bool = True
    show_scale_bar: bool = True
    use_icc: bool = True
    reader: str = ""
    reviewer: str = ""
    consent_utc: str = ""
    record_names: bool = False
    record_texts: bool = False
    study: str = "default"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    results_gib: int = 8
    snapping: bool = False
    avoid_overlap: bool = False
    brush_px: float = 50.0
    brush_on_slide: bool = False
    back_to_moving: bool = False
    annotations_beside: bool = False
    counting_area_mm2: float = 0.2375
    counting_shape: Literal["circle", "square"] = "circle"
    unconfined_models: bool = False
    recent_slides: list[str] = []
    recent_projects: list[str] = []
    trusted_folders: list[str] = []
    shortcuts: dict[str, list[str]] = {}

    def cache_limit_bytes(self) -> int:
        """Return the bound of the tile cache in bytes."""
        import psutil

        if self.cache_mib > 0:
            return self.cache_mib * _MIB
        return min(psutil.virtual_memory().total // 4, 2 * _GIB)

    def threads(self) -> int:
        """Return how many tiles are read at the same time."""
        return self.worker_count or max(1, min(4, os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting as a dialog shows it.

    Attributes
    ----------
    options
        The values of a list; empty for a switch or a number.
    low, high
        The range of a number, `step` its step; all 0 for a switch or a list.
    """

    field: str
    label: str
    tip: str
    options: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0


CHOICES: tuple[Choice, ...] = (
    Choice("theme", "Theme", "Colors of the window", ("dark", "light", "system")),
    Choice("kinetic", "Glide after a drag", "The slide glides on when it is let go in motion"),
    Choice("wheel_speed", "Wheel speed", "How far a notch of the wheel zooms", (), 0.25, 4.0, 0.25),
    Choice("wheel_inverted", "Invert wheel", "Zoom in by turning the wheel toward you"),
    Choice("show_overview", "Overview map", "Show the map of the whole slide in the corner"),
    Choice("show_scale_bar", "Scale bar", "Show the scale bar"),
    Choice(
        "use_icc",
        "Scanner color profiles",
        "Open slides corrected by the ICC profile that the scanner wrote, where there is one",
    ),
    Choice(
        "cache_mib",
        "Tile memory (MiB)",
        "Memory for tiles; 0 takes a quarter of the machine's, at most 2048",
        (),
        0,
        65_536,
        256,
    ),
    Choice(
        "worker_count",
        "Reading threads",
        "Tiles read at the same time; 0 takes one a core, at most four; for slides opened next",
        (),
        0,
        16,
        1,
    ),
    Choice(
        "device",
        "Models run on",
        "The fastest, or always this one; for overlays turned on next",
        ("auto", "cpu", "cuda", "mps"),
    ),
    Choice(
        "results_gib",
        "Result cache limit (GiB)",
        "What models found is kept up to this size; the slides not seen for longest go first",
        (),
        1,
        1024,
        1,
    ),
    Choice(
        "back_to_moving",
        "Return to Pan after drawing",
        "After a rectangle, ellipse, line, polygon or polyline the mouse moves the slide again,"
        " as in QuPath; brush, wand and points stay in hand",
    ),
    Choice(
        "annotations_beside",
        "Annotations beside slides",
        "Keep annotations in a file beside the slide, where its folder can be written to;"
        " for slides opened next",
    ),
    Choice(
        "unconfined_models",
        "Run TorchScripts unconfined",
        "Where the system cannot confine models, run those that are programs all the same;"
        " they could read and write your files",
    ),
    Choice(
        "trusted_folders",
        "Trusted folders",
        "Slides in these folders are read without a process of their own; separate several by ;",
    ),
    Choice("reader", "Reader", "The pseudonym under which your readings are recorded"),
    Choice("record_names", "Record slide names", "Sessions may hold the names of slide files"),
    Choice("record_texts", "Record texts", "Sessions may hold the notes that you type"),
)
"""In the order in which the dialog shows them."""


def load_settings(folder: Path) -> Settings:
    """Return the settings kept in a folder; the defaults where there are none."""
    return read_settings(folder)[0]


def read_settings(folder: Path) -> tuple[Settings, list[str]]:
    """Return the settings kept in a folder, and a sentence for each that could not be read.

    A value that cannot be used costs that value alone: it has its default again, and the file as
    it was is set aside as settings.bad.json.
    """
    path = folder / _FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Settings(), []
    except OSError as error:
        return Settings(), _warned(
            [f"The settings cannot be read ({error.strerror}): the defaults are used."]
        )
    try:
        kept = msgspec.json.decode(content, type=dict[str, object])
    except msgspec.DecodeError:
        aside = _set_aside(path, content)
        return Settings(), _warned(
            [f"The settings are damaged: the defaults are used, and the file is kept as {aside}."]
        )
    settings, bad = _usable(kept)
    _leave_out(settings)
    if not bad:
        return settings, []
    aside = _set_aside(path, content, {key: kept[key] for key in kept if key not in bad})
    return settings, _warned(
        [
            f'The setting "{name}" was damaged and has its default again; the file as it was is '
            f"kept as {aside}."
            for name in bad
        ]
    )


def save_settings(settings: Settings, folder: Path, before: Settings | None = None) -> None:
    """Write the settings that differ from `before`, by default all.

    What another window changed meanwhile stays, and so does what a newer version keeps in the file.
    A crash leaves the old file or the new one, whole.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    _leave_out(settings)
    path = folder / _FILE
    make_folder(folder)
    with FileLock(folder / _LOCK):
        values = _kept(path)
        own = msgspec.to_builtins(settings)
        for name in Settings.__struct_fields__:
            if before is not None and getattr(settings, name) == getattr(before, name):
                continue
            if name in own:
                values[name] = own[name]
            else:  # the default, which is not written
                values.pop(name, None)
        atomic_write_bytes(path, msgspec.json.format(msgspec.json.encode(values), indent=2))


def _usable(kept: dict[str, object]) -> tuple[Settings, list[str]]:
    """Return settings of all values that can be used, and the names of the others."""
    good: dict[str, object] = {}
    bad: list[str] = []
    for name in Settings.__struct_fields__:
        if name not in kept:
            continue
        try:
            value = getattr(msgspec.convert({name: kept[name]}, Settings), name)
        except msgspec.ValidationError:
            bad.append(name)
            continue
        if _is_in_range(name, value):
            good[name] = value
        else:
            bad.append(name)
    return msgspec.convert(good, Settings), bad


def _is_in_range(name: str, value: object) -> bool:
    """Return whether a number is within what the dialog offers."""
    choice = next((each for each in CHOICES if each.field == name), None)
    if choice is None or not choice.high or not isinstance(value, int | float):
        return True
    return choice.low <= value <= choice.high


def _set_aside(path: Path, content: bytes, rest: dict[str, object] | None = None) -> str:
    """Keep a file that is damaged beside the settings, which go on with the rest."""
    aside = path.with_suffix(".bad.json")
    try:
        atomic_write_bytes(aside, content)
        if rest is None:
            path.unlink()
        else:
            atomic_write_bytes(path, msgspec.json.format(msgspec.json.encode(rest), indent=2))
    except OSError as error:
        _log.warning("The damaged settings cannot be set aside (%s)", error.strerror)
    return aside.name


def _warned(sentences: list[str]) -> list[str]:
    for sentence in sentences:
        _log.warning("%s", sentence)
    return sentences


def _leave_out(settings: Settings) -> None:
    """Keep what the settings tell of people and slides out of logs and reports."""
    leave_out_names(settings.reader, settings.reviewer, settings.study)
    for path in (*settings.recent_slides, *settings.recent_projects):
        leave_out_path(path)


def _kept(path: Path) -> dict[str, object]:
    """Return what the file holds; nothing where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except (OSError, msgspec.DecodeError):
        return {}
