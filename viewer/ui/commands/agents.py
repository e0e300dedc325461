"""Commands of the agents, in the AI menu."""

from __future__ import annotations

from viewer.ui.commands.command import PANELS, Command, while_agent_reads, with_slide

AGENT = ("A&I", "A&gent")

AGENT_COMMANDS: tuple[Command, ...] = (
    Command(
        "agent.start",
        "&Start agent",
        "mdi6.robot-outline",
        "Let an agent read the slide before your eyes, as the page Agent says",
        AGENT,
        (),
        with_slide,
    ),
    Command(
        "agent.pause",
        "&Pause, go on or hand back",
        "mdi6.pause-circle-outline",
        "Hold the agent, let it go on, or give it the slide back after you moved it",
        AGENT,
        ("F8",),
        while_agent_reads,
    ),
    Command(
        "agent.stop",
        "S&top agent",
        "mdi6.stop-circle-outline",
        "End the agent's reading; what it found stays",
        AGENT,
        (),
        while_agent_reads,
    ),
    Command(
        "agent.ask",
        "&Ask about this field...",
        "mdi6.comment-question-outline",
        "Put a question about what is in view to the vision-language model",
        AGENT,
        ("Ctrl+Shift+K",),
        with_slide,
        separated=True,
    ),
    Command(
        "agent.model",
        "&Vision-language model...",
        "mdi6.brain",
        "Choose the model, its address, its key and what it may cost",
        AGENT,
    ),
    Command(
        "panels.agent",
        "A&gent",
        "mdi6.robot-outline",
        "Show the panel of agents: what they are asked, what they do, what they answer",
        PANELS,
        ("Ctrl+Shift+J",),
        checkable=True,
    ),
)
