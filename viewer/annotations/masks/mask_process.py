"""Reads one label mask in a confined process, which has the mask and its legend alone."""

from __future__ import annotations

from pathlib import Path

from viewer.annotations.formats.confined_reading import Sender
from viewer.annotations.masks.mask_reading import read_mask
from viewer.limits import MASK_BYTES


def main(arguments: list[str]) -> None:
    """Read the mask: its name, its path, its descriptor, and that of the channel."""
    name, path = arguments[0], Path(arguments[1])
    sender = Sender(int(arguments[3]), MASK_BYTES)
    sender.send_all(name, lambda: read_mask(path, sender.problems, after_strip=sender.flush))
