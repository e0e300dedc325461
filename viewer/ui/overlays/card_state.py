"""What the card of an overlay that is on shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.plurals import percent
from viewer.ui.recording.scrub_bar import shown_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.runs.run_clock import Progress
    from viewer.overlays.legend import LegendRow
    from viewer.ui.overlays.overlay import Overlay

_STOPPED = "Stopped: run it again to go on."


class CardState(msgspec.Struct, frozen=True):
    """All that changes on the card while a model works.

    Attributes
    ----------
    share
        Of the whole slide that is done, 0 to 1; 0 where nothing was asked for.
    progress
        How far it is, in words.
    can_stop
        Whether anything is under way.
    warnings, figures
        A sentence each.
    is_covered
        Whether it is on but not painted, since another heatmap is.
    """

    can_run: bool
    can_stop: bool
    is_paused: bool
    share: float
    progress: str
    warnings: tuple[str, ...]
    figures: tuple[str, ...]
    legend: Sequence[LegendRow]
    opacity: float
    is_covered: bool = False


def state_of(run: Overlay, *, is_paused: bool, is_covered: bool) -> CardState:
    """Return what the card of an overlay shows at this moment."""
    progress = run.progress
    is_whole = progress.total > progress.done
    figures = run.shown.lines()
    if run.device_text:
        figures.append(run.device_text)
    return CardState(
        can_run=run.can_run,
        can_stop=run.can_run and not run.is_stopped and (is_whole or progress.is_busy),
        is_paused=is_paused and run.can_run,
        share=progress.done / progress.total if progress.total else 0.0,
        progress=_progress_text(run, is_paused=is_paused),
        warnings=tuple(run.warnings()),
        figures=tuple(figures),
        legend=run.shown.legend_rows(),
        opacity=run.opacity,
        is_covered=is_covered,
    )


def _progress_text(run: Overlay, *, is_paused: bool) -> str:
    progress = run.progress
    if run.is_stopped:
        return _STOPPED
    if progress.total > progress.done:
        return f"Whole slide: {shown_progress(progress, is_paused=is_paused)}"
    if is_paused:
        return "Paused"
    if progress.is_busy:
        return "Computing where you look..."
    return "Done" if progress.total else "Done where you look"


def shown_progress(progress: Progress, *, is_paused: bool = False) -> str:
    """Share, rate and time left, as far as they are known."""
    share = percent(progress.done / progress.total)
    if is_paused:
        return f"{share}, paused"
    if progress.left_s is None or progress.done == progress.total:
        return share
    return f"{share}, {progress.blocks_per_s:.1f} fields/s, {shown_time(progress.left_s)} left"
