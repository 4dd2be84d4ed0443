"""Training of the agreement of texts and clips.

``python -m scenewright.evaluation.semantics.learned_training --clips N --save FOLDER`` renders scenes,
sees each once through the package's 3-D network, and learns to tell its sentences from those of other
scenes and from its own with one thing changed. It needs minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from scenewright.clip import Clip
from scenewright.evaluation.distribution.networks import world_features
from scenewright.evaluation.reader.data import SEED_OFFSETS, STORED_FRAMES, reader_scene, render_scenes
from scenewright.evaluation.semantics.learned import Agreement, AgreementConfig
from scenewright.media.atomic import atomic
from scenewright.world.describing import description_of
from scenewright.world.grammar import write
from scenewright.world.scene import (
    COLORS,
    MOTION_DIRECTIONS,
    SHAPES,
    Description,
    Scene,
)


def changed(description: Description, rng: np.random.Generator) -> Description:
    """The same with another colour, shape or direction of one thing: no longer true of its scene."""
    place = int(rng.integers(len(description.entities)))
    entity = description.entities[place]
    ways = [
        i
        for i, event in enumerate(description.events)
        if event.direction is not None and len(MOTION_DIRECTIONS[event.kind]) > 1
    ]
    if ways and rng.random() < 0.4:
        i = int(rng.choice(ways))
        event = description.events[i]
        others = [d for d in MOTION_DIRECTIONS[event.kind] if d not in (None, event.direction)]
        events = list(description.events)
        events[i] = event.model_copy(update={"direction": others[int(rng.integers(len(others)))]})
        return description.model_copy(update={"events": tuple(events)})
    if rng.random() < 0.5:
        update = {"color": str(rng.choice([c for c in COLORS if c != entity.color]))}
    else:
        update = {"shape": str(rng.choice([s for s in SHAPES if s != entity.shape]))}
    entities = list(description.entities)
    entities[place] = entity.model_copy(update=update)
    return description.model_copy(update={"entities": tuple(entities)})


def seen(seeds: Sequence[int]) -> tuple[list[Scene], torch.Tensor]:
    """Scenes and their features, float32 (N, D)."""
    network = world_features()
    scenes: list[Scene] = []
    found = []
    for start in range(0, len(seeds), 16):
        part = [reader_scene(seed) for seed in seeds[start : start + 16]]
        frames, _ = render_scenes(part)
        scenes += part
        found += [network(Clip(clip, STORED_FRAMES / 2)) for clip in frames]
    return scenes, torch.from_numpy(np.stack(found)).float()


def pairs(
    descriptions: Sequence[Description], indices: Sequence[int], rng: np.random.Generator
) -> tuple[list[str], list[int], torch.Tensor]:
    """For each clip a true sentence, one of another scene, and a true one with one thing changed; with the
    clip of each, and 1 for what is true."""
    texts, clips, truth = [], [], []
    for i in indices:
        other = int(rng.integers(len(descriptions)))
        for description, right in (
            (descriptions[i], 1.0),
            (descriptions[other], float(other == i)),
            (changed(descriptions[i], rng), 0.0),
        ):
            try:
                texts.append(write(description, int(rng.integers(2**31))))
            except ValueError:
                continue
            clips.append(i)
            truth.append(right)
    return texts, clips, torch.tensor(truth)


def train(
    descriptions: Sequence[Description], features: torch.Tensor, *, steps: int, seed: int = 0
) -> Agreement:
    """A network in evaluation mode."""
    torch.manual_seed(seed)
    network = Agreement(AgreementConfig(video=features.shape[1]))
    network.center.copy_(features.mean(0))
    network.scale.copy_(features.std(0).clamp(min=1e-3))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rng = np.random.default_rng([seed, step])
        texts, clips, truth = pairs(descriptions, rng.integers(0, len(descriptions), 64).tolist(), rng)
        loss = F.binary_cross_entropy_with_logits(network(texts, features[clips]), truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def check(
    network: Agreement, descriptions: Sequence[Description], features: torch.Tensor
) -> dict[str, float]:
    """How often the true sentence of a clip agrees more with it than that of another scene does, and than
    itself with one thing changed."""
    rng = np.random.default_rng(1)
    better: dict[str, list[bool]] = {"another": [], "changed": []}
    for i, description in enumerate(descriptions):
        other = (i + 1 + int(rng.integers(len(descriptions) - 1))) % len(descriptions)
        try:
            texts = [
                write(d, int(rng.integers(2**31)))
                for d in (description, descriptions[other], changed(description, rng))
            ]
        except ValueError:
            continue
        with torch.inference_mode():
            own, another, other_self = network(texts, features[[i, i, i]]).tolist()
        better["another"].append(own > another)
        better["changed"].append(own > other_self)
    return {name: float(np.mean(values)) for name, values in better.items()}


def main() -> None:
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--save", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    scenes, features = seen(range(options.clips))
    network = train([description_of(s) for s in scenes], features, steps=options.steps)
    options.save.mkdir(parents=True, exist_ok=True)
    state = {n: w.half() if w.is_floating_point() else w for n, w in network.state_dict().items()}
    with atomic(options.save / "agreement.safetensors") as partial:
        save_file(state, partial)
    scenes, features = seen(range(SEED_OFFSETS["test"], SEED_OFFSETS["test"] + 512))
    print(json.dumps(check(network, [description_of(s) for s in scenes], features)))


if __name__ == "__main__":
    main()
