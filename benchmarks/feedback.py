"""What the feedback loop gains in each round, to the judge that it follows and in truth.

    python benchmarks/feedback.py train [NAME ...] [--threads 1]
    python benchmarks/feedback.py score [NAME ...] [--rounds 4] [--prompts 48]

``train`` makes a judge (``damsm``), a second one that no loop follows (``vilbert``), and networks that make
clips and have learned for too short a time on purpose, so that drafts err. Clips are of one thing at rest,
32x32, 4 frames. ``score`` lets each make clips of prompts of scenes that are drawn anew, for some rounds, in
every way that it allows. For every round it says how likely the judge finds the kept clips' own texts, among
texts that say one thing else; the same of the second judge; and the share of stated facts that the world's
reader sees, which no loop knows of. The gain from the first round to the last is over the same prompts. Below
it is what is said of the world's own renders of the prompts. All in percent, with 95 % intervals of a
bootstrap over prompts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

CLIPS = 4_000
#: One thing at rest: few enough looks that small networks learn to tell them apart in minutes.
LOOKS = {
    "shapes": ("cube", "sphere", "cone", "torus"),
    "colors": ("red", "green", "blue", "yellow", "white", "black"),
    "sizes": ("small", "large"),
}
SCENES: dict[str, Any] = {
    "seed": 331,
    "sampler": {
        **LOOKS,
        "num_objects": (1, 1),
        "materials": {"matte": 1.0},
        "moving_camera": 0.0,
        "settings": 0.0,
        "still": 1.0,
    },
    "width": 32,
    "height": 32,
    "num_frames": 4,
    "fps": 4.0,
}
SEEN = ["network.num_frames=4", "network.height=32", "network.width_pixels=32"]
MADE = [*SEEN, "network.fps=4.0"]
#: Recipe, steps, batch and further changes of each network.
NETWORKS: dict[str, tuple[str, int, int, list[str]]] = {
    "damsm": ("zoo/damsm", 800, 32, [*SEEN, "network.channels=16", "network.common=96"]),
    "vilbert": ("zoo/vilbert", 600, 16, [*SEEN, "network.layers=2"]),
    "c-gan": ("zoo/c-gan", 700, 16, [*MADE, "network.channels=64", "optimizer.lr=2.0e-3"]),
    "flow": ("zoo/flow", 800, 16, [*MADE, "network.width=96", "network.layers=4", "network.bottleneck=96"]),
}
JUDGE, OTHER_JUDGE = "damsm", "vilbert"
WAYS = {"c-gan": ("redraw", "condition"), "flow": ("redraw", "guide")}
FACTS = ("colour", "shape", "size")
#: No clip of training has this seed.
HELD_OUT = 9302
SHOWN = 4
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images" / "zoo"


def recipe_of(folder: Path, name: str, threads: int) -> Any:
    from scenewright.config import load_recipe
    from scenewright.training.config import TrainingRecipe

    recipe, steps, batch, changes = NETWORKS[name]
    told = [f"stages.0.data.{key}={json.dumps(value)}" for key, value in SCENES.items()]
    told += [
        f"stages.0.data.shards=[{folder / 'clips'}]",
        f"stages.0.steps={steps}",
        f"stages.0.batch={batch}",
    ]
    told += [f"threads={threads}", "workers=0", "sample_every=100000", "sample_prompts=[]", "log_every=50"]
    return load_recipe(TrainingRecipe, recipe, [*told, *changes])


def train(folder: Path, name: str, threads: int) -> None:
    from scenewright.data.world_source import WorldSource, render_shards
    from scenewright.training.trainer import Trainer

    render_shards(WorldSource.model_validate(SCENES), folder / "clips", CLIPS)
    began = time.process_time()
    trainer = Trainer(recipe_of(folder, name, threads), folder / name)
    trainer.run()
    print(f"{name}: step {trainer.step}, {time.process_time() - began:.0f} core-seconds", flush=True)
    if not trainer.finished:
        raise SystemExit(f"{name} was asked to end; the same command goes on")


def asked(count: int) -> list[Any]:
    """Prompts of scenes that no network has learned."""
    from scenewright.clip import Prompt
    from scenewright.data.world_source import WorldSource, caption
    from scenewright.seeds import keyed_seed

    source = WorldSource.model_validate({**SCENES, "seed": HELD_OUT})
    texts = [caption(source.scene(n), keyed_seed(HELD_OUT, "caption", n)) for n in range(count)]
    return [Prompt(text=text, seed=n) for n, text in enumerate(texts)]


def near(text: str) -> list[str]:
    """Texts in which one fact is another, of looks that the networks know."""
    from scenewright.generation.rivals import described, near_rivals

    found = []
    for other in near_rivals(text, each=12):
        said = described(other)
        assert said is not None
        thing = said.entities[0]
        known = zip((thing.shape, thing.color, thing.size), LOOKS.values(), strict=True)
        if not said.events and all(value is None or value in values for value, values in known):
            found.append(other)
    return found


class Scorer:
    """Says of clips what both judges and the reader find; of each clip once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[int, dict[str, Any]] = {}

    @cached_property
    def judge(self) -> Any:
        return self._agreement(JUDGE)

    @cached_property
    def other(self) -> Any:
        return self._agreement(OTHER_JUDGE)

    def _agreement(self, name: str) -> Any:
        from scenewright.generation.matching import load_agreement

        return load_agreement(self._folder / name / "model")

    def __call__(self, clips: Sequence[Any], prompts: Sequence[Any]) -> list[dict[str, Any]]:
        """Of each clip of a prompt: how likely its own text is among others, and the facts that the reader
        finds right or wrong."""
        from scenewright.evaluation.run import read_and_score

        new = [
            (clip, prompt.text)
            for clip, prompt in zip(clips, prompts, strict=True)
            if id(clip) not in self._known
        ]
        rights = read_and_score([text for _, text in new], [clip.frames for clip, _ in new]) if new else []
        for (clip, text), right in zip(new, rights, strict=True):
            texts = [text, *near(text)]
            scores = {
                "judge": agreement(self.judge, clip, texts),
                "other": agreement(self.other, clip, texts),
            }
            self._known[id(clip)] = {"clip": clip, **scores, **{fact: right[fact] for fact in FACTS}}
        return [self._known[id(clip)] for clip in clips]


def agreement(judge: Any, clip: Any, texts: Sequence[str]) -> float:
    """How likely the first text is, among them all."""
    return float(judge.scores([clip.frames], texts)[0].softmax(0)[0])


def values_of(row: Sequence[dict[str, Any]], name: str) -> list[list[float]]:
    """The values of a column, those of each prompt together."""
    if name in ("judge", "other"):
        return [[said[name]] for said in row]
    facts = FACTS if name == "all facts" else (name,)
    return [[float(right) for fact in facts for right in said[fact]] for said in row]


def cell(row: Sequence[dict[str, Any]], name: str, first: Sequence[dict[str, Any]] | None = None) -> str:
    """The mean in percent with its interval; with ``first``, of the differences from it, prompt by prompt."""
    from scenewright.evaluation.statistics import bootstrap_interval

    values = values_of(row, name)
    if first is not None:
        pairs = zip(values, values_of(first, name), strict=True)
        values = [[now - before for now, before in zip(*pair, strict=True)] for pair in pairs]
    flat = [(value, n) for n, of_prompt in enumerate(values) for value in of_prompt]
    found = bootstrap_interval(*zip(*flat, strict=True), shares=first is None)
    value, low, high = (100 * number for number in (found.value, found.low, found.high))
    sign = "+" if first is not None else ""
    return f"{value:{sign}.0f} ({low:.0f} to {high:.0f})"


def sheet(found: Sequence[Sequence[dict[str, Any]]], prompts: Sequence[Any], file: Path) -> None:
    """The first prompts' clips: what was made anyway, and below it what was kept in the end."""
    from scenewright.media import contact_sheet, save_image

    pairs = [(found[number][n]["clip"], n, number) for n in range(SHOWN) for number in (0, len(found) - 1)]
    titles = [f"{prompts[n].text} (round {number})" for _, n, number in pairs]
    page = contact_sheet([clip for clip, *_ in pairs], titles, columns=2, frames_per_clip=6, height=48)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_image(page, file)


def score(folder: Path, name: str, count: int, rounds: int, images: Path) -> None:
    from scenewright.generation.feedback import Feedback
    from scenewright.generation.loading import load_generator
    from scenewright.generation.oracle import Oracle

    columns = ("judge", "other", "all facts", *FACTS)
    prompts, scorer = asked(count), Scorer(folder)
    size = (SCENES["width"], SCENES["height"])
    oracle = Oracle(size, SCENES["num_frames"], SCENES["fps"])
    generator = load_generator(folder / name / "model")
    for way in WAYS[name]:
        began = time.process_time()
        loop = Feedback(generator, scorer.judge, by=way, rounds=rounds, near=near)
        kept = [list(loop.drafts(prompt)) for prompt in prompts]
        seconds = (time.process_time() - began) / count
        found = [scorer([drafts[number].clip for drafts in kept], prompts) for number in range(rounds + 1)]
        true = scorer(oracle.generate(prompts), prompts)
        print(f"\n{name}, {way} ({seconds:.1f} core-seconds a prompt)\n")
        print("| round | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for number, row in enumerate(found):
            print(f"| {number} | " + " | ".join(cell(row, column) for column in columns) + " |")
        print("| gain | " + " | ".join(cell(found[-1], column, found[0]) for column in columns) + " |")
        print("| true renders | " + " | ".join(cell(true, column) for column in columns) + " |", flush=True)
        sheet(found, prompts, images / f"feedback-{name}-{way}.webp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("train", "score"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"[default: all: {', '.join(NETWORKS)}]")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=48, help="to score by")
    parser.add_argument("--folder", type=Path, default=Path("runs/feedback"))
    parser.add_argument("--images", type=Path, default=IMAGES, help="where contact sheets are drawn")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NETWORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NETWORKS)}")
    names = options.names or NETWORKS
    if options.what == "train":
        for name in names:
            train(options.folder, name, options.threads)
        return

    import torch

    torch.set_num_threads(options.threads)
    for name in names:
        if name in WAYS:
            score(options.folder, name, options.prompts, options.rounds, options.images)


if __name__ == "__main__":
    main()
