"""Models by their folders' ``config.json``: which there are and what they make, without loading any of them.

Nothing here needs torch, so that a server's front can say what its workers are able to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from scenewright.config import recipe_names
from scenewright.generation.names import ORACLE

#: Where the models of the package are.
SHIPPED = Path(str(files("scenewright") / "weights"))

#: Families of networks that have a folder and make no videos from text, and what they are.
MAKE_NO_VIDEOS = {
    "damsm": "an encoder of texts and videos",
    "vilbert": "an encoder of texts and videos",
    "video-autoencoder": "a video autoencoder",
    "layout-planner": "a planner of layouts",
    "layout-decoder": "a planner of layouts",
    "sight-to-sound": "what gives videos their sound (scenewright sound)",
}

#: Families that make videos part by part, for as long as is wanted, and those that need a sound to go by.
ENDLESS = frozenset({"causal-flow-transformer"})
NEED_SOUND = frozenset({"sound-to-sight"})


class ModelError(ValueError):
    """A model that cannot be loaded: one line with what, where and what to do."""


@dataclass(frozen=True)
class ModelFacts:
    """What a model makes. ``native_size``: (width, height) in pixels; ``usual_frames``: of the clips that it
    learned, ``most_frames`` its longest clip, None for any, at ``fps``. ``settings``: how it samples by
    default, None where there is nothing to choose; ``fast``: the same in few steps, None where it has not
    learned those; ``takes``: the settings of sampling that can be changed. ``long_steps``: whether it knows
    the shortcut sampler. ``given_frames``: whether a video can show given pictures, and so go on from
    another. ``needs_sound``: whether it makes frames to a sound. ``words``: those it was trained with, empty
    where that is not recorded. ``bytes``: of the weights."""

    name: str
    family: str
    native_size: tuple[int, int]
    usual_frames: int
    most_frames: int | None
    fps: float
    settings: Mapping[str, Any] | None = None
    fast: Mapping[str, Any] | None = None
    takes: frozenset[str] = frozenset()
    long_steps: bool = False
    negative_prompts: bool = False
    given_frames: bool = False
    needs_sound: bool = False
    words: frozenset[str] = field(default=frozenset(), repr=False)
    bytes: int = 0


def shipped_models() -> list[str]:
    """Names of the generating models in the package."""
    return sorted(p.parent.name for p in SHIPPED.glob("*/tokenizer.model"))


def known_models() -> list[str]:
    """Names of the models that can be used here: of the package, the oracle, and those of the zoo that have
    been trained in this folder."""
    trained = [name for name in recipe_names() if name.startswith("zoo/") and _trained(name) is not None]
    return [*shipped_models(), ORACLE, *(name for name in trained if _makes_videos(name))]


def find_model(model: str | Path) -> Path:
    """The folder of a model: one of the package or of the zoo by its name, or the folder itself.

    Raises:
        ModelError: there is none.
    """
    path = Path(model)
    if (path / "config.json").is_file():
        return path
    if len(path.parts) == 1 and (SHIPPED / path / "config.json").is_file():
        return SHIPPED / path
    if path.parts[:1] == ("zoo",) and str(model) in recipe_names():
        trained = _trained(path)
        if trained is not None:
            return trained
        raise ModelError(
            f"{model} has not been trained here: scenewright train {model} makes {_place(model)}"
        )
    known = ", ".join([*shipped_models(), ORACLE])
    raise ModelError(
        f"there is no model {str(model)!r}: give a folder with a config.json, or one of the package ({known})"
    )


def model_facts(model: str | Path) -> ModelFacts:
    """What a model makes, by its name or folder.

    Raises:
        ModelError: there is none, or its card cannot be read.
    """
    if str(model) == ORACLE:
        return ModelFacts("oracle", "oracle", (128, 128), 16, None, 8.0)
    folder = find_model(model)
    card = _card(folder)
    family = str(card.get("family", ""))
    if family in MAKE_NO_VIDEOS:
        raise ModelError(f"{folder} is {MAKE_NO_VIDEOS[family]}, which makes no videos from text")
    try:
        return _facts(folder, card, family)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} does not say what the model makes: {error}") from None


def _facts(folder: Path, card: Mapping[str, Any], family: str) -> ModelFacts:
    network = card["network"]
    frames, rows, columns = _compression(folder)
    if "grid" in network:
        size = (network["grid"][2] * columns, network["grid"][1] * rows)
        usual = network["grid"][0] * frames
    else:
        size = (network["width_pixels"] * columns, network["height"] * rows)
        usual = network["num_frames"] * frames
    words = folder / "words.txt"
    settings = card.get("sampling")
    return ModelFacts(
        name=str(card["name"]),
        family=family,
        native_size=size,
        usual_frames=usual,
        most_frames=None if family in ENDLESS else usual,
        fps=float(network["fps"]),
        settings=settings,
        fast=card.get("fast"),
        takes=_takes(network, settings is not None),
        long_steps=bool(network.get("spans")),
        negative_prompts=settings is not None,
        given_frames=bool(network.get("given_frames")),
        needs_sound=family in NEED_SOUND,
        words=frozenset(words.read_text("utf-8").split()) if words.is_file() else frozenset(),
        bytes=sum(file.stat().st_size for file in folder.rglob("*.safetensors")),
    )


def _takes(network: Mapping[str, Any], denoises: bool) -> frozenset[str]:
    if denoises:
        return frozenset({"steps", "guidance_scale", "shift", "sampler"})
    if "grid" in network:  # tokens, of which a causal network draws one a step
        return frozenset({"steps", "guidance_scale"} if network["order"] == "masked" else {"guidance_scale"})
    return frozenset()


def _compression(folder: Path) -> tuple[int, int, int]:
    """(frames, rows, columns) of pixels to one value that the model makes."""
    beside = folder / "autoencoder"
    if not (beside / "config.json").is_file():
        return (1, 1, 1)
    network = _card(beside)["network"]
    halvings = 2 ** (len(network["widths"]) - 1)
    frames, rows, columns = network["patch"]
    return (frames, rows * halvings, columns * halvings)


def _card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        raise ModelError(f"{folder / 'config.json'} cannot be read") from None
    if not isinstance(card, dict):
        raise ModelError(f"{folder / 'config.json'} is no JSON object")
    return card


def _trained(name: str | Path) -> Path | None:
    folder = _place(name)
    return folder if (folder / "config.json").is_file() else None


def _place(name: str | Path) -> Path:
    return Path("runs") / name / "model"


def _makes_videos(name: str) -> bool:
    try:
        model_facts(name)
    except ModelError:
        return False
    return True
