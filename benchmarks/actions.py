"""MoCoGAN and the flow transformer on footage that is not of the world, with the same processor time.

    python benchmarks/actions.py train people|shapes [NAME ...] [--core-minutes 45] [--threads 1]
    python benchmarks/actions.py score people|shapes [NAME ...]
    python benchmarks/actions.py page people|shapes

``people``: real people who do one of four things; two of them are held out, with their mirror images.
``shapes``: one shape that moves up or to the left. ``moco-gan-swaps`` is trained on clips with the content of
one text and the motion of another, too. ``--data`` names the folder with both sets. ``train`` goes on where
it was stopped; ``score`` judges what has been trained, and ``real``, held-out clips, and keeps what it finds
in benchmarks/results; ``page`` prints the table of all that is there, and draws contact sheets of what is in
the folder of the runs into it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import trials
from footage_sets import SETS, FootageSet

#: The ending of a MoCoGAN that is trained on swaps of content and motion, too.
SWAPS = "-swaps"
FAMILIES = ("moco-gan", f"moco-gan{SWAPS}", "flow")
#: What stands beside them: clips of the data itself.
REAL = "real"
#: Clips that are compared as a set.
CLIPS = 128


def recipe_of(footage: FootageSet, family: str, threads: int, steps: int) -> Any:
    """The zoo's recipe on the footage."""
    from scenewright.config import load_recipe
    from scenewright.training.config import TrainingRecipe

    family, swaps = family.removesuffix(SWAPS), family.endswith(SWAPS)
    actions = len(footage.shards("train").info.actions)
    shown = list(footage.captions("train"))[:: max(1, len(footage.captions("train")) // 4)][:4]
    changes = [f"threads={threads}", "workers=0", f"stages.0.steps={steps}", "checkpoint_every=100"]
    changes += [f"network.fps={footage.FPS}", f"stages.0.data.fps={footage.FPS}", "log_every=10"]
    changes += [f"stages.0.data.shards=[{footage.folder / 'train'}]", "sample_every=500"]
    changes.append(f"sample_prompts={json.dumps(shown)}")
    if family == "moco-gan":
        judges = [{"name": "frames", "sees": "frames"}, {"name": "clips", "actions": actions}]
        changes += [f"network.actions={actions}", f"objective.judges={json.dumps(judges)}"]
        changes += ["objective.swaps=1"] if swaps else []
    return load_recipe(TrainingRecipe, f"zoo/{family}", [*changes, *footage.CHANGES.get(family, ())])


def train(footage: FootageSet, family: str, threads: int, core_minutes: float) -> None:
    def recipe(steps: int) -> Any:
        return recipe_of(footage, family, threads, steps)

    steps = trials.steps_for(budget_of(footage, family), recipe, core_minutes)
    trials.train(f"{footage.NAME}, {family}", recipe(steps), footage.folder / family)


def budget_of(footage: FootageSet, family: str) -> Path:
    return footage.folder / f"{family}.json"


def generator_of(footage: FootageSet, family: str) -> Any:
    """What has been trained; None where nothing has."""
    from scenewright.generation.loading import load_generator

    folder = footage.folder / family / "model"
    return load_generator(folder) if folder.is_dir() else None


def made_of(footage: FootageSet, family: str, part: str) -> tuple[list[np.ndarray], list[str], list[str]]:
    """Clips of a part's captions, with the caption and the action of each; for ``real``, its own clips."""
    from scenewright.clip import Prompt

    if family == REAL:
        clips, rows = footage.clips(part, 4 * CLIPS)
        return clips, [row["captions"][0] for row in rows], [row["action"] for row in rows]
    captions = footage.captions(part)
    seeds = max(2, -(-footage.SEEDS * len(footage.captions("held-out")) // len(captions)))
    asked = [(text, action, seed) for text, action in captions.items() for seed in range(seeds)]
    made = generator_of(footage, family).generate([Prompt(text=t, seed=seed) for t, _, seed in asked])
    return [clip.frames for clip in made], [text for text, _, _ in asked], [action for _, action, _ in asked]


def score(footage: FootageSet, family: str) -> dict[str, Any] | None:
    """All that the page says: values with 95 % intervals, over captions where there are more than two."""
    from scenewright.clip import Clip
    from scenewright.evaluation.measures import Sample, find_measures

    generator = None if family == REAL else generator_of(footage, family)
    if generator is None and family != REAL:
        return None
    found: dict[str, Any] = {}
    same = footage.captions("train") == footage.captions("held-out")
    for part in ("held-out",) if same else ("train", "held-out"):
        clips, texts, actions = made_of(footage, family, part)
        clusters = texts if len(set(texts)) > 2 else None
        right = [a == b for a, b in zip(footage.actions_of(clips), actions, strict=True)]
        found[f"action-{part}"] = trials.mean(right, clusters, shares=True)
    # From here on of the captions of what is held out.
    every = np.linspace(0, len(clips) - 1, min(len(clips), CLIPS)).round().astype(int)
    some = [Clip(clips[i], footage.FPS) for i in every]
    for measure in find_measures(["warping-error", "luminance-flicker", "motion-strength"]):
        values = [measure.compute(Sample(clip, "")) for clip in some]
        found[measure.name] = trials.mean(values, None if clusters is None else [texts[i] for i in every])
    found |= distances(footage, family, clips, texts)
    found |= footage.further(clips)
    if generator is not None:
        found |= trials.cost(generator, texts[0])
    if family.startswith("moco-gan"):
        found["swap"] = swapped_scores(footage, generator)
    budget = None if family == REAL else budget_of(footage, family)
    trials.keep(scores_of(footage) / f"{family}.json", found, budget)
    return found


def scores_of(footage: FootageSet) -> Path:
    return trials.RESULTS / "actions" / footage.NAME


def distances(
    footage: FootageSet, family: str, clips: Sequence[np.ndarray], texts: Sequence[str]
) -> dict[str, trials.Value]:
    """Distances to held-out clips in the package's features; and ``diversity``: how far clips of one caption
    are from each other, as a share of that of held-out clips. For ``real`` the distances are those of clips
    of training."""
    from scenewright.clip import Clip
    from scenewright.evaluation.distribution.networks import world_features
    from scenewright.evaluation.distribution.sets import find_sets, score_set

    network = world_features()

    def features(frames: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([network(Clip(clip, footage.FPS)) for clip in frames])

    reference_clips, rows = footage.clips("held-out", 2 * CLIPS)
    reference = features(reference_clips)
    real = spread(reference, [row["captions"][0] for row in rows]).mean()
    if family == REAL:
        clips, rows = footage.clips("train", len(clips))
        texts = [row["captions"][0] for row in rows]
    tested = features(clips)
    found: dict[str, trials.Value] = {}
    clusters = texts if len(set(texts)) > 2 else None
    for measure in find_sets(["frechet", "kernel"]):
        value = score_set(measure, reference, tested, clusters)
        found[measure.name] = [value.value, value.low, value.high]
    if family != REAL:
        found["diversity"] = trials.mean(spread(tested, texts) / real, clusters)
    return found


def spread(features: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """float64 (N,): the mean distance of each clip's features to those of others of its caption; clips that
    are alone with theirs are left out."""
    found = []
    for i, text in enumerate(texts):
        others = [k for k, other in enumerate(texts) if other == text and k != i]
        if others:
            found.append(np.linalg.norm(features[others] - features[i], axis=-1).mean())
    return np.array(found)


def swapped(footage: FootageSet, generator: Any, pairs: int) -> list[tuple[str, str, Any]]:
    """For pairs of captions with other actions: both, and what ``trials.swapped_clips`` makes of them."""
    captions = list(footage.captions("train").items())
    different = [(a, b) for a, x in captions for b, y in captions if x != y]
    every = np.linspace(0, len(different) - 1, min(pairs, len(different))).round().astype(int)
    asked = [different[every[n % len(every)]] for n in range(pairs)]
    return [(a, b, trials.swapped_clips(generator, a, b, n)) for n, (a, b) in enumerate(asked)]


def swapped_scores(footage: FootageSet, generator: Any, pairs: int = 96) -> dict[str, trials.Value]:
    """``content``, ``motion``: the share of swapped clips whose content is nearer to the first clip's than to
    the second's, and whose motion is nearer to the second's; ``content-ratio``, ``motion-ratio``: the
    distance to the clip that it was taken from, over that to the other, where there is any. ``action``: the
    share that shows the second caption's action; ``action-unswapped``: of the second clips themselves."""
    _, second, made = zip(*swapped(footage, generator, pairs), strict=True)
    a, b, swap = zip(*made, strict=True)
    found: dict[str, trials.Value] = {}
    for name, of, source, other in (("content", footage.content, a, b), ("motion", footage.motion, b, a)):
        near = np.array([np.linalg.norm(of(x) - of(y)) for x, y in zip(swap, source, strict=True)])
        far = np.array([np.linalg.norm(of(x) - of(y)) for x, y in zip(swap, other, strict=True)])
        found[name] = trials.mean((near < far).tolist(), shares=True)
        if far.any():
            found[f"{name}-ratio"] = [float(near.mean() / far.mean())]
    captions = footage.captions("train")
    wanted = [captions[text] for text in second]
    for name, clips in (("action", swap), ("action-unswapped", b)):
        seen = footage.actions_of(clips)
        found[name] = trials.mean([x == y for x, y in zip(seen, wanted, strict=True)], shares=True)
    return found


def sheets(footage: FootageSet, family: str) -> list[Path]:
    """Contact sheets: of captions of training, of those of what is held out, and of swaps."""
    from scenewright.clip import Clip, Prompt
    from scenewright.media import contact_sheet, save_image

    generator = generator_of(footage, family)
    if generator is None:
        return []
    drawn = []
    folder = footage.folder / "sheets"
    folder.mkdir(parents=True, exist_ok=True)

    def draw(name: str, clips: Sequence[Clip], texts: Sequence[str]) -> None:
        page = contact_sheet(list(clips), list(texts), columns=1, frames_per_clip=8, height=72)
        drawn.append(save_image(page, folder / f"{name}.png"))

    for part in ("train", "held-out"):
        captions = list(footage.captions(part))
        texts = (captions * 4)[:4] if len(captions) < 4 else captions[:: len(captions) // 4][:4]
        clips = generator.generate([Prompt(text=text, seed=seed) for seed, text in enumerate(texts)])
        draw(f"{family}-{part}", clips, texts)
    if family.startswith("moco-gan"):
        page = trials.swapped_sheet(swapped(footage, generator, 3), footage.FPS)
        drawn.append(save_image(page, folder / f"{family}-swapped.png"))
    return drawn


#: Of the table: title, name among the scores, digits, or none for percent.
COLUMNS = {
    "people": (
        ("action, people of training", "action-train", None),
        ("action, other people", "action-held-out", None),
        ("Fréchet", "frechet", 1),
        ("kernel", "kernel", 2),
        ("warping error", "warping-error", 5),
        ("flicker", "luminance-flicker", 4),
        ("motion", "motion-strength", 3),
        ("diversity", "diversity", 2),
    ),
    "shapes": (
        ("ACD", "acd-32", 2),
        ("frames with a shape", "shape", None),
        ("moves as said", "action-held-out", None),
        ("Fréchet", "frechet", 1),
        ("kernel", "kernel", 2),
        ("warping error", "warping-error", 5),
        ("diversity", "diversity", 2),
    ),
}
#: Average content distances of Tulyakov et al. 2018.
PUBLISHED = {"VGAN": 5.02, "TGAN": 2.08, "MoCoGAN": 1.79, "their real clips": 0.0}


def table(footage: FootageSet, families: Sequence[str]) -> str:
    """The page's tables, in Markdown, of what has been scored."""
    scores = trials.kept(scores_of(footage), families)
    columns = COLUMNS[footage.NAME]
    rows = []
    for family, row in scores.items():
        cells = [
            trials.percent(row.get(name)) if digits is None else trials.number(row.get(name), digits)
            for _, name, digits in columns
        ]
        cells += [f"{row['seconds']:.2f}" if "seconds" in row else ""]
        rows.append([family, *cells, f"{row['parameters']:.1f}" if "parameters" in row else ""])
    if footage.NAME == "shapes":
        blank = [""] * (len(columns) + 1)
        rows += [[f"{name}, published", f"{value:.2f}", *blank] for name, value in PUBLISHED.items()]
    text = trials.markdown([*(title for title, _, _ in columns), "s a clip", "M parameters"], rows)
    swaps = []
    for family, row in scores.items():
        if swap := row.get("swap"):
            names = ("content", "motion", "action", "action-unswapped")
            cells = [trials.percent(swap[name]) for name in names]
            ratios = [swap.get(f"{name}-ratio") for name in ("content", "motion")]
            cells += ["" if ratio is None else f"{ratio[0]:.2f}" for ratio in ratios]
            swaps.append([family, *cells])
    if swaps:
        titles = ["content kept", "motion exchanged", "B's action", "B's action in B itself"]
        titles += ["content: distance to A / to B", "motion: distance to B / to A"]
        text += "\n\n" + trials.markdown(titles, swaps)
    return f"{text}\n\n{trials.budgets(scores)}"


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("train", "score", "page"))
    parser.add_argument("footage", choices=tuple(SETS))
    parser.add_argument("families", nargs="*", metavar="NAME", help=f"[default: all: {', '.join(FAMILIES)}]")
    parser.add_argument("--core-minutes", type=float, default=45.0)
    parser.add_argument("--threads", type=int, default=1)
    near = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SCENEWRIGHT_DATA", near)))
    parser.add_argument("--folder", type=Path, default=Path("runs/actions-benchmark"))
    options = parser.parse_args()
    known = (*FAMILIES, REAL)
    if unknown := set(options.families) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if not options.data.is_dir():
        parser.error(f"there is no folder {options.data}; name it with --data or SCENEWRIGHT_DATA")
    torch.set_num_threads(options.threads)
    footage = SETS[options.footage](options.data, options.folder / options.footage)
    footage.make()
    families = options.families or known
    for family in families:
        if options.what == "train" and family != REAL:
            train(footage, family, options.threads, options.core_minutes)
        elif options.what == "score":
            found = score(footage, family)
            print(f"{family}: {'not trained yet' if found is None else json.dumps(found)}", flush=True)
        elif options.what == "page" and family != REAL:
            for path in sheets(footage, family):
                print(path)
    if options.what == "page":
        print(table(footage, families))


if __name__ == "__main__":
    main()
