"""Scores from counts of cells: H-score, Allred, TPS, CPS, Ki-67, counts per mm², intervals.

>>> from coverslip import scores
>>> scores.h_score(negative=10, weak=20, moderate=30, strong=40)
200.0
>>> scores.allred(200, 100, 0, 0).total
5
"""

from viewer.annotations.counting.scores import (
    Allred,
    Interval,
    ScoreError,
    allred,
    cps,
    field_area_mm2,
    h_score,
    ki67_global,
    labeling_index,
    per_mm2,
    tps,
    wilson_interval,
)

__all__ = [
    "Allred",
    "Interval",
    "ScoreError",
    "allred",
    "cps",
    "field_area_mm2",
    "h_score",
    "ki67_global",
    "labeling_index",
    "per_mm2",
    "tps",
    "wilson_interval",
]
