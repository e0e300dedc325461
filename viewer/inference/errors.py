"""How a model can fail."""

from __future__ import annotations

from viewer.errors import CoverslipError


class ModelFailedError(CoverslipError):
    """A model that raised or answered nonsense; `str()` is one sentence."""


class DeviceFullError(CoverslipError):
    """The device has no room for so many images at a time."""


class ModelProcessError(CoverslipError):
    """The model process ended or was stopped without an answer; `str()` is one sentence."""
