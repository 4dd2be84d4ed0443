import math

import pytest

from scenewright.training.parallel import Layout, LocalStepsConfig, ParallelConfig, setup_distributed
from scenewright.training.parallel.config import AXES


@pytest.mark.parametrize(
    ("sizes", "processes", "resolved"),
    [
        ({}, 1, (1, 1, 1, 1, 1)),
        ({}, 8, (1, 8, 1, 1, 1)),
        ({"shard": 4}, 8, (1, 2, 4, 1, 1)),
        ({"data": 1, "shard": -1, "tensor": 2}, 8, (1, 1, 4, 1, 2)),
        ({"data": 2, "pipeline": 2, "context": 2}, 8, (2, 2, 1, 2, 1)),
    ],
)
def test_the_rest_is_filled_in(sizes, processes, resolved):
    config = ParallelConfig(**sizes).resolve(processes)
    found = tuple(getattr(config, axis) for axis in AXES)
    assert found == resolved
    assert math.prod(found) == processes


@pytest.mark.parametrize("sizes", [{"tensor": 3}, {"data": 2, "shard": 2}, {"data": 8, "context": 2}])
def test_sizes_that_do_not_fit_the_processes_are_refused(sizes):
    with pytest.raises(ValueError, match=r"does not fit 8 processes: the product must be 8"):
        ParallelConfig(**sizes).resolve(8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shard": -1}, "only one of"),
        ({"tensor": 0}, "tensor = 0: give the number of parts"),
        ({"micro_batches": 4}, "does nothing without a pipeline"),
        ({"reshard_after_forward": True}, "does nothing with shard = 1"),
        ({"gather_precision": "bfloat16"}, "does nothing with shard = 1"),
        ({"timeout_seconds": 10, "local_steps": {"workers": 2, "worker": 0, "folder": "x"}}, "more than the"),
        ({"local_steps": {"workers": 2, "worker": 2, "folder": "x"}}, "counted from 0 to 1"),
        ({"local_steps": {"workers": 2, "worker": 0, "folder": "x", "least": 3}}, "more than there are"),
    ],
)
def test_what_would_do_nothing_or_not_work_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ParallelConfig(**settings)


def test_one_process_needs_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    layout = setup_distributed(ParallelConfig())
    assert (layout.rank, layout.processes, layout.mesh) == (0, 1, None)
    assert (layout.data_rank, layout.data_size, layout.is_main) == (0, 1, True)
    assert layout.average({"loss": 2.0}) == {"loss": 2.0}


def test_every_worker_reads_other_data():
    def layout(worker: int) -> Layout:
        meeting = LocalStepsConfig(workers=3, worker=worker, folder="x")
        return Layout(ParallelConfig(local_steps=meeting).resolve(1))

    assert [layout(worker).data_rank for worker in range(3)] == [0, 1, 2]
    assert layout(0).data_size == 3
