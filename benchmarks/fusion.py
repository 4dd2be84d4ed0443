"""What each manner of joining text and video buys: zoo/vilbert with every fusion, on the same clips.

    python benchmarks/fusion.py train [FUSION ...] [--core-minutes 20] [--threads 1] [--clips 192]
    python benchmarks/fusion.py page

Every fusion has the same processor time. It is then shown held-out clips, each with its description and with
one in which one fact is another: the shape, the colour, the size, the motion or the direction. The share of
pairs in which the true description has the higher score says which facts it sees; chance is one half.
``train`` goes on where it was stopped, and keeps what it finds in benchmarks/results; ``page`` prints the
table of all that is there. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import trials
from zoo import SCENES, Place, make_clips, recipe_of, steps_for

#: No clip of training has this seed.
HELD_OUT = 9301
SCORES = trials.RESULTS / "fusion"


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


def train(place: Place, fusion: str, threads: int, core_minutes: float, clips: int) -> None:
    from scenewright.evaluation.statistics import wilson_interval
    from scenewright.generation.matching import load_agreement

    more, name = (f"network.fusion={fusion}",), f"vilbert-{fusion}"
    steps = steps_for(place, "vilbert", threads, core_minutes, more, name)
    recipe = recipe_of(place, "vilbert", threads, steps, more)
    trials.train(name, recipe, place.run(name))
    folder = place.run(name) / "model"
    found: dict[str, Any] = {
        fact: [right / count, *wilson_interval(right, count)]
        for fact, (right, count) in preferred(folder, place.scenes, clips).items()
    }
    found["parameters"] = trials.parameters_of(load_agreement(folder))
    trials.keep(SCORES / f"{fusion}.json", found, place.budget(name))


def table(fusions: Sequence[str]) -> str:
    """In Markdown, of what has been scored."""
    from scenewright.world.variations import FACTS

    rows = trials.kept(SCORES, fusions)
    lines = [
        [fusion, *(trials.percent(row[fact]) for fact in FACTS), f"{row['parameters']:.1f}"]
        for fusion, row in rows.items()
    ]
    return f"{trials.markdown([*FACTS, 'M parameters'], lines)}\n\n{trials.budgets(rows)}"


def main() -> None:
    from scenewright.models.blocks.fusion import FusionName

    known = get_args(FusionName)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("train", "page"))
    parser.add_argument("fusions", nargs="*", metavar="FUSION", help=f"[default: all: {', '.join(known)}]")
    parser.add_argument("--core-minutes", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clips", type=int, default=192, help="to judge by")
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo-benchmark"))
    options = parser.parse_args()
    if unknown := set(options.fusions) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    fusions = options.fusions or known
    if options.what == "page":
        print(table(fusions))
        return
    place = Place(options.folder, "one")
    make_clips(place, options.threads)
    for fusion in fusions:
        train(place, fusion, options.threads, options.core_minutes, options.clips)


if __name__ == "__main__":
    main()
