"""How a model can fail."""

from __future__ import annotations

from viewer.errors import CoverslipError


class ModelFailedError(CoverslipError):
    """A model that raised or answered nonsense; `str()` is one sentence."""


class NotFiniteError(ModelFailedError):
    """A model that answered with no number that can be used."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The model {name} answered with numbers that are not finite.")


class DeviceFullError(CoverslipError):
    """The device has no room for so many images at a time."""


class ModelProcessError(CoverslipError):
    """The model process ended or was stopped without an answer; `str()` is one sentence."""
