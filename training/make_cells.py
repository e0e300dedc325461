"""Writes the detector of cells by settings as a model folder: python -m training.make_cells."""

from __future__ import annotations

import msgspec

from viewer.inference.architectures.pixels import Pixels
from viewer.inference.cells.settings import CellSettings
from viewer.inference.models.bundle_writing import write_bundle
from viewer.inference.models.model_library import BUNDLED


def main() -> None:
    settings = CellSettings()
    write_bundle(
        BUNDLED / "cells",
        Pixels().state_dict(),
        {
            "name": "Cells",
            "version": "1",
            "task": "instances",
            "mpp_um": settings.requested_pixel_size_um,
            "patch_px": 640,
            "margin_px": 64,
            "input": {"scaling": "0-255"},
            "decoder": "cells",
            "cells": msgspec.to_builtins(settings),
            "architecture": "pixels",
            "classes": [{"name": name, "colour": color} for name, color in settings.colors],
            "licence": "MIT",
            "about": "Cells by optical density, with settings that you tune: negative, 1+, 2+, 3+. "
            "No learning. For research use, not for diagnosis.",
        },
    )


if __name__ == "__main__":
    main()
