"""Has things outlined in a process of its own, which stays for the next time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.errors import CoverslipError
from viewer.geometry import Point
from viewer.inference.errors import ModelFailedError, ModelProcessError
from viewer.inference.models.bundle import BundleError
from viewer.inference.process.held_process import HeldProcess
from viewer.inference.process.messages import Outlined, Refused, Segment
from viewer.inference.process.model_process import ModelProcess, thread_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.geometry import Box
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.prompt import Prompt
    from viewer.slides.source import RgbImage

SIDE_PX = 512
"""Of the picture where no model tells another."""

Ring = list[Point]

_MOST_ALONG_SIDES = 0.1
"""Share of a side along which an outline may run; beyond that it is cut off, and no outline."""
_NEAR_SIDE = 0.004
"""Share of a side within which a corner counts as on it."""


def is_cut_off(rings: Sequence[Ring], field: Box) -> bool:
    """Return whether outlines (level-0 pixels) run along the sides of the field that was seen.

    Such a region goes on beyond the field: its straight sides are those of the field.
    """
    near = _NEAR_SIDE * field.width
    along = 0.0
    for ring in rings:
        for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
            on_x = any(abs(a.x - x) <= near and abs(b.x - x) <= near for x in (field.x0, field.x1))
            on_y = any(abs(a.y - y) <= near and abs(b.y - y) <= near for y in (field.y0, field.y1))
            along += abs(b.y - a.y) * on_x + abs(b.x - a.x) * on_y
    return along > _MOST_ALONG_SIDES * field.width


class PrompterError(CoverslipError):
    """Nothing could be outlined; `str()` is one sentence."""


class Prompter:
    """Used by one thread at a time; `close` may be called from any."""

    def __init__(self) -> None:
        self._held = HeldProcess()
        self._model = ""

    def outline(
        self, picture: RgbImage, field: Box, prompt: Prompt, model: ModelBundle | None = None
    ) -> list[Ring]:
        """Return rings in level-0 pixels, the largest first; none where nothing was found.

        Parameters
        ----------
        picture, field
            uint8 (side, side, 3), and the level-0 box that it shows.
        model
            A model of the task "prompt"; None outlines by color.

        Raises
        ------
        PrompterError
            One sentence says why there is no outline.
        """
        side = len(picture)
        try:
            process = self._running(model)
            answer = process.ask(Segment(process.put(picture), prompt.in_pixels(field, side)))
        except (BundleError, ModelFailedError) as error:
            self._held.end()
            raise PrompterError(str(error)) from error
        except ModelProcessError as error:
            stopped = self._held.end()
            ended = "The process that outlines ended; point again."
            raise PrompterError(stopped or ended) from error
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
                self._held.end()
                raise PrompterError("The process that outlines gave no answer; point again.")

    def close(self) -> None:
        """End the process for good."""
        self._held.close()

    def _running(self, model: ModelBundle | None) -> ModelProcess:
        """Return a process that holds the model and no other."""
        key = "" if model is None else model.key
        if self._model != key:
            self._held.end()
        try:
            process, is_new = self._held.take(
                lambda: ModelProcess(with_torch=model is not None, uses_cuda=False)
            )
        except ModelProcessError as error:
            raise PrompterError(str(error)) from error
        self._model = key
        if is_new and model is not None:
            process.load(model, "cpu", thread_count())
        return process
