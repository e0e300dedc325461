"""An action as a record with units in its names; all formats tell of actions in these words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.recording.behaviors import band_of

if TYPE_CHECKING:
    from viewer.recording.export.reading import Reading
    from viewer.recording.review.rationales import Rationale

Record = dict[str, str | int | float | None]

ACTION_COLUMNS = {
    "session": "id of the session",
    "reader": "pseudonym",
    "origin": "recorded, imported, simulated or agent",
    "slide": "identity of the slide (hash, not its name)",
    "number": "counts from 1 within the session",
    "command": "such as <10x-inspect>",
    "kind": "inspect or peek; stayinspect or paninspect by the reference's rules",
    "start_s": "seconds since the session began",
    "end_s": "seconds since the session began",
    "dwell_s": "seconds looked at, without the time away",
    "magnification": "mean by time; empty where the slide tells no scale",
    "band": "nearest of 1.25, 2.5, 5, 10, 20, 40",
    "x0_px": "left of the box, level-0 pixels",
    "y0_px": "top of the box, level-0 pixels",
    "x1_px": "right of the box, level-0 pixels",
    "y1_px": "bottom of the box, level-0 pixels",
    "x0_um": "left of the box, micrometers from the slide's left edge",
    "y0_um": "top of the box, micrometers from the slide's top edge",
    "x1_um": "right of the box, micrometers",
    "y1_um": "bottom of the box, micrometers",
    "x0_fraction": "left of the box, share of the slide's (and thumbnail's) width",
    "y0_fraction": "top of the box, share of the slide's height",
    "x1_fraction": "right of the box, share of the slide's width",
    "y1_fraction": "bottom of the box, share of the slide's height",
    "dwell_x_px": "most-dwelt point, level-0 pixels",
    "dwell_y_px": "most-dwelt point, level-0 pixels",
    "notes": "what the reader wrote meanwhile, where they allowed texts to be kept",
    "rationale": "why they looked there, as accepted in review; empty where it was not",
    "rationale_verdict": "accepted (as drafted or as written) or edited",
    "rationale_source": "model, typed or dictated",
    "rationale_model": "that drafted it; empty where it was written without a draft",
    "rationale_prompt_sha256": "of the prompt of the draft",
    "rationale_reviewer": "pseudonym of who accepted the text",
    "rationale_accepted_by": "pseudonyms of all who accepted a text here, parted by semicolons",
    "rationale_edit_distance": "characters changed from draft to text (Levenshtein)",
    "rationale_s": "seconds that the reviewer spent on it",
    "rationale_utc": "when it was accepted, ISO 8601",
}
"""Columns and what they hold."""
RATIONALE_COLUMNS = tuple(name for name in ACTION_COLUMNS if name.startswith("rationale"))


def action_records(reading: Reading) -> list[Record]:
    """Return all actions of a reading, with the keys of `ACTION_COLUMNS` in their order."""
    return [_record(reading, index) for index in range(len(reading.actions))]


def _record(reading: Reading, index: int) -> Record:
    action = reading.actions[index]
    corners = dict(zip(("x0", "y0", "x1", "y1"), action.box, strict=True))
    mpp_um = reading.header.slide.mpp_um
    record: Record = {
        "session": reading.id,
        "reader": reading.header.reader,
        "origin": reading.header.origin,
        "slide": reading.header.slide.identity,
        "number": index + 1,
        "command": action.command,
        "kind": action.kind,
        "start_s": action.start_s,
        "end_s": action.end_s,
        "dwell_s": action.dwell_s,
        "magnification": _or_none(action.magnification),
        "band": _or_none(band_of(action.magnification)),
    }
    for name, side in corners.items():
        record[f"{name}_px"] = side
    for name, side in corners.items():
        record[f"{name}_um"] = None if mpp_um is None else side * mpp_um[name[0] == "y"]
    for name, side in corners.items():
        whole = (
            reading.header.slide.size.width if name[0] == "x" else reading.header.slide.size.height
        )
        record[f"{name}_fraction"] = side / whole
    record["dwell_x_px"], record["dwell_y_px"] = action.dwell_point
    record["notes"] = reading.notes_of(index) or None
    return record | provenance_of(reading.rationales[index])


def provenance_of(rationale: Rationale | None) -> Record:
    """Return the columns of `ACTION_COLUMNS` that tell of a rationale.

    All empty where there is none.
    """
    if rationale is None:
        return dict.fromkeys(RATIONALE_COLUMNS)
    decision = rationale.decision
    return {
        "rationale": rationale.text,
        "rationale_verdict": decision.verdict,
        "rationale_source": decision.source,
        "rationale_model": decision.model or None,
        "rationale_prompt_sha256": decision.prompt_sha256 or None,
        "rationale_reviewer": rationale.reviewer,
        "rationale_accepted_by": ";".join(rationale.reviewers),
        "rationale_edit_distance": decision.edit_distance,
        "rationale_s": rationale.seconds,
        "rationale_utc": decision.at_utc,
    }


def _or_none(value: float) -> float | None:
    return None if value != value else value
