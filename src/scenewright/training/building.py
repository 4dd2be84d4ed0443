"""What a run begins with: its tokenizer, and its network."""

from __future__ import annotations

from pathlib import Path

from scenewright.generation.loading import load_pipeline
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.training.config import TrainingRecipe
from scenewright.training.vocabulary import training_tokenizer


def build_network(recipe: TrainingRecipe) -> FlowTransformer:
    """The network with the weights of ``init_from``, or with new ones; in training mode."""
    network = FlowTransformer(recipe.network).train()
    if recipe.init_from is not None:
        network.load_state_dict(load_pipeline(recipe.init_from).model.state_dict())
    return network


def write_tokenizer(recipe: TrainingRecipe, path: Path) -> None:
    """The tokenizer of ``init_from``, or one fitted to the world's captions; one that is there stays."""
    if path.exists():
        return
    if recipe.init_from is not None:
        tokenizer = load_pipeline(recipe.init_from).tokenizer
    else:
        tokenizer = training_tokenizer(recipe.network.text.vocabulary)
    tokenizer.save(path)
