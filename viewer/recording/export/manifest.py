"""What an export holds: checksums of all files, and a card for people."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from viewer import __version__
from viewer.files.atomic_write import atomic_write_bytes
from viewer.limits import read_kept
from viewer.plurals import plural
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.recording.export.dialects import DIALECTS
from viewer.recording.export.options import FINE_TUNING, ExportError, ExportOptions
from viewer.recording.export.tables import COLUMNS
from viewer.recording.export.trajectories import patients_of
from viewer.slides.displayed import AS_STORED, BY_PROFILE

if TYPE_CHECKING:
    from viewer.recording.export.reading import Reading

MANIFEST_FILE = "manifest.json"
CARD_FILE = "README.md"


class ExportedSession(msgspec.Struct, frozen=True):
    """One session of an export.

    Attributes
    ----------
    colors
        What the colors of its pictures are; "" where the export has none.
    problem
        Why the session is not in the export; "" where it is.
    """

    id: str
    reader: str
    origin: str
    slide: str
    actions: int
    looked_s: float
    problem: str = ""
    rationales: int = 0
    verdicts_sha256: str = ""
    colors: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """manifest.json.

    Attributes
    ----------
    files
        Path within the export to SHA-256 in hex.
    note
        What is not as it was asked for; "" where all is.
    """

    format: str
    mode: str
    options: str
    app_version: str
    sessions: list[ExportedSession]
    files: dict[str, str]
    note: str = ""


def exported_session(reading: Reading, colors: str) -> ExportedSession:
    """Return what the manifest tells of a session whose pictures have such colors."""
    header = reading.header
    looked_s = float(reading.trace.looked_s().sum())
    return ExportedSession(
        header.id, header.reader, header.origin, header.slide.identity, len(reading.actions),
        looked_s,
        rationales=sum(rationale is not None for rationale in reading.rationales),
        verdicts_sha256=reading.verdicts_checksum,
        colors=colors,
    )  # fmt: skip


def write_manifest(out: Path, options: ExportOptions, sessions: list[ExportedSession]) -> Manifest:
    """Write the card, then the manifest: the last file, so that it stands for a whole export."""
    atomic_write_bytes(out / CARD_FILE, _card(options, sessions).encode())
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    manifest = Manifest(
        format=options.format,
        mode=options.mode,
        options=options.key,
        app_version=__version__,
        sessions=sessions,
        note=_note(options, sessions),
        files={
            path.relative_to(out).as_posix(): _sha256(path)
            for path in paths
            if ".parts" not in path.relative_to(out).parts
        },
    )
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    atomic_write_bytes(out / MANIFEST_FILE, data)
    return manifest


def read_manifest(out: Path) -> Manifest | None:
    """Return the manifest of a finished export; None where there is none.

    Raises
    ------
    ExportError
        It is damaged.
    """
    path = out / MANIFEST_FILE
    try:
        return msgspec.json.decode(read_kept(path), type=prepared(Manifest))
    except FileNotFoundError:
        return None
    except (OSError, *DECODE_ERRORS) as error:
        raise ExportError(f"{path} cannot be read ({error}): export to another folder.") from error


def _note(options: ExportOptions, sessions: list[ExportedSession]) -> str:
    """Return what is not as it was asked for, in as many sentences."""
    return " ".join(filter(None, (_split_note(options, sessions), _colors_note(sessions))))


def _colors_note(sessions: list[ExportedSession]) -> str:
    known = ("", AS_STORED, BY_PROFILE)
    slides = {session.slide for session in sessions if session.colors not in known}
    if not slides:
        return ""
    return (
        f"The color profiles of {plural(len(slides), 'slide')} cannot be used: their pictures have "
        "the colors as stored; manifest.json says why."
    )


def _split_note(options: ExportOptions, sessions: list[ExportedSession]) -> str:
    slides = {session.slide for session in sessions if not session.problem}
    if options.format in FINE_TUNING and options.validation > 0 and len(slides) == 1:
        return "All sessions are of one slide: nothing is held back for validation."
    if options.format == "trajectories":
        unnamed = len(slides - patients_of(options.patients, slides).keys())
        if unnamed:
            return (
                f"No table of patients names {unnamed:,} of {plural(len(slides), 'slide')}: each "
                "counts as a patient of its own (on the command line, --patients takes a table)."
            )
    return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card(options: ExportOptions, sessions: list[ExportedSession]) -> str:
    good = [session for session in sessions if not session.problem]
    origins = Counter(session.origin for session in good)
    hours = sum(session.looked_s for session in good) / 3600
    slide_count = len({session.slide for session in good})
    reader_count = len({session.reader for session in good})
    actions = plural(sum(session.actions for session in good), "action")
    rationales = plural(sum(session.rationales for session in good), "rationale")
    lines = [
        "# How slides were read",
        "",
        f"Made by Coverslip {__version__} in the format `{options.format}`.",
        "",
        f"- {plural(len(good), 'session')} of {plural(reader_count, 'reader')} (pseudonyms) on "
        f"{plural(slide_count, 'slide')}, {hours:.2f} hours looked at, {actions}",
        "- origin: " + ", ".join(f"{count} {origin}" for origin, count in sorted(origins.items())),
        f"- actions by the rules `{options.mode}`",
        f"- {rationales} that reviewers accepted; none that was rejected, skipped or not reviewed",
        _about_positions(options),
        "- manifest.json holds the SHA-256 of every file",
        "",
    ]
    if note := _note(options, sessions):
        lines += [note, ""]
    if options.needs_pixels and options.format != "trajectories":
        lines += [
            f"Crops: the action's box as it was on screen, at most {options.crop_px} px; details: "
            f"{options.detail_px} px at {options.detail_magnification:g}x about the most-dwelt "
            "point. Pixels come from the slide, without overlays. They may show what the slide "
            "shows: check what you may pass on.",
            "",
        ]
    elif options.format == "trajectories":
        lines += ["DATASHEET.md tells what the columns hold and how the splits were made.", ""]
    else:
        for name, columns in COLUMNS.items():
            lines += [f"## {name}", "", "| column | holds |", "| --- | --- |"]
            lines += [f"| {column} | {description} |" for column, description in columns.items()]
            lines.append("")
    colors = Counter(session.colors for session in good if session.colors)
    if colors:
        lines += ["## Colors of the pictures", ""]
        lines += [
            f"- {plural(count, 'session')}: {given}" for given, count in sorted(colors.items())
        ]
        lines += ["", "Brightness, contrast, gamma and views of single stains are not in them.", ""]
    problems = [session for session in sessions if session.problem]
    if problems:
        lines += ["## Left out", ""]
        lines += [f"- {session.id}: {session.problem}" for session in problems]
        lines.append("")
    return "\n".join(lines)


def _about_positions(options: ExportOptions) -> str:
    if options.format in FINE_TUNING:
        return (
            f"- boxes are {DIALECTS[options.format].boxes}; train and validation share no slide, "
            "splits.json says which are where"
        )
    return "- slides go by a hash; positions are level-0 pixels unless a name says otherwise"
