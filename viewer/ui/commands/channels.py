"""Commands about channels, focal planes and time points."""

from __future__ import annotations

from viewer.ui.commands.command import Command, Condition
from viewer.ui.commands.views import STAIN_COMMANDS

CHANNELS = ("&View", "C&hannels")
FOCUS = ("&View", "F&ocus and time")
NUMBERED_CHANNELS = 9
"""Channels that have a key of their own."""

_WITH_CHANNELS = Condition(
    lambda s: s.channels > 0, "The slide has no channels: its pixels are RGB colors."
)
_WITH_PLANES = Condition(lambda s: s.planes > 1, "The slide has one focal plane.")
_WITH_TIMES = Condition(lambda s: s.times > 1, "The slide has one time point.")
_WITH_PROJECTION = Condition(
    lambda s: s.planes > 1 and s.channels > 0, "The slide has no channels with several planes."
)


def only_id(number: int) -> str:
    """Return the command that shows one channel alone, counted from 1."""
    return f"channel.only_{number}"


def _only_command(number: int) -> Command:
    stains = list(STAIN_COMMANDS)
    # Where there are channels there are no stain views, whose keys these are otherwise.
    key_of = stains[number - 1] if number <= len(stains) else ""
    return Command(
        only_id(number),
        f"Only channel &{number}",
        "mdi6.numeric-" + f"{number}-box-outline",
        f"Show channel {number} alone; again, all that were shown before",
        CHANNELS,
        () if key_of else (f"Alt+{number}",),
        Condition(lambda s: s.channels >= number, f"The slide does not have {number} channels."),
        key_of=key_of,
    )


CHANNEL_COMMANDS: tuple[Command, ...] = (
    *(_only_command(number) for number in range(1, NUMBERED_CHANNELS + 1)),
    Command(
        "channel.all",
        "&All channels",
        "mdi6.layers-triple-outline",
        "Show all channels as one composite",
        CHANNELS,
        ("Alt+0",),
        _WITH_CHANNELS,
        separated=True,
    ),
    Command(
        "channel.auto",
        "A&uto contrast",
        "mdi6.brightness-auto",
        "Stretch each channel that is shown to its own values, but for the darkest and "
        "brightest 0.1 %",
        CHANNELS,
        ("Shift+A",),
        _WITH_CHANNELS,
    ),
    Command(
        "focus.up",
        "Focus &up",
        "mdi6.arrow-up-bold-outline",
        "Show the next focal plane; also Shift and the wheel",
        FOCUS,
        ("Ctrl+Up",),
        _WITH_PLANES,
    ),
    Command(
        "focus.down",
        "Focus &down",
        "mdi6.arrow-down-bold-outline",
        "Show the focal plane before; also Shift and the wheel",
        FOCUS,
        ("Ctrl+Down",),
        _WITH_PLANES,
    ),
    Command(
        "focus.projection",
        "&Maximum projection",
        "mdi6.flip-to-front",
        "Show the largest value of all focal planes instead of one plane",
        FOCUS,
        ("Shift+M",),
        _WITH_PROJECTION,
        checkable=True,
    ),
    Command(
        "time.next",
        "&Next time point",
        "mdi6.skip-next-outline",
        "Show the next time point",
        FOCUS,
        ("Ctrl+Right",),
        _WITH_TIMES,
        separated=True,
    ),
    Command(
        "time.previous",
        "&Previous time point",
        "mdi6.skip-previous-outline",
        "Show the time point before",
        FOCUS,
        ("Ctrl+Left",),
        _WITH_TIMES,
    ),
    Command(
        "time.play",
        "P&lay",
        "mdi6.play-outline",
        "Show the time points one after the other, from the first again at the end",
        FOCUS,
        ("Shift+T",),
        _WITH_TIMES,
        checkable=True,
    ),
)
