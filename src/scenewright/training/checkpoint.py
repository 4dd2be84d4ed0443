"""Checkpoints of a run: a folder each, whole or not there, from which a run goes on exactly.

``checkpoints/step-0000100/`` holds the tensors in PyTorch's distributed format (``torch.distributed
.checkpoint``), which any number of processes can read, and ``state.json`` with the plain values. A folder is
written under another name and renamed when it is complete; the newest ``keep`` stay.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.staging import AsyncStager
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

#: Tensors by dotted name, and plain values that JSON can hold.
Tensors = dict[str, Any]
Plain = dict[str, Any]

_STATE = "state.json"

# Said at every save of a run of one process, in which nothing is wrong.
warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")


class CheckpointStore:
    """The checkpoints of one run. ``on_failure`` is told, in one line, of a checkpoint that was not written
    (a full disk); the last good one then stays."""

    def __init__(
        self, folder: Path, keep: int = 2, on_failure: Callable[[str], None] = warnings.warn
    ) -> None:
        self.folder, self.keep, self.on_failure = Path(folder), keep, on_failure
        # A group of its own: checkpoints are written while training communicates.
        self._group = dist.new_group(backend="gloo") if dist.is_initialized() else None
        self._pending: tuple[Future[Any], int, threading.Event] | None = None
        self._copies = _Copies()

    def steps(self) -> list[int]:
        """The steps of complete checkpoints, in order."""
        return sorted(int(p.name.removeprefix("step-")) for p in self.folder.glob("step-*") if p.is_dir())

    def save(self, step: int, tensors: Tensors, plain: Plain, *, wait: bool = False) -> None:
        """Write a checkpoint in the background; ``wait`` returns when it is there.

        Tensors are copied before this returns, so that training may go on at once. An earlier one that is
        still being written is waited for first.
        """
        self.wait()
        part = self._part(step)
        try:
            if _is_main():
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                (part / _STATE).write_text(json.dumps(plain), encoding="utf-8")
            _barrier()
            plain_cpu = all(type(t) is torch.Tensor and t.device.type == "cpu" for t in tensors.values())
            future: Future[Any] = async_save(  # type: ignore[assignment]
                tensors,
                checkpoint_id=part,
                process_group=self._group,
                no_dist=self._group is None,
                async_stager=self._copies if plain_cpu else None,
            )
            renamed = threading.Event()
            self._pending = (future, step, renamed)
            future.add_done_callback(lambda done: self._finish(done, step, renamed))
        except Exception as error:
            self._give_up(step, error)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return when no checkpoint is being written."""
        if self._pending is None:
            return
        future, step, renamed = self._pending
        self._pending = None
        try:
            future.result()
            renamed.wait()
            _barrier()
        except Exception as error:
            self._give_up(step, error)

    def load(self, tensors: Tensors) -> Plain:
        """Read the newest checkpoint into ``tensors``, in place, and return its plain values.

        Tensors that it does not have keep their values. FileNotFoundError where there is no checkpoint.
        """
        steps = self.steps()
        if not steps:
            raise FileNotFoundError(f"{self.folder} holds no checkpoint")
        path = self._path(steps[-1])
        planner = DefaultLoadPlanner(allow_partial_load=True)
        load(
            tensors,
            checkpoint_id=path,
            planner=planner,
            process_group=self._group,
            no_dist=self._group is None,
        )
        plain: Plain = json.loads((path / _STATE).read_text(encoding="utf-8"))
        return plain

    def read_plain(self) -> Plain | None:
        """The plain values of the newest checkpoint alone; ``None`` where there is none."""
        steps = self.steps()
        return json.loads((self._path(steps[-1]) / _STATE).read_text("utf-8")) if steps else None

    def names(self) -> set[str]:
        """Of the tensors of the newest checkpoint."""
        path = self._path(self.steps()[-1])
        return set(FileSystemReader(path).read_metadata().state_dict_metadata)

    def _finish(self, future: Future[Any], step: int, renamed: threading.Event) -> None:
        """The coordinator's part ends when all processes have written theirs."""
        try:
            if _is_main() and future.exception() is None:
                final = self._path(step)
                shutil.rmtree(final, ignore_errors=True)
                os.replace(self._part(step), final)
                for old in self.steps()[: -self.keep]:
                    shutil.rmtree(self._path(old), ignore_errors=True)
        except OSError as error:
            self._give_up(step, error)
        finally:
            renamed.set()

    def _give_up(self, step: int, error: Exception) -> None:
        if _is_main():
            shutil.rmtree(self._part(step), ignore_errors=True)
        reason = " ".join(str(error).split())[:300]
        steps = self.steps()
        rest = f"the one of step {steps[-1]} stays" if steps else "there is none yet"
        self.on_failure(f"the checkpoint of step {step} was not written ({reason}); {rest}")

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:07d}"

    def _part(self, step: int) -> Path:
        return self.folder / f".step-{step:07d}.part"


class _Copies(AsyncStager):
    """Copies of tensors in memory that is kept from one checkpoint to the next: taking new memory costs more
    than the copying. Nothing may be staged before the last copies are written."""

    _synchronize_after_execute = False

    def __init__(self) -> None:
        self._tensors: Tensors = {}

    def stage(self, state_dict: Tensors) -> Tensors:
        kept = self._tensors
        self._tensors = {
            name: old
            if (old := kept.get(name)) is not None and _alike(old, tensor)
            else torch.empty_like(tensor)
            for name, tensor in state_dict.items()
        }
        with torch.no_grad():
            for name, copy in self._tensors.items():
                copy.copy_(state_dict[name])
        return self._tensors

    def synchronize_staging(self) -> None:
        pass

    def close(self) -> None:
        self._tensors = {}


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def split_plain(state: Mapping[str, Any], prefix: str = "") -> tuple[Tensors, Plain]:
    """A nested state as tensors and plain values under dotted names. Values that are neither (functions,
    None) are left out."""
    tensors: Tensors = {}
    plain: Plain = {}
    for key, value in state.items():
        name = f"{prefix}{key}"
        if isinstance(value, torch.Tensor):
            tensors[name] = value
        elif isinstance(value, Mapping):
            inner_tensors, inner_plain = split_plain(value, f"{name}.")
            tensors |= inner_tensors
            plain |= inner_plain
        elif isinstance(value, bool | int | float | str):
            plain[name] = value
    return tensors, plain


def join_plain(
    template: Mapping[str, Any], tensors: Tensors, plain: Plain, prefix: str = ""
) -> dict[str, Any]:
    """``template`` with the values that :func:`split_plain` gave names; those that are not there stay."""
    joined: dict[str, Any] = {}
    for key, value in template.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            joined[key] = join_plain(value, tensors, plain, f"{name}.")
        else:
            joined[key] = tensors.get(name, plain.get(name, value))
    return joined


def _is_main() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def _barrier() -> None:
    if dist.is_initialized():
        dist.barrier()
