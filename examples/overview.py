"""Save an overview of a slide: python examples/overview.py SLIDE OUT.png."""

import sys

from PIL import Image

import coverslip

with coverslip.open_slide(sys.argv[1]) as slide:
    base = slide.levels[0]
    print(
        f"{slide.path.name}: {base.width_px} x {base.height_px} px, {slide.info.optics.mpp_um} µm"
    )
    whole = (0, 0, base.width_px, base.height_px)
    Image.fromarray(coverslip.read_region(slide, whole, mpp_um=8)).save(sys.argv[2])
