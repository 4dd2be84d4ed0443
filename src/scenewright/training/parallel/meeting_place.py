"""A folder in which workers meet: they leave what they learned, and the first to add it up decides.

``result-00000012.safetensors`` is what meeting 12 agreed on; ``meeting-00000012/`` holds what workers
reported for it. A result appears by a hard link, which fails where there is one already, so that every worker
reads the same one however many wrote it, and whoever dies on the way holds up nobody. Any file system that
workers share and that has hard links will do (a disk, NFS, Lustre).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Result:
    """What meeting ``number`` agreed on, and whose reports (``members``) went into it."""

    number: int
    members: frozenset[int]
    weights: Tensors
    momentum: Tensors


class MeetingPlace:
    """The folder, as ``worker`` sees it."""

    def __init__(self, folder: Path, worker: int) -> None:
        self.folder, self.worker = Path(folder), worker
        self.folder.mkdir(parents=True, exist_ok=True)

    def newest(self) -> int | None:
        """The number of the last meeting with a result."""
        return max((int(path.stem.split("-")[1]) for path in self.folder.glob("result-*")), default=None)

    def join(self, number: int) -> None:
        """Say that this worker, who was left out before, will report for a meeting."""
        self._reports(number).mkdir(exist_ok=True)
        (self._reports(number) / f"joined-{self.worker}").touch()

    def report(self, number: int, change: Mapping[str, torch.Tensor]) -> None:
        """Leave this worker's change of the weights for a meeting."""
        self._reports(number).mkdir(exist_ok=True)
        path = self._reports(number) / f"report-{self.worker}.safetensors"
        save_file(dict(change), self._part(path))
        os.replace(self._part(path), path)

    def joined(self, number: int) -> frozenset[int]:
        """Who was left out before and is expected again."""
        return self._who(number, "joined-*")

    def reported(self, number: int) -> frozenset[int]:
        return self._who(number, "report-*.safetensors")

    def mean_change(self, number: int, members: frozenset[int]) -> Tensors:
        """The mean of what ``members`` reported, float32, added up in the order of their numbers."""
        total: Tensors = {}
        for member in sorted(members):
            change, _ = _read(self._reports(number) / f"report-{member}.safetensors")
            for name, tensor in change.items():
                total[name] = total[name].add_(tensor) if name in total else tensor.float()
        return {name: tensor.div_(len(members)) for name, tensor in total.items()}

    def publish(self, result: Result) -> bool:
        """Make ``result`` that of its meeting; False if another worker was first."""
        path = self._result(result.number)
        tensors = {f"weights/{name}": tensor for name, tensor in result.weights.items()}
        tensors |= {f"momentum/{name}": tensor for name, tensor in result.momentum.items()}
        members = json.dumps(sorted(result.members))
        save_file(tensors, self._part(path), metadata={"members": members})
        try:
            os.link(self._part(path), path)
        except FileExistsError:
            return False
        finally:
            self._part(path).unlink()
        self._tidy(result.number)
        return True

    def read(self) -> Result | None:
        """The newest result."""
        while (number := self.newest()) is not None:
            try:
                tensors, metadata = _read(self._result(number))
            except FileNotFoundError:
                continue  # Others were faster by two meetings and tidied it away.
            weights, momentum = (
                {name.removeprefix(kind): x for name, x in tensors.items() if name.startswith(kind)}
                for kind in ("weights/", "momentum/")
            )
            return Result(number, frozenset(json.loads(metadata["members"])), weights, momentum)
        return None

    def _tidy(self, number: int) -> None:
        """Keep this result and the one before; reports are read no more."""
        for path in self.folder.glob("result-*.safetensors"):
            if int(path.stem.split("-")[1]) < number - 1:
                path.unlink(missing_ok=True)
        for path in self.folder.glob("meeting-*"):
            if int(path.name.split("-")[1]) < number:
                shutil.rmtree(path, ignore_errors=True)

    def _who(self, number: int, pattern: str) -> frozenset[int]:
        return frozenset(int(path.stem.split("-")[1]) for path in self._reports(number).glob(pattern))

    def _result(self, number: int) -> Path:
        return self.folder / f"result-{number:08d}.safetensors"

    def _reports(self, number: int) -> Path:
        return self.folder / f"meeting-{number:08d}"

    def _part(self, path: Path) -> Path:
        """Where this worker writes a file before it is whole."""
        return path.with_name(f".{path.name}.{self.worker}")


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
