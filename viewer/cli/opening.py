"""Opens the slide that a command names, or several as channels of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.cli.output import fail

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides import SlideSource


def opened_slide(
    path: Path, image: int | None = None, purpose: str = "", others: tuple[Path, ...] = ()
) -> SlideSource:
    """Open a slide and note it in the audit log; a command that cannot open its slide ends.

    Parameters
    ----------
    purpose
        What the audit log says beside the slide; its identity by default.
    others
        Slides of the same field, whose channels are put beside those of the first.
    """
    from viewer.audit_log import trail
    from viewer.slides import SlideError, open_slide
    from viewer.slides.combining import open_combined

    try:
        source = open_combined((path, *others)) if others else open_slide(path, image)
        # What tells it from others can lie in files that opening it did not need.
        identity = source.info.identity
    except SlideError as error:
        fail(str(error))
    trail.note("opened", path.absolute(), purpose or identity)
    return source


def combined_slides(
    slides: list[Path], image: int | None, *, as_channels: bool
) -> tuple[Path, tuple[Path, ...]]:
    """Return the slide and those whose channels are beside its own; nonsense ends the command."""
    if as_channels and (len(slides) < 2 or image is not None):
        fail("--as-channels takes two slides or more of the same field, and no --image.")
    if not as_channels and len(slides) > 1:
        fail("Give one slide, or slides of the same field with --as-channels.")
    return slides[0], tuple(slides[1:])
