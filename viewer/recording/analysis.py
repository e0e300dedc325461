"""All that is shown of a session: actions, attention, coverage, statistics, and a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.recording.attention_maps import AttentionMaps, attention_maps
from viewer.recording.behaviors import actions_of
from viewer.recording.comparison import Comparison, compare
from viewer.recording.coverage import CoverageMap, coverage_of
from viewer.recording.session import SessionHeader, read_header
from viewer.recording.statistics import Statistics, statistics_of
from viewer.recording.trace_loading import load_trace

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.trace import Action, Trace
    from viewer.slides.tissue import TissueMask


class Analysis(msgspec.Struct, frozen=True):
    """A session with what follows from its views.

    Attributes
    ----------
    coverage
        None where no tissue mask was given.
    comparison
        With the other session that was asked for; None where none was.
    """

    folder: Path
    header: SessionHeader
    trace: Trace
    actions: list[Action]
    attention: AttentionMaps
    coverage: CoverageMap | None
    statistics: Statistics
    comparison: Comparison | None


def analyze(
    folder: Path,
    tissue: TissueMask | None = None,
    other: Path | None = None,
    until_s: float = 0.0,
) -> Analysis:
    """Compute all of a session, of one that is still being recorded up to now.

    Parameters
    ----------
    other
        A session on the same slide to compare with.
    until_s
        As `tracing.load_trace` takes it.

    Raises
    ------
    SessionError
        A session cannot be read.
    """
    header = read_header(folder)
    trace = load_trace(folder, until_s)
    slide = header.slide.size
    actions = actions_of(trace, slide=slide)
    return Analysis(
        folder=folder,
        header=header,
        trace=trace,
        actions=actions,
        attention=attention_maps(trace, slide),
        coverage=coverage_of(trace, tissue) if tissue is not None else None,
        statistics=statistics_of(trace, actions, header.slide.optics.mpp_um),
        comparison=compare(trace, load_trace(other), slide) if other is not None else None,
    )
