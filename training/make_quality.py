"""Writes the thresholds of tissue quality as a model folder: python -m training.make_quality."""

from __future__ import annotations

from viewer.inference.architectures.tissue_quality import CLASSES, TissueQuality
from viewer.inference.models.bundle_writing import write_bundle
from viewer.inference.models.model_library import BUNDLED

COLORS = ("#009e73", "#56b4e9", "#0072b2", "#d55e00", "#bbbbbb")


def main() -> None:
    write_bundle(
        BUNDLED / "tissue-quality",
        TissueQuality().state_dict(),
        {
            "name": "Tissue quality",
            "version": "1",
            "task": "classification",
            "mpp_um": 2.0,
            "patch_px": 64,
            "architecture": "tissue-quality",
            "classes": [
                {"name": name, "colour": color} for name, color in zip(CLASSES, COLORS, strict=True)
            ],
            "licence": "MIT",
            "about": "Where tissue is sound, out of focus, under pen, dark or folded; by color "
            "and contrast, no learning. For research use, not for diagnosis.",
        },
    )


if __name__ == "__main__":
    main()
