"""Trains every family that makes videos on the same clips with the same budget, and judges them alike.

    python benchmarks/zoo.py plan [NAME ...] [--core-minutes 60] [--threads 1]
    python benchmarks/zoo.py train [NAME ...] [--core-minutes 60] [--threads 1]
    python benchmarks/zoo.py score [NAME ...] [--device cpu]
    python benchmarks/zoo.py time [NAME ...]
    python benchmarks/zoo.py page [NAME ...]

``plan`` sets the steps of each, and ``train`` does, too, where that is not done. ``train`` goes on where it
was stopped. ``score`` judges what has been trained, and keeps what it finds in benchmarks/results; ``time``
measures how long a clip takes, for which nothing needs to be trained; ``page`` prints the table of all that
is there, and draws a contact sheet of each that is in the folder of the runs into docs/images/zoo.

The budget is processor time, so that other work on the machine does not shorten a family's share: 60
core-minutes are half an hour of two cores. Where there is a GPU, it is minutes of that, alone: several may
be trained on it at the same time once their steps are planned. A family's steps are set once, by what its
first ones take, so that its learning rate ends where the budget does. What a family needs to have been
trained before (a tokenizer, a judge of words) has a third of the budget, and the family the rest.

``--scenes``: clips of one thing or of two.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import trials

#: Families in the order of the page, and what each needs to have been trained before.
FAMILIES: dict[str, tuple[str, ...]] = {
    "seq2seq": (),
    "aed": (),
    "c-gan": (),
    "video-gan": (),
    "hierarchical-video-gan": (),
    "moco-gan": (),
    "stack-gan": (),
    "damsm": (),
    "attn-gan": ("damsm",),
    "lstm-a3c": ("damsm",),
    "text2video-gan": (),
    "tokenizer": (),
    "video-bert": ("tokenizer",),
    "video-gpt": ("tokenizer",),
    "diffusion": (),
    "flow": (),
    "causal-flow": (),
}
#: Those that make no videos; a third of the budget is for them where a family needs one.
HELPERS = {"damsm", "tokenizer"}
#: What stands beside the families: true renders of the prompts, which nothing can beat.
CEILING = "oracle"
SECTIONS = {"one": "single", "two": "two-objects"}
ATTRIBUTES = ("colour", "shape", "size", "motion", "direction", "count", "relation")
#: The first seeds of these prompts, not the best of many.
SHOWN = {
    "one": ("a red ball rolls left", "a large blue cube spins", "a green cone falls", "a yellow torus jumps"),
    "two": (
        "a red ball rolls left and a blue cube jumps",
        "a green cone is to the left of a yellow sphere",
        "a purple cylinder falls beside a white cube",
        "a pink pyramid spins and a black ball bounces",
    ),
}
#: What is asked for while a clip is timed.
TIMED = "a red ball rolls left"
#: What clips that MoCoGAN swaps content and motion of are asked for.
SHAPES, COLOURS = ("ball", "cube", "cone", "torus"), ("red", "blue", "green", "yellow")
MOTIONS = ("rolls left", "rolls right", "jumps", "falls", "grows", "vanishes")
TIMES = trials.RESULTS / "zoo" / "time"
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images" / "zoo"
CLIPS = 16_000
SAMPLER = {"moving_camera": 0.0, "settings": 0.0, "sequences": 0.0, "speeds": 0.0, "still": 0.12}
SCENES: dict[str, dict[str, Any]] = {
    "one": {"seed": 301, "sampler": {"num_objects": [1, 1], **SAMPLER}},
    "two": {"seed": 302, "sampler": {"num_objects": [2, 2], **SAMPLER}},
}


@dataclass(frozen=True)
class Place:
    """Where everything is kept; scores apart from runs. ``scenes``: "one" or "two"; ``precision``: what all
    are trained in."""

    root: Path
    scenes: str
    precision: str = "float32"

    @property
    def clips(self) -> Path:
        return self.root / self.scenes / "clips"

    def run(self, family: str) -> Path:
        return self.root / self.scenes / family

    def budget(self, family: str) -> Path:
        return self.root / self.scenes / f"{family}.json"

    @property
    def scores(self) -> Path:
        return trials.RESULTS / "zoo" / self.scenes


def make_clips(place: Place, workers: int) -> None:
    from scenewright.data.world_source import WorldSource, render_shards

    source = WorldSource.model_validate({**SCENES[place.scenes], "width": 64, "height": 64})
    render_shards(source, place.clips, CLIPS, workers=workers)


def recipe_of(place: Place, family: str, threads: int, steps: int, more: Sequence[str] = ()) -> Any:
    """The zoo's recipe on the clips that all share, with ``more`` changes. Its stages have the shares of
    ``steps`` that they have in the recipe."""
    from scenewright.config import load_recipe
    from scenewright.training.config import TrainingRecipe

    changes = [f"threads={threads}", f"precision={place.precision}", "workers=0", "checkpoint_every=100"]
    changes += ["sample_every=100000", "log_every=10"]
    plain, end = load_recipe(TrainingRecipe, f"zoo/{family}"), 0
    for index, stage in enumerate(plain.stages):
        begin, end = end, end + stage.steps
        count = round(steps * end / plain.total_steps) - round(steps * begin / plain.total_steps)
        changes += [f"stages.{index}.steps={max(1, count)}", f"stages.{index}.data.shards=[{place.clips}]"]
        scenes = SCENES[place.scenes].items()
        changes += [f"stages.{index}.data.{key}={json.dumps(value)}" for key, value in scenes]
    if family == "attn-gan":
        changes += [f"objective.agreement={place.run('damsm') / 'model'}", "objective.agreement_weight=1.0"]
    if family == "lstm-a3c":
        changes += [f"stages.1.objective.agreement={place.run('damsm') / 'model'}"]
        # As many workers as others have threads; one has its updates at once.
        changes += [f"stages.1.objective.workers={threads}"]
        changes += ["stages.1.objective.updates=1"] if threads == 1 else []
    if "tokenizer" in FAMILIES.get(family, ()):
        changes.append(f"autoencoder={place.run('tokenizer') / 'model'}")
    return load_recipe(TrainingRecipe, f"zoo/{family}", [*changes, *more])


def steps_for(
    place: Place,
    family: str,
    threads: int,
    core_minutes: float,
    more: Sequence[str] = (),
    name: str | None = None,
) -> int:
    """How many steps of a family, with ``more`` changes, its share of the budget pays for; measured once and
    kept."""
    with stand_ins(place, family, threads) as other:
        return trials.steps_for(
            place.budget(name or family),
            lambda steps: recipe_of(other, family, threads, steps, more),
            core_minutes * share(family),
        )


def share(family: str) -> float:
    """Of the budget: what a family needs to have been trained before is paid for from its own."""
    return 1 / 3 if family in HELPERS else 2 / 3 if FAMILIES.get(family) else 1.0


@contextmanager
def stand_ins(place: Place, family: str, threads: int) -> Iterator[Place]:
    """A place with the same clips, where what the family needs is there: as it was trained, or untrained."""
    with tempfile.TemporaryDirectory() as folder:
        other = replace(place, root=Path(folder))
        other.clips.parent.mkdir(parents=True)
        other.clips.symlink_to(place.clips.resolve())
        for needed in FAMILIES.get(family, ()):
            if (place.run(needed) / "model").is_dir():
                other.run(needed).symlink_to(place.run(needed).resolve())
            else:
                export(other, needed, threads)
        yield other


def export(place: Place, family: str, threads: int) -> Path:
    """The folder of a model as it is before its first step."""
    from scenewright.training.trainer import Trainer

    return Trainer(recipe_of(place, family, threads, 1), place.run(family)).export()


def train(place: Place, family: str, threads: int, core_minutes: float) -> None:
    for needed in FAMILIES[family]:
        if not (place.run(needed) / "model").is_dir():
            raise SystemExit(f"{family} needs {needed}: train it before")
    steps = steps_for(place, family, threads, core_minutes)
    trials.train(family, recipe_of(place, family, threads, steps), place.run(family))


def generator_of(place: Place, family: str, device: str = "cpu") -> Any:
    """What has been trained, or the ceiling; None where nothing has."""
    from scenewright.generation.loading import load_generator

    if family == CEILING:
        from scenewright.generation.oracle import Oracle

        return Oracle((64, 64), 16, 8.0)
    folder = place.run(family) / "model"
    return load_generator(folder, device) if folder.is_dir() else None


def score(place: Place, family: str, prompts: int, device: str) -> dict[str, Any] | None:
    """What the page says of a family's clips: values with 95 % intervals."""
    from scenewright.evaluation.metric import distances, measured, world_core

    generator = generator_of(place, family, device)
    if generator is None:
        return None
    sections = (SECTIONS[place.scenes],)
    found: dict[str, Any] = {}
    for name, value in {
        **world_core(generator, prompts=prompts, sections=sections),
        **measured(generator, names=("warping-error",), prompts=prompts, sections=sections),
        **distances(generator, names=("frechet",), prompts=prompts, sections=sections),
    }.items():
        found[name.removeprefix(f"{sections[0]}/")] = [value.value, value.low, value.high]
    found["diversity"] = diversity(generator, sections[0])
    if family == "moco-gan":
        found["swap"] = swapped_scores(generator)
    budget = None if family == CEILING else place.budget(family)
    trials.keep(place.scores / f"{family}.json", found, budget)
    return found


def time_clips(place: Place, family: str, threads: int) -> dict[str, float]:
    """What :func:`trials.cost` says of the family; an untrained network takes as long as a trained one."""
    from scenewright.generation.loading import load_generator

    if (generator := generator_of(place, family)) is not None:
        found = trials.cost(generator, TIMED)
    else:
        with stand_ins(place, family, threads) as other:
            found = trials.cost(load_generator(export(other, family, threads)), TIMED)
    trials.keep(TIMES / f"{family}.json", found)
    return found


def diversity(generator: Any, section: str, prompts: int = 12, seeds: int = 4) -> list[float]:
    """The mean distance of clips of one prompt but of other seeds, in the features of the package's 3-D
    network, as a share of that between clips of other prompts; with a 95 % interval over prompts."""
    import numpy as np

    from scenewright.clip import Prompt
    from scenewright.evaluation.distribution.networks import world_features
    from scenewright.evaluation.statistics import bootstrap_interval
    from scenewright.evaluation.suites import load_suite

    network = world_features()
    texts = [p.text for p in load_suite("world-core").select((section,), prompts).prompts]
    clips = generator.generate([Prompt(text=text, seed=seed) for text in texts for seed in range(seeds)])
    features = np.stack([network(clip) for clip in clips]).reshape(prompts, seeds, -1)
    away = np.linalg.norm(features[:, :, None] - features[:, None], axis=-1)
    within = away.sum((1, 2)) / (seeds * (seeds - 1))
    means = features.mean(1)
    others = np.linalg.norm(features[:, None] - means[None, :, None], axis=-1)
    between = others[~np.eye(prompts, dtype=bool)].mean()
    interval = bootstrap_interval((within / between).tolist())
    return [interval.value, interval.low, interval.high]


def swaps(generator: Any, pairs: int) -> list[tuple[str, str, Any]]:
    """Two prompts with other things and motions, and what MoCoGAN makes of them and of both."""
    found = []
    for n in range(pairs):
        things = [f"a {COLOURS[(n + k) % 4]} {SHAPES[(n // 2 + k) % 4]}" for k in (0, 1)]
        texts = f"{things[0]} {MOTIONS[n % 6]}", f"{things[1]} {MOTIONS[(n + 1 + n // 6) % 6]}"
        found.append((*texts, trials.swapped_clips(generator, *texts, n)))
    return found


def swapped_scores(generator: Any, pairs: int = 24) -> dict[str, trials.Value]:
    """Of MoCoGAN's clips with the content of one prompt and the motion of another: the share that has the
    first one's colour and shape, and the second one's motion."""
    from scenewright.evaluation.run import read_and_score

    found: dict[str, list[bool]] = {}
    for first, second, (_, _, frames) in swaps(generator, pairs):
        thing, motion = first.split()[:3], second.split()[3:]
        facts = read_and_score([" ".join([*thing, *motion])], [frames])[0]
        for name in ("colour", "shape", "motion"):
            found.setdefault(name, []).extend(facts[name])
    return {name: trials.mean(values, shares=True) for name, values in found.items()}


def sheet(place: Place, family: str) -> Path | None:
    from scenewright.clip import Prompt
    from scenewright.media import contact_sheet, save_image

    generator = generator_of(place, family)
    if generator is None:
        return None
    texts = SHOWN[place.scenes]
    clips = generator.generate([Prompt(text=text, seed=seed) for seed, text in enumerate(texts)])
    page = contact_sheet(clips, list(texts), columns=1, frames_per_clip=8, height=72)
    IMAGES.mkdir(parents=True, exist_ok=True)
    ending = "" if place.scenes == "one" else "-two"
    if family == "moco-gan":
        save_image(
            trials.swapped_sheet(swaps(generator, 2), clips[0].fps), IMAGES / f"moco-gan-swapped{ending}.webp"
        )
    return save_image(page, IMAGES / f"{family}{ending}.webp")


def table(place: Place, families: list[str]) -> str:
    """The page's table, in Markdown, of what has been scored."""
    rows, times = trials.kept(place.scores, families), trials.kept(TIMES, families)
    names = ["mean", *(name for name in ATTRIBUTES if any(name in row for row in rows.values()))]
    titles = ["all facts" if name == "mean" else name for name in names]
    titles += ["Fréchet", "warping error", "diversity", "s a clip", "M parameters"]
    lines = []
    for family, row in rows.items():
        cells = [trials.percent(row.get(name)) for name in names]
        cells += [_negated(row.get("minus-frechet"), 0), _negated(row.get("minus-warping-error"), 4)]
        cells.append(trials.number(row.get("diversity")))
        for name, digits in (("seconds", 2), ("parameters", 1)):
            cells.append(f"{times[family][name]:.{digits}f}" if family in times else "")
        lines.append([family, *cells])
    text = trials.markdown(titles, lines)
    if swap := rows.get("moco-gan", {}).get("swap"):
        cells = ["moco-gan, swapped", *(trials.percent(swap[n]) for n in ("colour", "shape", "motion"))]
        text += "\n\n" + trials.markdown(["A's colour", "A's shape", "B's motion"], [cells])
    on = sorted({row["made_with"]["processor"] for row in times.values()})
    return f"{text}\n\n{trials.budgets(rows)}\nA clip was timed on all cores of {', '.join(on)}."


def _negated(value: list[float] | None, digits: int) -> str:
    return "" if value is None else trials.number([-value[0], -value[2], -value[1]], digits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("plan", "train", "score", "time", "page"))
    parser.add_argument("families", nargs="*", metavar="NAME", help=f"[default: all: {', '.join(FAMILIES)}]")
    parser.add_argument("--scenes", choices=tuple(SCENES), default="one")
    parser.add_argument("--core-minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="to train in")
    parser.add_argument("--prompts", type=int, default=96, help="to score by")
    parser.add_argument("--device", default="cpu", help="to make the clips on that are scored")
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo-benchmark"))
    options = parser.parse_args()
    known = [*FAMILIES, CEILING]
    if unknown := set(options.families) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    place = Place(options.folder, options.scenes, options.precision)
    chosen = options.families or known
    if options.what in ("plan", "train", "time"):
        make_clips(place, options.threads)
    if options.what in ("plan", "train"):
        for family in chosen:
            if family == CEILING:
                continue
            if options.what == "train":
                train(place, family, options.threads, options.core_minutes)
            else:
                steps = steps_for(place, family, options.threads, options.core_minutes)
                print(f"{family}: {steps} steps", flush=True)
        return
    makers = [family for family in chosen if family not in HELPERS]
    if options.what == "page":
        for family in makers:
            sheet(place, family)
        print(table(place, makers))
        return
    for family in makers:
        if options.what == "time":
            print(f"{family}: {json.dumps(time_clips(place, family, options.threads))}", flush=True)
            continue
        found = score(place, family, options.prompts, options.device)
        print(f"{family}: {'not trained yet' if found is None else json.dumps(found)}", flush=True)


if __name__ == "__main__":
    main()
