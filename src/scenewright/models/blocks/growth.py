"""From a small block of space and time to a clip, by doublings."""

from __future__ import annotations

from dataclasses import dataclass

#: Rows, or columns, that growth begins with, whichever are fewer.
SMALLEST = 4


@dataclass(frozen=True)
class Growth:
    """``start``: (frames, rows, columns). ``steps``: the factors of each block. ``channels``: before the
    first block and behind each. The picture's last doubling is the painter's."""

    start: tuple[int, int, int]
    steps: list[tuple[int, int, int]]
    channels: list[int]

    @property
    def blocks(self) -> list[tuple[int, int, tuple[int, int, int]]]:
        """Of each block: channels before it, channels behind it, and its factors."""
        return list(zip(self.channels[:-1], self.channels[1:], self.steps, strict=True))

    @property
    def places(self) -> int:
        frames, rows, columns = self.start
        return frames * rows * columns


def growth(size: tuple[int, int, int], channels: int, least: int) -> Growth:
    """How a clip of (frames, rows, columns) grows: rows and columns double in every block, frames in the
    first ones, as often as they can be halved while 2 are left. Channels are halved in all but the first
    block.

    Raises:
        ValueError: the size is not reached by doublings.
    """
    frames, rows, columns = size
    short, doublings = min(rows, columns), 0
    while short > SMALLEST and short % 2 == 0:
        short, doublings = short // 2, doublings + 1
    if short != SMALLEST or max(rows, columns) % 2**doublings or not doublings:
        raise ValueError(
            f"a picture of {columns}x{rows} is not grown by doublings from {SMALLEST} rows or columns; take "
            "8, 16, 32, 64 or so for its shorter side and a multiple of a quarter of that for its longer one"
        )
    blocks = doublings - 1
    in_time = 0
    while in_time < blocks and frames % 2 == 0 and frames > 2:
        frames, in_time = frames // 2, in_time + 1
    steps = [(2 if block < in_time else 1, 2, 2) for block in range(blocks)]
    counts = [channels]
    for block in range(blocks):
        counts.append(channels if block == 0 else max(least, counts[-1] // 2))
    return Growth((frames, rows >> doublings, columns >> doublings), steps, counts)
