"""Training on many processes, native PyTorch under ``torchrun``; models stay single-device code.

>>> layout = setup_distributed(recipe.parallel)            # doctest: +SKIP
>>> network = parallelize(model, layout)                   # doctest: +SKIP
>>> for place, part in enumerate(parts):                   # doctest: +SKIP
...     with micro_batch(network, last=place == len(parts) - 1):
...         objective.loss(network, part)[0].backward()
>>> norm = clip_grad_norm(network, 1.0)                    # doctest: +SKIP
"""

from scenewright.training.parallel.apply import parallelize
from scenewright.training.parallel.config import LocalStepsConfig, ParallelConfig
from scenewright.training.parallel.data import DataParallel, bare
from scenewright.training.parallel.gradients import clip_grad_norm, micro_batch, split_by_mesh
from scenewright.training.parallel.hogwild import HogwildConfig, HogwildWorkers, train_hogwild
from scenewright.training.parallel.layout import Layout, setup_distributed, teardown_distributed
from scenewright.training.parallel.local_steps import LocalSteps, Meeting
from scenewright.training.parallel.players import (
    average_buffers,
    average_gradients,
    check_players,
    copy_from_main,
)
from scenewright.training.parallel.state import full_state_dict, load_full_state_dict

__all__ = [
    "DataParallel",
    "HogwildConfig",
    "HogwildWorkers",
    "Layout",
    "LocalSteps",
    "LocalStepsConfig",
    "Meeting",
    "ParallelConfig",
    "average_buffers",
    "average_gradients",
    "bare",
    "check_players",
    "clip_grad_norm",
    "copy_from_main",
    "full_state_dict",
    "load_full_state_dict",
    "micro_batch",
    "parallelize",
    "setup_distributed",
    "split_by_mesh",
    "teardown_distributed",
    "train_hogwild",
]
