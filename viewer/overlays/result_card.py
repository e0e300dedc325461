"""What exported results were made of, so that a part is never taken for the whole."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from viewer.files.atomic_write import atomic_write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.overlays.patch_mask import PatchMask

_MOST_PLACES = 1000


class ResultCard(msgspec.Struct, frozen=True, kw_only=True):
    """Stands in a GeoJSON file under "coverslip", beside other files as NAME.about.json.

    Attributes
    ----------
    slide
        Content key of the slide.
    mpp_um
        Micrometers per level-0 pixel that the model was fed by.
    region_px
        Left, top, width and height of what was asked for, level-0 pixels.
    share
        Of the region that was analyzed, 0 to 1.
    origin, origin_px
        From where the places of GeoJSON count: the corner of the slide, or its "bounds" as
        QuPath does; and where that lies, level-0 pixels.
    unanswered
        Tiles of the region for which the model gave no answer.
    unanswered_px
        Left, top, width and height of these, level-0 pixels; the first thousand.
    overlays_shown
        What was painted on the slide when the file was written, in words.
    file_sha256
        Of the file that the card lies beside, "" within one: a program that was killed between the
        two leaves the card of the file before.
    """

    model: str
    version: str
    slide: str
    mpp_um: float
    region_px: tuple[float, float, float, float]
    share: float
    device: str = ""
    origin: Literal["slide", "bounds"] = "slide"
    origin_px: tuple[float, float] = (0.0, 0.0)
    unanswered: int = 0
    unanswered_px: list[tuple[float, float, float, float]] = []
    overlays_shown: list[str] = []
    file_sha256: str = ""

    def with_holes(self, holes: PatchMask) -> ResultCard:
        """Return the card with the tiles that have no answer."""
        places = [(box.x0, box.y0, box.width, box.height) for box in holes.boxes(_MOST_PLACES)]
        return replace(self, unanswered=holes.count, unanswered_px=places)

    @property
    def is_whole(self) -> bool:
        return self.share > 1 - 1e-6


def card_path(path: Path) -> Path:
    """Return where the card of an exported file lies that has no place for it."""
    return path.with_name(f"{path.name}.about.json")


def sha256_of(path: Path) -> str:
    """Return the checksum of an exported file; "" of what is none. Raises OSError."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_card(path: Path, card: ResultCard) -> None:
    """Write the card beside an exported file, with its checksum; raises OSError."""
    card = replace(card, file_sha256=sha256_of(path))
    atomic_write_bytes(card_path(path), msgspec.json.format(msgspec.json.encode(card), indent=2))
