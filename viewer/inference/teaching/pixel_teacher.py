"""Teaches a pixel classifier in a process of its own, which keeps what it has seen meanwhile."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.geometry import Size
from viewer.inference.errors import ModelProcessError
from viewer.inference.process.held_process import HeldProcess
from viewer.inference.process.lesson_messages import (
    BeginLesson,
    ClassifiedPixels,
    ClassifyPixels,
    EstimatedPixels,
    EstimatePixels,
    FitPixels,
    FittedPixels,
    SampledPixels,
    SamplePixels,
    SeeBlock,
)
from viewer.inference.process.messages import Ready, Refused
from viewer.inference.process.model_process import thread_count
from viewer.inference.process.spare_process import take_model_process
from viewer.inference.teaching.errors import TeachingError
from viewer.inference.teaching.marks import check_classes
from viewer.inference.teaching.pixel_settings import CORE_PX, PATCH_PX, lesson_grid
from viewer.overlays.blocks import BlockKey
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.process.lesson_messages import LessonKey, LessonRequest
    from viewer.inference.process.model_process import ModelProcess
    from viewer.inference.teaching.pixel_samples import PixelSamples
    from viewer.inference.teaching.pixel_settings import PixelSettings
    from viewer.inference.teaching.taught_card import HeldOutFigures
    from viewer.overlays.blocks import BlockGrid
    from viewer.slides.source import SlideSource

_MOST_SEEN_BYTES = 400 << 20
"""Of the features that the process keeps."""
_MOST_SAMPLES = 60_000
"""Pixels whose features are kept here, some 10 MB."""
_ENDED = "The process that learns ended: paint another stroke to start it again."


class TaughtSlide(msgspec.Struct, frozen=True):
    """A slide that is taught on.

    Attributes
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    """

    source: SlideSource
    mpp_um: float
    grid: BlockGrid

    @classmethod
    def of(cls, source: SlideSource, mpp_um: float, settings: PixelSettings) -> TaughtSlide:
        """Return a slide as it is looked at with some settings."""
        base = source.levels[0]
        size = Size(base.width_px, base.height_px)
        return cls(source, mpp_um, lesson_grid(size, mpp_um, settings))


class PixelTeacher:
    """Used by one thread at a time; `close` may be called from any.

    Raises
    ------
    TeachingError
        From all methods: one sentence says why nothing is learned.
    TileError
        From all methods that read: the slide cannot be read there.
    """

    def __init__(self, settings: PixelSettings) -> None:
        self.settings = settings
        self._held = HeldProcess()
        self._seen: OrderedDict[LessonKey, None] = OrderedDict()
        self._sampled: OrderedDict[tuple[LessonKey, int, int], NDArray[np.float32]] = OrderedDict()
        self._most_seen = max(4, _MOST_SEEN_BYTES // (2 * settings.length * CORE_PX**2))

    def fit(self, slides: Sequence[TaughtSlide], samples: Sequence[PixelSamples],
            names: Sequence[str]) -> bytes:  # fmt: skip
        """Learn from marked pixels of each slide, and return what was learned as safetensors."""
        features, classes = self._marked(slides, samples, names)
        match self._ask(FitPixels(features, classes, list(names))):
            case FittedPixels(weights):
                return weights
            case _:
                raise TeachingError(_ENDED)

    def estimate(self, slides: Sequence[TaughtSlide], samples: Sequence[PixelSamples],
                 names: Sequence[str]) -> HeldOutFigures:  # fmt: skip
        """Return how wrong the answers are, by slides or blocks of a slide that are held out."""
        features, classes = self._marked(slides, samples, names)
        numbers = [np.full(len(s.classes), n, np.int32) for n, s in enumerate(samples)]
        um = self.settings.mpp_um
        places = [np.stack([s.columns, s.rows], 1).astype(np.float64) * um for s in samples]
        request = EstimatePixels(
            features,
            classes,
            list(names),
            np.concatenate(numbers).tobytes(),
            np.concatenate(places).tobytes(),
        )
        match self._ask(request):
            case EstimatedPixels(figures):
                return figures
            case _:
                raise TeachingError(_ENDED)

    def see(self, slide: TaughtSlide, key: BlockKey) -> None:
        """Have the features of a block of a slide ready, as `fit` and `chances` need them."""
        self._see(slide, (0, key.column, key.row))

    def chances(self, slide: TaughtSlide, key: BlockKey) -> NDArray[np.float16]:
        """Return mean probabilities (rows, columns, classes) of squares of 2 pixels of a block."""
        place = (0, key.column, key.row)
        self._see(slide, place)
        match self._ask(ClassifyPixels(place)):
            case ClassifiedPixels(data):
                side = CORE_PX // 2
                return np.frombuffer(data, np.float16).reshape(side, side, -1)
            case _:
                raise TeachingError(_ENDED)

    def close(self) -> None:
        """End the process for good."""
        self._held.close()

    # -----------------------------------------------------------------------------------------

    def _marked(
        self,
        slides: Sequence[TaughtSlide],
        samples: Sequence[PixelSamples],
        names: Sequence[str],
    ) -> tuple[bytes, bytes]:
        """Return features float32 (n, d) and classes int32 (n,) of the pixels of all slides."""
        every = np.concatenate([each.classes for each in samples])
        counts = np.bincount(every, minlength=len(names)).tolist()
        check_classes(dict(zip(names, counts, strict=True)), "marked pixels")
        parts = [
            self._features(slide, number, each)
            for number, (slide, each) in enumerate(zip(slides, samples, strict=True))
        ]
        return np.concatenate(parts).tobytes(), every.astype(np.int32).tobytes()

    def _features(
        self, slide: TaughtSlide, number: int, samples: PixelSamples
    ) -> NDArray[np.float32]:
        rows: dict[int, NDArray[np.float32]] = {}
        for key, places in samples.by_block(slide.grid).items():
            block = (number, key.column, key.row)
            known = self._sampled
            pixels = [
                (place, (block, int(samples.rows[place]), int(samples.columns[place])))
                for place in places.tolist()
            ]
            new = [pixel for _, pixel in pixels if pixel not in known]
            if new:
                self._see(slide, block)
                corner = np.array([key.row, key.column]) * CORE_PX
                inside = np.array([pixel[1:] for pixel in new]) - corner
                answer = self._ask(SamplePixels(block, inside.astype(np.int32).tobytes()))
                if not isinstance(answer, SampledPixels):
                    raise TeachingError(_ENDED)
                sampled = np.frombuffer(answer.features, np.float32).reshape(len(new), -1)
                known.update(zip(new, sampled, strict=True))
            rows |= {place: known[pixel] for place, pixel in pixels}
        while len(self._sampled) > _MOST_SAMPLES:
            self._sampled.popitem(last=False)
        found = np.zeros((len(rows), self.settings.length), np.float32)
        for place, features in rows.items():
            found[place] = features
        return found

    def _see(self, slide: TaughtSlide, place: LessonKey) -> None:
        self._running()
        if place in self._seen:
            self._seen.move_to_end(place)
            return
        box = slide.grid.input_box(BlockKey(place[1], place[2]))
        rgb = read_region(slide.source, box, PATCH_PX, PATCH_PX)
        tile = self._running().put(rgb)
        forgotten: list[LessonKey] = []
        while len(self._seen) >= self._most_seen:
            forgotten.append(self._seen.popitem(last=False)[0])
        self._ask(SeeBlock(place, tile, forgotten))
        self._seen[place] = None

    def _running(self) -> ModelProcess:
        try:
            process, is_new = self._held.take(lambda: take_model_process(uses_cuda=False))
        except ModelProcessError as error:
            raise TeachingError(str(error)) from error
        if is_new:
            self._seen.clear()
            self._sampled.clear()
            self._ask(BeginLesson(self.settings, thread_count()))
        return process

    def _ask(self, request: LessonRequest) -> object:
        process = self._held.process
        if process is None:
            raise TeachingError(_ENDED)
        try:
            answer = process.ask(request)
        except ModelProcessError as error:
            raise TeachingError(self._held.end() or _ENDED) from error
        match answer:
            case Refused(sentence, is_failure):
                if is_failure:
                    self._held.end()
                raise TeachingError(sentence)
            case Ready():
                return None
            case _:
                return answer
