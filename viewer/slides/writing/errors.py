"""What can go wrong when a slide is written; `str()` of each is one sentence for the user."""

from __future__ import annotations

from viewer.errors import CoverslipError


class WritingError(CoverslipError):
    """The slide cannot be written like this: what is wrong and what to do."""


class UnknownKindError(WritingError):
    """A slide of a kind that is not written, or not de-identified."""


class DamagedFileError(WritingError):
    """A file of the slide is damaged."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(f"{name} is damaged ({error}); copy it again.")


class OutputExistsError(WritingError):
    """There is something at the place already."""


class VerificationError(WritingError):
    """What was written does not read back as it should; nothing stands under the final name."""


class WritingCanceledError(WritingError):
    """The user gave the work up."""
