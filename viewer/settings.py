"""What the user may choose, kept as JSON; `viewer.setting_choices` describes it for dialogs."""

from __future__ import annotations

import errno
import logging
import os
from itertools import islice
from typing import TYPE_CHECKING, Literal

import msgspec

from viewer.access import make_folder
from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import UNUSABLE, set_aside
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.setting_choices import CHOICES
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_FILE = "settings.json"
_ASIDE = ".bad.json"
_LOCK = ".settings.lock"
_LOCK_WAIT_S = 5.0
"""For another window, which writes for a moment; what waits longer would hold up other writes."""
_MOST_ENTRIES = 2000
"""Of a list or mapping; the window shows and keeps far fewer."""
_RANGES = {
    "overview_px": (40.0, 4000.0), "brush_px": (1.0, 5000.0), "counting_area_mm2": (1e-4, 1e4),
}  # fmt: skip
"""Of numbers that no dialog offers."""
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
    wheel_speed, touchpad_speed
        1.0 zooms by the square root of two a notch, by two in 200 pixels of a touchpad.
    overview_px
        The longer side of the overview map, logical pixels.
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
    result_stores
        Folders and buckets whose results of models are shown too, such as those of a cluster.
    annotation_format, session_format
        What annotations and sessions were exported as last.
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
    results_format
        Ending of the files that results of models were exported to last.
    trusted_folders
        Slides below these folders are read without a process of their own.
    slide_readers
        Names of readers of other packages that are asked for slides.
    attached_agents
        Whether agents of other programs may ask to read slides in the window.
    agent_policies
        Names of policies of other packages by which an agent may read.
    shortcuts
        Command id -> keys in Qt's portable text, only where they differ from the defaults.
    """

    theme: Literal["dark", "light", "system"] = "dark"
    cache_mib: int = 0
    worker_count: int = 0
    kinetic: bool = True
    wheel_speed: float = 1.0
    wheel_inverted: bool = False
    touchpad_speed: float = 1.0
    touchpad_inverted: bool = False
    show_overview: bool = True
    overview_px: float = 200.0
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
    result_stores: list[str] = []
    annotation_format: str = ""
    session_format: str = ""
    snapping: bool = False
    avoid_overlap: bool = False
    brush_px: float = 50.0
    brush_on_slide: bool = False
    back_to_moving: bool = False
    annotations_beside: bool = False
    counting_area_mm2: float = 0.2375
    counting_shape: Literal["circle", "square"] = "circle"
    results_format: str = ".csv"
    unconfined_models: bool = False
    recent_slides: list[str] = []
    recent_projects: list[str] = []
    trusted_folders: list[str] = []
    slide_readers: list[str] = []
    attached_agents: bool = True
    agent_policies: list[str] = []
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
        content = read_kept(path)
    except FileNotFoundError:
        return Settings(), []
    except UNUSABLE as error:
        reason = reason_of(error)
        set_aside(path, reason, "The settings file", _ASIDE)
        return Settings(), [
            f"The settings cannot be used ({reason}): the defaults are, and what was there is kept "
            f"as {path.with_suffix(_ASIDE).name}."
        ]
    except OSError as error:
        return Settings(), _warned(
            [f"The settings cannot be read ({reason_of(error)}): the defaults are used."]
        )
    try:
        kept = msgspec.json.decode(content, type=dict[str, object])
    except DECODE_ERRORS:
        aside = _set_aside(path, content)
        return Settings(), _warned(
            [f"The settings are damaged: the defaults are used, and the file is kept as {aside}."]
        )
    settings, bad = _usable(kept)
    _leave_out(settings)
    if not bad:
        return settings, []
    used = msgspec.to_builtins(settings)
    parts = {name: used[name] for name in bad if name in used}
    rest = {name: kept[name] for name in kept if name not in bad}
    aside = _set_aside(path, content, rest | parts)
    ends = f"the file as it was is kept as {aside}."
    return settings, _warned(
        [
            f'Part of the setting "{name}" was damaged and is left out; {ends}'
            if name in parts
            else f'The setting "{name}" was damaged and has its default again; {ends}'
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
        The folder cannot be written, or its lock not be had.
    """
    from filelock import FileLock, Timeout

    _leave_out(settings)
    path = folder / _FILE
    make_folder(folder)
    lock = FileLock(folder / _LOCK, timeout=_LOCK_WAIT_S, mode=0o600)
    try:
        held = lock.acquire()
    except Timeout as error:
        reason = "another program holds it"
        raise TimeoutError(errno.EAGAIN, reason, lock.lock_file) from error
    except NotImplementedError as error:
        raise OSError(errno.ENOSYS, str(error), lock.lock_file) from error
    with held:
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
        stated = _first_of(kept[name])
        if stated is not kept[name]:
            bad.append(name)
        try:
            value = getattr(msgspec.convert({name: stated}, prepared(Settings)), name)
        except msgspec.ValidationError:
            if name not in bad:
                bad.append(name)
            good |= _usable_entries(name, stated)
            continue
        if _is_in_range(name, value):
            good[name] = value
        else:
            bad.append(name)
    return msgspec.convert(good, prepared(Settings)), bad


def _first_of(stated: object) -> object:
    """Return a setting, of a list or mapping as many entries as are ever used."""
    if is_mapping(stated) and len(stated) > _MOST_ENTRIES:
        return dict(islice(stated.items(), _MOST_ENTRIES))
    if is_sequence(stated) and len(stated) > _MOST_ENTRIES:
        return list(islice(stated, _MOST_ENTRIES))
    return stated


def _usable_entries(name: str, value: object) -> dict[str, object]:
    """Return what of a damaged list or mapping can be used: one bad entry costs that entry."""

    def is_usable(part: object) -> bool:
        try:
            msgspec.convert({name: part}, prepared(Settings))
        except msgspec.ValidationError:
            return False
        return True

    if is_sequence(value):
        return {name: [entry for entry in value if is_usable([entry])]} if is_usable([]) else {}
    if is_mapping(value) and is_usable({}):
        return {name: {key: entry for key, entry in value.items() if is_usable({key: entry})}}
    return {}


def _is_in_range(name: str, value: object) -> bool:
    """Return whether a number is within what the window offers."""
    choice = next((each for each in CHOICES if each.field == name), None)
    low, high = (choice.low, choice.high) if choice is not None else _RANGES.get(name, (0.0, 0.0))
    if not high or not isinstance(value, int | float):
        return True
    return low <= value <= high


def _set_aside(path: Path, content: bytes, rest: dict[str, object] | None = None) -> str:
    """Keep a file that is damaged beside the settings, which go on with the rest."""
    aside = path.with_suffix(_ASIDE)
    try:
        atomic_write_bytes(aside, content)
        if rest is None:
            path.unlink()
        else:
            atomic_write_bytes(path, msgspec.json.format(msgspec.json.encode(rest), indent=2))
    except OSError as error:
        _log.warning("The damaged settings cannot be set aside (%s)", reason_of(error))
    return aside.name


def _warned(sentences: list[str]) -> list[str]:
    for sentence in sentences:
        _log.warning("%s", sentence)
    return sentences


def _leave_out(settings: Settings) -> None:
    """Keep what the settings tell of people and slides out of logs and reports."""
    from viewer.redaction import leave_out_names, leave_out_path

    leave_out_names(settings.reader, settings.reviewer, settings.study)
    for path in (*settings.recent_slides, *settings.recent_projects):
        leave_out_path(path)


def _kept(path: Path) -> dict[str, object]:
    """Return what the file holds; nothing where it cannot be read."""
    try:
        return msgspec.json.decode(read_kept(path), type=dict[str, object])
    except (OSError, *DECODE_ERRORS):
        return {}
