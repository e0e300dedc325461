"""Coverslip for scripts and notebooks: slides, annotations, models, sessions, agents, scores.

Everything here works without a window. What is not here is not stable; the packages under `viewer`
may change between versions.

>>> import coverslip
>>> with coverslip.open_slide("slide.svs") as slide:
...     tile = slide.read_tile(0, 0, 0)
"""

from typing import TYPE_CHECKING, Any

from coverslip import scores
from coverslip.agents import run_agent
from coverslip.annotations import read_annotations, write_annotations
from coverslip.models import run_model
from coverslip.sessions import Session, behaviors, load_sessions
from coverslip.slides import Slide, open_slide, read_region
from viewer import __version__
from viewer.annotations.annotation import Annotation
from viewer.errors import CoverslipError
from viewer.geometry import Box, Optics
from viewer.slides import Level, SlideInfo

if TYPE_CHECKING:
    from coverslip.environment import SlideEnv, SlideTask, demonstration

__all__ = [
    "Annotation",
    "Box",
    "CoverslipError",
    "Level",
    "Optics",
    "Session",
    "Slide",
    "SlideEnv",
    "SlideInfo",
    "SlideTask",
    "__version__",
    "behaviors",
    "demonstration",
    "load_sessions",
    "open_slide",
    "read_annotations",
    "read_region",
    "run_agent",
    "run_model",
    "scores",
    "write_annotations",
]


def __getattr__(name: str) -> Any:
    """Load the environment where it is asked for: Gymnasium is an extra."""
    if name in ("SlideEnv", "SlideTask", "demonstration"):
        from coverslip import environment

        return getattr(environment, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
