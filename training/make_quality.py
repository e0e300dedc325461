"""Writes the thresholds of tissue quality as a model folder: python -m training.make_quality."""

from __future__ import annotations

from viewer.inference.architectures.tissue_quality import CLASSES, TissueQuality
from viewer.inference.bundle_writing import write_bundle
from viewer.inference.model_library import BUNDLED

COLOURS = ("#009e73", "#56b4e9", "#0072b2", "#d55e00", "#bbbbbb")


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
                {"name": name, "colour": colour}
                for name, colour in zip(CLASSES, COLOURS, strict=True)
            ],
            "licence": "MIT",
            "about": "Where tissue is sound, out of focus, under pen, dark or folded; by colour "
            "and contrast, no learning. For research use, not for diagnosis.",
        },
    )


if __name__ == "__main__":
    main()
