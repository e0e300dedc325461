"""A model is loaded and works once, to see whether it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.network import Network, choose_device
from viewer.inference.prompt_model import PromptModel
from viewer.inference.slide_head import SlideHead

if TYPE_CHECKING:
    from viewer.inference.bundle import ModelBundle


def try_model(bundle: ModelBundle) -> None:
    """Feeds a model once, on the CPU.

    Raises
    ------
    BundleError
        The weights do not fit what model.json says.
    ModelFailedError
        The model does not work.
    """
    match bundle.task:
        case "slide":
            SlideHead(bundle).warm_up()
        case "prompt":
            PromptModel(bundle).warm_up()
        case _:
            Network(bundle, choose_device("cpu")).warm_up()
