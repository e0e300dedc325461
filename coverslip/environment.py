"""A slide to learn in, for scripts; needs `pip install coverslip[environment]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.agents.environment.rewards import Reward, SlideTask, Transition
from viewer.agents.environment.slide_env import SlideEnv
from viewer.errors import CoverslipError
from viewer.recording.demonstrations import Demonstration
from viewer.recording.demonstrations import demonstration as _demonstration

if TYPE_CHECKING:
    from coverslip.sessions import Session

__all__ = ["Demonstration", "Reward", "SlideEnv", "SlideTask", "Transition", "demonstration"]


def demonstration(session: Session, env: SlideEnv) -> Demonstration:
    """Return a recorded session as actions of an environment that shows its slide.

    Raises
    ------
    CoverslipError
        The session cannot be read, or holds no view.
    """
    try:
        return _demonstration(session.trace(), session.header.slide.size, env.size_px)
    except ValueError as error:
        raise CoverslipError(str(error)) from error
