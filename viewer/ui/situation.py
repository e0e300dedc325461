"""What the window is in at this moment, asked of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.ui.commands.command import Situation
from viewer.ui.recording.control import RecordingState
from viewer.ui.services import PaneHost

if TYPE_CHECKING:
    from viewer.ui.agents.controller import AgentsController
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.projects.controller import ProjectsController
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.channels_controller import ChannelsController
    from viewer.ui.slides.slides_panel import SlidesPanel


class SituationHost(PaneHost, Protocol):
    """The parts whose state decides which commands can run."""

    slides: SlidesPanel
    projects: ProjectsController
    annotations: AnnotationsController
    recording: RecordingController
    agents: AgentsController
    overlays: OverlaysController
    toolbox: Toolbox
    channels: ChannelsController


def situation_of(window: SituationHost) -> Situation:
    """Return what decides which commands can run now."""
    pane = window.panes.active
    source = pane.source
    axes = window.channels.axes
    return Situation(
        has_slide=source is not None,
        can_go_back=source is not None and pane.canvas.can_go_back,
        can_go_forward=source is not None and pane.canvas.can_go_forward,
        panes=len(window.panes.panes),
        slides_listed=len(window.slides.model.keys),
        has_project=window.projects.opened.is_open,
        has_icc_profile=source is not None
        and source.info.icc_profile is not None
        and not pane.profile_problem,
        has_stains=source is not None and not pane.stain_problem,
        can_annotate=window.annotations.can_annotate,
        annotations_chosen=window.annotations.chosen_count,
        can_undo=window.annotations.can_undo,
        can_redo=window.annotations.can_redo,
        is_recording=window.recording.control.state is not RecordingState.OFF,
        is_reviewing=window.recording.review.reviewing.is_active
        or window.projects.set_review.is_active,
        is_agent_reading=window.agents.is_reading,
        has_model_on=window.overlays.in_hand is not None,
        has_brush=window.toolbox.name in ("brush", "eraser"),
        channels=len(axes.channels),
        planes=axes.z_count,
        times=axes.t_count,
    )
