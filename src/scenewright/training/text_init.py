"""What the text side of a network begins with: nothing, a source of its own, or a network that matches clips
and texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenewright.generation.matching import Agreement, load_agreement
from scenewright.models.text_encoder import TextEncoderConfig, begin_text_encoders
from scenewright.text.tokenizer import TextTokenizer
from scenewright.training.vocabulary import tokenizer_for

if TYPE_CHECKING:
    from scenewright.training.config import TrainingRecipe


def first_tokenizer(recipe: TrainingRecipe, text: TextEncoderConfig) -> TextTokenizer:
    """The tokenizer of a new network with such a text encoder. ValueError as :func:`matched_text`."""
    if recipe.text_init_from is not None:
        return matched_text(recipe.text_init_from, text).tokenizer
    return tokenizer_for(text, [stage.data for stage in recipe.stages])


def begin_text(network: Any, recipe: TrainingRecipe) -> None:
    """Let a new network's text encoders begin with what the recipe says. ValueError as
    :func:`matched_text`."""
    if recipe.text_init_from is not None:
        begun = matched_text(recipe.text_init_from, network.config.text).model
        network.text_encoder.load_state_dict(begun.text_encoder.state_dict())
    else:
        begin_text_encoders(network)


def matched_text(folder: Path, wanted: TextEncoderConfig) -> Agreement:
    """The matching network of a folder, whose text encoder is of the ``wanted`` sizes.

    Raises:
        ModelError: the folder holds no such network.
        ValueError: its text encoder has other sizes.
    """
    agreement = load_agreement(folder)
    found, sizes = agreement.model.config.text.model_dump(), wanted.model_dump()
    differ = [name for name in sorted(found.keys() | sizes.keys()) if found.get(name) != sizes.get(name)]
    if differ:
        told = ", ".join(f"network.text.{name} = {getattr(wanted, name)}" for name in differ)
        theirs = ", ".join(str(getattr(agreement.model.config.text, name)) for name in differ)
        raise ValueError(f"{told}: the text encoder of {folder} has {theirs}")
    return agreement
