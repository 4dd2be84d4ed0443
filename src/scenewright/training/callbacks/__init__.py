"""What is done beside the learning: averages, checkpoints, logs, samples, validation, faults."""

from scenewright.training.callbacks.averaging import Averaging
from scenewright.training.callbacks.base import Callback
from scenewright.training.callbacks.checkpointing import Checkpointing
from scenewright.training.callbacks.guard import Guard, GuardConfig, RollbackError
from scenewright.training.callbacks.logging import Logging, OnLog
from scenewright.training.callbacks.meetings import Meetings
from scenewright.training.callbacks.profiling import ProfileConfig, Profiling
from scenewright.training.callbacks.samples import Samples
from scenewright.training.callbacks.validation import Validation, ValidationConfig

__all__ = [
    "Averaging",
    "Callback",
    "Checkpointing",
    "Guard",
    "GuardConfig",
    "Logging",
    "Meetings",
    "OnLog",
    "ProfileConfig",
    "Profiling",
    "RollbackError",
    "Samples",
    "Validation",
    "ValidationConfig",
]
