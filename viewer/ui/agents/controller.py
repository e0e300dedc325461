"""Agents of one window: the panel, the walk under way, questions, permission and the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal

from viewer.agents.agent_events import AgentState, Found, Moved, StateChanged
from viewer.annotations.document import adding
from viewer.canvas.layer import LayerOrder
from viewer.geometry import Box
from viewer.inference.tasks.known import TASKS
from viewer.policy import policy
from viewer.ui.agents.agent_panel import PLUGIN, AgentPanel
from viewer.ui.agents.ask_panel import AskPanel
from viewer.ui.agents.clients import ClientsController, ClientsHost
from viewer.ui.agents.language_model import LanguageModel
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands.command import with_slide
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from viewer.agents.actions import Policy, Task
    from viewer.agents.agent_events import AgentEvent
    from viewer.agents.chat.client import Client
    from viewer.agents.findings import Finding
    from viewer.agents.loop import AgentRun
    from viewer.agents.proposals import Proposer
    from viewer.annotations.annotation import Annotation
    from viewer.inference.models.bundle import ModelBundle
    from viewer.ui.agents.walking import AgentWalk
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.slide_pane import SlidePane

_ANYTHING = "What is there to see on this slide?"
_COLOR = "#7c6cf2"
_WITHOUT_MODEL = "local"


def _plugin(name: str, client: Client | None) -> Policy:
    """Return the policy of another package; in a thread. Raises AgentError."""
    from viewer.agents.plugins.plugin_names import find_plugin
    from viewer.agents.plugins.plugin_policy import PluginPolicy

    return PluginPolicy(find_plugin(name), client)


class AgentsHost(
    ClientsHost, MessageHost, DialogHost, PaneHost, CommandHost, SettingsHost, Protocol
):
    """What agents ask of the window."""

    annotations: AnnotationsController
    recording: RecordingController


class AgentsController(QObject):
    """Owned by the window; `shut_down` ends the agent."""

    state_changed = Signal()
    """An agent began, paused, went on or ended, or another slide is in front."""

    def __init__(self, window: AgentsHost) -> None:
        from viewer.canvas.scanpath_layer import ScanpathLayer
        from viewer.ui.agents.asking import FieldQuestions

        super().__init__(window.window())
        self._window = window
        self._walk: AgentWalk | None = None
        self._ending: list[AgentWalk] = []
        self._client: Client | None = None
        self._regions = ScanpathLayer(name="regions of the agent")
        self._boxes: list[Box] = []
        self._background = BackgroundRunner("agents' files", 1, self)
        self.ask = AskPanel()
        self.panel = AgentPanel(self.ask, window.window())
        if policy().plugins:
            self.panel.add_plugins(window.settings.agent_policies)
        self.model = LanguageModel(window, self)
        self.questions = FieldQuestions(window, self.ask, self.model, self)
        self.clients = ClientsController(window, self, self)
        self.clients.banner.pause_requested.connect(self.pause_or_go_on)
        self.state_changed.connect(self.clients.show_state)
        self._connect()
        self._follow()

    @property
    def walk(self) -> AgentWalk | None:
        """Return the one under way, or the last one while its slide is open."""
        return self._walk

    @property
    def is_reading(self) -> bool:
        """Return whether an agent is at work or paused."""
        state = None if self._walk is None else self._walk.state
        return state is not None and not state.is_over

    def shut_down(self) -> None:
        """End the agent and its processes."""
        self.clients.shut_down()
        if self._walk is not None:
            self._walk.shut_down()
            self._walk = None
        for walk in self._ending:
            if not walk.is_freed:
                walk.wait_freed()
        self.questions.shut_down()
        self.model.shut_down()
        self._background.close(finish=True)

    # The walk --------------------------------------------------------------------------------

    def _start(self) -> None:
        from viewer.agents.policies.giant import GiantPolicy
        from viewer.agents.policies.local import LocalPolicy
        from viewer.agents.policies.predictor import PredictorPolicy
        from viewer.agents.trained_proposals import trained_proposer

        pane = self._window.panes.active
        if pane.source is None:
            self._window.say(with_slide.reason)
            return
        if hidden := self._window.overlays.hidden_by(pane):
            self._window.say(hidden)
            return
        how, predictor = self.panel.how.currentData(), self.panel.regions_by.currentData()

        def proposer() -> Proposer | None:
            return trained_proposer(predictor) if predictor else None

        def begin(client: Client) -> None:
            if how == "giant":
                self._begin(pane, lambda: GiantPolicy(client), client)
            else:
                self._begin(pane, lambda: PredictorPolicy(client, proposer()), client)

        if how == _WITHOUT_MODEL:
            self._begin(pane, lambda: LocalPolicy(proposer()), None)
        elif how.startswith(PLUGIN):
            name = how.removeprefix(PLUGIN)
            self.model.allowed_client(
                lambda client: self._begin(pane, lambda: _plugin(name, client), client)
            )
        else:
            self.model.client(begin)

    def _begin(self, pane: SlidePane, policy: Callable[[], Policy], client: Client | None) -> None:
        """Begin a walk as the panel says; nothing where the slide was closed meanwhile."""
        from viewer.agents.actions import Task

        self._end()
        if pane.source is not None:
            question = self.panel.question.toPlainText().strip() or _ANYTHING
            self.begin(pane, policy, Task(question), client)

    def begin(
        self,
        pane: SlidePane,
        policy: Callable[[], Policy],
        task: Task,
        client: Client | None = None,
        *,
        most_steps: int | None = None,
        on_run: Callable[[AgentRun], object] = lambda _: None,
    ) -> AgentWalk:
        """Begin a walk on a pane that shows a slide; the walk before ends.

        Parameters
        ----------
        policy
            Made in a thread, since it may load a model.
        client
            Whose spending is shown.
        most_steps
            None takes the panel's.
        on_run
            Takes the run before it begins.
        """
        from viewer.ui.agents.walking import AgentWalk

        self._end()
        self._window.recording.panels.end_replay()  # it would move the slide, too
        self._client = client
        self._walk = walk = AgentWalk(
            pane,
            policy,
            task,
            most_steps or self.panel.steps.value(),
            self._window.settings.device,
            lambda: self._annotations(pane),
            lambda finding: self._mark(finding, pane),
            self,
            on_run,
        )
        walk.happened.connect(self._on_event)
        walk.failed.connect(self._on_failed)
        pane.canvas.add_layer(self._regions, LayerOrder.TOOLS)
        self.panel.clear()
        self.panel.show_state(AgentState.RUNNING)
        self.panel.show_preparing()
        walk.start()
        return walk

    def _end(self) -> None:
        """No walk is shown any more."""
        if self._walk is None:
            return
        self._walk.happened.disconnect(self._on_event)
        self._walk.pane.canvas.remove_layer(self._regions)
        self._walk.close()
        self._ending = [*(walk for walk in self._ending if not walk.is_freed), self._walk]
        self._walk = None
        self._boxes = []
        self._regions.clear()
        self.panel.clear()
        self.panel.show_state(None, can_start=self._window.panes.active.source is not None)
        self.state_changed.emit()

    def _on_event(self, event: AgentEvent) -> None:
        self.panel.show_event(event)
        if self._client is not None:
            self.panel.show_spending(self._client.spending, self._client.endpoint.currency)
        match event:
            case Moved(visit, _):
                self._boxes.append(Box(*visit.box))
                self._paint_regions()
            case Found(finding):
                # What was found is outlined as an annotation: its number belongs there.
                self._boxes[finding.region - 1] = Box(*finding.box)
                self._paint_regions()
            case StateChanged(state):
                self.state_changed.emit()
                if state.is_over:
                    self._window.recording.control.sessions_changed.emit()
            case _:
                pass

    def _paint_regions(self) -> None:
        self._regions.show_boxes([(box, _COLOR) for box in self._boxes])
        if self._walk is not None:
            self._walk.pane.canvas.update()

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self._window.show_error(sentence)

    def _mark(self, finding: Finding, pane: SlidePane) -> None:
        from viewer.agents.finding_annotations import finding_annotation
        from viewer.annotations.sets.annotation_set import AGENT_SET

        sets = self._window.annotations.sets_of(pane)
        if sets is None:
            return
        found = finding_annotation(finding)

        def put(annotations: SlideAnnotations) -> None:
            document = annotations.document
            if not document.is_read_only:
                document.do(adding("Agent's finding", [found]))
            entry = sets.named(AGENT_SET)
            if entry is not None and not entry.is_shown:
                self._window.say(f"Show what was found on the page Annotate: {AGENT_SET}.")

        self._window.annotations.sets.add(
            sets, AGENT_SET, "agent", finding.author, put, shown=False
        )

    def _annotations(self, pane: SlidePane) -> Iterable[Annotation]:
        """Return what is drawn now; the agent's thread goes through it."""
        here = self._window.annotations.of(pane)
        return () if here is None else here.document.snapshot()

    def _show_predictors(self, models: Sequence[ModelBundle]) -> None:
        self.panel.show_predictors(
            [each.name for each in models if TASKS[each.task].tells_where_to_look]
        )

    def _travel(self, box: Box) -> None:
        walk = self._walk
        pane = self._window.panes.active if walk is None else walk.pane
        if pane.source is not None:
            canvas = pane.canvas
            canvas.show_view(canvas.destination.showing(box), animated=True, cause="go-to")

    def _report(self) -> None:
        from viewer.ui.agents.report_dialog import ReportDialog

        if self._walk is None or self._walk.outcome is None:
            return
        window = self._window
        dialog = ReportDialog(
            self._walk.outcome, self._background, window.say, window.show_error, window.window()
        )
        open_dialog(dialog)

    def end_hidden(self) -> None:
        """End the agent on a slide on which a study hides it now."""
        if self._walk is not None and self._window.overlays.hidden_by(self._walk.pane):
            self._end()

    # The window ------------------------------------------------------------------------------

    def _on_slide_changed(self, pane: SlidePane) -> None:
        if self._walk is not None and pane is self._walk.pane:
            self._end()
        self._follow()

    def _on_panes_changed(self) -> None:
        if self._walk is not None and self._walk.pane not in self._window.panes.panes:
            self._end()

    def _follow(self) -> None:
        """Show what can be done on the active pane."""
        has_slide = self._window.panes.active.source is not None
        if self._walk is None:
            self.panel.show_state(None, can_start=has_slide)
        self.questions.show_slide()
        self.state_changed.emit()

    def pause_or_go_on(self) -> None:
        """Pause the agent, let it go on, or hand the slide back to it."""
        if self._walk is not None:
            goes_on = self._walk.state in (AgentState.PAUSED, AgentState.TAKEN_OVER)
            self._window.say("The agent goes on." if goes_on else "The agent pauses: F8 goes on.")
            self._walk.pause_or_go_on()

    def _stop(self) -> None:
        if self._walk is None:
            return
        if self._walk.state is None:
            self._end()
            self._window.say("The agent was stopped before it began.")
            return
        self._window.say("The agent stops; what it found stays.")
        self._walk.stop()

    def _remark(self, text: str) -> None:
        if self._walk is not None:
            self._walk.remark(text)

    def _connect(self) -> None:
        window, panel, commands = self._window, self.panel, self._window.commands
        commands.on("agent.start", self._start)
        commands.on("agent.pause", self.pause_or_go_on)
        commands.on("agent.stop", self._stop)
        commands.on("agent.ask", self._show_asking)
        commands.on("agent.model", self.model.choose)
        panel.start_requested.connect(self._start)
        panel.pause_requested.connect(self.pause_or_go_on)
        panel.stop_requested.connect(self._stop)
        panel.remark_given.connect(self._remark)
        panel.place_chosen.connect(self._travel)
        panel.report_requested.connect(self._report)
        panel.endpoint_requested.connect(self.model.choose)
        self.ask.place_chosen.connect(self._travel)
        window.overlays.models_changed.connect(self._show_predictors)
        window.panes.active_changed.connect(lambda _: self._follow())
        window.panes.panes_changed.connect(self._on_panes_changed)
        window.panes.watch(self._watch)

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._on_slide_changed)

    def show_panel(self) -> None:
        """Bring the page Agent to the front."""
        if not self.panel.isVisible():
            self._window.commands["panels.agent"].trigger()

    def _show_asking(self) -> None:
        self.show_panel()
        self.panel.show_asking()
