"""What a layout of model folders is to Coverslip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle


class Layout(Protocol):
    """A module that knows models of one program."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of the module
        """Return what the program or format is called."""
        ...

    def recognizes(self, path: Path) -> bool:
        """Return whether a folder or file is of this layout, by its names alone: it is quick."""
        ...

    def described(self, path: Path) -> ModelBundle:
        """Describe the model in our own words; its weights stay where they are.

        Raises
        ------
        BundleError
            Something is missing, ambiguous or contradicts itself; one sentence says what.
        """
        ...

    def cards(self, path: Path) -> Sequence[Path]:
        """Return the files that tell people of the model: its card, license and citation."""
        ...

    def prove(self, path: Path, bundle: ModelBundle) -> None:
        """Let the model work in its confined process, to see whether it is as described.

        Raises
        ------
        BundleError, ModelFailedError
            It is not.
        """
        ...
