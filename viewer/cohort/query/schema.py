"""The tables that a query sees, with their columns: name, kind, and what each holds."""

from __future__ import annotations

from typing import Literal, NamedTuple

from viewer.recording.export.records import ACTION_COLUMNS

Kind = Literal["text", "number", "small number", "integer", "yes or no", "numbers by name"]


class Column(NamedTuple):
    """One column: its kind, and what it holds, as the documentation says it."""

    kind: Kind
    about: str


_SLIDE = Column("text", "content key of the slide: the same in all tables")
_RESULT = Column("text", "names the results: one model on one slide at one pixel size")
_ACTION_NUMBERS = ("_s", "_px", "_um", "_fraction", "magnification", "band")


def _action_kind(name: str) -> Kind:
    if name in ("number", "rationale_edit_distance"):
        return "integer"
    return "number" if name.endswith(_ACTION_NUMBERS) else "text"


TABLES: dict[str, dict[str, Column]] = {
    "slides": {
        "slide": _SLIDE,
        "name": Column("text", "name of its file"),
        "path": Column("text", "where it lay when it was last opened or run on"),
        "width_px": Column("integer", "level-0 pixels; empty where nothing was run on it"),
        "height_px": Column("integer", "level-0 pixels"),
        "mpp_um": Column("number", "micrometers per level-0 pixel that models were fed by"),
    },
    "results": {
        "slide": _SLIDE,
        "result": _RESULT,
        "model": Column("text", "name of the model"),
        "version": Column("text", "its version"),
        "model_key": Column("text", "tells results apart by all that decides their numbers"),
        "mpp_um": Column("number", "micrometers per level-0 pixel"),
        "tiles": Column("integer", "parts of the slide that were analyzed"),
        "analyzed_mm2": Column("number", "their area, glass among it"),
        "objects": Column("integer", "objects found; empty of models that find none"),
        "objects_per_mm2": Column("number", "objects by the tissue, where a batch measured it"),
        "tissue_mm2": Column("number", "tissue, where a batch measured it"),
        "class_counts": Column("numbers by name", "objects of each class"),
        "class_areas_mm2": Column("numbers by name", "areas of classes that a batch measured"),
        "batch": Column("text", "the last batch that ran it; empty where none did"),
        "settings": Column("text", "what that batch froze, as JSON"),
        "stains": Column("text", "stain vectors and white by which cells were found and scored"),
        "scores": Column("numbers by name", "of scored cells: h_score, positive_percent, ..."),
        "changed_utc": Column("text", "when the results were last added to or used, ISO 8601"),
    },
    "objects": {
        "slide": _SLIDE,
        "result": _RESULT,
        "model": Column("text", "name of the model"),
        "number": Column("integer", "counts from 0 within the result"),
        "class": Column("text", "its class"),
        "x_px": Column("small number", "its middle, level-0 pixels"),
        "y_px": Column("small number", "its middle, level-0 pixels"),
        "x_um": Column("small number", "its middle, micrometers from the slide's left edge"),
        "y_um": Column("small number", "its middle, micrometers from the slide's top edge"),
        "area_um2": Column("small number", "area of its outline"),
        "measurements": Column("numbers by name", "what the model measured, by name with unit"),
    },
    "annotations": {
        "slide": _SLIDE,
        "project": Column("text", "folder of the project that it belongs to; empty outside of any"),
        "reader": Column("text", "whose set it is in, by pseudonym"),
        "set": Column("text", "name of the set"),
        "stage": Column("text", "of the study; empty outside of any"),
        "id": Column("text", "UUID"),
        "kind": Column("text", "annotation, detection, cell, ..."),
        "class": Column("text", "its class; empty without one"),
        "name": Column("text", "its name"),
        "description": Column("text", "its note"),
        "author": Column("text", "who drew it"),
        "modified_utc": Column("text", "when it was changed last, ISO 8601"),
        "x_px": Column("number", "its middle, level-0 pixels"),
        "y_px": Column("number", "its middle, level-0 pixels"),
        "area_px2": Column("number", "of a region, square level-0 pixels; 0 of others"),
        "length_px": Column("number", "of a line, or round a region"),
        "area_um2": Column("number", "of a region; empty where the pixel size is unknown"),
        "measurements": Column("numbers by name", "its measurements, by name with unit"),
    },
    "sessions": {
        "slide": _SLIDE,
        "session": Column("text", "id of the session"),
        "title": Column("text", "given in the list of sessions"),
        "reader": Column("text", "pseudonym"),
        "origin": Column("text", "recorded, imported, simulated or agent"),
        "study": Column("text", "for which it was recorded"),
        "started_utc": Column("text", "ISO 8601"),
        "duration_s": Column("number", "up to its last event"),
        "is_open": Column("yes or no", "whether it is being recorded now"),
        "ended_well": Column("yes or no", "whether it was closed, and not cut off"),
    },
    "actions": {
        name: _SLIDE if name == "slide" else Column(_action_kind(name), about)
        for name, about in ACTION_COLUMNS.items()
    },
    "answers": {
        "slide": _SLIDE,
        "project": Column("text", "folder of the project; empty outside of any"),
        "reader": Column("text", "pseudonym"),
        "stage": Column("text", "of the study; empty outside of any"),
        "form": Column("text", "id of the form"),
        "question": Column("text", "id of the question"),
        "answer": Column("text", "as text; several options are divided by \"; \""),
        "value": Column("number", "the answer, where it is a number"),
        "at_utc": Column("text", "when it was given, ISO 8601"),
    },
}  # fmt: skip
