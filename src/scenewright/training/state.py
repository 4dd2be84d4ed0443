"""The state of a run, and of networks and their optimizers in it, whatever the number of processes.

Optimizer states are kept by parameter name, not by position, so that a run may go on with another number of
processes; see ``torch.distributed.checkpoint.state_dict``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from scenewright.config import load_recipe, to_yaml
from scenewright.training.checkpoint import join_plain, split_plain
from scenewright.training.parallel import bare

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer

_BY_NAME = StateDictOptions(flatten_optimizer_state_dict=True)


def network_state(network: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """``weights`` and ``optimizer``: values by dotted name. Tensors are the network's own, not copies."""
    weights, optimizer = get_state_dict(network, optimizers, options=_BY_NAME)
    return {"weights": weights, "optimizer": optimizer}


def load_network_state(
    network: nn.Module, optimizers: Sequence[torch.optim.Optimizer], state: Mapping[str, Any]
) -> None:
    """Undo :func:`network_state`."""
    set_state_dict(
        network,
        optimizers,
        model_state_dict=state["weights"],
        optim_state_dict=state["optimizer"],
        options=_BY_NAME,
    )


def _forget_others(
    network: nn.Module, optimizers: Sequence[torch.optim.Optimizer], known: Collection[str], prefix: str
) -> None:
    """Take away the states of parameters that had none when the checkpoint was made, as they had not begun to
    learn: loading has made some for all."""
    for name, parameter in network.named_parameters():
        if not any(stored.startswith(f"{prefix}.{name}.") for stored in known):
            for optimizer in optimizers:
                optimizer.state.pop(parameter, None)


def run_state(trainer: Trainer) -> dict[str, Any]:
    """Everything that the rest of a run depends on; its tensors are the run's own, not copies."""
    return {
        "recipe": trainer.recipe.identity,
        "progress": {
            "step": trainer.step,
            "seconds": trainer.seconds,
            "data_offset": trainer.data_offset,
            "ended_early": trainer.ended_early,
        },
        "random": {"torch": torch.get_rng_state()},
        "schedule": trainer.schedule.state_dict(),
        "feed": trainer.feed.state_dict(),
        "networks": {
            player: network_state(bare(network), trainer.optimizers[player])
            for player, network in trainer.networks.items()
        },
        "companions": {
            f"{index}.{name}": network.state_dict()
            for index, objective in enumerate(trainer.objectives)
            for name, network in objective.companions.items()
        },
        "callbacks": {callback.name: callback.state_dict() for callback in trainer.callbacks},
    }


def load_run_state(trainer: Trainer) -> None:
    """Bring a run to where its newest checkpoint left it."""
    template = run_state(trainer)
    tensors, _ = split_plain(template)
    state = join_plain(template, tensors, trainer.store.load(tensors))
    known = trainer.store.names()
    for player, network in trainer.networks.items():
        load_network_state(bare(network), trainer.optimizers[player], state["networks"][player])
        _forget_others(bare(network), trainer.optimizers[player], known, f"networks.{player}.optimizer.state")
    for index, objective in enumerate(trainer.objectives):
        for name, network in objective.companions.items():
            network.load_state_dict(state["companions"][f"{index}.{name}"])
    for callback in trainer.callbacks:
        callback.load_state_dict(state["callbacks"][callback.name])
    trainer.schedule.load_state_dict(state["schedule"])
    trainer.feed.load_state_dict(state["feed"])
    progress = state["progress"]
    trainer.step, trainer.data_offset = int(progress["step"]), int(progress["data_offset"])
    trainer.seconds, trainer.ended_early = float(progress["seconds"]), bool(progress["ended_early"])
    # Last: building optimizer states above may have drawn random numbers.
    torch.set_rng_state(state["random"]["torch"])


def begin(trainer: Trainer) -> None:
    """A new run notes its recipe; one that was stopped goes on from its newest checkpoint.

    Raises:
        ValueError: the folder holds a run of another recipe.
    """
    plain, file = trainer.store.read_plain(), trainer.output / "recipe.yaml"
    if plain is None:
        if trainer.layout.is_main:
            file.write_text(to_yaml(trainer.recipe), encoding="utf-8")
        return
    identity = trainer.recipe.identity
    # Read anew, keys that are newer than the run have their defaults.
    if identity != plain["recipe"] and identity != load_recipe(type(trainer.recipe), file).identity:
        raise ValueError(
            f"{trainer.output} holds a run of another recipe; choose another --output, or use the recipe in "
            f"{file}"
        )
    load_run_state(trainer)


def roll_back(trainer: Trainer) -> None:
    """Back to the newest checkpoint, and past the data that led to the fault.

    Raises:
        FloatingPointError: there is no checkpoint, or going back to it has not helped.
    """
    fault, offset = trainer.step, trainer.data_offset
    rollbacks = trainer.rollbacks + 1
    trainer.store.wait()
    if not trainer.store.steps():
        raise FloatingPointError(f"step {fault + 1} failed before the first checkpoint; lower optimizer.lr")
    if rollbacks > trainer.recipe.guard.patience:
        raise FloatingPointError(
            f"{rollbacks} rollbacks to the checkpoint of step {trainer.store.steps()[-1]} did not help; "
            "lower optimizer.lr"
        )
    load_run_state(trainer)
    trainer.rollbacks = rollbacks
    trainer.data_offset = offset + fault - trainer.step + 1
    trainer.logging.rewind(trainer.step)
