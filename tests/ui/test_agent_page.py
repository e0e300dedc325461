"""The page Agent: how far an agent is, how it ended, and what to do before it begins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QMainWindow, QPushButton
from pytestqt.qtbot import QtBot

from viewer.agents.agent_events import AgentState, Failed, Measured, Said, StateChanged, Step
from viewer.ui.agents.agent_panel import AgentPanel
from viewer.ui.agents.ask_panel import AskPanel

PAGE_PX = 340


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[AgentPanel]:
    window = QMainWindow()
    qtbot.addWidget(window)
    panel = AgentPanel(AskPanel(), window)
    window.setCentralWidget(panel)
    window.resize(PAGE_PX, 620)
    window.show()
    qtbot.waitExposed(window)
    yield panel
    window.close()


@pytest.mark.parametrize(
    ("state", "text", "share"),
    [
        (AgentState.FINISHED, "Finished after 15 steps", 1.0),
        (AgentState.CANCELED, "Stopped after 15 steps", 0.5),
        (AgentState.FAILED, "Failed after 15 steps", 0.5),
    ],
)
def test_an_agent_that_ended_says_after_how_many_steps(
    panel: AgentPanel, state: AgentState, text: str, share: float
) -> None:
    panel.show_state(AgentState.RUNNING)
    panel.show_event(Step(15, 30))
    assert panel.progress.format() == "Step 15 of 30"
    panel.show_event(StateChanged(state))
    assert panel.progress.format() == text
    assert panel.progress.value() / panel.progress.maximum() == share
    panel.clear()
    assert not panel.progress.isVisible()
    panel.show_event(StateChanged(AgentState.RUNNING))
    panel.show_event(Step(1, 30))
    panel.show_event(StateChanged(AgentState.FINISHED))
    assert panel.progress.format() == "Finished after 1 step"


def test_before_the_first_step_the_page_says_what_an_agent_does(panel: AgentPanel) -> None:
    assert panel.empty.isVisible()
    panel.show_state(None, can_start=False)
    assert panel.state.text() == "Open a slide: the agent reads the one on screen."
    panel.show_state(None, can_start=True)
    assert not panel.state.isVisible()
    panel.show_event(Said("I look at the margin.", is_done=True))
    assert panel.log.isVisible()
    assert not panel.empty.isVisible()


def test_the_page_has_one_accent_a_tab_and_fits_its_width(panel: AgentPanel) -> None:
    asking = panel.tabs.widget(1)
    assert isinstance(asking, AskPanel)
    for index, accent in enumerate((panel.start, asking.ask)):
        panel.tabs.setCurrentIndex(index)
        shown = [each for each in panel.findChildren(QPushButton) if each.isVisible()]
        assert [each for each in shown if each.property("primary")] == [accent]
        for button in shown:
            place = button.mapTo(panel, button.rect().topLeft())
            assert panel.rect().contains(button.rect().translated(place)), button.text()


def test_answers_stand_where_the_page_said_they_would(panel: AgentPanel) -> None:
    ask = panel.tabs.widget(1)
    assert isinstance(ask, AskPanel)
    panel.tabs.setCurrentIndex(1)
    assert "Open a slide" in ask.empty.text()
    ask.show_slide("slide")
    assert ask.empty.isVisible()
    ask.begin("What is this?")
    ask.end("A gland.")
    assert ask.answers.isVisible()
    assert "A gland." in ask.answers.toPlainText()


def test_the_page_says_that_the_model_thinks_and_answers(panel: AgentPanel) -> None:
    panel.show_state(AgentState.RUNNING)
    panel.show_preparing()
    assert panel.state.text() == "Starting the agent..."
    panel.show_event(Said("", is_done=False))
    assert panel.state.text() == "The model is thinking."
    assert panel.log.count() == 0
    panel.show_event(Said("A gland", is_done=False))
    assert panel.state.text() == "The model is answering."
    panel.show_event(Said("A gland."))
    assert panel.state.text() == "The agent reads the slide."
    panel.show_state(AgentState.PAUSED)
    panel.show_event(Said("late", is_done=False))
    assert panel.state.text() == "The agent pauses."
    figures = {"nuclei_per_mm2": 3965, "median_area_um2": 31}
    panel.show_event(Measured("count_nuclei", {}, figures))
    said = "Count nuclei: 3,965 nuclei/mm², median area 31 µm²."
    assert panel.log.item(2).text() == said


def test_an_agent_that_cannot_begin_starts_no_longer(panel: AgentPanel) -> None:
    panel.show_state(AgentState.RUNNING)
    panel.show_preparing()
    panel.show_event(Failed("The server refused the key."))
    assert panel.state.text() == "The agent cannot go on."
    assert panel.log.item(0).text() == "The server refused the key."
