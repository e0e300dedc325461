"""Asks a model for drafts, action by action; what it is and where it runs is not known here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.errors import CoverslipError
from viewer.recording.export.options import ExportOptions
from viewer.recording.export.pictures import ActionPictures
from viewer.recording.export.reading import load_reading
from viewer.recording.review.drafts import add_draft, read_drafts
from viewer.recording.review.entries import Draft, ReviewError
from viewer.recording.review.items import items_of
from viewer.recording.review.prompts import filled
from viewer.slides.known_slides import open_known
from viewer.slides.tray import shown_thumbnail
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.recording.review.items import ReviewItem
    from viewer.recording.review.prompts import Prompt
    from viewer.recording.trace import Action

_OPTIONS = ExportOptions(format="pathology-cot")
"""Pictures as the dataset has them: the crop about 10x, the detail about 40x."""


class DraftRequest(msgspec.Struct, frozen=True):
    """What a model sees for one action.

    Attributes
    ----------
    thumbnail, crop, detail
        JPEG: the whole slide with the action's box, the box, and its cells.
    """

    prompt: str
    thumbnail: bytes
    crop: bytes
    detail: bytes


class DraftAnswer(msgspec.Struct, frozen=True):
    """What a model says; `text` is data, whatever it says."""

    text: str
    model: str


class DraftError(ReviewError):
    """A model that gives no draft; `str()` is one sentence: what is wrong and what to do."""


class DraftCancelledError(CoverslipError):
    """The user stopped the drafting."""


class Drafter(Protocol):
    """A model that drafts rationales."""

    def draft(self, request: DraftRequest) -> DraftAnswer:
        """Answers for one action; may take long.

        Raises
        ------
        DraftError
            There is no answer, and the next action would fare no better.
        DraftCancelledError
            The user stopped it.
        """
        ...


def draft_session(
    session: Path,
    drafter: Drafter,
    template: str,
    *,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
    is_canceled: Callable[[], bool] = lambda: False,
) -> int:
    """Drafts rationales for actions that have none; those made before an end early are kept.

    Parameters
    ----------
    template
        As `prompts.filled` takes it.
    progress
        Called with the drafts made and wanted.

    Returns
    -------
    int
        The drafts made.

    Raises
    ------
    SessionError
        The session cannot be read, the drafts not written, or the model gives none (DraftError).
    SlideError, TileError
        The slide cannot be read.
    """
    reading = load_reading(session, _OPTIONS)
    items = items_of(reading, read_drafts(session))
    wanted = [item for item in items if item.draft is None]
    source = open_known(reading.header.slide.identity)
    if source is None:
        raise ReviewError("The slide of this session is not found: open it once, then draft.")
    try:
        pictures = ActionPictures(
            reading, source, shown_thumbnail(source, _OPTIONS.thumbnail_px), _OPTIONS
        )
        for done, item in enumerate(wanted):
            progress(done, len(wanted))
            if is_canceled():
                return done
            prompt = filled(template, item, len(items), reading.header.slide)
            try:
                answer = drafter.draft(_request(item, prompt, pictures))
            except DraftCancelledError:
                return done
            _keep(session, item, prompt, answer)
        progress(len(wanted), len(wanted))
        return len(wanted)
    finally:
        source.close()


def _request(item: ReviewItem, prompt: Prompt, pictures: ActionPictures) -> DraftRequest:
    action: Action = item.action
    return DraftRequest(
        prompt=prompt.text,
        thumbnail=pictures.thumbnail_with([item.number]),
        crop=pictures.crop(action),
        detail=pictures.detail(action),
    )


def _keep(session: Path, item: ReviewItem, prompt: Prompt, answer: DraftAnswer) -> None:
    text = answer.text.strip()
    if not text:
        raise DraftError(f"{answer.model} answered with nothing: try again or another model.")
    add_draft(
        session,
        Draft(
            item=item.key,
            text=text,
            model=answer.model,
            prompt_sha256=prompt.sha256,
            at_utc=utc_stamp(),
        ),
    )
