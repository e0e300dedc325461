"""The panel of agents: what is asked, the walk step by step, the answer with its places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QTabWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from viewer.agents.agent_events import (
    AgentEvent,
    AgentState,
    Failed,
    Finished,
    Found,
    Measured,
    Moved,
    Said,
    StateChanged,
    Step,
)
from viewer.agents.findings import box_of
from viewer.agents.tool_words import measured_words
from viewer.plurals import plural
from viewer.recording.agent_modes import agent_mode
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.theme import icon
from viewer.ui.widgets import ProgressBar, ScrollColumn, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.agents.chat.client import Spending
    from viewer.agents.findings import GroundedAnswer
    from viewer.geometry import Box
    from viewer.ui.agents.ask_panel import AskPanel

DRAFT = "Draft for research, not for diagnosis."
POLICIES = ("local", "predictor", "giant")
"""Those of the window; the baselines are for the command line."""
PLUGIN = "plug-in "
"""Begins the data of a policy of another package in the list of modes."""
_STATES = {
    AgentState.RUNNING: "The agent reads the slide.",
    AgentState.PAUSED: "The agent pauses.",
    AgentState.TAKEN_OVER: "You have the slide; hand it back for the agent to go on.",
    AgentState.FINISHED: "The agent has answered.",
    AgentState.CANCELED: "The agent was stopped; what it found stays.",
    AgentState.FAILED: "The agent cannot go on.",
}
_NO_SLIDE = "Open a slide: the agent reads the one on screen."
_EMPTY = (
    "The agent goes over the slide from region to region and measures there.\n\nIts steps appear "
    "here, its answer below them, with links to the places on the slide."
)
_ENDS = {
    AgentState.FINISHED: "Finished",
    AgentState.CANCELED: "Stopped",
    AgentState.FAILED: "Failed",
}
_LEAST_LOG_PX, _LEAST_ANSWER_PX = 110, 110
_PLACE = Qt.ItemDataRole.UserRole


class AgentPanel(Panel):
    """Shows one walk; the part does the work."""

    start_requested = Signal()
    pause_requested = Signal()
    """Pause, go on or hand back, whichever the state allows."""
    stop_requested = Signal()
    remark_given = Signal(str)
    place_chosen = Signal(object)
    """A level-0 Box to travel to."""
    endpoint_requested = Signal()
    report_requested = Signal()

    def __init__(self, ask: AskPanel, parent: QWidget) -> None:
        super().__init__("Agent", parent)
        self.setObjectName("agent")
        self._ask = ask
        self._places: dict[str, Box] = {}
        self._growing: QListWidgetItem | None = None
        self._state: AgentState | None = None
        self._step = 0

    def build(self) -> None:
        from viewer.agents.loop import MOST_STEPS

        # Each widget has its parent from the beginning: as it is given another, its style and that
        # of all that is in it are looked up again.
        body = self._body = QWidget(self)
        walk = self._walk = QWidget(self)
        self.tabs = QTabWidget(body)
        self.tabs.addTab(ScrollColumn(walk, self.tabs), "Walk")
        self.tabs.addTab(self._ask, "Ask")
        self.question = QPlainTextEdit(walk)
        self.question.setPlaceholderText("What should the agent look for? (optional)")
        self.question.setAccessibleName("Question to the agent")
        self.question.setTabChangesFocus(True)
        self.question.setFixedHeight(58)
        self.how = QComboBox(walk)
        for policy in POLICIES:
            self.how.addItem(agent_mode(policy), policy)
        self.how.setToolTip(
            "Without a language model; with one that judges proposed regions; or with one that "
            "chooses every field itself"
        )
        self.regions_by = QComboBox(walk)
        self.regions_by.setToolTip("What proposes the regions that the agent goes to")
        self.steps = QSpinBox(walk)
        self.steps.setRange(3, 500)
        self.steps.setValue(MOST_STEPS)
        self.steps.setToolTip("Moves and measurements until the agent has to answer")
        self.start = QPushButton("Start", walk)
        self.start.setProperty("primary", True)
        self.pause = QPushButton("Pause", walk)
        self.stop = QPushButton("Stop", walk)
        self.state = QLabel(walk)
        self.progress = ProgressBar(walk)
        self.progress.setAccessibleName("Steps of the agent")
        self.progress.setMinimumHeight(self.progress.sizeHint().height())
        self.log = QListWidget(walk)
        self.log.setAccessibleName("What the agent did")
        self.log.setWordWrap(True)
        self.log.setIconSize(QSize(16, 16))
        self.log.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.log.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Once for all that happened since the last frame: each time all lines are laid out.
        self._to_end = QTimer(self, singleShot=True, interval=0)
        self._to_end.timeout.connect(self.log.scrollToBottom)
        self.empty = QLabel(_EMPTY, walk)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setProperty("dim", True)
        self.empty.setMargin(12)
        self._walked = QStackedWidget(walk)
        self._walked.addWidget(self.empty)
        self._walked.addWidget(self.log)
        self._walked.setMinimumHeight(_LEAST_LOG_PX)
        self.remark = QLineEdit(walk)
        self.remark.setPlaceholderText("Tell or correct the agent (Enter)")
        self.answer = QTextBrowser(walk)
        self.answer.setAccessibleName("Answer of the agent")
        self.answer.setOpenLinks(False)
        self.answer.setMinimumHeight(_LEAST_ANSWER_PX)
        for view in (self._walked, self.answer):
            # What they hold is no reason for the page to scroll: they do so themselves.
            view.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.endpoint = QPushButton("Model...", body)
        self.endpoint.setToolTip("Choose the vision-language model, its address and its key")
        self.report = QPushButton("Report...", body)
        self.report.setToolTip("Write a draft report of what the agent found")
        self.note = QLabel(DRAFT, body)
        for label in (self.state, self.note, self.empty):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._lay_out()
        self._connect()
        self.clear()
        self.show_predictors([])
        self.show_state(None)

    def clear(self) -> None:
        """Forget the walk that is shown."""
        self.log.clear()
        self.answer.clear()
        self.answer.hide()
        self._places.clear()
        self._growing = None
        self.progress.hide()
        self._step = 0
        self._walked.setCurrentWidget(self.empty)

    @shows_state
    def add_plugins(self, names: Sequence[str]) -> None:
        """Offer policies of other packages that the settings name."""
        for name in names:
            self.how.addItem(f"{name} (other package)", f"{PLUGIN}{name}")

    @shows_state
    def show_predictors(self, names: Sequence[str]) -> None:
        """Offer what was trained on how readers look, beside tissue and nuclei alone."""
        chosen = self.regions_by.currentData()
        self.regions_by.clear()
        self.regions_by.addItem("Tissue and nuclei", "")
        for name in names:
            self.regions_by.addItem(name, name)
        self.regions_by.setCurrentIndex(max(0, self.regions_by.findData(chosen)))

    @shows_state
    def show_state(self, state: AgentState | None, *, can_start: bool = True) -> None:
        """Enable what can be done now; None where nothing was started yet."""
        self._state = state
        is_going = state is not None and not state.is_over
        starts = can_start and not is_going
        can_be = [(self.start, starts), (self.pause, is_going), (self.stop, is_going)]
        # Those that can be pressed first: the keyboard goes on to one of them.
        for button, is_on in sorted(can_be, key=lambda each: not each[1]):
            button.setEnabled(is_on)
        words = {AgentState.PAUSED: "Go on", AgentState.TAKEN_OVER: "Hand back"}
        self.pause.setText(words.get(state, "Pause") if state is not None else "Pause")
        self.remark.setVisible(is_going)
        self.report.setEnabled(state is not None and state.is_over)
        nothing = "" if can_start else _NO_SLIDE
        show_or_hide(self.state, _STATES[state] if state is not None else nothing)
        if state is not None and state.is_over:
            self._show_end(state)
        for editor in (self.question, self.how, self.steps):
            editor.setEnabled(not is_going)
        self.regions_by.setEnabled(not is_going and self.how.currentData() != "giant")

    def show_asking(self) -> None:
        """Turn to the questions."""
        self.tabs.setCurrentWidget(self._ask)
        self._ask.question.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_preparing(self) -> None:
        """Between the press of the button and the first step."""
        self.state.setText("Starting the agent...")
        self.state.show()
        self.pause.setEnabled(False)

    def show_spending(self, spending: Spending, currency: str) -> None:
        """Tokens and cost so far, where a language model was asked."""
        if spending.requests:
            cost = f", {spending.cost:.3f} {currency}" if spending.cost else ""
            tokens = f"{spending.tokens_in:,} tokens in, {spending.tokens_out:,} out"
            about = "about " if spending.is_estimated else ""
            requests = plural(spending.requests, "request")
            self.note.setText(f"{requests}: {about}{tokens}{cost}. {DRAFT}")
        else:
            self.note.setText(DRAFT)

    def show_event(self, event: AgentEvent) -> None:
        """Add what happened to the log, with a place to travel to where it has one."""
        if self._state is AgentState.RUNNING and not isinstance(event, StateChanged | Failed):
            self.state.setText(_doing(event))
            self.state.show()
            self.pause.setEnabled(True)
        match event:
            case StateChanged(state):
                self.show_state(state)
            case Step(number, most):
                self._step = number
                self.progress.show()
                self.progress.setRange(0, most)
                self.progress.setValue(number)
                self.progress.setFormat(f"Step {number} of {most}")
            case Said(text, is_done):
                if text or self._growing is not None:
                    self._say(text, is_done=is_done)
            case Moved(visit, why):
                where = f" at {visit.magnification:.3g}x" if visit.magnification else ""
                line = f"Region {visit.region}{where}. {why}"
                self._add(line, "mdi6.crosshairs", box_of(visit.box))
            case Measured(tool, _, result):
                self._add(measured_words(tool, result), "mdi6.ruler")
            case Found(finding):
                line = f"{finding.label}. {finding.text}"
                self._add(line, "mdi6.map-marker-outline", box_of(finding.box))
            case Finished(answer):
                self._show_answer(answer)
            case Failed(sentence):
                self._add(sentence, "mdi6.alert-outline")
                # At once: the state comes only after the session of the agent was closed.
                self.state.setText(_STATES[AgentState.FAILED])
                self.state.show()

    # -----------------------------------------------------------------------------------------

    def _show_end(self, state: AgentState) -> None:
        """Say after how many steps the agent ended; one that answered has done all it wanted."""
        if self._step:
            steps = plural(self._step, "step")
            self.progress.setFormat(f"{_ENDS[state]} after {steps}")
            if state is AgentState.FINISHED:
                self.progress.setRange(0, 1)
                self.progress.setValue(1)

    def _say(self, text: str, *, is_done: bool) -> None:
        if self._growing is None:
            self._growing = self._add(text, "mdi6.comment-text-outline")
        else:
            self._growing.setText(text)
            self._to_end.start()
        if is_done:
            self._growing = None

    def _add(self, text: str, icon_name: str, box: Box | None = None) -> QListWidgetItem:
        self._walked.setCurrentWidget(self.log)
        item = QListWidgetItem(icon(icon_name), text, self.log)
        if box is not None:
            item.setData(_PLACE, box)
            item.setToolTip("Click to go there")
        self._to_end.start()
        return item

    def _show_answer(self, answer: GroundedAnswer) -> None:
        import html

        lines = [f"<p><b>{html.escape(answer.text)}</b></p>"]
        for index, claim in enumerate(answer.claims):
            text = html.escape(claim.line)
            if claim.box is not None:
                self._places[f"claim-{index}"] = box_of(claim.box)
                text = f'<a href="claim-{index}">{text}</a>'
            doubt = f" <i>{html.escape(claim.doubt)}</i>" if claim.doubt else ""
            lines.append(f"<p>\u2022 {text}{doubt}</p>")
        self.answer.setHtml("".join(lines))
        self.answer.show()

    def _travel(self, item: QListWidgetItem) -> None:
        box = item.data(_PLACE)
        if box is not None:
            self.place_chosen.emit(box)

    def _follow(self, link: QUrl) -> None:
        box = self._places.get(link.toString())
        if box is not None:
            self.place_chosen.emit(box)

    def _give_remark(self) -> None:
        text = self.remark.text().strip()
        if text:
            self.remark_given.emit(text)
            self._add(f"You: {text}", "mdi6.account-outline")
            self.remark.clear()

    def _connect(self) -> None:
        self.start.clicked.connect(self.start_requested)
        self.how.currentIndexChanged.connect(
            lambda _: self.regions_by.setEnabled(self.how.currentData() != "giant")
        )
        self.pause.clicked.connect(self.pause_requested)
        self.stop.clicked.connect(self.stop_requested)
        self.endpoint.clicked.connect(self.endpoint_requested)
        self.report.clicked.connect(self.report_requested)
        self.remark.returnPressed.connect(self._give_remark)
        self.log.itemClicked.connect(self._travel)
        self.log.itemActivated.connect(self._travel)
        self.answer.anchorClicked.connect(self._follow)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Mode:", self.how)
        form.addRow("Choose regions by:", self.regions_by)
        form.addRow("Max. steps:", self.steps)
        buttons = QHBoxLayout()
        for button in (self.start, self.pause, self.stop):
            buttons.addWidget(button)
        layout = QVBoxLayout(self._walk)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.question)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self.state)
        layout.addWidget(self.progress)
        layout.addWidget(self._walked, 3)
        layout.addWidget(self.remark)
        layout.addWidget(self.answer, 2)
        self._ask.ensure_built()
        foot = QHBoxLayout()
        foot.addWidget(self.note, 1)
        foot.addWidget(self.endpoint)
        foot.addWidget(self.report)
        whole = QVBoxLayout(self._body)
        whole.setContentsMargins(6, 6, 6, 6)
        whole.addWidget(self.tabs, 1)
        whole.addLayout(foot)
        for box in (self.how, self.regions_by):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.setMinimumContentsLength(12)
        self.set_body(self._body)
        self.setFocusProxy(self.question)


def _doing(event: AgentEvent) -> str:
    """Return what the agent does while this happens."""
    if isinstance(event, Said) and not event.is_done:
        return "The model is answering." if event.text else "The model is thinking."
    return _STATES[AgentState.RUNNING]
