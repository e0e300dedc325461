"""Has a classifier of objects taught and asked in a model process, which stays while marks come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.inference.errors import ModelProcessError
from viewer.inference.process.held_process import HeldProcess
from viewer.inference.process.messages import (
    ClassifiedBlock,
    ClassifyBlock,
    FoundCells,
    KeepObjects,
    Reclassify,
    Refused,
    Suggest,
    Suggested,
    Taught,
    Teach,
)
from viewer.inference.teaching.errors import TeachingError
from viewer.inference.teaching.held_out import HeldOut
from viewer.overlays.objects import Objects, ObjectsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.process.messages import ObjectsKey, Request
    from viewer.inference.process.model_process import ModelProcess
    from viewer.inference.teaching.taught_objects import LinearClassifier, TaughtObjects

    ObjectMark = tuple[ObjectsKey, int, int]
    """Block, place of the object in it, and number of the class."""

_ENDED = "The process that learns ended without an answer: mark something to start it again."


class Lesson(msgspec.Struct, frozen=True):
    """What was learned from marks.

    Attributes
    ----------
    marks
        Those that it was learned from, in the order of the rows of `held_out`.
    """

    classifier: LinearClassifier
    marks: tuple[ObjectMark, ...]
    held_out: HeldOut


class ObjectTeacher:
    """Used by one thread at a time; `close` may be called from any."""

    def __init__(self) -> None:
        self._held = HeldProcess()
        self._kept: dict[ObjectsKey, Objects] = {}

    def keep(self, key: ObjectsKey, objects: Objects) -> None:
        """Have the process know the objects of a block, unless it knows them. Raises TeachingError.

        `key` is of the number of a slide, and the column and row of the block.
        """
        process = self._running()
        if self._kept.get(key) is objects:
            return
        try:
            process.post(KeepObjects(key, objects.to_bytes()))
        except ModelProcessError as error:
            raise self._ended() from error
        self._kept[key] = objects

    def teach(self, marks: Sequence[ObjectMark], classes: int, mpp_um: Sequence[float]) -> Lesson:
        """Learn from marks on objects that the process was given.

        Parameters
        ----------
        mpp_um
            Micrometers per level-0 pixel of each slide, by its number.

        Raises
        ------
        TeachingError
            Nothing was learned; one sentence says why.
        """
        known = [mark for mark in marks if mark[0] in self._kept]
        answer = self._ask(Teach(list(known), classes, list(mpp_um)))
        if not isinstance(answer, Taught):
            raise self._ended()
        truth = np.array([mark[2] for mark in known], np.intp)
        chances = np.frombuffer(answer.chances, np.float32).reshape(len(known), classes)
        estimate = HeldOut(answer.by, tuple(answer.regions), truth, chances)
        return Lesson(answer.classifier, tuple(known), estimate)

    def chances(self, key: ObjectsKey, classes: int) -> NDArray[np.float32]:
        """Return (n, classes) what was learned last, of the objects of a block."""
        answer = self._ask(ClassifyBlock(key))
        if not isinstance(answer, ClassifiedBlock) or not answer.chances:
            raise self._ended()
        found = np.frombuffer(answer.chances, np.float16).astype(np.float32)
        return found.reshape(-1, classes)

    def suggested(self, count: int, known: Sequence[tuple[ObjectsKey, int]]) -> Suggested:
        """Return objects that are worth a mark, those marked already left out."""
        answer = self._ask(Suggest(count, list(known)))
        if not isinstance(answer, Suggested):
            raise self._ended()
        return answer

    def reclassified(self, taught: TaughtObjects, objects: Objects) -> Objects:
        """Return objects of a base model with the classes that a taught model tells."""
        answer = self._ask(Reclassify(taught, objects.to_bytes()))
        if not isinstance(answer, FoundCells):
            raise self._ended()
        try:
            return Objects.from_bytes(answer.objects)
        except ObjectsError as error:
            raise self._ended() from error

    def start(self) -> None:
        """Start the process, so that no lesson waits for it. Raises TeachingError."""
        self._running()

    def close(self) -> None:
        """End the process for good."""
        self._held.close()

    def _ask(self, request: Request) -> object:
        try:
            answer = self._running().ask(request)
        except ModelProcessError as error:
            raise self._ended() from error
        if isinstance(answer, Refused):
            raise TeachingError(answer.sentence)
        return answer

    def _running(self) -> ModelProcess:
        from viewer.inference.process.model_process import ModelProcess

        try:
            process, is_new = self._held.take(
                lambda: ModelProcess(with_torch=False, uses_cuda=False)
            )
        except ModelProcessError as error:
            raise TeachingError(str(error)) from error
        if is_new:
            self._kept = {}
        return process

    def _ended(self) -> TeachingError:
        self._kept = {}
        return TeachingError(self._held.end() or _ENDED)
