"""Statistics of reference sets that others have published, without running what is in their files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from scenewright.evaluation.distribution.frechet import Moments

#: All that a pickle of arrays needs; anything else is refused.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which statistics do not need")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_statistics(file: str | Path) -> Moments:
    """Moments from a pickle of StyleGAN-V's and cd-fvd's ``FeatureStats``: the number of videos, the sum of
    their features, and the sum of the features' outer products.

    Raises:
        ValueError: the file holds something else.
    """
    file = Path(file)
    try:
        with file.open("rb") as stream:
            state = _ArraysOnly(stream).load()
        count, total, outer = int(state["num_items"]), state["raw_mean"], state["raw_cov"]
        mean = np.asarray(total, np.float64) / count
        scatter = np.asarray(outer, np.float64) - count * np.outer(mean, mean)
    except FileNotFoundError:
        raise ValueError(f"there is no file of statistics {file}") from None
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{file} holds no statistics of features: {error}") from None
    return Moments.from_parts(count, mean, scatter)
