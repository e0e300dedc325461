"""What `coverslip info` tells of a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.slides.colors.profile import profile_problem
from viewer.untyped import is_sequence

if TYPE_CHECKING:
    from viewer.slides import Level, SlideSource
    from viewer.slides.channels import Channel

_LEFT_OUT_WHERE_EMPTY = (
    "image", "images", "notes", "channels", "plane_spacing_um", "time_interval_s",
)  # fmt: skip


def about_slide(source: SlideSource) -> dict[str, object]:
    """Return a slide's facts as data: levels and images are objects, numbers are numbers."""
    info = source.info
    optics = info.optics
    return {
        "path": str(source.path),
        "vendor": info.vendor,
        "reader": info.reader,
        "identity": info.identity,
        "width_px": source.levels[0].width_px,
        "height_px": source.levels[0].height_px,
        "mpp_um": list(optics.mpp_um) if optics.mpp_um else None,
        "objective_power": optics.objective_power,
        "levels": [_level(level) for level in source.levels],
        "image": info.image,
        "images": [
            {
                "index": entry.index,
                "name": entry.name,
                "width_px": entry.width_px,
                "height_px": entry.height_px,
                "levels": entry.levels,
            }
            for entry in info.images
        ],
        "notes": list(info.notes),
        "channels": [_channel(channel) for channel in info.axes.channels],
        "planes": info.axes.z_count,
        "plane_spacing_um": info.axes.z_spacing_um,
        "times": info.axes.t_count,
        "time_interval_s": info.axes.t_interval_s,
        "display_range": list(info.display_range) if info.display_range else None,
        "associated": list(info.associated),
        "icc_profile_bytes": len(info.icc_profile) if info.icc_profile else 0,
        "icc_profile_problem": profile_problem(info.icc_profile),
        "properties": dict(info.properties),
    }


def about_lines(source: SlideSource) -> list[tuple[str, str]]:
    """Return the same as names and text for a table, without properties and what is empty."""
    rows: list[tuple[str, str]] = []
    for name, value in about_slide(source).items():
        match name:
            case "properties":
                continue
            case "image":
                text = str(value) if source.info.images else ""
            case "levels":
                text = "\n".join(map(_level_line, source.levels))
            case "images":
                text = "\n".join(
                    f"{entry.index}: {f'{entry.name}, ' if entry.name else ''}"
                    f"{entry.width_px} x {entry.height_px}, levels {entry.levels}"
                    for entry in source.info.images
                )
            case "notes":
                text = "\n".join(source.info.notes)
            case "channels":
                text = "\n".join(map(_channel_line, source.info.axes.channels))
            case "plane_spacing_um" | "time_interval_s":
                text = "" if value is None else f"{value:.6g}"
            case _ if is_sequence(value):
                text = "\n".join(map(str, value))
            case _:
                text = str(value)
        if text or name not in _LEFT_OUT_WHERE_EMPTY:
            rows.append((name, text))
    return rows


def _channel(channel: Channel) -> dict[str, object]:
    return {
        "name": channel.name,
        "color": "#{:02x}{:02x}{:02x}".format(*channel.color),
        "dtype": channel.dtype,
        "range": list(channel.value_range),
    }


def _channel_line(channel: Channel) -> str:
    low, high = channel.value_range
    return f"{channel.name}, {channel.dtype}, {low:,.6g} to {high:,.6g}"


def _level(level: Level) -> dict[str, object]:
    return {
        "width_px": level.width_px,
        "height_px": level.height_px,
        "downsample": level.downsample,
        "tile_width_px": level.tile_width_px,
        "tile_height_px": level.tile_height_px,
        "made_here": level.stored_tiles_per_tile != 1,
    }


def _level_line(level: Level) -> str:
    return (
        f"{level.width_px} x {level.height_px}, downsample {level.downsample:g}, "
        f"tiles {level.tile_width_px} x {level.tile_height_px}"
        + ("" if level.stored_tiles_per_tile == 1 else ", made here")
    )
