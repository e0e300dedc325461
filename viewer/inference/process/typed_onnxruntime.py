# pyright: basic
# (onnxruntime brings no types)
"""What is used of onnxruntime, with its types; importing this raises ImportError without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.generic]


class Port(Protocol):
    """What a network takes or gives."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class Session(Protocol):
    """A network that is loaded."""

    def get_inputs(self) -> Sequence[Port]: ...

    def get_outputs(self) -> Sequence[Port]: ...

    def get_providers(self) -> Sequence[str]: ...

    def run(
        self, names: Sequence[str] | None, fed: Mapping[str, Numbers], /
    ) -> Sequence[Numbers]: ...


def available_providers() -> list[str]:
    """Return what the onnxruntime that is installed computes with."""
    return onnxruntime.get_available_providers()


def loaded(
    weights: bytes, beside: Mapping[str, bytes], providers: Sequence[str], threads: int
) -> Session:
    """Return a network; `beside` has the files that its weights name. May raise anything."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if beside:
        lengths = [len(each) for each in beside.values()]
        options.add_external_initializers_from_files_in_memory(
            list(beside), list(beside.values()), lengths
        )
    session: Any = onnxruntime.InferenceSession(weights, options, providers=list(providers))
    return session
