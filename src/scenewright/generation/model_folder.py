"""What all folders of models have in common: ``config.json``, ``model.safetensors``, written as a whole."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from scenewright.generation.cards import SHIPPED as SHIPPED
from scenewright.generation.cards import ModelError as ModelError
from scenewright.text.pretrained import PretrainedTokenizer
from scenewright.text.tokenizer import TextTokenizer, Tokenizer
from scenewright.text.word_tokenizer import WordTokenizer

N = TypeVar("N", bound=nn.Module)

#: The file of weights in a model's folder; in it the folders of a latent model's autoencoder and a planner.
WEIGHTS = "model.safetensors"
AUTOENCODER = "autoencoder"
PLANNER = "planner"

_TOKENIZERS: tuple[type[TextTokenizer], ...] = (Tokenizer, WordTokenizer, PretrainedTokenizer)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A scratch folder; what is written there is in ``folder`` afterwards, every file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as scratch:
        yield Path(scratch)
        for file in Path(scratch).iterdir():
            os.replace(file, folder / file.name)


def save_weights(network: nn.Module, folder: Path, dtype: torch.dtype) -> None:
    """Write the weights; those that are floating-point numbers, as ``dtype``."""
    tensors = {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in network.state_dict().items()
    }
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library leaves it readable by its owner only


def randomised(network: N) -> N:
    """``network`` with random numbers where all weights of a tensor are 0: such layers would say nothing."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return network


def lossless_dtype(network: nn.Module) -> torch.dtype:
    """float16 where it holds all weights exactly, as those of a model that was loaded from such a file, else
    float32."""
    floats = [t for t in network.state_dict().values() if t.is_floating_point()]
    exact = all(torch.equal(t.to(torch.float16).to(t.dtype), t) for t in floats)
    return torch.float16 if exact else torch.float32


def digest_of(network: nn.Module, *sizes: bytes, without: str = "") -> str:
    """SHA-256 (64 hexadecimal digits) of ``sizes``, what else decides the network, and of its weights, but
    for those whose names begin with ``without``."""
    digest = hashlib.sha256(b"".join(sizes))
    for name, tensor in sorted(network.state_dict().items()):
        if not without or not name.startswith(without):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def has_tokenizer(folder: Path) -> bool:
    """Whether there is one of any kind."""
    return any((folder / kind.FILE).exists() for kind in _TOKENIZERS)


def load_tokenizer(folder: Path) -> TextTokenizer:
    """The tokenizer of a folder, of whichever kind its file is.

    Raises:
        ModelError: it is missing or broken, or there are several.
    """
    found = [kind for kind in _TOKENIZERS if (folder / kind.FILE).exists()]
    if len(found) > 1:
        names = " and ".join(kind.FILE for kind in found)
        raise ModelError(f"{folder} has {names}; export the model again, into another folder")
    kind = found[0] if found else Tokenizer
    try:
        return kind.load(folder / kind.FILE)
    except (OSError, RuntimeError):
        raise ModelError(f"{folder} has no readable {kind.FILE}; export the model again") from None
    except ValueError as error:
        raise ModelError(f"{folder / kind.FILE}: {error}") from None


def save_vocabulary(folder: Path, tokenizer: TextTokenizer, words: Iterable[str]) -> None:
    """Write what :func:`load_vocabulary` reads."""
    tokenizer.save(folder / tokenizer.FILE)
    (folder / "words.txt").write_text("\n".join(sorted(words)) + "\n", "utf-8")


def family_in(content: bytes) -> str:
    """The family that a card names; empty where it names none."""
    try:
        return str(json.loads(content).get("family", ""))
    except (ValueError, AttributeError):
        return ""


def load_vocabulary(folder: Path) -> tuple[TextTokenizer, frozenset[str]]:
    """The tokenizer, and the words of the training captions, empty where they are not recorded.

    Raises:
        ModelError: the tokenizer is missing or broken.
    """
    tokenizer, words = load_tokenizer(folder), folder / "words.txt"
    return tokenizer, frozenset(words.read_text("utf-8").split()) if words.is_file() else frozenset()


def load_weights(network: nn.Module, folder: Path) -> None:
    """Read the weights into ``network``, as float32.

    Raises:
        ModelError: the file is missing, broken or of another network.
    """
    weights = folder / WEIGHTS
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()})
    except FileNotFoundError:
        raise ModelError(f"{folder} has no {WEIGHTS}; export the model again") from None
    except (SafetensorError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0]
        raise ModelError(f"{weights} does not fit its config.json or is broken: {line}") from None
