"""Models in memory: kept as long as they fit into a budget, the one unused longest is let go first."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from scenewright.generation.generator import Generator
from scenewright.generation.loading import find_model, load_generator
from scenewright.generation.model_folder import ModelError
from scenewright.generation.names import ORACLE
from scenewright.machine import available_memory

#: So many texts a model keeps encoded; a negative prompt is often the same.
_KEEP_TEXTS = 64


@dataclass
class _Loaded:
    generator: Generator
    bytes: int
    stamp: tuple[float, ...]


class LoadedModels:
    """``budget``: the most bytes of weights at a time, None for any number."""

    def __init__(
        self,
        budget: int | None = None,
        device: str = "cpu",
        load: Callable[[str, str], Generator] = load_generator,
    ) -> None:
        self.budget, self.device, self._load = budget, device, load
        self._loaded: dict[str, _Loaded] = {}

    @property
    def names(self) -> list[str]:
        """Those that are loaded, the one used last at the end."""
        return list(self._loaded)

    @property
    def memory(self) -> int:
        """Bytes that their weights take."""
        return sum(loaded.bytes for loaded in list(self._loaded.values()))

    def get(self, name: str) -> Generator:
        """The model of a name or folder; loaded where it is not yet, or has been trained anew since.

        Raises:
            ModelError: there is none, it is broken, or it does not fit into the budget by itself.
        """
        files = [] if name == ORACLE else sorted(find_model(name).rglob("*.safetensors"))
        stamp = tuple(file.stat().st_mtime for file in files)
        held = self._loaded.pop(name, None)
        if held is None or held.stamp != stamp:
            held = None
            needed = sum(weights_in(file) for file in files)
            self._make_room(name, needed)
            generator = self._load(name, self.device)
            if hasattr(generator, "keep_texts"):
                generator.keep_texts = _KEEP_TEXTS
            held = _Loaded(generator, needed, stamp)
        self._loaded[name] = held
        return held.generator

    def free(self, keep: str | None = None) -> bool:
        """Let all go but one; whether there was any."""
        gone = [name for name in self._loaded if name != keep]
        for name in gone:
            del self._loaded[name]
        _collect()
        return bool(gone)

    def _make_room(self, name: str, needed: int) -> None:
        if self.budget is None:
            return
        if needed > self.budget:
            raise ModelError(
                f"{name} takes {_gib(needed)} of memory, more than the {_gib(self.budget)} that this worker "
                "may use for models"
            )
        while self._loaded and self.memory + needed > self.budget:
            del self._loaded[next(iter(self._loaded))]
            _collect()


def weights_in(file: Path) -> int:
    """Bytes that the weights in a safetensors file take in memory, as float32."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > file.stat().st_size:
            raise ModelError(f"{file} is broken; get it again")
        header = json.loads(opened.read(length))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            count = 1
            for side in tensor["shape"]:
                count *= side
            total += 4 * count
    return total


def checked_device(device: str | None) -> str:
    """The device of a name, or the best there is. ValueError: there is no such device."""
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(f"there is no device {device!r} here that works; see: scenewright doctor") from None
    return device


def usual_budget(device: str = "cpu") -> int | None:
    """Half of the memory that is free on a device; None where that is not known."""
    kind = torch.device(device)
    if kind.type == "cuda":
        return torch.cuda.mem_get_info(kind)[0] // 2
    free = available_memory()
    return None if free is None else free // 2


def _collect() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
