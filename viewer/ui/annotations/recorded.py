"""What is drawn, as events of a recorded reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from viewer.recording.events import AnnotationChanged
from viewer.ui.annotations.shown import shape_of

if TYPE_CHECKING:
    from viewer.annotations.document import Change, Edit
    from viewer.ui.recording.control import RecordingControl
    from viewer.ui.slides.slide_pane import SlidePane

_MOST = 500
"""Of one step; an import of a million regions would drown a reading."""


def record_step(step: Edit, control: RecordingControl, pane: SlidePane) -> None:
    """Tell the recording of a pane what a step changed; nothing while nobody records."""
    if control.recording_of(pane) is None:
        return
    for change in step.changes[:_MOST]:
        control.record(_event(change), pane)


def _event(change: Change) -> AnnotationChanged:
    annotation = change.after or change.before
    assert annotation is not None
    what: Literal["made", "changed", "removed"] = "changed"
    if change.before is None:
        what = "made"
    elif change.after is None:
        what = "removed"
    x0, y0, x1, y1 = (round(value, 1) for value in annotation.geometry.bounds)
    return AnnotationChanged(str(change.id), what, shape_of(annotation).lower(), (x0, y0, x1, y1))
