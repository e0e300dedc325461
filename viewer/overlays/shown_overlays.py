"""Which overlays were painted when something was exported: results can guide what people draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.files.atomic_write import atomic_write_bytes
from viewer.overlays.result_card import card_path, sha256_of
from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ShownOverlay(msgspec.Struct, frozen=True):
    """An overlay that was painted.

    Attributes
    ----------
    version
        Of the model; "" of results from a file.
    opacity
        0 to 1.
    """

    name: str
    version: str = ""
    opacity: float = 1.0

    @property
    def text(self) -> str:
        """Such as "Nuclei 5 (opacity 60 %)"."""
        named = f"{self.name} {self.version}".strip()
        return named if self.opacity == 1.0 else f"{named} (opacity {percent(self.opacity)})"


class _About(msgspec.Struct, frozen=True, omit_defaults=True):
    """What NAME.about.json tells; the checksum as in `ResultCard`."""

    overlays_shown: Sequence[ShownOverlay]
    file_sha256: str = ""


def overlays_text(shown: Sequence[ShownOverlay]) -> str:
    """Return which overlays were painted, in words."""
    return f"Overlays shown: {', '.join(each.text for each in shown) or 'none'}"


def write_shown_beside(path: Path, shown: Sequence[ShownOverlay]) -> None:
    """Write NAME.about.json beside an exported file, where any overlay was painted.

    One that is there from an earlier export of the same name is written anew. Raises OSError.
    """
    beside = card_path(path)
    if shown or beside.exists():
        stated = msgspec.json.encode(_About(shown, sha256_of(path)))
        atomic_write_bytes(beside, msgspec.json.format(stated, indent=2))
