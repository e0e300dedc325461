"""Makes the pictures of the documentation with the program itself: python scripts/pictures.py."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> None:
    """Writes window.png, as a first start shows it, and those of the other scripts."""
    with tempfile.TemporaryDirectory() as folder:
        hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
        environment = {key: value for key, value in os.environ.items() if key not in hidden}
        environment["COVERSLIP_HOME"] = folder
        slide = REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"
        picture = REPOSITORY / "docs" / "pictures" / "window.png"
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, str(REPOSITORY / "app.py"), str(slide), "--picture", str(picture)],
            cwd=folder,
            env=environment,
            check=True,
        )
        for name in ("replay", "overlays", "annotating", "projects", "review", "agent"):
            environment["COVERSLIP_HOME"] = str(Path(folder) / name)
            subprocess.run(  # noqa: S603 - our own program
                [sys.executable, str(REPOSITORY / "scripts" / f"{name}_picture.py")],
                cwd=REPOSITORY,
                env=environment | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(REPOSITORY)},
                check=True,
            )


if __name__ == "__main__":
    main()
