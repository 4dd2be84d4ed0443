"""The folder of a network that has nothing else to it: its sizes, weights and, where it reads, vocabulary."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from pydantic import ValidationError
from torch import nn

from scenewright.config import Config, validation_summary
from scenewright.generation.model_folder import (
    WEIGHTS,
    ModelError,
    family_in,
    load_vocabulary,
    load_weights,
    replacing,
    save_vocabulary,
    save_weights,
)
from scenewright.registry import RegistryError, models
from scenewright.text.tokenizer import TextTokenizer

N = TypeVar("N", bound=nn.Module)


class NetworkCard(Config):
    """The contents of ``config.json``."""

    family: str
    name: str
    network: dict[str, Any]

    def build(self) -> nn.Module:
        """The network with fresh weights. ValueError: sizes that do not fit it."""
        network = models.get(self.family)
        built: nn.Module = network(network.Config.model_validate(self.network))
        return built


class Opened(NamedTuple):
    """``tokenizer``: a :class:`.TextTokenizer`, None for a network that reads no texts. ``words``: those of
    the training captions; ``digest``: of the file of weights."""

    network: Any
    tokenizer: Any
    words: frozenset[str]
    name: str
    digest: str


def is_of(family: str, kind: type[nn.Module]) -> bool:
    """Whether networks of a family are of a kind. One that is not known is of none."""
    try:
        return issubclass(models.get(family), kind)
    except (RegistryError, TypeError):
        return False


def save_network(
    network: Any,
    name: str,
    tokenizer: TextTokenizer | None,
    words: frozenset[str],
    folder: Path,
    dtype: torch.dtype,
) -> None:
    """Write a model's folder; every file appears whole or not at all. ``network.config`` has its sizes. A
    network that reads no texts says ``reads_texts = False``, and has no ``tokenizer``."""
    sizes = network.config.model_dump(mode="json")
    card = NetworkCard(family=sizes["family"], name=name, network=sizes)
    with replacing(folder) as new:
        save_weights(network, new, dtype)
        if tokenizer is not None:
            save_vocabulary(new, tokenizer, words)
        (new / "config.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", "utf-8")


def load_network(folder: Path, kind: type[nn.Module], what: str) -> Opened:
    """Load a network of a ``kind``, which is said as ``what``.

    Raises:
        ModelError: a file is missing, broken or of something else.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise ModelError(f"{folder} holds no model: it has no config.json")
    content = file.read_bytes()
    if not is_of(family_in(content), kind):
        raise ModelError(f"{folder} is of no network that {what}")
    try:
        card = NetworkCard.model_validate_json(content)
        network = card.build()
    except ValidationError as error:
        raise ModelError(f"{file}: {validation_summary(error, NetworkCard)}") from None
    load_weights(network, folder)
    reads = getattr(network, "reads_texts", True)
    tokenizer, words = load_vocabulary(folder) if reads else (None, frozenset())
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    return Opened(network, tokenizer, words, card.name, digest)
