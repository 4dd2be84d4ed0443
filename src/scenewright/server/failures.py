"""Why a video could not be made: the code, the line for the user, and whether another try may go better."""

from __future__ import annotations

import torch

from scenewright.generation.model_folder import ModelError

#: The code of what is no one's fault but the program's.
FAULT = "internal_error"


class InputMissingError(ValueError):
    """A file that a request names is not in the store any more."""


class StorageError(Exception):
    """A file could not be written; it may work later."""


def why(error: BaseException) -> tuple[str, str, bool]:
    """The code and the line for the user, and whether another try may go better."""
    if is_out_of_memory(error):
        return (
            "out_of_memory",
            "there is not enough memory for it; ask for fewer frames or another model",
            False,
        )
    if isinstance(error, StorageError):
        return "storage_error", str(error), True
    if isinstance(error, ModelError):
        return "model_error", str(error), False
    if isinstance(error, InputMissingError):
        return "input_missing", str(error), False
    if isinstance(error, ValueError):
        return "invalid_request", str(error), False
    return FAULT, fault(error), True


def fault(error: BaseException) -> str:
    """A line that tells nothing of the inside."""
    return f"the video could not be made ({type(error).__name__})"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory, of the machine or of a device."""
    # The allocator of the CPU raises a plain RuntimeError.
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and "not enough memory" in str(error)
    )
