"""Teaches a classifier of objects by marks on slides, without a window."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.annotations.shape_numbers import bounds_of, boxes_of
from viewer.inference.runs.running import run_model
from viewer.inference.teaching.marked_objects import (
    check_contradictions,
    check_found,
    marked_objects,
)
from viewer.inference.teaching.marks import Mark, check_classes
from viewer.inference.teaching.object_teacher import ObjectTeacher
from viewer.inference.teaching.object_vectors import FEATURES_VERSION
from viewer.inference.teaching.taught_bundles import taught_bundle, with_features, write_taught
from viewer.inference.teaching.taught_card import taught_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.run_clock import Progress
    from viewer.inference.teaching.marked_slides import MarkedSlide, MarkedSlides
    from viewer.inference.teaching.object_teacher import Lesson, ObjectMark
    from viewer.overlays.objects import Objects

_ROUND_MARKS_UM = 20.0
"""How far round a mark objects are looked for."""
MOST_TAUGHT = 20_000
"""Objects that are learned from; of more, which areas can hold, a sample of each class."""


class ObjectTraining(msgspec.Struct, frozen=True):
    """What came of teaching.

    Attributes
    ----------
    cells
        How many objects of each class were marked.
    notes
        Sentences on marks that teach nothing, and on what is missing.
    """

    bundle: ModelBundle
    lesson: Lesson
    cells: dict[str, int]
    notes: tuple[str, ...]


def train_objects(
    marked: MarkedSlides,
    base: ModelBundle,
    folder: Path,
    name: str,
    who: str = "",
    mpp_um: float | None = None,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    *,
    uses_features: bool = True,
) -> ObjectTraining:
    """Find the objects round marks, learn from them, and write the model.

    Parameters
    ----------
    base
        The model that finds the objects.
    folder
        Where the taught model is written.
    mpp_um
        Micrometers per level-0 pixel, where the files do not tell.
    uses_features
        Whether it learns by the features that are pooled in each object, too.

    Raises
    ------
    SlideError, RunError
        The objects cannot be found.
    TeachingError
        The marks teach nothing, or the folder cannot be written.
    """
    finder = with_features(base, are_pooled=uses_features)
    classes = list(marked.colors)
    notes = list(marked.notes)
    objects_of: dict[int, Objects] = {}
    scales: list[float] = []
    labels: list[ObjectMark] = []
    missed: list[Mark] = []
    for number, slide in enumerate(marked.slides):
        area = _round_marks(slide, mpp_um)
        run = run_model(slide.path, finder, area, mpp_um, device, on_progress)
        notes += run.all_troubles()
        objects = objects_of[number] = run.objects()
        which = marked_objects(objects, slide.marks, run.mpp_um)
        check_contradictions(which, objects)
        missed += which.missed
        key = (number, 0, 0)
        labels += [(key, index, classes.index(n)) for index, (n, *_) in which.names().items()]
        scales.append(run.mpp_um)
    every = [mark for slide in marked.slides for mark in slide.marks]
    notes += check_found(every, missed, base.name)
    cells = Counter(label for *_, label in labels)
    counts = {each: cells[index] for index, each in enumerate(classes)}
    check_classes(counts, "marked objects")
    with closing(ObjectTeacher()) as teacher:
        for number, objects in objects_of.items():
            teacher.keep((number, 0, 0), objects)
        lesson = teacher.teach(sampled(labels), len(classes), scales)
    card = taught_now(
        who, marked.counts, [slide.place.identity for slide in marked.slides], lesson.held_out,
        FEATURES_VERSION if uses_features else 0, (base.name, base.version),
    )  # fmt: skip
    taught = taught_bundle(finder, lesson.classifier, marked.colors, card, name)
    return ObjectTraining(write_taught(folder, taught), lesson, counts, tuple(notes))


def sampled(labels: list[ObjectMark]) -> list[ObjectMark]:
    """Return so many of the marked objects at most, of each class a fair share."""
    if len(labels) <= MOST_TAUGHT:
        return labels
    truth = np.array([label for *_, label in labels])
    share = MOST_TAUGHT // len(np.unique(truth))
    rng = np.random.default_rng(0)
    taken = [rng.permutation(np.flatnonzero(truth == label))[:share] for label in np.unique(truth)]
    return [labels[index] for index in np.sort(np.concatenate(taken)).tolist()]


def _round_marks(slide: MarkedSlide, mpp_um: float | None) -> BaseGeometry:
    """Return where objects are looked for: the boxes round marks, and a little more."""
    stated = slide.place.mpp_um
    scale = mpp_um or ((stated[0] * stated[1]) ** 0.5 if stated else 1.0)
    reach = _ROUND_MARKS_UM / scale
    boxes = bounds_of(np.array([mark.geometry for mark in slide.marks]))
    grown = boxes + np.array([-reach, -reach, reach, reach])
    return shapely.union_all(boxes_of(grown))
