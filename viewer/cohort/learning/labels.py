"""Labels of slides: who has which, and which patient a slide is of."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SLIDE = ("slide", "slide_id", "filename", "name")
_LABEL = ("label", "class", "target")
_PATIENT = ("patient", "case_id", "patient_id", "case")
"""Columns by our names first, then by those that CLAM and others use."""
_MOST_NAMED = 5


class LabelsError(CoverslipError):
    """Labels that nothing can be learned from; `str()` is one sentence."""


@dataclass(frozen=True, slots=True)
class LabeledSlide:
    """A slide by its content key, its label, and the patient it is of."""

    slide: str
    name: str
    label: str
    patient: str


def read_labels(path: Path, slides: Mapping[str, Mapping[str, Any]]) -> list[LabeledSlide]:
    """Read LABELS.csv: columns slide (name, path or key), label, and patient where there is one.

    Without a column of patients each slide is a patient of its own.

    Parameters
    ----------
    slides
        Of the store, by content key, each with "name" and "path".

    Raises
    ------
    LabelsError
        It cannot be read, names slides that the store does not hold, has one class only, or gives
        a patient or a slide two labels.
    """
    rows = _rows(path)
    names = list(rows[0]) if rows else []
    slide, label = _column(names, _SLIDE), _column(names, _LABEL)
    patient = _column(names, _PATIENT)
    if not slide or not label:
        raise LabelsError(
            f'{path.name} needs a column "slide" and a column "label" in its first line.'
        )
    places = _places(slides)
    found: dict[str, LabeledSlide] = {}
    unknown: list[str] = []
    for number, row in enumerate(rows, 2):
        named, value = (row[slide] or "").strip(), (row[label] or "").strip()
        if not named and not value:
            continue
        if not value:
            raise LabelsError(f"{path.name}, line {number}: {named} has no label.")
        keys = _keys_of(named, places)
        if not keys:
            unknown.append(named)
            continue
        if len(keys) > 1:
            raise LabelsError(
                f"{path.name}, line {number}: {len(keys)} slides of the store are called {named}: "
                "give the path of the one that is meant."
            )
        (key,) = keys
        of = (row[patient] or "").strip() if patient else ""
        labeled = LabeledSlide(key, str(slides[key]["name"]), value, of or named)
        before = found.setdefault(key, labeled)
        if before != labeled:
            raise LabelsError(f"{path.name}, line {number}: {named} has two rows that differ.")
    _check_known(path, unknown)
    return _checked(path, list(found.values()))


def classes_of(labeled: Sequence[LabeledSlide]) -> list[str]:
    """Return the labels in order; numbers by value."""
    names = {each.label for each in labeled}
    return sorted(names, key=lambda name: (0, int(name), "") if name.isdecimal() else (1, 0, name))


def _rows(path: Path) -> list[dict[str, str | None]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read(1 << 26)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise LabelsError(f"{path} cannot be read ({reason}).") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        return list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    except csv.Error as error:
        raise LabelsError(f"{path.name} is no table ({error}).") from error


def _column(names: Sequence[str], wanted: Sequence[str]) -> str:
    by_name = {(name or "").strip().casefold(): name for name in reversed(names)}
    return next((by_name[each] for each in wanted if each in by_name), "")


def _places(slides: Mapping[str, Mapping[str, Any]]) -> list[dict[str, set[str]]]:
    """Return the keys by all that a slide can be called, the surest names first."""
    by: list[dict[str, set[str]]] = [defaultdict(set) for _ in range(4)]
    for key, row in slides.items():
        path = str(row["path"])
        for index, name in enumerate((key, path, str(row["name"]), PurePath(path).stem)):
            by[index][name].add(key)
    return by


def _keys_of(named: str, places: list[dict[str, set[str]]]) -> set[str]:
    for index, place in enumerate(places):
        if keys := place.get(named):
            return keys
        if index == 1 and (keys := place.get(str(Path(named).absolute()))):
            return keys
    return set()


def _check_known(path: Path, unknown: Sequence[str]) -> None:
    if not unknown:
        return
    named = ", ".join(unknown[:_MOST_NAMED])
    more = f" and {len(unknown) - _MOST_NAMED:,} more" if len(unknown) > _MOST_NAMED else ""
    raise LabelsError(
        f"{path.name} names slides that the store does not hold: {named}{more}; embed them first, "
        "or take their rows out."
    )


def _checked(path: Path, labeled: list[LabeledSlide]) -> list[LabeledSlide]:
    if not labeled:
        raise LabelsError(f"{path.name} names no slides.")
    of_patient: dict[str, set[str]] = defaultdict(set)
    for each in labeled:
        of_patient[each.patient].add(each.label)
    for patient, labels in of_patient.items():
        if len(labels) > 1:
            raise LabelsError(
                f"{path.name} gives the patient {patient} two labels, "
                f"{' and '.join(sorted(labels)[:2])}: one patient cannot be taught and held out at "
                "once; give each patient one label."
            )
    if len(classes_of(labeled)) < 2:
        raise LabelsError(
            f'{path.name} has one class only, "{labeled[0].label}": a model learns to tell two or '
            "more apart."
        )
    patients = Counter(label for labels in of_patient.values() for label in labels)
    rarest, count = min(patients.items(), key=lambda each: each[1])
    if count < 2:
        raise LabelsError(
            f'{path.name} has one patient only of the class "{rarest}": at least two are needed, '
            "one to learn from and one to measure on."
        )
    return labeled
