"""What to say of a session whose slide has another pixel size now."""

from __future__ import annotations


def pixel_size_note(then_um: tuple[float, float] | None, now_um: tuple[float, float] | None) -> str:
    """Say that a session was made with another pixel size than the slide has now; else ""."""
    if then_um is None or now_um is None:
        is_same = then_um is now_um
    else:
        is_same = all(abs(then / now - 1) < 1e-6 for then, now in zip(then_um, now_um, strict=True))
    if is_same:
        return ""
    then, now = (
        "unknown" if size is None else " x ".join(f"{side:.4f}" for side in size) + " µm"
        for size in (then_um, now_um)
    )
    return (
        f"Made before the pixel size was changed ({then} then, {now} now): magnifications and "
        "lengths are those of then."
    )
