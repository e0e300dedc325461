"""Labels of slides: who has which, and which patient a slide is of."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import msgspec

from viewer.cell_text import bare_cell
from viewer.errors import CoverslipError
from viewer.limits import JSON_BYTES, read_regular
from viewer.slides import SlideError, open_slide
from viewer.slides.remote.address import is_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SLIDE = ("slide", "slide_id", "filename", "name")
_LABEL = ("label", "class", "target")
_PATIENT = ("patient", "case_id", "patient_id", "case")
"""Columns by our names first, then by those that CLAM and others use."""
_NO_LABEL = ("", "nan", "na", "n/a", "#n/a")
"""What tables hold where nothing is known, in small letters."""
_MOST_NAMED = 5
_KEYS, _PATHS = 0, 1
"""Of `_places`."""


class LabelsError(CoverslipError):
    """Labels that nothing can be learned from; `str()` is one sentence."""


class LabeledSlide(msgspec.Struct, frozen=True):
    """A slide by its content key, its label, and the patient it is of."""

    slide: str
    name: str
    label: str
    patient: str


def read_labels(path: Path, slides: Mapping[str, Mapping[str, object]]) -> list[LabeledSlide]:
    """Read LABELS.csv: columns slide (name, path or key), label, and patient where there is one.

    Without patients each slide is one of its own. A slide that lies elsewhere than where it was
    embedded is known by its content; relative paths are those of the table's folder, too.

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
    names, rows = _rows(path)
    slide, label = _column(names, _SLIDE), _column(names, _LABEL)
    patient = _column(names, _PATIENT)
    if not slide or not label:
        raise LabelsError(
            f'{path.name} needs a column "slide" and a column "label" in its first line.'
        )
    has_patients = any((row[patient] or "").strip() for _, row in rows) if patient else False
    places = _places(slides)
    found: dict[str, LabeledSlide] = {}
    unknown: list[str] = []
    for number, row in rows:
        named, value = (row[slide] or "").strip(), (row[label] or "").strip()
        if not named and not value:
            continue
        if not named:
            raise LabelsError(f'{path.name}, line {number}: the label "{value}" has no slide.')
        if value.casefold() in _NO_LABEL:
            raise LabelsError(f"{path.name}, line {number}: {named} has no label.")
        keys = _keys_of(bare_cell(named), path, places)
        if not keys:
            unknown.append(named)
            continue
        if len(keys) > 1:
            raise LabelsError(
                f"{path.name}, line {number}: {len(keys)} slides of the store are called {named}: "
                "give the path of the one that is meant."
            )
        (key,) = keys
        of = (row[patient] or "").strip() if has_patients else named
        if not of:
            raise LabelsError(
                f"{path.name}, line {number}: {named} has no patient: say whose slide it is, so "
                "that no patient is learned from and measured on at once."
            )
        labeled = LabeledSlide(key, str(slides[key]["name"]), value, of)
        before = found.setdefault(key, labeled)
        if before.label != value or (has_patients and before.patient != of):
            raise LabelsError(f"{path.name}, line {number}: {named} has two rows that differ.")
    _check_known(path, unknown)
    return _checked(path, list(found.values()))


def classes_of(labeled: Sequence[LabeledSlide]) -> list[str]:
    """Return the labels in order; numbers by value."""
    names = {each.label for each in labeled}
    return sorted(names, key=_in_order)


def _in_order(label: str) -> tuple[int, float, str]:
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """Return the names of the columns, and each row with the number of its line."""
    try:
        text = read_regular(path, JSON_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise LabelsError(f"{path} cannot be read ({reason}).") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader]
        return list(reader.fieldnames or []), rows
    except csv.Error as error:
        raise LabelsError(f"{path.name} is no table ({error}).") from error


def _column(names: Sequence[str], wanted: Sequence[str]) -> str:
    by_name = {(name or "").strip().casefold(): name for name in reversed(names)}
    return next((by_name[each] for each in wanted if each in by_name), "")


def _places(slides: Mapping[str, Mapping[str, object]]) -> list[dict[str, set[str]]]:
    """Return the keys by all that a slide can be called, the surest names first."""
    by: list[dict[str, set[str]]] = [defaultdict(set) for _ in range(4)]
    for key, row in slides.items():
        path = str(row["path"])
        for index, name in enumerate((key, path, str(row["name"]), PurePath(path).stem)):
            by[index][name].add(key)
    return by


def _keys_of(named: str, table: Path, places: list[dict[str, set[str]]]) -> set[str]:
    files = [named, *(str(each) for each in _files(named, table))]
    for index, place in enumerate(places):
        for name in files if index == _PATHS else [named]:
            if keys := place.get(name):
                return keys
    for file in files[1:]:
        try:
            if Path(file).exists():
                with closing(open_slide(Path(file))) as source:
                    return places[_KEYS].get(source.info.identity, set())
        except (OSError, ValueError, SlideError):
            continue
    return set()


def _files(named: str, table: Path) -> list[Path]:
    """Return where a slide may lie that a table names: from here, and from the table."""
    if is_address(named):
        return []
    return [Path(named).absolute(), table.absolute().parent / named]


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
