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
from typing import Any, get_args

from zoo import SCENES, Place, make_clips, recipe_of, steps_for

FACTS = ("shape", "colour", "size", "motion", "direction")
#: No clip of training has this seed.
HELD_OUT = 9301


def changed(description: Any, fact: str, rng: random.Random) -> Any:
    """The description with another value of one fact; None where it has none, or there is no other."""
    from scenewright.world.scene import COLORS, MOTION_DIRECTIONS, SHAPES, SIZES, TARGETED_MOTIONS

    thing = description.entities[0]
    choices: dict[str, tuple[str, ...]] = {"shape": SHAPES, "colour": COLORS, "size": SIZES}
    if fact in choices:
        name = "color" if fact == "colour" else fact
        others = [value for value in choices[fact] if value != getattr(thing, name)]
        return description.model_copy(
            update={"entities": (thing.model_copy(update={name: rng.choice(others)}),)}
        )
    if not description.events:
        return None
    event = description.events[0]
    if fact == "direction":
        ways = [way for way in MOTION_DIRECTIONS[event.kind] if way not in (event.direction, None)]
        if event.direction is None or not ways:
            return None
        update: dict[str, Any] = {"direction": rng.choice(ways)}
    else:
        kinds = [kind for kind in MOTION_DIRECTIONS if kind not in TARGETED_MOTIONS | {event.kind}]
        kind = rng.choice(kinds)
        update = {"kind": kind, "direction": rng.choice(MOTION_DIRECTIONS[kind])}
    return description.model_copy(update={"events": (event.model_copy(update=update),)})


def preferred(folder: Path, scenes: str, clips: int) -> dict[str, tuple[int, int]]:
    """For each fact, how often the true description has the higher score, of how many pairs."""
    from scenewright.data.world_source import WorldSource
    from scenewright.generation.matching import load_agreement
    from scenewright.world.grammar import write
    from scenewright.world.layout import description_of

    agreement = load_agreement(folder)
    settings = {**SCENES[scenes], "seed": HELD_OUT, "width": 64, "height": 64}
    source = WorldSource.model_validate(settings)
    found = dict.fromkeys(FACTS, (0, 0))
    for index in range(clips):
        scene, rng = source.scene(index), random.Random(index)
        # What is not asked for is not said.
        unsaid = dict.fromkeys(("camera", "ground", "sky", "time"))
        description = description_of(scene).model_copy(update=unsaid)
        others = {fact: changed(description, fact, rng) for fact in FACTS}
        asked = [fact for fact, other in others.items() if other is not None]
        texts = [write(description, index), *(write(others[fact], index) for fact in asked)]
        scores = agreement.scores([source.render([scene])[0]], texts)[0]
        for fact, score in zip(asked, scores[1:], strict=True):
            right, count = found[fact]
            found[fact] = (right + int(scores[0] > score), count + 1)
    return found


def main() -> None:
    from scenewright.evaluation.statistics import wilson_interval
    from scenewright.models.blocks.fusion import FusionName
    from scenewright.training.trainer import Trainer

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
