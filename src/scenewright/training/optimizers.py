"""Optimizers: torch's own, Muon for the hidden matrices, schedule-free AdamW; rates that fall with depth."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from scenewright.config import ChoiceConfig
from scenewright.training.freezing import matching
from scenewright.training.parallel.tensor import gather, split_like

#: Coefficients of the quintic Newton-Schulz iteration (Jordan et al. 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)

_BLOCK = re.compile(r"(?:.*?\.)?blocks\.\d+(?=\.)")
_HIDDEN = re.compile(r"(?:^|\.)(?:blocks|layers)\.\d+\.")
_NOT_FOR_MUON = re.compile(r"modulation|(?:text_encoder|reader)\.network\.")

_ADAMW = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.01}


class OptimizerConfig(ChoiceConfig):
    """The optimizer and its settings; one that the optimizer does not take is refused.

    - ``lr``: the peak rate. Muon and the AdamW beside it share it: Muon's update is scaled to AdamW's
      typical size.
    - ``layer_decay``: below 1, the rates fall with depth: see :func:`build_optimizers`.
    - ``rates``: what the rates of some parameters are multiplied by, by shell patterns of their names, such
      as ``text_encoder.network.*``: a tenth for what is pretrained. Of several that match, the last counts.
    - ``weight_decay``: of matrices and kernels, not of vectors. Decoupled from the gradient in ``adamw``,
      ``muon`` and ``schedule_free_adamw`` (Loshchilov & Hutter 2019), added to it in the others.
    - ``momentum``, ``nesterov`` (``sgd``), ``smoothing`` (of the squared gradient) and ``centered``
      (``rmsprop``), ``beta1``, ``beta2``, ``eps``: as in torch.
    - ``block_rows`` makes Muon orthogonalise blocks of so many rows instead of whole matrices, and
      ``newton_schulz_precision`` is what it computes them in.

    ``schedule_free_adamw`` (Defazio et al. 2024) averages instead of decaying the rate: use it with a
    constant schedule and a warm-up. It corrects its bias by the steps of the whole group, so parameters that
    are unfrozen late get far too large first steps: use it without gradual unfreezing.
    """

    FIELDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "sgd": {"momentum": 0.9, "nesterov": False, "weight_decay": 0.0},
        "rmsprop": {"smoothing": 0.99, "momentum": 0.0, "centered": False, "eps": 1e-8, "weight_decay": 0.0},
        "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
        "adamw": _ADAMW,
        "muon": {
            **_ADAMW,
            "momentum": 0.95,
            "newton_schulz_steps": 5,
            "block_rows": None,
            "newton_schulz_precision": "float32",
        },
        "schedule_free_adamw": {**_ADAMW, "beta2": 0.999},
    }

    name: Literal["sgd", "rmsprop", "adam", "adamw", "muon", "schedule_free_adamw"] = "muon"
    lr: float = Field(default=1e-3, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    rates: dict[str, Annotated[float, Field(gt=0)]] = Field(default={})
    weight_decay: float | None = Field(default=None, ge=0)
    beta1: float | None = Field(default=None, ge=0, lt=1)
    beta2: float | None = Field(default=None, ge=0, lt=1)
    eps: float | None = Field(default=None, gt=0)
    momentum: float | None = Field(default=None, ge=0, lt=1)
    nesterov: bool | None = None
    smoothing: float | None = Field(default=None, ge=0, lt=1)
    centered: bool | None = None
    newton_schulz_steps: int | None = Field(default=None, ge=1)
    block_rows: int | None = Field(default=None, ge=1)
    newton_schulz_precision: Literal["float32", "bfloat16"] | None = None

    @model_validator(mode="after")
    def _check(self) -> OptimizerConfig:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov = true needs momentum above 0")
        if self.name == "schedule_free_adamw" and self.beta1 == 0:
            raise ValueError("beta1 = 0 leaves schedule_free_adamw nothing to average; set it above 0")
        return self


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by Newton-Schulz (Jordan et al. 2024) in ``dtype``.

    For matrices only. The orthogonal update is scaled by 0.2 sqrt(max(rows, columns)), so that its RMS
    matches AdamW's and one learning rate serves both (Liu et al. 2025). Matrices of one shape are
    orthogonalised together. ``torch.optim.Muon`` always computes in bfloat16, which is slow on many CPUs.

    Of weights that are sharded, each process holds its part of the momentum and orthogonalises the whole.

    With ``block_rows`` each block of so many rows is orthogonalised by itself (Khaled et al. 2025, "MuonBP"):
    the cost of the iteration falls with the block's height, which decides where batches are small.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        steps: int = 5,
        block_rows: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "steps": steps,
            "block_rows": block_rows,
        }
        self.dtype = dtype
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(
                        f"Muon is for matrices, not a parameter of shape {tuple(parameter.shape)}"
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[Any, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    kind = (parameter.shape, parameter.dtype, parameter.device)
                    alike.setdefault(kind, []).append(parameter)
            for (shape, *_), parameters in alike.items():
                updates = torch.stack([gather(self._momentum(p, group["momentum"])) for p in parameters])
                rows = group["block_rows"] or shape[0]
                if shape[0] % rows:
                    rows = shape[0]
                blocks = orthogonalise(updates.view(-1, rows, shape[1]), group["steps"], self.dtype)
                updates = blocks.mul_(0.2 * max(rows, shape[1]) ** 0.5).view(updates.shape)
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(split_like(update, parameter), alpha=-group["lr"])
        return loss

    def _momentum(self, parameter: nn.Parameter, momentum: float) -> torch.Tensor:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(parameter)
        buffer = state["buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum)


def orthogonalise(matrices: torch.Tensor, steps: int = 5, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Nearest semi-orthogonal matrices (..., M, N), up to singular values between 0.7 and 1.2.

    ``dtype``: what the iteration computes in. It tolerates bfloat16, for which it was designed.
    """
    a, b, c = _QUINTIC
    transpose = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if transpose else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.to(dtype)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if transpose else x).to(matrices.dtype)


def build_optimizers(model: nn.Module, config: OptimizerConfig) -> list[torch.optim.Optimizer]:
    """The optimizers that together hold every parameter of ``model``, frozen ones too.

    One, or for ``muon`` two: Muon on the matrices inside blocks and layers, AdamW on everything else
    (modulation layers, embeddings, the first and last layer). A parameter without a gradient is neither
    stepped nor decayed and takes no memory, so freezing may come and go. Vectors are not decayed.

    With ``layer_decay`` d a parameter's rate is lr d^k (Clark et al. 2020, "ELECTRA", after Howard & Ruder
    2018, "ULMFiT"). k counts from the top, in the order in which the model's parts are made: 0 for what
    follows the last of its ``blocks.N``, 1 for that block, and so on down; one more than the first block's
    for what comes before it. Each group holds its d^k, times that of ``rates``, as ``lr_scale``; see
    :func:`set_rate`. Muon leaves pretrained language models to AdamW, by which they were trained.

    Raises:
        ValueError: ``layer_decay`` is below 1 and the model has no ``blocks.N``, or the package that
            ``schedule_free_adamw`` needs is not installed.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.is_floating_point()}
    depth = _depths(list(parameters)) if config.layer_decay < 1 else dict.fromkeys(parameters, 0)
    hidden: dict[tuple[float, float], dict[str, Any]] = {}
    others: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in parameters.items():
        factors = [factor for pattern, factor in config.rates.items() if fnmatchcase(name, pattern)]
        scale = config.layer_decay ** depth[name] * (factors[-1] if factors else 1.0)
        decay: float = config.chosen["weight_decay"] if parameter.ndim >= 2 else 0.0
        to_muon = config.name == "muon" and parameter.ndim == 2 and _HIDDEN.search(name)
        groups = hidden if to_muon and not _NOT_FOR_MUON.search(name) else others
        group = groups.setdefault(
            (scale, decay),
            {"params": [], "lr": config.lr * scale, "lr_scale": scale, "weight_decay": decay},
        )
        group["params"].append(parameter)
    optimizers: list[torch.optim.Optimizer] = []
    if hidden:
        optimizers.append(_muon(list(hidden.values()), config))
    if others:
        optimizers.append(_elementwise(list(others.values()), config))
    return optimizers


def check_rates(config: OptimizerConfig, networks: Iterable[nn.Module]) -> None:
    """ValueError for a pattern of ``rates`` that matches no parameter of any of the networks."""
    names = [name for network in networks for name, _ in network.named_parameters()]
    for pattern in config.rates:
        matching(pattern, names)


def set_rate(optimizers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """Give each group made by :func:`build_optimizers` the rate times its own ``lr_scale``."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]


def keeps_average(optimizers: Sequence[torch.optim.Optimizer]) -> bool:
    """Whether the optimizers are schedule-free: these average the weights themselves."""
    return any(hasattr(optimizer, "eval") for optimizer in optimizers)


@contextmanager
def own_average(optimizers: Sequence[torch.optim.Optimizer]) -> Iterator[None]:
    """Inside, parameters have the average that schedule-free optimizers keep; afterwards what they had, bit
    for bit."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    trained = [(p, p.detach().clone()) for group in groups for p in group["params"]]
    for optimizer in optimizers:
        if hasattr(optimizer, "eval"):
            optimizer.eval()
    try:
        yield
    finally:
        for parameter, value in trained:
            parameter.data.copy_(value)
        for group in groups:
            if "train_mode" in group:
                group["train_mode"] = True


def _depths(names: Sequence[str]) -> dict[str, int]:
    """How far each parameter is from the top; ``names`` in the order of the model's parts."""
    blocks: dict[str, int] = {}
    for name in names:
        if match := _BLOCK.match(name):
            blocks.setdefault(match.group(), len(blocks) + 1)
    if not blocks:
        raise ValueError("layer_decay below 1 needs a model with blocks.0, blocks.1, ...; leave it at 1")
    top, level, depth = len(blocks) + 1, 0, {}
    for name in names:
        if match := _BLOCK.match(name):
            level = blocks[match.group()]
        elif level == len(blocks):
            level = top
        depth[name] = top - level
    return depth


def _muon(groups: list[dict[str, Any]], config: OptimizerConfig) -> Muon:
    own = config.chosen
    return Muon(
        groups,
        lr=config.lr,
        momentum=own["momentum"],
        steps=own["newton_schulz_steps"],
        block_rows=own["block_rows"],
        dtype=getattr(torch, own["newton_schulz_precision"]),
    )


def _elementwise(groups: list[dict[str, Any]], config: OptimizerConfig) -> torch.optim.Optimizer:
    own = config.chosen
    if config.name == "sgd":
        # Not fused: torch 2.13's fused kernel fails where only some parameters have momentum yet.
        return torch.optim.SGD(groups, momentum=own["momentum"], nesterov=own["nesterov"])
    if config.name == "rmsprop":
        return torch.optim.RMSprop(
            groups,
            alpha=own["smoothing"],
            eps=own["eps"],
            momentum=own["momentum"],
            centered=own["centered"],
        )
    betas = (own["beta1"], own["beta2"])
    if config.name == "schedule_free_adamw":
        try:
            schedulefree = importlib.import_module("schedulefree")
        except ImportError:
            raise ValueError(
                "schedule_free_adamw needs the package schedulefree: pip install 'scenewright[train]'"
            ) from None
        optimizer = schedulefree.AdamWScheduleFree(groups, betas=betas, eps=own["eps"])
        for group in optimizer.param_groups:
            # Not optimizer.train(): the empty states that it leaves keep a checkpoint from filling them.
            group["train_mode"] = True
        return optimizer
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    return kind(groups, betas=betas, eps=own["eps"], fused=True)
