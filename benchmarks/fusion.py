"""What each manner of joining text and video buys: zoo/vilbert with every fusion, on the same clips.

    python benchmarks/fusion.py [FUSION ...] [--core-minutes 20] [--threads 1] [--clips 192]

Every fusion has the same processor time. It is then shown held-out clips, each with its description and with
one in which one fact is another: the shape, the colour, the size, the motion or the direction. The share of
pairs in which the true description has the higher score says which facts it sees; chance is one half. A run
that is stopped goes on where it was. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import get_args

from zoo import SCENES, Place, make_clips, recipe_of, steps_for

#: No clip of training has this seed.
HELD_OUT = 9301


def preferred(folder: Path, scenes: str, clips: int) -> dict[str, tuple[int, int]]:
    """For each fact, how often the true description has the higher score, of how many pairs."""
    from scenewright.data.world_source import WorldSource
    from scenewright.generation.matching import load_agreement
    from scenewright.world.grammar import write
    from scenewright.world.layout import description_of
    from scenewright.world.variations import FACTS, changed

    agreement = load_agreement(folder)
    settings = {**SCENES[scenes], "seed": HELD_OUT, "width": 64, "height": 64}
    source = WorldSource.model_validate(settings)
    found: dict[str, tuple[int, int]] = dict.fromkeys(FACTS, (0, 0))
    for index in range(clips):
        scene, rng = source.scene(index), random.Random(index)
        # What is not asked for is not said.
        unsaid = dict.fromkeys(("camera", "ground", "sky", "time"))
        description = description_of(scene).model_copy(update=unsaid)
        drawn = {fact: changed(description, fact, rng) for fact in FACTS}
        others = {fact: other for fact, other in drawn.items() if other is not None}
        texts = [write(description, index), *(write(other, index) for other in others.values())]
        scores = agreement.scores([source.render([scene])[0]], texts)[0]
        for fact, score in zip(others, scores[1:], strict=True):
            right, count = found[fact]
            found[fact] = (right + int(scores[0] > score), count + 1)
    return found


def main() -> None:
    from scenewright.evaluation.statistics import wilson_interval
    from scenewright.models.blocks.fusion import FusionName
    from scenewright.training.trainer import Trainer
    from scenewright.world.variations import FACTS

    known = get_args(FusionName)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("fusions", nargs="*", metavar="FUSION", help=f"[default: all: {', '.join(known)}]")
    parser.add_argument("--core-minutes", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clips", type=int, default=192, help="to judge by")
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo-benchmark"))
    options = parser.parse_args()
    if unknown := set(options.fusions) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    place = Place(options.folder, "one")
    make_clips(place, options.threads)
    print("| Fusion | M parameters | " + " | ".join(FACTS) + " |")
    print("|---" * (len(FACTS) + 2) + "|")
    for fusion in options.fusions or known:
        more, name = (f"network.fusion={fusion}",), f"vilbert-{fusion}"
        steps = steps_for(place, "vilbert", options.threads, options.core_minutes, more, name)
        recipe = recipe_of(place, "vilbert", options.threads, steps, more)
        trainer = Trainer(recipe, place.run(name))
        trainer.run()
        if not trainer.finished:
            return
        cells = []
        for right, count in preferred(place.run(name) / "model", "one", options.clips).values():
            low, high = wilson_interval(right, count)
            cells.append(f"{100 * right / count:.0f} ({100 * low:.0f}–{100 * high:.0f})")
        size = sum(p.numel() for p in trainer.model.parameters()) / 1e6
        print(f"| {fusion} | {size:.1f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
