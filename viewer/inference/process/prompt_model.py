"""A promptable model (SAM-type) of a bundle: a picture and points in, a mask out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from viewer.inference.errors import ModelFailedError, NotFiniteError
from viewer.inference.process.loading import first_line, load_module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.slides.source import RgbImage


class PromptModel:
    """Fed (1, 3, side, side), points (1, k, 2) in pixels and labels (1, k); gives mask logits.

    It answers (1, m, side, side) logits alone, or with (1, m) how sure it is of each of m masks.

    Raises
    ------
    BundleError
        The weights do not fit what model.json says.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        about = bundle.description
        self._name, self._side_px = about.name, about.patch_px
        self._mean = torch.tensor(about.normalization.mean).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(about.normalization.std).view(1, 3, 1, 1) * 255
        self._module = load_module(bundle, torch.device("cpu"))

    def warm_up(self) -> None:
        """Let it work once, on noise. Raises ModelFailedError."""
        side = self._side_px
        noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        self.mask(noise, [(side / 2, side / 2, 1)])

    def mask(
        self, picture: RgbImage, clicks: Sequence[tuple[float, float, int]]
    ) -> NDArray[np.bool_]:
        """Return (side, side) what it takes the points and box to mean.

        Pixels for which it gives no finite number are outside.

        Parameters
        ----------
        clicks
            As of `Prompt.in_pixels`.

        Raises
        ------
        ModelFailedError
            The model raised, or gave another shape or no finite number.
        """
        x = torch.as_tensor(picture.copy()).permute(2, 0, 1)[None].float()
        points = torch.tensor([[(x_px, y_px) for x_px, y_px, _ in clicks]], dtype=torch.float32)
        labels = torch.tensor([[kind for *_, kind in clicks]], dtype=torch.int64)
        try:
            with torch.inference_mode():
                answer: torch.Tensor | tuple[torch.Tensor, torch.Tensor]
                answer = self._module((x - self._mean) / self._std, points, labels)
        except Exception as error:  # a model may raise anything
            raise ModelFailedError(f"The model {self._name} failed: {first_line(error)}") from error
        masks, sure = answer if isinstance(answer, tuple) else (answer, None)
        if masks.dim() != 4 or masks.shape[-2:] != x.shape[-2:]:
            raise ModelFailedError(
                f"The model {self._name} answered with {tuple(masks.shape)} where masks of "
                f"{tuple(x.shape[-2:])} were expected."
            )
        best = 0 if sure is None else int(sure[0].nan_to_num(-torch.inf).argmax())
        known = masks[0, best].isfinite()
        if not known.any():
            raise NotFiniteError(self._name)
        return (known & (masks[0, best] > 0)).numpy()
