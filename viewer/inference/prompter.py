"""Has things outlined in a process of its own, which stays for the next time."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from viewer.errors import CoverslipError
from viewer.geometry import Point
from viewer.inference.engine import worker_environment
from viewer.inference.messages import Outlined, Refused, Segment, receive_answer, send

if TYPE_CHECKING:
    from viewer.geometry import Box
    from viewer.inference.bundle import ModelBundle
    from viewer.overlays.prompt import Prompt
    from viewer.slides.source import RgbImage

SIDE_PX = 512
"""Of the picture where no model tells another."""

Ring = list[Point]


class PrompterError(CoverslipError):
    """Nothing could be outlined; `str()` is one sentence."""


class Prompter:
    """Used by one thread at a time; `close` may be called from any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def outline(
        self, picture: RgbImage, field: Box, prompt: Prompt, model: ModelBundle | None = None
    ) -> list[Ring]:
        """Rings in level-0 pixels, the largest first; none where nothing was found.

        Parameters
        ----------
        picture, field
            uint8 (side, side, 3), and the level-0 box that it shows.
        model
            A model of the task "prompt"; None outlines by colour.

        Raises
        ------
        PrompterError
            One sentence says why there is no outline.
        """
        side = len(picture)
        folder = "" if model is None else str(model.folder)
        request = Segment(folder, side, picture.tobytes(), prompt.in_pixels(field, side))
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, request)
            answer = receive_answer(process.stdout)
        except (OSError, ValueError):
            answer = None
        scale = field.width / side
        match answer:
            case Outlined(rings):
                return [
                    [Point(field.x0 + x * scale, field.y0 + y * scale) for x, y in ring]
                    for ring in rings
                ]
            case Refused(sentence):
                raise PrompterError(sentence)
            case _:
                self._end()
                raise PrompterError("The process that outlines ended; point again.")

    def close(self) -> None:
        """Ends the process for good."""
        with self._lock:
            self._is_closed = True
        self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_closed:
                raise PrompterError("The window is closing.")
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "viewer.inference.prompt_worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=worker_environment(),
                )
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
