"""What tools measured is said with units, and with digits that a reader can use."""

from __future__ import annotations

import pytest

from viewer.agents.tool_words import measured_words


@pytest.mark.parametrize(
    ("tool", "result", "said"),
    [
        (
            "count_nuclei",
            {
                "nuclei": 596, "nuclei_per_mm2": 3965, "box_mm2": 0.1503,
                "median_area_um2": 41.2, "largest_area_um2": 1302.7,
            },
            "Count nuclei: 596 nuclei, 3,965 nuclei/mm², box 0.15 mm², median area 41.2 µm², "
            "largest area 1,303 µm².",
        ),
        (
            "count_nuclei",
            {"nuclei": 1, "nuclei_per_mm2": 7, "box_mm2": 0.15},
            "Count nuclei: 1 nucleus, 7 nuclei/mm², box 0.15 mm².",
        ),
        (
            "tissue_quality",
            {"shares": {"Sound tissue": 0.954, "Blur": 0.046}, "about": "For H&E."},
            "Tissue quality: Sound tissue 95 %, Blur 5 %.",
        ),
        (
            "tissue_quality",
            {"shares": {}, "about": "There is no tissue in the box."},
            "Tissue quality: There is no tissue in the box.",
        ),
        (
            "measure",
            {"width_um": 612.4, "height_um": 50.0, "area_um2": 30620.0, "area_mm2": 0.03062},
            "Measure: width 612 µm, height 50 µm, area 0.0306 mm².",
        ),
        (
            "measure",
            {"width_um": 8.4, "area_um2": 70.6, "area_mm2": 0.000071},
            "Measure: width 8.4 µm, area 70.6 µm².",
        ),
        (
            "similar_regions",
            {"regions": [{"box": (0.0, 0.0, 9.0, 9.0), "likeness": 0.9}], "searched": (0.0, 9.5)},
            "Similar regions: 1 region.",
        ),
        (
            "class_map",
            {"shares": {"Gland": 1.0}, "mean_clarity": 0.1234},
            "Class map: Gland 100 %, mean clarity 0.12.",
        ),
        ("read_annotations", {"count": 0, "annotations": []}, "Read annotations: 0 annotations."),
        ("measure", "There is no step left.", "Measure: There is no step left."),
    ],
)  # fmt: skip
def test_figures_are_said_in_words(tool: str, result: object, said: str) -> None:
    assert measured_words(tool, result) == said
