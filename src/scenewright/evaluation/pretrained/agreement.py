"""Agreement of prompt and clip by networks of pictures and texts (CLIP and its like), and by natural language
inference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenewright.evaluation.measures import Measure, Sample
from scenewright.evaluation.pretrained.folders import as_pixels, config_of, hash_of, load
from scenewright.evaluation.semantics.described import described
from scenewright.text.pretrained import load_tokenizer

#: Before the prompt, as in CLIPScore (Hessel et al. 2021).
PREFIX = "A photo depicts "


def clip_measures(folder: Path) -> list[Measure]:
    """``clip-score``: 2.5 max(cos, 0) of each frame and the prompt, the mean over frames (Hessel et al.
    2021); from a folder with a network of both, such as CLIP or SigLIP."""
    config_of(folder)
    convention = {"network": hash_of(folder), "prefix": PREFIX, "scale": 2.5}
    compute = partial(_clip_score, folder=folder)
    return [Measure("clip-score", "semantics", "higher", compute, convention)]


@torch.inference_mode()
def _clip_score(sample: Sample, folder: Path) -> float:
    network = load(folder, "AutoModel")
    if not hasattr(network, "get_image_features"):
        raise ValueError(f"{folder} is no network of pictures and texts")
    words = load_tokenizer(folder)([PREFIX + sample.text], padding=True, truncation=True, return_tensors="pt")
    text = _tensor(network.get_text_features(**words))
    frames = torch.cat(
        [
            _tensor(
                network.get_image_features(
                    pixel_values=as_pixels(list(sample.frames[start : start + 16]), folder)
                )
            )
            for start in range(0, len(sample.frames), 16)
        ]
    )
    cosines = torch.nn.functional.cosine_similarity(frames, text)
    return float(2.5 * cosines.clamp(min=0).mean())


def nli_measures(folder: Path) -> list[Measure]:
    """``nli-entailed``, ``nli-contradicted``: how likely it is, to a network of natural language inference,
    that the prompt follows from what the reader sees, or cannot be true; the text of the premise is the
    world's own."""
    labels = {str(name).lower(): int(place) for place, name in config_of(folder).get("id2label", {}).items()}
    found = []
    for verdict, better in (("entail", "higher"), ("contradict", "lower")):
        place = next((i for name, i in labels.items() if name.startswith(verdict)), None)
        if place is None:
            raise ValueError(f"{folder}: config.json names no class {verdict}…; is it a network of NLI?")
        compute = partial(_inferred, folder=folder, place=place)
        found.append(
            Measure(
                f"nli-{verdict}ed",
                "semantics",
                better,  # type: ignore[arg-type]
                compute,
                {"network": hash_of(folder), "premise": "grammar"},
                rate=True,
                reader=True,
            )
        )
    return found


def _inferred(sample: Sample, folder: Path, place: int) -> float:
    from scenewright.world.grammar import write

    seen = described(sample.reading)
    premise = "Nothing is there." if seen is None else write(seen, 0)
    return float(infer([(premise, sample.text)], folder)[0, place])


@torch.inference_mode()
def infer(pairs: Sequence[tuple[str, str]], folder: Path) -> np.ndarray:
    """Probabilities of the classes for (premise, hypothesis), float64 (N, K)."""
    network = load(folder, "AutoModelForSequenceClassification")
    first, second = map(list, zip(*pairs, strict=True))
    words = load_tokenizer(folder)(first, second, padding=True, truncation=True, return_tensors="pt")
    return network(**words).logits.double().softmax(1).numpy()


def _tensor(found: Any) -> torch.Tensor:
    """Features; some versions of the library wrap them."""
    return found if isinstance(found, torch.Tensor) else found.pooler_output
