"""One agent at work on a pane, in a thread of its own; its events arrive in the window's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Qt, Signal

from viewer.agents.agent_events import AgentState, StateChanged
from viewer.recording.library import sessions_folder
from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from viewer.agents.actions import Policy, Task
    from viewer.agents.agent_events import AgentEvent
    from viewer.agents.agent_session import AgentSession
    from viewer.agents.findings import Finding
    from viewer.agents.loop import AgentRun, Outcome
    from viewer.agents.slide_tools import SlideTools
    from viewer.annotations.annotation import Annotation
    from viewer.overlays.heatmap import Mark
    from viewer.slides.source import SlideSource
    from viewer.ui.agents.canvas_microscope import CanvasMicroscope
    from viewer.ui.slides.slide_pane import SlidePane


class AgentWalk(QObject):
    """From `start` to `close`; the agent rests whenever the user moves the slide.

    Parameters
    ----------
    policy
        Made in a thread, since it may load a model.
    annotations
        Gives those that are on the slide now.
    mark
        Takes a Finding of the agent.
    on_run
        Takes the run before it begins.
    """

    happened = Signal(object)
    """An AgentEvent."""
    failed = Signal(str)
    """The agent could not be made ready; one sentence."""

    _happened = Signal(object)

    def __init__(
        self,
        pane: SlidePane,
        policy: Callable[[], Policy],
        task: Task,
        most_steps: int,
        device: str,
        annotations: Callable[[], Iterable[Annotation]],
        mark: Callable[[Finding], object],
        parent: QObject,
        on_run: Callable[[AgentRun], object] = lambda _: None,
    ) -> None:
        super().__init__(parent)
        self._is_closed = False
        self.is_freed = False
        """Whether `close` has done its work."""
        self._on_run = on_run
        assert pane.path is not None
        assert pane.source is not None
        self.pane = pane
        self._path, self._identity = pane.path, pane.source.info.identity
        self._policy = policy
        self._task = task
        self._most_steps = most_steps
        self._device = device
        self._annotations, self._mark = annotations, mark
        self._session: AgentSession | None = None
        self._run: AgentRun | None = None
        self._microscope: CanvasMicroscope | None = None
        self._tools: SlideTools | None = None
        self._source: SlideSource | None = None
        self._background = BackgroundRunner("agent", 1, self)
        self._happened.connect(self.happened, Qt.ConnectionType.QueuedConnection)

    @property
    def state(self) -> AgentState | None:
        """Return None while the agent is made ready."""
        return None if self._run is None else self._run.state

    @property
    def outcome(self) -> Outcome | None:
        return None if self._run is None else self._run.outcome

    def start(self) -> None:
        """Open the slide for the agent, then let it walk."""
        self._background.run(
            self._prepared,
            self._begin,
            lambda error: self.failed.emit(str(error)),
            lambda made: made.source.close(),
        )

    def pause_or_go_on(self) -> None:
        """Whichever the state allows; hands the slide back where the user has it."""
        if self._run is None:
            return
        match self._run.state:
            case AgentState.PAUSED:
                self._run.resume()
            case AgentState.TAKEN_OVER:
                self._run.hand_back()
            case _:
                self._run.pause()

    def remark(self, text: str) -> None:
        """Tell the agent something; it reads it before its next action."""
        if self._run is not None:
            self._run.remark(text)

    def stop(self) -> None:
        """End the walk; what was found stays."""
        if self._run is not None:
            self._run.cancel()

    def close(self) -> None:
        """End the walk and its processes, for good; return at once."""
        self._is_closed = True
        self._background.run(self._freeing(), lambda _: self._on_freed())

    def shut_down(self) -> None:
        """Do as `close`, and wait for it."""
        self.close()
        self.wait_freed()

    def wait_freed(self) -> None:
        """Wait for what `close` began: no thread of the walk may outlive the window."""
        self._background.close(finish=True)

    def _on_freed(self) -> None:
        self.is_freed = True
        self.deleteLater()

    def _freeing(self) -> Callable[[], None]:
        run, tools, session, source = self._run, self._tools, self._session, self._source
        if run is not None:
            run.cancel()
        if self._microscope is not None:
            self._microscope.close()
            self._microscope = None

        def free() -> None:
            if run is not None:
                run.join()
            if tools is not None:
                tools.close()
            if session is not None:
                session.close()
            if source is not None:
                source.close()

        return free

    def _prepared(self) -> _Prepared:
        """In a thread: opens the slide, loads what the policy needs."""
        from viewer.overlays.files.marks_file import load_marks
        from viewer.slides.known_slides import open_same

        source = open_same(self._path, self._identity)
        try:
            marks = load_marks(source.info.identity)
            return _Prepared(source, self._policy(), marks, sessions_folder())
        except BaseException:
            source.close()
            raise

    def _begin(self, made: _Prepared) -> None:
        if self._is_closed:  # before it was ready
            made.source.close()
            return
        from viewer.agents.agent_session import AgentSession
        from viewer.agents.loop import AgentRun
        from viewer.agents.slide_models import SlideModels
        from viewer.agents.slide_tools import SlideTools
        from viewer.recording.agent_modes import AGENT_PREFIX
        from viewer.ui.agents.canvas_microscope import CanvasMicroscope

        canvas = self.pane.canvas
        self._source = made.source
        agent = f"{AGENT_PREFIX}{made.policy.name}"
        self._session = session = AgentSession(
            made.source, canvas.optics, made.sessions, agent, canvas.view.size
        )
        self._microscope = CanvasMicroscope(canvas, made.source, session, self._mark, self)
        mpp_um = canvas.optics.mean_mpp_um
        instruments = SlideModels(self._path, made.source, mpp_um, self._device)
        ask_window = self._microscope.ask_window
        self._tools = SlideTools(
            made.source, instruments, lambda: list(ask_window(self._annotations)), made.marks
        )
        self._run = AgentRun(
            made.policy,
            self._microscope,
            self._tools,
            self._task,
            most_steps=self._most_steps,
            on_event=self._on_event,
        )
        self._microscope.hands_on.connect(self._run.take_over)
        self._on_run(self._run)
        self._run.start()

    def _on_event(self, event: AgentEvent) -> None:
        """In the agent's thread, or in the window's where a button did it."""
        if isinstance(event, StateChanged) and self._session is not None:
            recorder = self._session.recorder
            match event.state:
                case AgentState.PAUSED | AgentState.TAKEN_OVER:
                    recorder.pause()
                case AgentState.RUNNING:
                    recorder.resume()
                case AgentState.FAILED if self._run is None or not self._run.outcome.visits:
                    self._session.discard()
                case AgentState.FINISHED | AgentState.CANCELED | AgentState.FAILED:
                    self._session.close()
        self._happened.emit(event)


class _Prepared(msgspec.Struct, frozen=True):
    """What a walk needs and takes time to make."""

    source: SlideSource
    policy: Policy
    marks: tuple[Mark, ...]
    sessions: Path
