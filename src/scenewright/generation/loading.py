"""A model's folder: ``config.json``, ``model.safetensors``, ``tokenizer.model``, ``words.txt``; for a model
of latents also ``autoencoder/``, the folder of what decodes them, and for one that takes layouts
``planner/``, the folder of what plans them.

The folder is all that ``generate`` needs, and what training exports. Weights are stored as float16 or float32
and computed in float32.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from scenewright.config import Config, validation_summary
from scenewright.generation.autoencoder import Autoencoder, load_autoencoder, save_autoencoder
from scenewright.generation.cards import MAKE_NO_VIDEOS, ModelError
from scenewright.generation.cards import find_model as find_model
from scenewright.generation.direct import DirectGenerator, is_direct, load_direct
from scenewright.generation.generator import Generator
from scenewright.generation.model_folder import (
    AUTOENCODER,
    PLANNER,
    WEIGHTS,
    family_in,
    load_vocabulary,
    load_weights,
    lossless_dtype,
    randomised,
    replacing,
    save_vocabulary,
    save_weights,
)
from scenewright.generation.names import ORACLE
from scenewright.generation.network_folder import is_of
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.planner import Planner, load_planner, save_planner
from scenewright.generation.settings import SamplingSettings
from scenewright.generation.sound_to_sight import (
    SoundToSightGenerator,
    is_sound_to_sight,
    load_sound_to_sight,
)
from scenewright.generation.streaming import text_to_video
from scenewright.generation.tokens import TokenGenerator, is_token_model, load_tokens
from scenewright.models.denoiser import Denoiser
from scenewright.registry import RegistryError, models

DEFAULT_MODEL = "nano"


class ModelCard(Config):
    """The contents of ``config.json``. ``family`` names the network in the registry of models;
    ``sampling`` and ``fast`` are the recommended settings, the latter for few steps, where the model has
    learned those; ``autoencoder`` and ``planner`` are the hashes of those beside it."""

    family: str = "flow-transformer"
    name: str
    network: dict[str, Any]
    sampling: SamplingSettings = SamplingSettings()
    fast: SamplingSettings | None = None
    autoencoder: str | None = None
    planner: str | None = None

    def build(self) -> Denoiser:
        """The network with fresh weights. ValueError: an unknown family, or sizes that do not fit it."""
        network = models.get(self.family)
        built: Denoiser = network(network.Config.model_validate(self.network))
        return built


def load_generator(model: str | Path = DEFAULT_MODEL, device: str | torch.device = "cpu") -> Generator:
    """Whatever makes clips, by name or folder: ``zoo/oracle``, a model of the package, or one that was
    trained: ``zoo/NAME`` is what ``scenewright train zoo/NAME`` made here."""
    if str(model) == ORACLE:
        from scenewright.generation.oracle import Oracle

        return Oracle()
    folder = find_model(model)
    family = _family_of(folder)
    if is_direct(family):
        return load_direct(folder, device)
    if is_token_model(family):
        return load_tokens(folder, device)
    if is_sound_to_sight(family):
        return load_sound_to_sight(folder, device)
    return load_pipeline(folder, device)


def untrained_generator(model: str | Path = DEFAULT_MODEL, seed: int = 0) -> Generator:
    """The same network with fresh random weights: the floor that scores are compared with."""
    folder = find_model(model)
    generator = load_generator(folder)
    if isinstance(generator, DirectGenerator | TokenGenerator | SoundToSightGenerator):
        return generator.untrained(seed)
    return untrained_pipeline(folder, seed)


def load_pipeline(model: str | Path = DEFAULT_MODEL, device: str | torch.device = "cpu") -> TextToVideo:
    """Load a model by its name in the package or by the path of its folder.

    Raises:
        ModelError: no such model, or a folder with a missing, broken or unfitting file.
    """
    folder = find_model(model)
    card = _read_card(folder)
    network = card.build()
    load_weights(network, folder)
    tokenizer, words = load_vocabulary(folder)
    return text_to_video(
        model=network.to(device),
        tokenizer=tokenizer,
        settings=card.sampling,
        fast=card.fast,
        words=words,
        name=card.name,
        autoencoder=_load_autoencoder(folder, card, device),
        planner=_load_planner(folder, card, device),
        model_hash=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
    )


def untrained_pipeline(model: str | Path = DEFAULT_MODEL, seed: int = 0) -> TextToVideo:
    """The same network with fresh random weights: the floor that scores are compared with.

    Zero-initialised output layers would paint every clip plain gray; they are drawn at random too.
    """
    folder = find_model(model)
    card = _read_card(folder)
    planner = _load_planner(folder, card, "cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = randomised(card.build())
    return text_to_video(
        model=network,
        tokenizer=load_vocabulary(folder)[0],
        settings=card.sampling,
        fast=card.fast,
        autoencoder=_load_autoencoder(folder, card, "cpu"),
        planner=None if planner is None else planner.untrained(seed),
        name=f"{card.name}-untrained",
    )


def save_pipeline(pipeline: TextToVideo, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a model's folder; every file appears whole or not at all."""
    autoencoder = pipeline.autoencoder
    if autoencoder is not None:
        save_autoencoder(autoencoder, folder / AUTOENCODER, lossless_dtype(autoencoder.network))
    planner = pipeline.planner
    if planner is not None:
        save_planner(planner, folder / PLANNER, lossless_dtype(planner.network))
    card = ModelCard(
        family=pipeline.model.config.family,
        name=pipeline.name,
        network=pipeline.model.config.model_dump(mode="json"),
        sampling=pipeline.settings,
        fast=pipeline.fast,
        autoencoder=None if autoencoder is None else autoencoder.hash,
        planner=None if planner is None else planner.hash,
    )
    with replacing(folder) as new:
        save_weights(pipeline.model, new, dtype)
        save_vocabulary(new, pipeline.tokenizer, pipeline.words)
        (new / "config.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", "utf-8")


def _load_autoencoder(folder: Path, card: ModelCard, device: str | torch.device) -> Autoencoder | None:
    if card.autoencoder is None:
        return None
    autoencoder = load_autoencoder(folder / AUTOENCODER, device)
    if autoencoder.hash != card.autoencoder:
        raise ModelError(
            f"{folder / AUTOENCODER} is another autoencoder than the model's; export the model again"
        )
    return autoencoder


def _load_planner(folder: Path, card: ModelCard, device: str | torch.device) -> Planner | None:
    if card.planner is None:
        return None
    planner = load_planner(folder / PLANNER, device)
    if planner.hash != card.planner:
        raise ModelError(f"{folder / PLANNER} is another planner than the model's; export the model again")
    return planner


def _family_of(folder: Path) -> str:
    return family_in((folder / "config.json").read_bytes())


def _read_card(folder: Path) -> ModelCard:
    file = folder / "config.json"
    content = file.read_bytes()
    family = family_in(content)
    if family in MAKE_NO_VIDEOS:
        raise ModelError(f"{folder} is {MAKE_NO_VIDEOS[family]}, which makes no videos from text")
    if not is_of(family, Denoiser) and family in models:
        raise ModelError(f"{folder} is of the family {family}, which makes no clip in steps from noise")
    try:
        card = ModelCard.model_validate_json(content)
        models.get(card.family).Config.model_validate(card.network)
    except ValidationError as error:
        raise ModelError(f"{file}: {validation_summary(error)}") from None
    except RegistryError as error:
        raise ModelError(f"{file}: {error}") from None
    return card
