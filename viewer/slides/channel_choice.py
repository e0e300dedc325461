"""Channels and planes as people ask for them: by name, and counted from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.slides.channels import ImagePlane
from viewer.slides.composites import ChannelDisplay, first_displays
from viewer.slides.errors import SlideError

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.channels import Axes


class NoSuchChannelError(SlideError):
    """The slide has no such channel, plane or time point; the sentence says what it has."""


def channels_named(path: Path, axes: Axes, text: str) -> tuple[int, ...]:
    """Return the channels of a list of names, "DAPI,Cy5"; letters may be small or large.

    Raises
    ------
    NoSuchChannelError
        A name is none of the slide's, or the slide is RGB.
    """
    if axes.is_rgb:
        raise NoSuchChannelError(path, f"{path.name} has no channels: its pixels are RGB colors.")
    names = [channel.name for channel in axes.channels]
    by_name = {name.casefold(): index for index, name in enumerate(names)}
    by_name |= {name: index for index, name in enumerate(names)}
    found: list[int] = []
    parts = text.split(",")
    while parts:
        # A name may hold commas itself: the longest that is one is meant.
        for count in range(len(parts), 0, -1):
            each = " ".join(",".join(parts[:count]).split())
            index = by_name.get(each, by_name.get(each.casefold()))
            if index is not None:
                found.append(index)
                parts = parts[count:]
                break
        else:
            raise NoSuchChannelError(
                path, f'{path.name} has no channel "{parts[0].strip()}": it has {_listed(names)}.'
            )
    return tuple(dict.fromkeys(found))


def _listed(names: list[str]) -> str:
    """Return names for a sentence; those that hold a comma stand in quotation marks."""
    return ", ".join(f'"{name}"' if "," in name else name for name in names)


def displays_of(axes: Axes, shown: tuple[int, ...]) -> tuple[ChannelDisplay, ...]:
    """Return how channels are shown at first, but these and no others."""
    return tuple(
        replace(display, shown=index in shown) for index, display in enumerate(first_displays(axes))
    )


def plane_of(path: Path, axes: Axes, z: int, t: int) -> ImagePlane:
    """Return the plane.

    Raises
    ------
    NoSuchChannelError
        The slide has none of that number.
    """
    for number, count, one, several in (
        (z, axes.z_count, "focal plane", "focal planes"),
        (t, axes.t_count, "time point", "time points"),
    ):
        if not 0 <= number < count:
            held = f"one {one}, 0" if count == 1 else f"{count:,} {several}, 0 to {count - 1}"
            raise NoSuchChannelError(path, f"{path.name} has no {one} {number}: it has {held}.")
    return ImagePlane(z, t)
