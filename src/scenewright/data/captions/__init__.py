"""What a change of the picture makes of its caption: still true, true in other words, or refused.

Every function takes any English caption and returns a :class:`Verdict`. The rules look at whole words, keep
their case, and refuse where they are not sure: a refused change costs one augmentation, a false caption
teaches a model something wrong. They know words, not grammar; the limits are said at each function.
"""

from scenewright.data.captions.changes import (
    recolor_caption,
    reframe_caption,
    retime_caption,
    rotate_caption,
)
from scenewright.data.captions.reversal import reverse_caption
from scenewright.data.captions.sides import mirror_caption
from scenewright.data.captions.text import Verdict

__all__ = [
    "Verdict",
    "mirror_caption",
    "recolor_caption",
    "reframe_caption",
    "retime_caption",
    "reverse_caption",
    "rotate_caption",
]
