"""What the tests of reviews have in common."""

from __future__ import annotations

from pathlib import Path

from recording_steps import HEADER, Clock, view

from viewer.recording.recorder import Recorder
from viewer.recording.review.entries import Draft
from viewer.recording.review.items import ReviewItem, item_key
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, review_path
from viewer.recording.trace import Action


def action(number: int) -> Action:
    """An action like no other."""
    return Action(
        kind="inspect", command="<10x-inspect>", start_s=10.0 * number, end_s=10.0 * number + 4,
        dwell_s=4.0, box=(0.0, 0.0, 100.0 * number, 80.0), magnification=10.0,
        dwell_point=(50.0, 40.0), first=number, last=number,
    )  # fmt: skip


def item(number: int, draft: str = "") -> ReviewItem:
    key = item_key(action(number))
    made = Draft(
        item=key, text=draft, model="model-1", prompt_sha256="ab", at_utc="2026-11-24T08:00:00"
    )
    return ReviewItem(key, number, action(number), made if draft else None)


def open_review(session: Path, items: list[ReviewItem], reviewer: str = "r1") -> Review:
    session.mkdir(exist_ok=True)
    return Review(session.name, reviewer, items, ReviewLog(review_path(session, reviewer)))


def read_for_a_while(folder: Path) -> Path:
    """A session with three actions on no slide."""
    clock = Clock()
    recorder = Recorder(folder, HEADER, clock_ns=clock)
    for x, downsample in ((0, 2.5), (400, 1), (800, 0.5)):
        recorder.record_view(view(x, 300, downsample=downsample, at_rest=True))
        clock.advance_s(3)
    recorder.close()
    return folder
