"""Coverslip for scripts and notebooks: slides, annotations, models, sessions, agents, scores.

Everything here works without a window. What is not here is not stable; the packages under `viewer`
may change between versions.

>>> import coverslip
>>> with coverslip.open_slide("slide.svs") as slide:
...     tile = slide.read_tile(0, 0, 0)
"""

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

__all__ = [
    "Annotation",
    "Box",
    "CoverslipError",
    "Level",
    "Optics",
    "Session",
    "Slide",
    "SlideInfo",
    "__version__",
    "behaviors",
    "load_sessions",
    "open_slide",
    "read_annotations",
    "read_region",
    "run_agent",
    "run_model",
    "scores",
    "write_annotations",
]
