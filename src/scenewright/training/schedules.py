"""Learning-rate schedules: a factor of the peak rate as a function of the step."""

from __future__ import annotations


def warmup_stable_decay(
    step: int, *, warmup: int, total: int, decay_fraction: float, floor: float = 0.0
) -> float:
    """Linear warm-up, constant, then linear decay to ``floor`` over the last part of ``total``."""
    if step < warmup:
        return (step + 1) / warmup
    decay_steps = max(1, round(total * decay_fraction))
    begin = total - decay_steps
    if step < begin:
        return 1.0
    return floor + (1 - floor) * max(0.0, (total - step) / decay_steps)
