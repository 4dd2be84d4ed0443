"""Spread a network over processes."""

from __future__ import annotations

from torch import nn

from scenewright.training.parallel.context import split_context
from scenewright.training.parallel.data import share_data
from scenewright.training.parallel.declared import repeated_blocks
from scenewright.training.parallel.layout import Layout
from scenewright.training.parallel.pipeline import Stage
from scenewright.training.parallel.players import copy_from_main
from scenewright.training.parallel.tensor import split_tensors
from scenewright.training.parallel.wrapping import wrap_blocks


def parallelize(model: nn.Module, layout: Layout) -> nn.Module:
    """Move ``model`` to its device and split it as ``layout`` says; use the result in its place.

    All processes must have built the same, whole model; they get the weights of the main process. The order
    is: blocks of this stage, tensors, tokens, activation checkpointing, compilation, data. With data
    parallelism alone the result is a :class:`.data.DataParallel` around the model, otherwise the model.

    What copies the model (an average of its weights) must do so before: sharded models cannot be copied.

    Raises:
        ValueError: the model cannot be split so: it declares nothing about it, or its heads, units or blocks
            do not divide.
    """
    config = layout.config
    copy_from_main(model, layout)
    stage = None
    if config.pipeline > 1:
        stage = Stage(model, layout.group("pipeline"), config.micro_batches or config.pipeline)
    if config.tensor > 1:
        assert layout.mesh is not None
        split_tensors(model, layout.mesh["tensor"])
    if config.context > 1:
        split_context(model, layout.group("context"), config.tensor)
    blocks = repeated_blocks(model)
    if not blocks and (config.compile or config.activation_checkpointing != "none"):
        raise ValueError(
            f"{type(model).__name__} declares no repeated_blocks; leave parallel.compile and "
            "parallel.activation_checkpointing out"
        )
    wrap_blocks(blocks, config.activation_checkpointing, config.compile)
    if stage is not None:
        stage.connect(model)
    return model if layout.mesh is None else share_data(model, layout)
