"""What each kind of output has to tell and do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideInfo
    from viewer.slides.writing.coding import Coding
    from viewer.slides.writing.plan import ConvertPlan, OutLevel
    from viewer.slides.writing.spool import Spool
    from viewer.slides.writing.watch import Watch


class Target(Protocol):
    """One kind of output."""

    @property
    def takes_jpeg_tiles(self) -> bool:
        """Return whether JPEG tiles may be copied as they are."""
        ...

    def fitted(self, plan: ConvertPlan) -> ConvertPlan:
        """Return the plan with the planes that the kind has room for, in its order."""
        ...

    def check(self, plan: ConvertPlan, info: SlideInfo, /) -> None:
        """Refuse what the kind has no room for. Raises WritingError."""
        ...

    def coding(self, level: OutLevel, plan: ConvertPlan, /) -> Coding:
        """Return how tiles are coded that are not copied."""
        ...

    def finish(
        self,
        spool: Spool,
        plan: ConvertPlan,
        codings: list[Coding],
        info: SlideInfo,
        watch: Watch,
    ) -> Path:
        """Make a file or folder of the coded tiles, beside the output; return it, read back.

        Raises
        ------
        VerificationError
            An independent reader finds something else in it.
        WritingError, OSError
            It cannot be made.
        """
        ...

    def cannot_hold(self, info: SlideInfo, /) -> list[str]:
        """Return sentences on what the slide has and the kind has no room for."""
        ...
