"""Count nuclei in a region: python examples/count_nuclei.py SLIDE X0 Y0 X1 Y1 (level-0 pixels)."""

import sys

import coverslip

x0, y0, x1, y1 = map(float, sys.argv[2:6])
run = coverslip.run_model("nuclei", sys.argv[1], (x0, y0, x1, y1))
nuclei = run.objects()
area_mm2 = (x1 - x0) * (y1 - y0) * run.mpp_um**2 / 1e6
print(f"{len(nuclei.centroids):,} nuclei, {len(nuclei.centroids) / area_mm2:,.0f}/mm²")
