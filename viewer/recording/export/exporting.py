"""Many sessions to one dataset: in parallel, and taken up again where it was cut off."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError, reason_of
from viewer.files.atomic_write import atomic_write, atomic_write_bytes
from viewer.files.unfinished import is_held, unfinished_folder
from viewer.limits import read_kept
from viewer.policy import policy
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.processes.helper import HelperEndedError, HelperFailedError
from viewer.recording.export.conversations import PROVENANCE_FILE, write_case, write_chat
from viewer.recording.export.dialects import DIALECTS
from viewer.recording.export.fine_tuning import join_examples, write_examples
from viewer.recording.export.manifest import (
    ExportedSession,
    Manifest,
    exported_session,
    read_manifest,
    write_manifest,
)
from viewer.recording.export.options import ExportError, ExportOptions
from viewer.recording.export.pictures import ActionPictures
from viewer.recording.export.reading import Reading, load_reading
from viewer.recording.export.shards import join_shards, write_samples
from viewer.recording.export.shared_slides import SharedFiles, SharedSlides
from viewer.recording.export.tables import join_tables, write_tables
from viewer.recording.export.trajectories import join_steps, write_steps
from viewer.recording.review.verdicts import reviews_by, verdicts_checksum
from viewer.recording.session import SessionError, read_header
from viewer.slides.displayed import colors_given
from viewer.slides.errors import SlideError, TileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_PARTS = ".parts"
_KEY_FILE = "options.json"
_DONE_FILE = "done2.json"
"""Of another name since the rows lie beside it: parts of an earlier version are made again."""
_READERS = ("recorded", "imported")


def export_sessions(
    folders: Sequence[Path],
    out: Path,
    options: ExportOptions,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> Manifest:
    """Write a dataset of sessions to a folder of its own.

    A session that cannot be exported is left out and named in the manifest; the others are
    not harmed. What an interrupted export of the same options finished is not done again.

    Parameters
    ----------
    progress
        Called with the sessions done and their number, in the caller's thread.

    Raises
    ------
    ExportError
        There is nothing to export, readers' sessions are mixed with simulated or agents' ones,
        or the folder cannot be written or holds something else.
    """
    if not folders:
        raise ExportError("There are no sessions to export: name some, or record one first.")
    _check_origins(folders)
    allowed = policy()
    if not allowed.allows_path(out):
        refusal = f"The administrator's policy allows no export to {out}"
        raise ExportError(f"{refusal}{allowed.only_in}.")
    try:
        if (finished := _finished(out, folders, options)) is not None:
            return finished
        parts = _prepare(out, options)
        done = _write_parts(folders, parts, options, progress)
        sessions = [done[folder] for folder in folders]
        good = [parts / session.id for session in sessions if not session.problem]
        if good:
            _join(good, out, options)
        manifest = write_manifest(out, options, sessions)
        shutil.rmtree(parts, ignore_errors=True)
    except (HelperEndedError, HelperFailedError) as error:
        raise ExportError(f"The tables of {out} cannot be written: {error}") from error
    except OSError as error:
        reason = reason_of(error)
        raise ExportError(
            f"The export to {out} cannot be written ({reason}): mend that and start it again, "
            "what is done is kept."
        ) from error
    return manifest


def _check_origins(folders: Sequence[Path]) -> None:
    kinds: set[str] = set()
    for folder in folders:
        try:
            origin = read_header(folder).origin
        except SessionError:
            continue
        kinds.add("readers'" if origin in _READERS else origin)
    if len(kinds) > 1:
        kinds_text = " and ".join(sorted(kinds))
        raise ExportError(f"{kinds_text} sessions are not mixed in one dataset: export them apart.")


def _finished(out: Path, folders: Sequence[Path], options: ExportOptions) -> Manifest | None:
    manifest = read_manifest(out)
    if manifest is None:
        return None
    ids = [session.id for session in manifest.sessions]
    is_same = manifest.options == options.key and ids == [folder.name for folder in folders]
    is_same = is_same and all(
        session.verdicts_sha256 == _verdicts_sha256(folder, options)
        for session, folder in zip(manifest.sessions, folders, strict=True)
    )
    if is_same and not any(session.problem for session in manifest.sessions):
        shutil.rmtree(out / _PARTS, ignore_errors=True)  # a run was killed right before
        return manifest
    raise ExportError(f"{out} already holds an export: choose another folder.")


def _prepare(out: Path, options: ExportOptions) -> Path:
    parts = out / _PARTS
    key = options.key.encode()
    if parts.is_dir():
        if _key_in(parts) != key and any(each.is_dir() for each in parts.iterdir()):
            raise ExportError(
                f"{out} holds an unfinished export with other options: choose another folder."
            )
        _remove_torn(out)
    elif out.exists() and any(out.iterdir()):
        raise ExportError(f"{out} is not empty: choose a new folder for the export.")
    parts.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(parts / _KEY_FILE, key)
    return parts


def _key_in(parts: Path) -> bytes | None:
    """Return which options parts are made with; None where it was not written down yet."""
    try:
        return read_kept(parts / _KEY_FILE)
    except FileNotFoundError:
        return None


def _remove_torn(out: Path) -> None:
    """Remove files of the dataset that a killed run was writing; they would count as its own."""
    for path in out.rglob(".*.part"):
        if path.is_file() and not is_held(path):
            path.unlink(missing_ok=True)


def _write_parts(
    folders: Sequence[Path],
    parts: Path,
    options: ExportOptions,
    progress: Callable[[int, int], object],
) -> dict[Path, ExportedSession]:
    done: dict[Path, ExportedSession] = {}
    pool = ThreadPoolExecutor(max(1, options.jobs), "export")
    slides = SharedSlides(options)
    try:
        futures = {
            pool.submit(_write_part, folder, parts, options, slides): folder
            for folder in sorted(folders, key=_slide_of)  # those of a slide after each other
        }
        progress(0, len(folders))
        for future in as_completed(futures):
            done[futures[future]] = future.result()
            progress(len(done), len(folders))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        slides.close()
    return done


def _slide_of(folder: Path) -> str:
    try:
        return read_header(folder).slide.identity
    except SessionError:
        return ""


def _write_part(
    folder: Path, parts: Path, options: ExportOptions, slides: SharedSlides
) -> ExportedSession:
    """Write one session, under another name until it is whole."""
    part = parts / folder.name
    try:
        done = msgspec.json.decode(read_kept(part / _DONE_FILE), type=prepared(ExportedSession))
        if done.verdicts_sha256 == _verdicts_sha256(folder, options):
            return done
    except (FileNotFoundError, *DECODE_ERRORS):
        pass
    shutil.rmtree(part, ignore_errors=True)
    with unfinished_folder(parts) as unfinished:  # another run may write the same
        whole = unfinished / folder.name
        whole.mkdir()
        try:
            reading = load_reading(folder, options)
            colors = _write_reading(reading, whole, options, slides)
        except (SessionError, SlideError, TileError, _NoSlideError) as error:
            return ExportedSession(folder.name, "", "", "", 0, 0.0, str(error))
        session = exported_session(reading, colors)
        (whole / _DONE_FILE).write_bytes(msgspec.json.encode(session))
        try:
            whole.replace(part)
        except OSError:
            if not (part / _DONE_FILE).exists():  # else another run was there first
                raise
        return session


def _verdicts_sha256(folder: Path, options: ExportOptions) -> str:
    """Return the checksum of the reviews as they are now; of none where they cannot be read."""
    try:
        return verdicts_checksum(reviews_by(folder, options.reviewer))
    except SessionError:
        return ""


class _NoSlideError(CoverslipError):
    """The slide of a session is not found."""


def _write_reading(
    reading: Reading, folder: Path, options: ExportOptions, slides: SharedSlides
) -> str:
    """Write a session's files; give what the colors of its pictures are, "" where it has none."""
    if not options.needs_pixels:
        if options.format == "trajectories":
            write_steps(reading, None, folder, options)
        else:
            write_tables(reading, folder)
        return ""
    with slides.opened(reading.header.slide.identity) as slide:
        if slide is None:
            raise _NoSlideError("its slide is not found: open it once, or name its folder.")
        if options.format == "trajectories":
            write_steps(reading, slide.source, folder, options)
            return colors_given(slide.source.info)
        pictures = ActionPictures(reading, slide.source, slide.thumbnail, options)
        if options.format == "pathology-cot":
            write_case(reading, pictures, folder)
        elif options.format == "chat-jsonl":
            write_chat(reading, pictures, folder, options)
        elif options.format in DIALECTS:
            write_examples(reading, pictures, folder, options)
        else:
            write_samples(reading, pictures, folder)
        return colors_given(slide.source.info)


def _join(parts: list[Path], out: Path, options: ExportOptions) -> None:
    """From parts of sessions to the dataset; can be done again after a crash at any point."""
    if options.format in ("parquet", "csv"):
        join_tables(parts, out, as_csv=options.format == "csv")
    elif options.format == "trajectories":
        join_steps(parts, out, options)
    elif options.format == "webdataset":
        join_shards(parts, out, options.shard_bytes)
    elif options.format == "pathology-cot":
        shared = SharedFiles()
        for part in parts:
            _copy(part, out / part.name, shared)
    else:
        if options.format in DIALECTS:
            join_examples(parts, out, options)
        else:
            _concatenate(
                [part / "conversations.jsonl" for part in parts], out / "conversations.jsonl"
            )
        _concatenate([part / PROVENANCE_FILE for part in parts], out / PROVENANCE_FILE)
        if options.format in DIALECTS and DIALECTS[options.format].layout == "parquet":
            return  # its pictures are inside
        shared = SharedFiles()
        for part in parts:
            if (part / "images").is_dir():
                _copy(part / "images", out / "images", shared)


def _concatenate(paths: list[Path], target: Path) -> None:
    with atomic_write(target) as file:
        for path in paths:
            with path.open("rb") as lines:
                shutil.copyfileobj(lines, file)


def _copy(source: Path, target: Path, shared: SharedFiles) -> None:
    """By hard link where the disk allows it: an export of pictures is large."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        if path.name != _DONE_FILE:
            shared.add(path, target / path.name)
