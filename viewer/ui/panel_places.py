"""Which panel stands where, and the bars over the slides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.ui.services import MessageHost, PaneHost

if TYPE_CHECKING:
    from viewer.ui.agents.controller import AgentsController
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.batch.controller import BatchController
    from viewer.ui.home_notice import HomeNotice
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.projects.controller import ProjectsController
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.shell.frame import WindowFrame
    from viewer.ui.shell.panel import Panel
    from viewer.ui.slides.associated_panel import AssociatedPanel
    from viewer.ui.slides.display_panel import DisplayPanel
    from viewer.ui.slides.properties_panel import PropertiesPanel
    from viewer.ui.slides.slides_panel import SlidesPanel
    from viewer.ui.tma.controller import TmaController
    from viewer.ui.widgets import NoticeBar

_PAGES = (
    ("slide", "Slide", "drawn.slide", ("display", "properties", "associated")),
    ("annotate", "Annotate", "drawn.polygon", ("annotations", "comparison", "tma")),
    ("ai", "AI", "mdi6.creation-outline", ("overlays",)),
    ("sessions", "Sessions", "mdi6.history", ("sessions", "seen", "review")),
    ("agent", "Agent", "mdi6.robot-outline", ("agent",)),
    ("form", "Form", "mdi6.clipboard-text-outline", ("questions", "set_review")),
    ("batch", "Batch", "mdi6.format-list-checks", ("batch", "batch_table")),
)
"""Of the inspector: id, title, icon, and the panels by their names."""


class PanelPlacesHost(MessageHost, PaneHost, Protocol):
    """The parts that have a panel or a bar."""

    frame: WindowFrame
    banner: NoticeBar
    settings_bar: NoticeBar
    home_notice: HomeNotice
    slides: SlidesPanel
    display: DisplayPanel
    properties: PropertiesPanel
    associated: AssociatedPanel
    annotations: AnnotationsController
    projects: ProjectsController
    tma: TmaController
    overlays: OverlaysController
    recording: RecordingController
    agents: AgentsController
    batch: BatchController


def place_panels(window: PanelPlacesHost) -> dict[str, Panel]:
    """Put every panel in its place, and the bars over the slides; return the panels by name."""
    frame, projects, sessions = window.frame, window.projects, window.recording.panels
    frame.add_drawer((window.slides,))
    panels: dict[str, Panel] = {
        "tray": window.slides,
        "display": window.display,
        "properties": window.properties,
        "associated": window.associated,
        "annotations": window.annotations.panel,
        "comparison": projects.comparison.panel,
        "tma": window.tma.panel,
        "overlays": window.overlays.panel,
        "sessions": sessions.sessions,
        "seen": sessions.seen,
        "review": window.recording.review.panel,
        "replay": sessions.replay,
        "agent": window.agents.panel,
        "batch": window.batch.panel,
        "batch_table": window.batch.table,
        "questions": projects.questions.panel,
        "set_review": projects.set_review.panel,
    }
    for name, title, icon, names in _PAGES:
        frame.inspector.add_page(name, title, icon, [panels[each] for each in names])
    frame.inspector.refused.connect(window.say)
    sessions.replay.hide()
    for bar in (
        window.home_notice.bar,
        window.settings_bar,
        window.banner,
        window.annotations.banner,
        projects.finishing.bar,
        window.agents.clients.banner,
    ):
        frame.middle.addWidget(bar)
    frame.middle.addWidget(window.panes, 1)
    frame.middle.addWidget(sessions.replay)
    frame.top_bar.add_recording(window.recording.pill)
    frame.connect_panels(panels, lambda: window.panes.active.focus())
    return panels
