"""Objects found by a detector that you bring, against the prompt's nouns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from scenewright.evaluation.measures import Measure, Sample
from scenewright.evaluation.pretrained.folders import as_pixels, config_of, hash_of, load
from scenewright.evaluation.semantics.detection import Detection, iou, named_scores
from scenewright.text.pretrained import load_tokenizer

#: Detectors that are told what to look for; the others know their own classes.
TOLD = ("owlvit", "owlv2")
THRESHOLD = {True: 0.1, False: 0.5}
#: Boxes of one label that overlap by more are one object.
OVERLAP = 0.6


def detector_measures(folder: Path) -> list[Measure]:
    """``detected-precision``, ``detected-recall``, ``detected-f1``: of the prompt's objects, by the nouns
    that the detector knows or is told, the mean over frames."""
    told = config_of(folder).get("model_type") in TOLD
    convention = {"network": hash_of(folder), "threshold": THRESHOLD[told], "overlap": OVERLAP}
    return [
        Measure(
            f"detected-{name}",
            "semantics",
            "higher",
            partial(_score, folder=folder, name=name),
            convention,
            rate=True,
        )
        for name in ("precision", "recall", "f1")
    ]


def detect(frames: np.ndarray, folder: Path, nouns: Sequence[str] = (), *, batch: int = 8) -> list[Detection]:
    """What a detector finds in frames uint8 (T, H, W, 3); boxes as shares of the picture. ``nouns``: what a
    detector that is told looks for; of others only these labels are kept, all if none is given."""
    told = config_of(folder).get("model_type") in TOLD
    if told and not nouns:
        raise ValueError(f"{folder}: say what to look for")
    found: list[Detection] = []
    for start in range(0, len(frames), batch):
        x = as_pixels(list(frames[start : start + batch]), folder)
        scores, labels, boxes = _told(x, folder, nouns) if told else _own(x, folder)
        for place in range(len(x)):
            for score, label, box in zip(scores[place], labels[place], boxes[place], strict=True):
                if score >= THRESHOLD[told] and (not nouns or label in nouns):
                    found.append(Detection(start + place, tuple(box), label, float(score)))
    return _apart(found)


def _score(sample: Sample, folder: Path, name: str) -> float:
    wanted = Counter[Hashable]()
    for entity in sample.description.entities:
        if entity.shape is not None:
            wanted[entity.shape] += entity.count
    if not wanted:
        return float("nan")
    found = detect(sample.frames, folder, [str(noun) for noun in wanted])
    return getattr(named_scores(wanted, found, len(sample.frames)), name)


@torch.inference_mode()
def _own(x: torch.Tensor, folder: Path) -> tuple[np.ndarray, list[list[str]], np.ndarray]:
    """Of a detector like DETR (Carion et al. 2020): the last class is nothing."""
    network = load(folder, "AutoModelForObjectDetection")
    out = network(pixel_values=x)
    if out.logits.shape[-1] > len(network.config.id2label):
        scores, classes = out.logits.softmax(-1)[..., :-1].max(-1)
    else:
        scores, classes = out.logits.sigmoid().max(-1)
    names = network.config.id2label
    labels = [[str(names[int(c)]).lower() for c in row] for row in classes]
    return scores.numpy(), labels, _corners(out.pred_boxes)


@torch.inference_mode()
def _told(
    x: torch.Tensor, folder: Path, nouns: Sequence[str]
) -> tuple[np.ndarray, list[list[str]], np.ndarray]:
    """Of a detector like OWL-ViT (Minderer et al. 2022): a query for each noun."""
    network = load(folder, "AutoModelForZeroShotObjectDetection")
    words = load_tokenizer(folder)(
        [f"a photo of a {noun}" for noun in nouns], padding=True, return_tensors="pt"
    )
    repeated = {name: value.repeat(len(x), 1) for name, value in words.items() if name != "token_type_ids"}
    out = network(pixel_values=x, **repeated)
    scores, classes = out.logits.sigmoid().max(-1)
    labels = [[nouns[int(c)] for c in row] for row in classes]
    return scores.numpy(), labels, _corners(out.pred_boxes)


def _corners(boxes: torch.Tensor) -> np.ndarray:
    """(..., centre x, centre y, width, height) to (..., left, top, right, bottom)."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], -1).double().numpy()


def _apart(found: Sequence[Detection]) -> list[Detection]:
    """The surest of those of one frame and label that overlap."""
    kept: list[Detection] = []
    for item in sorted(found, key=lambda d: -d.score):
        if all(
            (other.frame, other.label) != (item.frame, item.label) or iou(other.box, item.box) <= OVERLAP
            for other in kept
        ):
            kept.append(item)
    return sorted(kept, key=lambda d: (d.frame, -d.score))
