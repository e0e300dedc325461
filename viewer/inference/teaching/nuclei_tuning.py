"""Has a nuclei network learn from corrected outlines, and keeps it only where it got better."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from viewer.files.atomic_write import atomic_write_bytes
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError, file_sha256
from viewer.inference.models.description import write_description
from viewer.inference.process.messages import Refused
from viewer.inference.process.model_process import ModelProcess, thread_count
from viewer.inference.process.tuning_messages import (
    FieldSeen,
    MeasureTuned,
    SeeField,
    TunedNetwork,
    TunedSteps,
    TuneSteps,
)
from viewer.inference.tasks.known import TASKS
from viewer.inference.teaching.correction_fields import (
    FIELD_PX,
    MARGIN_PX,
    held_back,
    planned_fields,
)
from viewer.inference.teaching.corrections import CorrectedSlide
from viewer.inference.teaching.errors import CanceledError, NoGainError, TeachingError
from viewer.inference.teaching.taught_bundles import README, loaded_again, taught_folder
from viewer.inference.teaching.taught_card import GAIN, CorrectionFigures, TaughtCard
from viewer.slides import TileError
from viewer.slides.region import read_region
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.messages import Request
    from viewer.inference.process.tuning_messages import Agreement
    from viewer.inference.teaching.correction_fields import FieldPlan, HeldBack
    from viewer.inference.teaching.corrections import Corrections

Answer = TypeVar("Answer")

STEPS = 300
"""Each takes about 1.3 s of CPU time: 6 to 7 minutes in all."""
_AT_ONCE = 5
"""Steps between two looks at whether somebody stopped it."""
_ALREADY_F1, _ALREADY_QUALITY = 0.99, 0.9
"""Outlines that the network meets as well are its own."""
WEIGHTS = "weights.safetensors"
_ENDED = "The process that learns ended without an answer: try it again."


class TuningProgress(msgspec.Struct, frozen=True):
    """How far it is: fields that were looked at, then steps of learning."""

    what: str
    done: int
    total: int


class TunedNuclei(msgspec.Struct, frozen=True):
    """A network that got better.

    Attributes
    ----------
    weights
        As safetensors.
    base
        The model that it was.
    notes
        Sentences on what was left out.
    """

    weights: bytes
    base: ModelBundle
    card: TaughtCard
    notes: tuple[str, ...] = ()


def learns_from_outlines(bundle: ModelBundle) -> bool:
    """Return whether a model is a network that corrected outlines can teach."""
    about = bundle.description
    is_ours = about.format == "safetensors" and about.architecture == "nuclei-unet"
    return TASKS[about.task].outlines and about.decoder == "coverslip" and is_ours


class NucleiTeacher:
    """Used by one thread; `cancel` may be called from any.

    Parameters
    ----------
    base
        The model that learns, of which `learns_from_outlines` holds.
    on_progress
        Called in the thread that teaches.
    steps
        How long it learns; None for as long as is usual.
    """

    def __init__(
        self,
        base: ModelBundle,
        device: str = "auto",
        on_progress: Callable[[TuningProgress], None] | None = None,
        steps: int | None = None,
    ) -> None:
        self._base, self._device, self._steps = base, device, steps or STEPS
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._process: ModelProcess | None = None
        self._is_canceled = False

    def cancel(self) -> None:
        """Stop at once; whoever teaches gets CanceledError."""
        with self._lock:
            self._is_canceled = True
            if self._process is not None:
                self._process.kill()

    def teach(self, slides: Sequence[CorrectedSlide], who: str = "") -> TunedNuclei:
        """Learn from the corrections of slides, and measure on those that are held back.

        Raises
        ------
        NoGainError
            It got no better; nothing is to be kept.
        CanceledError
            `cancel` was called.
        TeachingError
            Nothing was learned; one sentence says why.
        """
        about = self._base.description
        if not learns_from_outlines(self._base):
            raise TeachingError(
                f"{about.name} does not learn from outlines: give Nuclei, or a model that learned "
                "from them."
            )
        slides = [slide for slide in slides if slide.corrections.outlines]
        held = held_back(slides)
        plans, notes = planned_fields(slides, held, about)
        try:
            found = self._taught(slides, plans)
        except (ModelProcessError, ModelFailedError, BundleError, TileError) as error:
            with self._lock:
                is_canceled, process = self._is_canceled, self._process
            if is_canceled:
                raise CanceledError("Learning was stopped; nothing was saved.") from error
            stopped = process.stopped if process is not None else ""
            raise TeachingError(stopped or str(error)) from error
        finally:
            with self._lock:
                process, self._process = self._process, None
            if process is not None:
                process.close()
        check_gain(about.name, found, held)
        notes = [*(note for slide in slides for note in slide.corrections.notes), *notes]
        card = TaughtCard(
            by=who,
            at=utc_stamp(),
            marks={"outlines": held.learned + held.held},
            slides=tuple(dict.fromkeys(slide.place.identity for slide in slides)),
            base=about.name,
            base_version=about.version,
            corrections=_figures(found, held),
        )
        return TunedNuclei(found.weights, self._base, card, tuple(dict.fromkeys(notes)))

    def _taught(self, slides: Sequence[CorrectedSlide], plans: Sequence[FieldPlan]) -> TunedNetwork:
        process = ModelProcess(uses_cuda=self._device not in ("cpu", "mps"))
        with self._lock:
            self._process = process
            if self._is_canceled:
                process.kill()
        about = replace(self._base.description, features=0, taught=None, teaching=None, parts=())
        bundle = replace(self._base, description=about)
        process.load(bundle, self._device, thread_count(), falls_back=self._device == "auto")
        for number, plan in enumerate(plans):
            self._tell("Fields", number, len(plans))
            self._see(process, slides[plan.number], plan)
        for done in range(0, self._steps, _AT_ONCE):
            self._tell("Steps", done, self._steps)
            _asked(process, TuneSteps(min(_AT_ONCE, self._steps - done), self._steps), TunedSteps)
        self._tell("Steps", self._steps, self._steps)
        return _asked(process, MeasureTuned(), TunedNetwork)

    def _see(self, process: ModelProcess, slide: CorrectedSlide, plan: FieldPlan) -> None:
        smaller_by = self._base.description.input.resampling
        rgb = read_region(slide.source, plan.box, FIELD_PX, FIELD_PX, smaller_by=smaller_by)
        request = SeeField(
            process.put(rgb),
            plan.labels.tobytes(),
            plan.is_held.tobytes(),
            MARGIN_PX,
            plan.is_whole,
        )
        _asked(process, request, FieldSeen)

    def _tell(self, what: str, done: int, total: int) -> None:
        if self._on_progress is not None:
            self._on_progress(TuningProgress(what, done, total))


def check_gain(name: str, found: TunedNetwork, held: HeldBack) -> None:
    """See that a network got better on the outlines that were held back.

    Parameters
    ----------
    name
        Of the network as it came.

    Raises
    ------
    NoGainError
        It did not, so that it is not to be kept.
    """
    figures = _figures(found, held)
    if all(_is_met(each) for each in (found.learned, found.before)):
        raise NoGainError(
            f"These outlines are those that {name} finds already, so that there is nothing to "
            "learn: correct some, and try it again.",
            figures,
        )
    if not figures.is_gain:
        raise NoGainError(
            f"{name} got no better, and nothing was saved. {figures.sentence} It is kept if "
            f"{GAIN}. Correct more outlines, in other places.",
            figures,
        )


def write_tuned(folder: Path, tuned: TunedNuclei, name: str) -> ModelBundle:
    """Write a network that learned as an ordinary model.

    Raises
    ------
    TeachingError
        The folder holds something else, or cannot be written.
    """
    about, card = tuned.base.description, tuned.card
    with taught_folder(folder, "outlines"):
        atomic_write_bytes(folder / WEIGHTS, tuned.weights)
        about = replace(
            about, name=name, version=card.version, teaching=card, about=card.about,
            weights=WEIGHTS, sha256=file_sha256(folder / WEIGHTS), features=0, taught=None,
            parts=(),
        )  # fmt: skip
        text = "\n\n".join([f"# {name}", card.about, f"License: {about.license}"])
        atomic_write_bytes(folder / README, text.encode() + b"\n")
        write_description(folder, about)
    return loaded_again(folder)


def tune_nuclei(
    corrected: Sequence[tuple[Path, Corrections]],
    teacher: NucleiTeacher,
    mpp_um: float | None = None,
    who: str = "",
) -> TunedNuclei:
    """Open slides, and have a network learn from what was corrected on them.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel of slides that tell none.

    Raises
    ------
    SlideError
        A slide cannot be read.
    TeachingError
        As `NucleiTeacher.teach`.
    """
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.slides import open_slide
    from viewer.slides.calibration import known_mpp_um

    with ExitStack() as stack:
        slides: list[CorrectedSlide] = []
        for path, corrections in corrected:
            source = open_slide(path)
            stack.callback(source.close)
            scale = mpp_um or known_mpp_um(source)
            assert scale is not None  # whoever read the corrections has seen to it
            slides.append(CorrectedSlide(source, SlidePlace.of(source), scale, corrections))
        return teacher.teach(slides, who)


def _asked(process: ModelProcess, request: Request, kind: type[Answer]) -> Answer:
    """Return the answer to a request. Raises ModelProcessError and TeachingError."""
    answer = process.ask(request)
    if isinstance(answer, Refused):
        raise TeachingError(answer.sentence)
    if not isinstance(answer, kind):
        raise ModelProcessError(_ENDED)
    return answer


def _figures(found: TunedNetwork, held: HeldBack) -> CorrectionFigures:
    before, after = found.before, found.after
    return CorrectionFigures(
        held.learned + held.held, held.held, "slide" if held.by == "slide" else "block",
        before.f1, after.f1, before.quality, after.quality,
    )  # fmt: skip


def _is_met(agreement: Agreement) -> bool:
    return agreement.f1 >= _ALREADY_F1 and agreement.quality >= _ALREADY_QUALITY
