"""Whole runs of the trainer, spread over two processes, are the run of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from spread_runs import STEPS, recipe, run
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from scenewright.generation.loading import load_pipeline
from scenewright.training.checkpoint import CheckpointStore

PROGRAM = Path(__file__).with_name("spread_runs.py")
#: How a run is spread, and its optimizer: Muon needs whole matrices, which tensor parallelism splits.
SPREAD: dict[str, tuple[dict[str, Any], str]] = {
    "data": ({"data": 2}, "muon"),
    "shard": ({"data": 1, "shard": 2}, "muon"),
    "shard, recomputed": ({"data": 1, "shard": 2, "activation_checkpointing": "full"}, "adamw"),
    "context": ({"data": 1, "context": 2}, "muon"),
    "tensor": ({"data": 1, "tensor": 2}, "adamw"),
    "pipeline": ({"data": 1, "pipeline": 2}, "muon"),
}
#: Loss, from another order of sums, which a few steps of an optimizer make more of.
CLOSE = 1e-5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def torchrun(jobs: list[dict[str, Any]], *options: str) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = subprocess.Popen(
        [*command, *options, str(PROGRAM), json.dumps(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        out, log = program.communicate(timeout=500)
    finally:
        if program.returncode is None:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
    assert program.returncode == 0, log[-6000:]
    return out


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    found = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert list(found) == list(range(1, STEPS + 1))
    return list(found.values())


def validations(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["validation"]["loss"]["value"] for line in lines if "validation" in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process and two, each layout; one begun by one process and ended by two, and the reverse."""
    folder = tmp_path_factory.mktemp("spread")
    alone: dict[str, Any] = {"data": 1}
    for optimizer in ("muon", "adamw"):
        run({"folder": folder / optimizer, "parallel": alone, "optimizer": optimizer})
    run({"folder": folder / "one, then two", "parallel": alone, "optimizer": "muon", "until": 3})
    jobs = [
        {"folder": str(folder / name), "parallel": parallel, "optimizer": optimizer}
        for name, (parallel, optimizer) in SPREAD.items()
    ]
    shard = SPREAD["shard"][0]
    jobs += [
        {"folder": str(folder / "one, then two"), "parallel": shard, "optimizer": "muon"},
        {"folder": str(folder / "two, then one"), "parallel": shard, "optimizer": "muon", "until": 3},
        {
            "folder": str(folder / "told to stop"),
            "parallel": {"data": 2},
            "optimizer": "muon",
            "signal": [3, 1, "SIGTERM"],
        },
    ]
    torchrun(jobs)
    run({"folder": folder / "two, then one", "parallel": alone, "optimizer": "muon"})
    return folder


@pytest.mark.parametrize("name", [*SPREAD, "one, then two", "two, then one"])
def test_a_run_spread_over_processes_is_that_of_one(folder: Path, name: str) -> None:
    alone = folder / (SPREAD[name][1] if name in SPREAD else "muon")
    assert losses(folder / name) == pytest.approx(losses(alone), rel=CLOSE)
    assert validations(folder / name) == pytest.approx(validations(alone), rel=CLOSE)
    found = load_pipeline(folder / name / "model").model.state_dict()
    expected = load_pipeline(alone / "model").model.state_dict()
    for key, value in expected.items():
        torch.testing.assert_close(found[key].float(), value.float(), atol=2e-3, rtol=0)
    assert (folder / name / "samples" / "step-0000004.png").is_file()


def test_a_signal_to_one_process_ends_all_at_the_same_step(folder: Path) -> None:
    checkpoints = folder / "told to stop" / "checkpoints"
    assert sorted(p.name for p in checkpoints.iterdir())[-1] == "step-0000003"
    run({"folder": folder / "told to stop", "parallel": {"data": 1}, "optimizer": "muon"})
    assert losses(folder / "told to stop") == pytest.approx(losses(folder / "muon"), rel=CLOSE)


def test_a_run_survives_the_loss_of_a_process(tmp_path: Path, folder: Path) -> None:
    job = {
        "folder": str(tmp_path / "run"),
        "parallel": {"data": 2},
        "optimizer": "muon",
        "signal": [5, 1, "SIGKILL"],
    }
    torchrun([job], "--max-restarts", "1")
    assert (tmp_path / "run-SIGKILL").exists()
    assert losses(tmp_path / "run") == pytest.approx(losses(folder / "muon"), rel=CLOSE)


def test_workers_that_meet_now_and_then_end_with_the_same_weights(tmp_path: Path) -> None:
    jobs = []
    for worker in range(2):
        meetings = {"workers": 2, "worker": worker, "folder": str(tmp_path / "place"), "every": 2}
        job = {"folder": str(tmp_path / f"worker-{worker}"), "optimizer": "adamw"}
        jobs.append(job | {"parallel": {"local_steps": meetings | {"timeout_seconds": 60.0, "least": 2}}})
    first = [{**job, "until": 3} for job in jobs]
    for part in (first, jobs):  # Stopped between two meetings, and begun again.
        programs = [subprocess.Popen([sys.executable, str(PROGRAM), json.dumps([job])]) for job in part]
        assert [program.wait(timeout=200) for program in programs] == [0, 0]
    one, other = ({k: v for k, v in _last(job["folder"]).items() if ".weights." in k} for job in jobs)
    assert len(one) > 20
    assert any(name.startswith("networks.") for name in one)
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, atol=0, rtol=0)
    assert losses(tmp_path / "worker-0") != losses(tmp_path / "worker-1"), "each its own share of the data"


def _last(folder: str) -> dict[str, torch.Tensor]:
    """The tensors of a run's newest checkpoint."""
    store = CheckpointStore(Path(folder) / "checkpoints")
    path = store.folder / f"step-{store.steps()[-1]:07d}"
    metadata = FileSystemReader(path).read_metadata().state_dict_metadata
    tensors = {
        name: torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in metadata.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    store.load(tensors)
    return tensors


def test_tensor_parallelism_and_muon_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="muon needs whole matrices"):
        recipe({"data": 1, "tensor": 2}, "muon")
    changed = recipe({"data": 1, "tensor": 2}, "adamw").identity
    assert changed != recipe({"data": 1}, "adamw").identity
    assert recipe({"data": 1, "shard": 2}, "adamw").identity == recipe({"data": 2}, "adamw").identity
