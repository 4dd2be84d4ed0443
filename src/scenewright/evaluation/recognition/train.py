"""Training of the recognisers.

``python -m scenewright.evaluation.recognition.train 3d|segments --data FOLDER --run FOLDER --steps N --save
FOLDER`` trains on the shards of :mod:`scenewright.evaluation.reader.data`, goes on from the run's last
checkpoint, and logs JSON lines. With ``--check N`` it says how often the saved network is right on N scenes
of the test seeds.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from scenewright.clip import Clip
from scenewright.evaluation.corruptions import FAULTS
from scenewright.evaluation.reader.augment import mirror
from scenewright.evaluation.reader.data import (
    IGNORE,
    SEED_OFFSETS,
    Labels,
    Shards,
    reader_scene,
    render_scenes,
)
from scenewright.evaluation.reader.model import FRAME_DIRECTIONS, FRAME_MOTIONS
from scenewright.evaluation.recognition.clips import as_input, recognise
from scenewright.evaluation.recognition.model import (
    ANSWERS,
    FAULT_NAMES,
    Recogniser,
    RecogniserConfig,
    SegmentNetwork,
    SegmentsConfig,
)
from scenewright.evaluation.recognition.weights import channels_last, load_recogniser, load_segments, save
from scenewright.evaluation.small_run import SmallRun
from scenewright.machine import keep_freed_memory
from scenewright.world.scene import ACTIONS

#: How many clips of a batch have a fault, in the 3-D network's training.
FAULTY = 0.4
#: How strong their faults are.
_STRENGTHS = (0.15, 1.0)
#: What their squared error counts beside the other answers' losses.
_SEVERITY_WEIGHT = 50.0
#: Faults after which nobody can tell what happened.
_HIDING = ("freeze", "disorder", "paste")


def targets(labels: Labels, b: int) -> dict[str, np.ndarray]:
    """What the answers for clip ``b`` should be: float32 with 1 for what is there, 0 for what is not, and
    IGNORE for what is unknown; an int64 for ``count``."""
    found = {
        name: np.zeros(size, np.float32) for name, size in ANSWERS.items() if name not in ("count", "fault")
    }
    there = np.flatnonzero(labels.seen[b].sum(0) >= 2)
    for n in there:
        for name, value in zip(("shape", "color", "size", "material"), labels.classes[b, n], strict=True):
            found[name][value] = 1
        moves = False
        for motion, way in {
            *zip(labels.motion[b, :, n].tolist(), labels.direction[b, :, n].tolist(), strict=True)
        }:
            if motion <= 0:
                continue
            moves = True
            kind = FRAME_MOTIONS[motion]
            name = kind if FRAME_DIRECTIONS[max(way, 0)] == "none" else f"{kind} {FRAME_DIRECTIONS[way]}"
            if way != IGNORE and name in ACTIONS:
                found["action"][ACTIONS.index(name)] = 1
            else:
                of_kind = [i for i, action in enumerate(ACTIONS) if action.split()[0] == kind]
                found["action"][of_kind] = np.where(found["action"][of_kind] == 1, 1, IGNORE)
        if not moves:
            found["action"][0] = 1
    return {**found, "count": np.array(len(there))}


def make_batch(
    frames: np.ndarray,
    labels: Labels,
    rng: np.random.Generator,
    side: int,
    length: int,
    faulty: float = FAULTY,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Input float32 (B, 3, ``length``, ``side``, ``side``) and targets of uint8 (B, T, S, S, 3): half of the
    clips mirrored, and a share ``faulty`` with a fault."""
    labels = Labels(**{name: getattr(labels, name).copy() for name in Labels.FIELDS})
    inputs, wanted = [], []
    for b, clip in enumerate(frames):
        if rng.random() < 0.5:
            clip = mirror(torch.from_numpy(clip).movedim(-1, 1), labels, b).movedim(1, -1).numpy()
        want = targets(labels, b)
        fault = "none"
        severities = np.zeros(len(FAULT_NAMES) - 1, np.float32)
        if rng.random() < faulty:
            fault = str(rng.choice(FAULT_NAMES[1:]))
            strength = float(rng.uniform(*_STRENGTHS))
            clip = FAULTS[fault](Clip(np.ascontiguousarray(clip), 8.0), strength, rng).frames
            severities[FAULT_NAMES.index(fault) - 1] = strength
            if fault in _HIDING:
                want["action"][:] = IGNORE
        want["severity"] = severities
        want["fault"] = np.array(FAULT_NAMES.index(fault))
        x = as_input(clip, side, length)
        if rng.random() < 0.5:
            gain = rng.normal(1, 0.05) * rng.normal(1, 0.02, (1, 3, 1, 1, 1))
            x = (x * torch.tensor(gain, dtype=torch.float32) + float(rng.normal(0, 0.04))).clamp(-1, 1)
        inputs.append(x)
        wanted.append(want)
    return torch.cat(inputs), {
        name: torch.from_numpy(np.stack([want[name] for want in wanted])) for name in wanted[0]
    }


def losses(answers: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Cross-entropies; each sum over classes that may hold at once, mean over clips."""
    found = {}
    for name, logits in answers.items():
        if name in ("count", "fault"):
            found[name] = F.cross_entropy(logits, wanted[name])
        else:
            known = (wanted[name] != IGNORE).float()
            errors = F.binary_cross_entropy_with_logits(logits, wanted[name].clamp(min=0), reduction="none")
            found[name] = (errors * known).sum(1).mean()
    return found


def train(
    kind: str, data: Path, run: Path, *, steps: int, batch: int = 24, lr: float = 2e-3, seed: int = 0
) -> Recogniser | SegmentNetwork:
    """Trains for ``steps`` in all, those of an interrupted run counted; returns the averaged network."""
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network: Recogniser | SegmentNetwork
    if kind == "3d":
        network = channels_last(Recogniser(RecogniserConfig())).train()
    else:
        network = channels_last(SegmentNetwork(SegmentsConfig())).train()
    trained = SmallRun(network, run, lr)
    shards = Shards(data, "train")
    config = network.config
    sums: dict[str, float] = {}
    while trained.step < steps:
        rng = np.random.default_rng([seed, trained.step])
        frames, labels = shards.batch(rng.choice(len(shards), batch, replace=len(shards) < batch).tolist())
        faulty = FAULTY if kind == "3d" else FAULTY / 2
        x, wanted = make_batch(frames, labels, rng, config.side, config.frames, faulty)
        with torch.autocast("cpu", torch.bfloat16):
            if isinstance(network, SegmentNetwork):
                jitter = torch.from_numpy(rng.random(network.config.segments)).float()
                answers = network(x.contiguous(), jitter)
            else:
                features = network.features(x.contiguous(memory_format=torch.channels_last_3d))
                answers = network.answers(features)
        parts = losses({name: logits.float() for name, logits in answers.items()}, wanted)
        if isinstance(network, Recogniser):
            errors = (network.severities(features) - wanted["severity"]).square()
            parts["severity"] = _SEVERITY_WEIGHT * errors.sum(1).mean()
        trained.take(torch.stack(list(parts.values())).sum(), lr * _schedule(trained.step, steps))
        step = trained.step
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if step % 25 == 0 or step == steps:
            trained.log({name: round(total / (step % 25 or 25), 4) for name, total in sums.items()})
            sums = {}
        if step % 100 == 0 or step == steps:
            trained.save()
    trained.finish()
    return network


def check(network: Recogniser | SegmentNetwork, clips: int) -> dict[str, float]:
    """Shares of right answers on scenes of the test seeds: of the n actions of a clip, how many are among the
    n likeliest; the same for look; ``count`` and ``fault`` right or wrong."""
    right: dict[str, list[float]] = {}
    for start in range(0, clips, 16):
        seeds = range(SEED_OFFSETS["test"] + start, SEED_OFFSETS["test"] + min(start + 16, clips))
        frames, labels = render_scenes([reader_scene(seed) for seed in seeds])
        for b, answer in enumerate(recognise(list(frames), network)):
            want = {**targets(labels, b), "fault": np.array(0)}
            for name, probabilities in answer.items():
                truth = want[name]
                if truth.ndim == 0:
                    right.setdefault(name, []).append(float(probabilities.argmax() == truth))
                    continue
                there = np.flatnonzero(truth == 1)
                if len(there) and not (truth == IGNORE).any():
                    likeliest = np.argsort(-probabilities)[: len(there)]
                    right.setdefault(name, []).append(len(set(there) & set(likeliest)) / len(there))
    return {name: float(np.mean(values)) for name, values in right.items()}


def _schedule(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / 50)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=["3d", "segments"])
    parser.add_argument("--data", type=Path, help="folder of shards")
    parser.add_argument("--run", type=Path, help="folder for checkpoints and the log")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="folder for the weights")
    parser.add_argument("--check", type=int, default=0, metavar="CLIPS")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.steps:
        keep_freed_memory()
        network = train(
            options.network,
            options.data,
            options.run,
            steps=options.steps,
            batch=options.batch,
            lr=options.lr,
        )
        if options.save:
            save(network, options.save)
    if options.check:
        saved = [options.save] if options.save else []
        trained = load_recogniser(*saved) if options.network == "3d" else load_segments(*saved)
        print(json.dumps({name: round(value, 4) for name, value in check(trained, options.check).items()}))


if __name__ == "__main__":
    main()
