"""A view as the event that is recorded of it, and the scale that its slide tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec

from viewer.recording.events import Cause, Viewport

if TYPE_CHECKING:
    from viewer.geometry import Optics, View

_CAUSES: dict[str, Cause] = {each: each for each in get_args(Cause)}


def viewport(view: View, optics: Optics, cause: str, *, at_rest: bool) -> Viewport:
    """Return the event of a view; in motion the log has it to a tenth of a pixel."""
    width, height = view.size.width * view.downsample, view.size.height * view.downsample
    shown = Viewport(
        x=view.center.x - width / 2,
        y=view.center.y - height / 2,
        width=width,
        height=height,
        rotation_deg=view.rotation_deg,
        mirrored=view.mirrored,
        downsample=view.downsample,
        screen_mpp_um=None,
        magnification=None,
        cause=_CAUSES.get(cause, "other"),
        at_rest=at_rest,
    )
    return scaled(shown, optics)


def scaled(view: Viewport, optics: Optics) -> Viewport:
    """Return the view with micrometers and magnification as the slide tells them, None if not."""
    mpp_um = optics.mean_mpp_um
    return msgspec.structs.replace(
        view,
        screen_mpp_um=None if mpp_um is None else mpp_um * view.downsample,
        magnification=optics.magnification(view.downsample),
    )
