"""Which frames a network sees together."""

from __future__ import annotations

from typing import NamedTuple

from vsvqe.motion.alignment import Kernel


class Window(NamedTuple):
    """The frames that a network sees to enhance one of them.

    Attributes:
        offsets: Frames relative to the enhanced one, in order, 0 among them.
        aligned: Whether the neighbours are brought to where the content of the centre frame is,
            see ``vsvqe.motion.alignment``.
        kernel: By which these are resampled.
    """

    offsets: tuple[int, ...]
    aligned: bool
    kernel: Kernel = "bicubic"

    @property
    def centre(self) -> int:
        """Index of the enhanced frame."""
        return self.offsets.index(0)

    @property
    def radius(self) -> int:
        """Frames of context on the longer side."""
        return max(abs(offset) for offset in self.offsets)


SINGLE = Window((0,), aligned=False)
