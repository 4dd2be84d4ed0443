"""Trains every family that makes videos on the same clips with the same budget, and judges them alike.

    python benchmarks/zoo.py train [NAME ...] [--core-minutes 60] [--threads 1]
    python benchmarks/zoo.py score [NAME ...]
    python benchmarks/zoo.py page [NAME ...]

``train`` goes on where it was stopped. ``score`` judges what has been trained, and keeps what it finds;
``page`` prints the table and draws a contact sheet of each into docs/images/zoo.

The budget is processor time, so that other work on the machine does not shorten a family's share: 60
core-minutes are half an hour of two cores. A family's steps are set once, by the processor time of some
steps, so that its learning rate ends where the budget does. ``--scenes``: clips of one thing or of two.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    "vilbert": (),
    "attn-gan": ("damsm",),
    "text2video-gan": (),
    "tokenizer": (),
    "video-bert": ("tokenizer",),
    "video-gpt": ("tokenizer",),
    "diffusion": (),
    "flow": (),
    "causal-flow": (),
}
#: Those that make no videos.
HELPERS = {"damsm", "tokenizer", "vilbert"}
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
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images" / "zoo"
CLIPS = 16_000
SAMPLER = {"moving_camera": 0.0, "settings": 0.0, "sequences": 0.0, "speeds": 0.0, "still": 0.12}
SCENES: dict[str, dict[str, Any]] = {
    "one": {"seed": 301, "sampler": {"num_objects": [1, 1], **SAMPLER}},
    "two": {"seed": 302, "sampler": {"num_objects": [2, 2], **SAMPLER}},
}
#: Steps whose time sets the budget, after some that warm up.
WARM, TIMED = 4, 12


@dataclass(frozen=True)
class Place:
    """Where everything is kept. ``scenes``: "one" or "two"."""

    root: Path
    scenes: str

    @property
    def clips(self) -> Path:
        return self.root / self.scenes / "clips"

    def run(self, family: str) -> Path:
        return self.root / self.scenes / family

    def budget(self, family: str) -> Path:
        return self.root / self.scenes / f"{family}.json"


def make_clips(place: Place, workers: int) -> None:
    from scenewright.data.world_source import WorldSource, render_shards

    source = WorldSource.model_validate({**SCENES[place.scenes], "width": 64, "height": 64})
    render_shards(source, place.clips, CLIPS, workers=workers)


def recipe_of(place: Place, family: str, threads: int, steps: int, more: Sequence[str] = ()) -> Any:
    """The zoo's recipe on the clips that all share, with ``more`` changes."""
    from scenewright.config import load_recipe
    from scenewright.training.config import TrainingRecipe

    changes = [f"threads={threads}", "workers=0", f"stages.0.steps={steps}", "checkpoint_every=100"]
    changes += [f"stages.0.data.shards=[{place.clips}]", "sample_every=100000", "log_every=10"]
    changes += [f"stages.0.data.{key}={json.dumps(value)}" for key, value in SCENES[place.scenes].items()]
    if family == "attn-gan":
        changes += [f"objective.agreement={place.run('damsm') / 'model'}", "objective.agreement_weight=1.0"]
    if "tokenizer" in FAMILIES[family]:
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
    """How many steps of a family, with ``more`` changes, the budget pays for; measured once and kept."""
    import tempfile

    from scenewright.training.trainer import Trainer

    file = place.budget(name or family)
    if file.is_file():
        kept = json.loads(file.read_text("utf-8"))
        if kept["core_minutes"] == core_minutes:
            return int(kept["steps"])
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe_of(place, family, threads, WARM + TIMED + 1, more), Path(folder) / "run")
        trainer.run(until=WARM)
        began = time.process_time()
        trainer.run(until=WARM + TIMED)
        seconds = (time.process_time() - began) / TIMED
    steps = max(1, int(core_minutes * 60 / seconds))
    place.root.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"core_minutes": core_minutes, "core_seconds_a_step": seconds, "steps": steps}) + "\n",
        "utf-8",
    )
    return steps


def train(place: Place, family: str, threads: int, core_minutes: float) -> None:
    from scenewright.training.trainer import Trainer

    for needed in FAMILIES[family]:
        if not (place.run(needed) / "model").is_dir():
            raise SystemExit(f"{family} needs {needed}: train it before")
    steps = steps_for(place, family, threads, core_minutes)
    print(f"{family}: {steps} steps", flush=True)
    trainer = Trainer(recipe_of(place, family, threads, steps), place.run(family))
    began, first = time.time(), trainer.step
    trainer.run()
    print(f"{family}: step {trainer.step} of {steps}, {time.time() - began:.0f} s from {first}", flush=True)
    if not trainer.finished:
        raise SystemExit(f"{family} was asked to end; the same command goes on")


def generator_of(place: Place, family: str) -> Any:
    """What has been trained, or the ceiling; None where nothing has."""
    from scenewright.generation.loading import load_generator

    if family == CEILING:
        from scenewright.generation.oracle import Oracle

        return Oracle((64, 64), 16, 8.0)
    folder = place.run(family) / "model"
    return load_generator(folder) if folder.is_dir() else None


def score(place: Place, family: str, prompts: int) -> dict[str, Any] | None:
    """All that the page says of a family: values with 95 % intervals."""
    from scenewright.evaluation.metric import distances, measured, world_core

    generator = generator_of(place, family)
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
    found |= cost(generator)
    if family == "moco-gan":
        found["swap"] = swapped_scores(generator)
    file = place.root / place.scenes / "scores" / f"{family}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
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


def cost(generator: Any, runs: int = 5) -> dict[str, float]:
    """``seconds``: the median of a clip on all cores; ``parameters``: in millions."""
    import statistics

    import torch

    from scenewright.clip import Prompt

    torch.set_num_threads(os.cpu_count() or 1)
    times = []
    for seed in range(runs + 1):
        began = time.perf_counter()
        generator.generate([Prompt(text="a red ball rolls left", seed=seed)])
        times.append(time.perf_counter() - began)
    model = getattr(generator, "model", None)
    parameters = 0 if model is None else sum(p.numel() for p in model.parameters())
    return {"seconds": statistics.median(times[1:]), "parameters": parameters / 1e6}


def swapped_scores(generator: Any, pairs: int = 24) -> dict[str, float]:
    """Of MoCoGAN's clips with the content of one prompt and the motion of another: the share that has the
    first one's colour and shape, and the second one's motion."""
    import numpy as np
    import torch

    from scenewright.clip import tensor_to_frames
    from scenewright.evaluation.run import read_and_score
    from scenewright.seeds import keyed_generator

    shapes, colours = ("ball", "cube", "cone", "torus"), ("red", "blue", "green", "yellow")
    motions = ("rolls left", "rolls right", "jumps", "falls", "grows", "vanishes")
    found: dict[str, list[bool]] = {}
    for n in range(pairs):
        things = [f"a {colours[(n + k) % 4]} {shapes[(n // 2 + k) % 4]}" for k in (0, 1)]
        own, other = motions[n % 6], motions[(n + 1 + n // 6) % 6]
        texts = [f"{things[0]} {own}", f"{things[1]} {other}"]
        ids, mask = generator.tokenizer.batch(texts, generator.config.text.max_tokens)
        noise = torch.randn(1, *generator.model.noise_shape, generator=keyed_generator(n, "noise"))
        with torch.inference_mode():
            pooled = generator.model.encode_text(ids, mask).pooled
            clips = generator.model.swapped(pooled[:1], pooled[1:], noise).clips
        frames = tensor_to_frames(clips)[0].numpy()
        facts = read_and_score([f"{things[0]} {other}"], [frames])[0]
        for name in ("colour", "shape", "motion"):
            found.setdefault(name, []).extend(facts[name])
    return {name: float(np.mean(values)) for name, values in found.items()}


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
    return save_image(page, IMAGES / f"{family}{'' if place.scenes == 'one' else '-two'}.webp")


def table(place: Place, families: list[str]) -> str:
    """The page's table, in Markdown, of what has been scored."""
    rows = {}
    for family in families:
        file = place.root / place.scenes / "scores" / f"{family}.json"
        if file.is_file():
            rows[family] = json.loads(file.read_text("utf-8"))
    names = ["mean", *(name for name in ATTRIBUTES if any(name in row for row in rows.values()))]
    titles = ["all facts" if name == "mean" else name for name in names]
    titles += ["Fréchet", "warping error", "diversity", "s a clip", "M parameters"]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for family, row in rows.items():
        cells = [_share(row.get(name)) for name in names]
        cells += [_negated(row.get("minus-frechet"), 0), _negated(row.get("minus-warping-error"), 4)]
        cells += [_plain(row.get("diversity")), f"{row['seconds']:.2f}", f"{row['parameters']:.1f}"]
        lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _share(value: list[float] | None) -> str:
    """Percent, with the 95 % interval."""
    if value is None:
        return ""
    return "{:.0f} ({:.0f}–{:.0f})".format(*(100 * v for v in value))


def _negated(value: list[float] | None, digits: int) -> str:
    return "" if value is None else f"{-value[0]:.{digits}f} ({-value[2]:.{digits}f}–{-value[1]:.{digits}f})"


def _plain(value: list[float] | None) -> str:
    return "" if value is None else "{:.2f} ({:.2f}–{:.2f})".format(*value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("train", "score", "page"))
    parser.add_argument("families", nargs="*", metavar="NAME", help=f"[default: all: {', '.join(FAMILIES)}]")
    parser.add_argument("--scenes", choices=tuple(SCENES), default="one")
    parser.add_argument("--core-minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prompts", type=int, default=96, help="to score by")
    parser.add_argument("--folder", type=Path, default=Path("runs/zoo-benchmark"))
    options = parser.parse_args()
    known = [*FAMILIES, CEILING]
    if unknown := set(options.families) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    place = Place(options.folder, options.scenes)
    chosen = options.families or known
    if options.what == "train":
        make_clips(place, options.threads)
        for family in chosen:
            if family != CEILING:
                train(place, family, options.threads, options.core_minutes)
        return
    makers = [family for family in chosen if family not in HELPERS]
    if options.what == "page":
        for family in makers:
            sheet(place, family)
        print(table(place, makers))
        return
    for family in makers:
        found = score(place, family, options.prompts)
        print(f"{family}: {'not trained yet' if found is None else json.dumps(found)}", flush=True)


if __name__ == "__main__":
    main()
