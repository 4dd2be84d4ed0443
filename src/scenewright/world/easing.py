"""How motions get going: constant speed with short ramps, so that something moves in every frame."""

from __future__ import annotations

import numpy as np

RAMP = 0.08


def ease(u: np.ndarray, ramp: float = RAMP) -> np.ndarray:
    """Progress 0 to 1 at time ``u`` in [0, 1]: speed rises linearly over ``ramp``, is constant, then falls.

    The integral of a trapezoid of speed; ``ease(1 - u) == 1 - ease(u)``.
    """
    u = np.asarray(u, dtype=float)
    top = 1.0 / (1.0 - ramp)
    rising = 0.5 * top * u**2 / ramp
    steady = top * (u - 0.5 * ramp)
    falling = 1.0 - 0.5 * top * (1.0 - u) ** 2 / ramp
    return np.where(u < ramp, rising, np.where(u <= 1.0 - ramp, steady, falling))
