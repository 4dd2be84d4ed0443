"""Asynchronous training on one machine: workers change weights in shared memory without waiting.

Niu et al. 2011, "Hogwild!"; Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning" (A3C):
each worker copies the common weights, takes a gradient there (for an actor-critic: from some steps in an
environment of its own) and applies it to the common weights, whatever others have done meanwhile. No locks:
updates may overwrite parts of each other, which small steps forgive. It does not repeat: the order of updates
is the operating system's.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn
from torch.multiprocessing.spawn import spawn

from scenewright.config import Config
from scenewright.seeds import keyed_seed

#: (worker's copy of the model, worker, its step) to a loss.
Loss = Callable[[nn.Module, int, int], torch.Tensor]


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
        torch.multiprocessing.ProcessRaisedException: a worker failed; the message has its traceback.
        TimeoutError: the workers did not end in time.
    """
    if any(parameter.device.type != "cpu" for parameter in model.parameters()):
        raise ValueError("Hogwild workers share weights in the CPU's memory; move the model to the CPU")
    model.share_memory()
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
    optimizer = optimizer or _optimizer(shared, config)
    own = copy.deepcopy(shared)
    begin.wait()  # else who starts first may be done before the next one has its imports
    for step in range(config.steps):
        own.load_state_dict(shared.state_dict())
        loss(own, worker, step).backward()
        if config.gradient_clip is not None:
            nn.utils.clip_grad_norm_(own.parameters(), config.gradient_clip)
        for common, mine in zip(shared.parameters(), own.parameters(), strict=True):
            common.grad, mine.grad = mine.grad, None
        optimizer.step()


def _optimizer(model: nn.Module, config: HogwildConfig) -> torch.optim.Optimizer:
    if config.optimizer == "rmsprop":
        return AsynchronousRMSprop(model.parameters(), config.lr)
    return torch.optim.Adam(model.parameters(), config.lr)


def _shared(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer with its states in shared memory; they are there from the start."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if isinstance(optimizer, torch.optim.Adam):
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = (
                    torch.zeros_like(parameter),
                    torch.zeros_like(parameter),
                )
            for tensor in state.values():
                tensor.share_memory_()
    return optimizer
