"""Asynchronous training on one machine: workers change weights in shared memory without waiting.

Niu et al. 2011, "Hogwild!"; Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning" (A3C):
each worker copies the common weights, takes a gradient there (for an actor-critic: from some steps in an
environment of its own) and applies it to the common weights, whatever others have done meanwhile. No locks:
updates may overwrite parts of each other, which small steps forgive. It does not repeat: the order of updates
is the operating system's.

:func:`train_hogwild` trains from beginning to end. :class:`HogwildWorkers` are for a run with steps of its
own, between which nothing changes: they share the run's optimizers, too, and stay from step to step.
"""

from __future__ import annotations

import copy
import math
import signal
import time
import traceback
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.synchronize import Barrier
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import nn
from torch.multiprocessing.spawn import spawn

from scenewright.config import Config
from scenewright.seeds import keyed_seed

#: (worker's copy of the model, worker, its step) to a loss.
Loss = Callable[[nn.Module, int, int], torch.Tensor]
#: (worker's copy of the model, part of a batch) to a loss and its parts by name.
PartLoss = Callable[[nn.Module, Any], tuple[torch.Tensor, dict[str, float]]]


class HogwildConfig(Config):
    """``steps`` are each worker's. With ``shared_statistics`` all workers use one set of moments of the
    gradient, which Mnih et al. found more robust; otherwise each has its own.

    ``timeout_seconds``: after which the run fails.
    """

    workers: int = Field(ge=1)
    steps: int = Field(ge=1)
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    lr: float = Field(default=7e-4, gt=0)
    shared_statistics: bool = True
    gradient_clip: float | None = Field(default=40.0, gt=0)
    seed: int = Field(default=0, ge=0)
    timeout_seconds: float = Field(default=3600.0, gt=0)


class AsynchronousRMSprop(torch.optim.Optimizer):
    """RMSprop as A3C has it (Mnih et al. 2016, section 4).

    g <- a g + (1 - a) d^2,  w <- w - lr d / sqrt(g + eps). ``torch.optim.RMSprop`` has eps outside the root.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, smoothing: float = 0.99, eps: float = 0.1
    ) -> None:
        super().__init__(params, {"lr": lr, "smoothing": smoothing, "eps": eps})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["square"] = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if (d := parameter.grad) is not None:
                    square = self.state[parameter]["square"]
                    square.mul_(group["smoothing"]).addcmul_(d, d, value=1 - group["smoothing"])
                    parameter.addcdiv_(d, (square + group["eps"]).sqrt(), value=-group["lr"])
        return loss


def train_hogwild(model: nn.Module, loss: Loss, config: HogwildConfig) -> None:
    """Train ``model``, which is on the CPU, in place.

    ``loss`` is called in processes of their own: it must be importable (a function of a module, or an
    instance of a class of one), and may keep what it needs, such as an environment, from call to call.
    Global random numbers of each process are seeded by (seed, worker).

    Raises:
        ValueError: the model is not on the CPU.
        torch.multiprocessing.ProcessRaisedException: a worker failed, or had a loss that is not finite; the
            message has its traceback.
        TimeoutError: the workers did not end in time.
    """
    _share_weights(model)
    optimizer = _shared(_optimizer(model, config)) if config.shared_statistics else None
    begin = get_context("spawn").Barrier(config.workers)
    context = spawn(_work, (model, optimizer, loss, config, begin), nprocs=config.workers, join=False)
    deadline = time.monotonic() + config.timeout_seconds
    try:
        while not context.join(timeout=max(0.0, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"the workers did not end within {config.timeout_seconds:g} s")
    finally:
        for process in context.processes:
            if process.is_alive():
                process.kill()
                process.join()


class HogwildWorkers:
    """Processes that stay, and change the weights of ``model`` and the states of its ``optimizers`` in shared
    memory, a few updates at a time.

    ``build``: is called once in each of ``count`` processes, and gives the loss of a part of a batch; it must
    be importable. ``clip``: the largest norm of a gradient. Random numbers are to come with the parts.

    Raises:
        ValueError: the model is not on the CPU.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        build: Callable[[], PartLoss],
        count: int,
        clip: float,
        timeout_seconds: float = 600.0,
    ) -> None:
        _share_weights(model)
        self.model, self.optimizers = model, [_shared(optimizer) for optimizer in optimizers]
        self.timeout_seconds = timeout_seconds
        self._where = self._addresses()
        context = get_context("spawn")
        self._lines, self._processes = [], []
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(
                target=_serve, args=(there, model, self.optimizers, build, clip), daemon=True
            )
            process.start()
            there.close()
            self._lines.append(here)
            self._processes.append(process)
        self._end = weakref.finalize(self, _end, self._lines, self._processes)

    @property
    def share(self) -> bool:
        """Whether what the run trains is still what the workers change: states of optimizers that are loaded
        from a checkpoint take the place of those that were shared."""
        return self._where == self._addresses()

    def work(self, shares: Sequence[Sequence[Any]]) -> list[list[dict[str, float]]]:
        """Each worker takes an update for each part of its share, and the last one is waited for. What each
        update found, by worker: ``loss``, ``gradient_norm`` and the loss's parts; only ``left_out`` = 1 for
        an update that was not finite, and so was not applied. ``seconds``: of the worker's processor.

        Raises:
            RuntimeError: a worker failed; the message has its traceback.
            TimeoutError: the workers did not end in time.
        """
        rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        trains = [parameter.requires_grad for parameter in self.model.parameters()]
        for line, parts in zip(self._lines, shares, strict=True):
            with suppress(ConnectionError):  # of a worker that is gone, which is found below
                line.send(_Job(list(parts), rates, trains))
        deadline = time.monotonic() + self.timeout_seconds
        return [
            self._answer(line, process, deadline)
            for line, process in zip(self._lines, self._processes, strict=True)
        ]

    def close(self) -> None:
        """End the processes."""
        self._end()

    def _answer(self, line: Any, process: Any, deadline: float) -> list[dict[str, float]]:
        ready = connection.wait([line, process.sentinel], max(0.0, deadline - time.monotonic()))
        try:
            if not ready:
                raise TimeoutError(f"the workers did not end within {self.timeout_seconds:g} s")
            answer: list[dict[str, float]] | str = line.recv()
        except (EOFError, ConnectionError):
            process.join()
            answer = f"it ended with code {process.exitcode}"
        except TimeoutError:
            self.close()
            raise
        if isinstance(answer, str):
            self.close()
            raise RuntimeError(f"a worker failed: {answer}")
        return answer

    def _addresses(self) -> list[int]:
        states = [s for o in self.optimizers for state in o.state.values() for s in state.values()]
        tensors = [*self.model.parameters(), *self.model.buffers(), *states]
        return [tensor.data_ptr() for tensor in tensors if isinstance(tensor, torch.Tensor)]


class _Job(NamedTuple):
    """``rates``: of each group of each optimizer; ``trains``: which parameters do."""

    parts: list[Any]
    rates: list[list[float]]
    trains: list[bool]


class _Replica:
    """A worker's copy of the common model, on which it computes gradients for that one."""

    def __init__(
        self, common: nn.Module, optimizers: Sequence[torch.optim.Optimizer], clip: float | None
    ) -> None:
        self.common, self.optimizers = common, optimizers
        self.clip = math.inf if clip is None else clip
        self.own = copy.deepcopy(common)

    def update(self, loss: Callable[[nn.Module], torch.Tensor]) -> tuple[float, float]:
        """Loss and norm of the gradient at the common weights, by which these have changed, if both are
        finite."""
        self.own.load_state_dict(self.common.state_dict())
        found = loss(self.own)
        found.backward()
        norm = nn.utils.clip_grad_norm_(self.own.parameters(), self.clip).item()
        for common, mine in zip(self.common.parameters(), self.own.parameters(), strict=True):
            common.grad, mine.grad = mine.grad, None
        value = found.item()
        if math.isfinite(value) and math.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
        return value, norm


def _work(
    worker: int,
    shared: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    loss: Loss,
    config: HogwildConfig,
    begin: Barrier,
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(keyed_seed(config.seed, "hogwild", worker))
    replica = _Replica(shared, [optimizer or _optimizer(shared, config)], config.gradient_clip)
    begin.wait()  # else who starts first may be done before the next one has its imports
    for step in range(config.steps):
        value, norm = replica.update(lambda own, at=step: loss(own, worker, at))  # type: ignore[misc]
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise FloatingPointError(f"step {step + 1}: the loss is {value}, the gradient norm {norm}")


def _serve(
    line: Any,
    common: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    build: Callable[[], PartLoss],
    clip: float,
) -> None:
    # Signals to a whole group of processes are for the run, which ends its workers itself.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    replica, loss = _Replica(common, optimizers, clip), build()
    while True:
        try:
            job: _Job = line.recv()
        except (EOFError, ConnectionError):  # the run is gone
            return
        try:
            answer: Any = _updates(replica, loss, job)
        except Exception:
            answer = traceback.format_exc()
        try:
            line.send(answer)
        except ConnectionError:
            return


def _updates(replica: _Replica, loss: PartLoss, job: _Job) -> list[dict[str, float]]:
    for optimizer, rates in zip(replica.optimizers, job.rates, strict=True):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
    for parameter, trains in zip(replica.own.parameters(), job.trains, strict=True):
        parameter.requires_grad_(trains)
    answers = []
    for part in job.parts:
        began, found = time.process_time(), dict[str, float]()

        def of_part(own: nn.Module, part: Any = part, found: dict[str, float] = found) -> torch.Tensor:
            value, parts = loss(own, part)
            found.update(parts)
            return value

        value, norm = replica.update(of_part)
        if math.isfinite(value) and math.isfinite(norm):
            answer = {"loss": value, **found, "gradient_norm": norm, "left_out": 0.0}
        else:
            answer = {"left_out": 1.0}
        answers.append(answer | {"seconds": time.process_time() - began})
    return answers


def _end(lines: Sequence[Any], processes: Sequence[Any]) -> None:
    for line in lines:
        line.close()
    for process in processes:
        process.kill()
        process.join()


def _share_weights(model: nn.Module) -> None:
    if any(parameter.device.type != "cpu" for parameter in model.parameters()):
        raise ValueError("Hogwild workers share weights in the CPU's memory; move the model to the CPU")
    model.share_memory()


def _optimizer(model: nn.Module, config: HogwildConfig) -> torch.optim.Optimizer:
    if config.optimizer == "rmsprop":
        return AsynchronousRMSprop(model.parameters(), config.lr)
    return torch.optim.Adam(model.parameters(), config.lr)


def _shared(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer with its states in shared memory, all of them: what most optimizers make of a parameter's
    first gradient is made here, of gradients of zero, and is zero."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    new = {p for p in parameters if p not in optimizer.state}
    gradients, rates = [p.grad for p in parameters], [group["lr"] for group in optimizer.param_groups]
    for parameter in parameters:
        parameter.grad = None
    for parameter in new:
        parameter.grad = torch.zeros_like(parameter)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    optimizer.step()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
        for tensor in optimizer.state[parameter].values():
            if isinstance(tensor, torch.Tensor):
                if parameter in new:
                    tensor.zero_()
                tensor.share_memory_()
    return optimizer
