"""A batch on disk: its frozen settings, and how far each slide is, in lines only ever added to."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from filelock import FileLock, Timeout

from viewer.access import OWNER_FILE, make_folder
from viewer.cohort.errors import BatchError
from viewer.cohort.executor import Command  # noqa: TC001 - msgspec reads it
from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.kept_lines import append_lines, read_bodies
from viewer.folders import data_folder
from viewer.inference.cells.stain_vectors import StainVectors  # noqa: TC001 - msgspec reads it
from viewer.limits import read_kept
from viewer.plurals import plural
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.files.slide_files import slide_stamp
from viewer.slides.remote.address import is_address
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = "coverslip batch"
_MANIFEST, _LOG, _LOCK = "batch.json", "slides.log", "lock"
_LOCK_S = 0.5
"""Longer than it takes to see whether a batch runs."""
_WHERE, _PROGRESS, _CANCEL = "where.json", "progress.json", "cancel"

State = Literal["waiting", "running", "done", "failed"]


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is frozen when a batch starts: all that decides the numbers of its slides.

    Attributes
    ----------
    model
        As `coverslip run` takes it: a name, or the path of a folder or file.
    key
        `ModelBundle.key`: a run refuses a model that has changed meanwhile.
    options
        Further options of the command, such as {"mpp": "0.5"}; "" for those without a value.
    stains
        Of cell detection: those kept for slides, by `file_name_of` a slide's key.
    suffix
        Of the file that each slide gives in the folder `out`; "" where nothing is written.
    store
        The folder or bucket that results are kept in; "" where this machine keeps them.
    command
        What is done with each slide: the model is run, or features are kept.
    """

    model: str
    name: str
    version: str
    key: str
    options: dict[str, str] = {}
    stains: dict[str, StainVectors] = {}
    out: str = ""
    suffix: str = ""
    store: str = ""
    command: Command = "run"


LOCAL = "local"


class BatchWhere(msgspec.Struct, frozen=True, kw_only=True):
    """Where a batch runs, which changes no number: it may go on elsewhere.

    Attributes
    ----------
    on
        `LOCAL`, or the address of a cluster, ray://HOST:PORT.
    gpus_per_task
        GPUs that a slide, or a band of one, takes of the cluster's; 0 for none.
    """

    on: str = LOCAL
    gpus_per_task: float = 0.0


class BatchSlide(msgspec.Struct, frozen=True, kw_only=True):
    """One slide of a batch: where it lies, what it is called, and its file in `out`."""

    path: str
    name: str
    out: str = ""


class SlideRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How far one slide is; the last record of a slide holds.

    Attributes
    ----------
    file
        Size and time of change of the slide's file when it was done: another file runs anew.
    record
        What `coverslip run --json` says of the slide.
    notes
        Sentences about what is missing, such as unreadable tiles.
    """

    slide: str
    state: State
    at_utc: str = ""
    file: tuple[int, int] = (0, 0)
    record: dict[str, object] = {}
    error: str = ""
    notes: list[str] = []


class BatchProgress(msgspec.Struct, frozen=True):
    """How far a batch is.

    Attributes
    ----------
    done, failed, total
        Slides.
    share
        Of the slides that run, 0 to 1 each, added up.
    left_s
        For all that is left; None where it is not known yet.
    slide, slide_share
        Path of the slide that came on last, and how far it is, 0 to 1.
    running
        How many slides run.
    """

    done: int
    failed: int
    total: int
    share: float = 0.0
    left_s: float | None = None
    slide: str = ""
    slide_share: float = 0.0
    running: int = 0


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: Literal["coverslip batch"] = FORMAT
    version: int = 1
    created_utc: str
    title: str
    settings: BatchSettings
    slides: tuple[BatchSlide, ...]


def batches_folder() -> Path:
    """Return where batches are kept; made when absent."""
    return make_folder(data_folder() / "batches")


class Batch:
    """One batch; the same settings and slides are the same batch, which goes on where it ended."""

    def __init__(self, folder: Path, manifest: _Manifest) -> None:
        self.folder = folder
        self.title = manifest.title
        self.created_utc = manifest.created_utc
        self.settings = manifest.settings
        self.slides = manifest.slides
        self._records: dict[str, SlideRecord] = {}
        self._lock = FileLock(
            folder / _LOCK, timeout=_LOCK_S, mode=OWNER_FILE, poll_interval=_LOCK_S / 10
        )
        self.reread()

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def manifest_path(self) -> Path:
        """Return the file that holds what is frozen."""
        return self.folder / _MANIFEST

    def reread(self) -> None:
        """Read how far each slide is. Raises BatchError."""
        records: dict[str, SlideRecord] = {}
        try:
            for body in read_bodies(self.folder / _LOG):
                try:
                    record = msgspec.json.decode(body, type=prepared(SlideRecord))
                except DECODE_ERRORS:
                    continue
                records[record.slide] = record
        except OSError as error:
            raise _unusable(self.folder, error) from error
        self._records = records

    def record(self, slide: BatchSlide) -> SlideRecord:
        """Return how far a slide is."""
        return self._records.get(slide.path) or SlideRecord(slide=slide.path, state="waiting")

    def records(self) -> list[SlideRecord]:
        """Return how far all slides are, in their order."""
        return [self.record(slide) for slide in self.slides]

    def note(self, record: SlideRecord) -> None:
        """Keep how far a slide is; it is on the disk when this returns. Raises BatchError."""
        record = msgspec.structs.replace(record, at_utc=utc_stamp())
        try:
            append_lines(self.folder / _LOG, [msgspec.json.encode(record)])
        except OSError as error:
            raise _unusable(self.folder, error) from error
        self._records[record.slide] = record

    @property
    def where(self) -> BatchWhere:
        """Return where the batch ran last."""
        try:
            return msgspec.json.decode(read_kept(self.folder / _WHERE), type=prepared(BatchWhere))
        except (OSError, *DECODE_ERRORS):
            return BatchWhere()

    def move(self, where: BatchWhere) -> None:
        """Note where the batch runs from now on. Raises BatchError."""
        try:
            _keep_where(self.folder, where)
        except OSError as error:
            raise _unusable(self.folder, error) from error

    @property
    def is_running(self) -> bool:
        """Return whether somebody runs the batch now."""
        lock = FileLock(self.folder / _LOCK, timeout=0, mode=OWNER_FILE)
        try:
            with lock:
                return False
        except (Timeout, OSError, NotImplementedError):
            return True

    def keep_progress(self, progress: BatchProgress) -> None:
        """Let others see how far the batch is; nothing depends on it."""
        with suppress(OSError):
            data = msgspec.json.encode(progress)
            atomic_write_bytes(self.folder / _PROGRESS, data, mode=OWNER_FILE, synced=False)

    @property
    def progress(self) -> BatchProgress | None:
        """Return how far the batch was at last, as who runs it says; None where nobody did."""
        try:
            return msgspec.json.decode(
                read_kept(self.folder / _PROGRESS), type=prepared(BatchProgress)
            )
        except (OSError, *DECODE_ERRORS):
            return None

    def ask_to_cancel(self) -> None:
        """Have whoever runs the batch end it. Raises BatchError."""
        try:
            (self.folder / _CANCEL).touch(OWNER_FILE)
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def take_cancel_request(self) -> bool:
        """Return whether somebody asked to end the batch since this was asked last."""
        try:
            (self.folder / _CANCEL).unlink()
        except OSError:
            return False
        return True

    def is_current(self, slide: BatchSlide) -> bool:
        """Return whether a slide is done, of the file that is there now, and its output is, too."""
        record = self.record(slide)
        if record.state != "done" or record.file != slide_stamp(Path(slide.path)):
            return False
        return not slide.out or (Path(self.settings.out) / slide.out).exists()

    def __enter__(self) -> Batch:
        """Hold the batch: nobody else runs it meanwhile. Raises BatchError."""
        try:
            self._lock.acquire()
        except Timeout as error:
            raise BatchError(
                f"{self.title} is being run already: wait for it, or cancel it there."
            ) from error
        except (OSError, NotImplementedError) as error:
            raise BatchError(f"{self.folder} cannot be locked: check the drive.") from error
        self.reread()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def open_batch(
    settings: BatchSettings,
    slides: Sequence[tuple[Path, str]],
    title: str = "",
    where: BatchWhere | None = None,
) -> Batch:
    """Return the batch of these settings and slides (path, name), begun or gone on with.

    Where it runs, by default on this machine, may differ from time to time.

    Raises
    ------
    BatchError
        It cannot be kept.
    """
    paths = [str(path) if is_address(path) else os.path.abspath(path) for path, _ in slides]
    listed = dict(zip(paths, (name for _, name in slides), strict=True))
    outs = output_names(list(listed), settings.suffix)
    entries = tuple(
        BatchSlide(path=path, name=name, out=out)
        for (path, name), out in zip(listed.items(), outs, strict=True)
    )
    decides = msgspec.to_builtins(settings)
    # Earlier versions knew neither, and their batches go on.
    if not settings.store:
        del decides["store"]
    if settings.command == "run":
        del decides["command"]
    identity = msgspec.json.encode((decides, entries))
    folder = batches_folder() / hashlib.blake2b(identity, digest_size=12).hexdigest()
    manifest = _Manifest(
        created_utc=utc_stamp(),
        title=title or f"{settings.name} on {plural(len(entries), 'slide')}",
        settings=settings,
        slides=entries,
    )
    try:
        make_folder(folder)
        held = _read_manifest(folder)
        if held is None:
            text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
            atomic_write_bytes(folder / _MANIFEST, text, mode=OWNER_FILE)
        _keep_where(folder, where or BatchWhere())
    except OSError as error:
        raise _unusable(folder, error) from error
    return Batch(folder, held or manifest)


def kept_batches(folder: Path | None = None) -> list[Batch]:
    """Return all batches, the newest first; what is damaged is left out."""
    place = folder if folder is not None else data_folder() / "batches"
    found: list[Batch] = []
    for each in sorted(place.iterdir()) if place.is_dir() else ():
        manifest = _read_manifest(each)
        if manifest is not None:
            found.append(Batch(each, manifest))
    return sorted(found, key=lambda batch: batch.created_utc, reverse=True)


def batch_stores() -> list[str]:
    """Return the folders and buckets that batches of this machine keep their results in."""
    place = data_folder() / "batches"
    found: dict[str, None] = {}
    for each in sorted(place.iterdir()) if place.is_dir() else ():
        manifest = _read_manifest(each)
        if manifest is not None and manifest.settings.store:
            found[manifest.settings.store] = None
    return list(found)


def frozen_stains(manifest: Path) -> dict[str, StainVectors]:
    """Return the stains that a batch froze. Raises BatchError."""
    held = _read_manifest(manifest.parent)
    if held is None:
        raise BatchError(f"The batch in {manifest.parent} cannot be read: begin a new one.")
    return held.settings.stains


def output_names(paths: Sequence[str], suffix: str) -> list[str]:
    """Return a file's name for each slide, told apart where slides are called alike."""
    if not suffix:
        return [""] * len(paths)
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        stem = Path(path.rstrip("/")).stem
        name, number = f"{stem}{suffix}", 2
        while name.casefold() in taken:
            name, number = f"{stem} ({number}){suffix}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _read_manifest(folder: Path) -> _Manifest | None:
    try:
        return msgspec.json.decode(read_kept(folder / _MANIFEST), type=prepared(_Manifest))
    except (OSError, *DECODE_ERRORS):
        return None


def _keep_where(folder: Path, where: BatchWhere) -> None:
    atomic_write_bytes(folder / _WHERE, msgspec.json.encode(where), mode=OWNER_FILE)


def _unusable(folder: Path, error: OSError) -> BatchError:
    return BatchError(
        f"The batch in {folder} cannot be kept ({reason_of(error)}): see that there is room "
        "and that you may write there."
    )
