"""Pictures in JPEG with arithmetic coding, as libjpeg wrote them of known pixels."""

from __future__ import annotations

from base64 import b64decode
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from viewer.slides import open_slide
from viewer.slides.region import read_level

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("in_this_process")

_COLOR = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBw"
    "YGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK"
    "CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/yQARCAAwAEADAREAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPw"
    "D/AO7pOg4oojdg/a4P/bXFTG9uvYSJf5dz/wAYchMiiazK3Fn704812Mw8X0vI8akm5YCypYVb+EHucI3VTMLSO7wf"
    "AxWrOysLpDqc/MSbVspF0xCFvn+I3T9ieHjScPF0otm0we9jxMOGxAf+jTj49ahuD0Glf0cT9ygg1CusBx0zgImMaQ"
    "IA/F55hf2N36sVANzL911HeWQCcfWg+SMnXp8dM0fIWoRKgSJjDc0mhngTvLk0AkIGJN0UAGvOI7as6oa5aaVjJQ+C"
    "unaejgxIf9RwNuwj5Oyg8mgusBEaWWSTg9ILr/nRrR2AW1K7D+8ZMuFNiWB24MuwHLBHkt7E7NJ5BCDSccO1ZKf86R"
    "nbhbPXLGWeAY1LKrfZDZa9mmTFIkcBACZ+IdF9O8NmDDK3cqAb5+BKwOExdq43hWJpriv/AEJfj4HmPfCLpQIq9/sI"
    "OKTVpgzxqOkvqAExzh/W7qHovQpthpgK04rNHys+2zWUDvh6w9m8C6ExVhozweGVUrTUDZjoeEvdF4YqqFnfmPSQtD"
    "lcp7M0/wBBGCfEL4scwncPri3HVVvuI+70Pq3/AGcKbfdCVxbtxwU0usMtjzn7F36t2Y0t4Vf+0O9sdEeL6t2cQWX4"
    "Bjjf6sVc5VE53DNK2ZWR9C+4ADBQtfr/2Q=="
)
_IN_PASSES = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBw"
    "YGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK"
    "CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/ygARCAAwAEADAREAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAf8A3c"
    "wo/QxVgOwILpzz8gc3lEoh9Kr0MW+2THquXCvrDNk55TvCsnLAwPj0qSFn+Ub7SWWWq+s156mAJ69zpeTyUhU68hmp"
    "DX7k+mhLQf8AlU0is8ac+NGFrnKQ1ICT0u/skj+fsakh5ndHeGw8qXgxSHaZhb0Q/8wABBAF/9oACAEBAAEFAhrmCC"
    "UvmmmfRLd8DNLFQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQED/zAAEEQX/2gAIAQMBAT8BFZiw"
    "kRz5cgdIJLu4Cv2o2c+IRwEnp6hDjdCDGRqffk5zJnejo6Z7EZumexGbo6OmexGegP/MAAQRBf/aAAgBAgEBPwE4fm"
    "ybPwdUzTsWGMNRvWpJipke+qDh1HGbllstlstlstlstlsq1DLATjNtXot1itBhkIIaxrGsaxrGsaxs/8wABBAF/9oA"
    "CAEBAAY/Al4T8eDXJmbZ4FT6DSD/zAAEEAX/2gAIAQEAAT8hpiuOh8oOaadZuvmFh8RS+Oz/2gAMAwEAAgADAAAAEE"
    "HH8WxlItXRO2KlAQpsgtTkIf/MAAQRBf/aAAgBAwEBPxAjD1z7/wANjeOuu86b+yNuOBYEQAY1MfBaQ9sNq9X/zAAE"
    "EQX/2gAIAQIBAT8QTrYzlEe/HXtTDdmOB/pm9cAvQP/MAAQQBf/aAAgBAQABPxAnhF+Kp2rMlfyjrGiU/wAZFWa3MK"
    "IlIWjNnutWcV6lYjr4WC9QY08JmoebtjnLB0JosYgDrb12rFHzSHPLmOg9cdtjOm/R/ZEr/oD/2Q=="
)
_GRAY = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBw"
    "YGCAsICQoKCgoKBggLDAsKDAkKCgr/yQALCAAwAEABAREA/8wABgAQEAX/2gAIAQEAAD8A/wDysGChn6J1tnYGjdMK"
    "EnXfITmZmDvf6J/W89Vqk6FxFTWUfDVzYVYoKclw7knd6weC3jhgMwJJUWch93eIYg8utrklI2MkzTlZkypB4pe+yb"
    "erHkz/2Q=="
)


@pytest.mark.parametrize("code", [_COLOR, _IN_PASSES, _GRAY], ids=["color", "passes", "gray"])
def test_a_picture_in_arithmetic_coding_opens(tmp_path: Path, code: str) -> None:
    y, x = np.mgrid[:48, :64]
    gradients = (x * 4, y * 5, 255 - x * 2 - y * 2)
    expected = np.stack(gradients if code != _GRAY else (x * 4,) * 3, axis=-1)
    path = tmp_path / "a.jpg"
    path.write_bytes(b64decode(code))
    with closing(open_slide(path)) as source:
        shown = read_level(source, 0).astype(int)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).max() <= 3
