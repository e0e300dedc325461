"""Agents that read slides, for scripts."""

from __future__ import annotations

from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from viewer.agents.reading import SlideReading


def run_agent(
    slide: str | PathLike[str],
    out: str | PathLike[str],
    question: str = "What is seen on this slide?",
    options: Sequence[str] = (),
    max_steps: int = 30,
    mpp_um: float | None = None,
    device: str = "auto",
) -> SlideReading:
    """Let the local agent read a slide; it measures, and asks no server.

    Parameters
    ----------
    out
        A folder; the session of the agent gets a folder in it.
    options
        Answers to choose from.
    mpp_um
        Micrometers per level-0 pixel, where the slide does not say.

    Returns
    -------
    The reading: `outcome` holds findings and answer, `session` the folder of its session.

    Raises
    ------
    CoverslipError
        The slide cannot be opened or read.
    """
    from viewer.agents.actions import Task
    from viewer.agents.chat.client import Spending
    from viewer.agents.policy_choice import PolicyChoice
    from viewer.agents.reading import ReadingOptions, read_slide
    from viewer.slides.remote.address import slide_path

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    choice, spending = PolicyChoice(), Spending()
    return read_slide(
        slide_path(fspath(slide)),
        folder,
        Task(question, tuple(options)),
        lambda session: choice.made(session, spending),
        ReadingOptions(max_steps, mpp_um=mpp_um, device=device),
    )
