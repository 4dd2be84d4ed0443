"""Trains zoo/sound2sight and zoo/sight2sound, and says what sound tells of sight, and sight of sound.

    python benchmarks/sound.py train [NAME ...] [--core-minutes 10]
    python benchmarks/sound.py score [--clips 128]

``train`` goes on where it was stopped; the budget is processor time of each. ``score`` prints two tables, of
clips that no training has seen, and draws docs/images/zoo/sound2sight.webp. Frames are made from each clip's
first frame with its own sound, with another clip's and in silence, without a word of text; beside them stands
the first frame, held. Events are found in each clip's frames; beside them stand those that begin with the
picture's first change, and the one that is most usual in training, said of every clip. Times may be off by
half a frame. Intervals are 95 %, from a bootstrap over clips.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import trials
from zoo import IMAGES

RECIPES = ("sound2sight", "sight2sound")
CLIPS = 2000
#: Clips that are judged have another seed than those of training and validation.
HELD_OUT = 9304
#: What takes no network.
HOLDING = "first frame held"
#: Shown: the first clip of each of these motions.
SHOWN = ("roll", "slide", "jump", "grow")


def recipe_of(root: Path, name: str, threads: int, steps: int) -> Any:
    from scenewright.config import load_recipe
    from scenewright.training.config import TrainingRecipe

    changes = [f"threads={threads}", "workers=0", f"stages.0.steps={steps}", "checkpoint_every=100"]
    changes += [f"stages.0.data.shards=[{root / 'clips'}]", "sample_every=100000", "log_every=20"]
    return load_recipe(TrainingRecipe, f"zoo/{name}", [*changes, "validation=null"])


def source_of(root: Path, threads: int) -> Any:
    """Where the clips of training come from, as the recipes say."""
    from scenewright.data.world_source import WorldSource

    data = recipe_of(root, RECIPES[0], threads, 1).stages[0].data
    return WorldSource.model_validate({name: getattr(data, name) for name in WorldSource.model_fields})


def train(root: Path, names: Sequence[str], threads: int, core_minutes: float) -> None:
    from scenewright.data.world_source import render_shards

    render_shards(source_of(root, threads), root / "clips", CLIPS, workers=threads)
    for name in names:

        def recipe(steps: int, name: str = name) -> Any:
            return recipe_of(root, name, threads, steps)

        steps = trials.steps_for(root / f"{name}.json", recipe, core_minutes)
        trials.train(name, recipe(steps), root / name)


class Held(NamedTuple):
    """Clips that no training has seen: frames uint8 (N, T, H, W, 3), sound (N, T, F), events of each."""

    scenes: list[Any]
    frames: np.ndarray
    sound: np.ndarray
    events: list[list[Any]]


def held_out(source: Any, clips: int) -> Held:
    from scenewright.world.hearing import heard
    from scenewright.world.physics import simulate

    held = source.model_copy(update={"seed": HELD_OUT})
    scenes = [held.scene(index) for index in range(clips)]
    sound = np.stack([held.sound(scene)[0] for scene in scenes])
    events = [heard(scene, simulate(scene, held.num_frames, held.fps)) for scene in scenes]
    return Held(scenes, held.render(scenes), sound, events)


# -------------------------------------------------------------------------------------------- sound to sight


def continuations(folder: Path, held: Held) -> dict[str, np.ndarray]:
    """Of every way: uint8 (N, T, H, W, 3)."""
    import torch

    from scenewright.generation.sound_to_sight import load_sound_to_sight
    from scenewright.media.mel import silence

    model = load_sound_to_sight(folder)
    given, count = held.frames[:, : model.config.given], len(held.frames)
    quiet = np.broadcast_to(silence(held.frames.shape[1]), held.sound.shape)
    # Another clip's: that of the next one whose motion is another.
    others = [_next_of_another_motion(held.scenes, index) for index in range(count)]
    heard = {"its own sound": held.sound, "another's sound": held.sound[others], "silence": quiet}
    made = {}
    for way, sound in heard.items():
        pieces = [
            model.continued(
                torch.tensor(given[at : at + 16]),
                torch.tensor(sound[at : at + 16]),
                [""] * len(given[at : at + 16]),
                range(at, min(at + 16, count)),
            )
            for at in range(0, count, 16)
        ]
        made[way] = torch.cat(pieces).numpy()
    last = given[:, -1:]
    return made | {HOLDING: np.repeat(last, held.frames.shape[1], 1)}


def _next_of_another_motion(scenes: Sequence[Any], index: int) -> int:
    from scenewright.data.world_source import action

    own = action(scenes[index])
    places = [(index + step) % len(scenes) for step in range(1, len(scenes))]
    return next(place for place in places if action(scenes[place]) != own)


def sight_table(held: Held, made: dict[str, np.ndarray]) -> None:
    from scenewright.evaluation.fidelity.pixels import mse, psnr
    from scenewright.evaluation.fidelity.similarity import ssim

    kinds = _kinds(held)
    moving = [index for index, kind in enumerate(kinds) if kind != "still"]
    print(f"\nFrames that are not given, of {len(moving)} clips with a motion, out of {len(kinds)}\n")
    print("| Frames from | squared error, % of holding | PSNR | less than with its own sound | SSIM |")
    print("|---|---|---|---|---|")
    pairs = {way: [(held.frames[i, 1:], clips[i, 1:]) for i in moving] for way, clips in made.items()}
    errors = {way: np.array([mse(a, b).mean() for a, b in both]) for way, both in pairs.items()}
    ratios = {way: np.array([psnr(a, b)[0] for a, b in both]) for way, both in pairs.items()}
    own, *others = made
    for way, both in pairs.items():
        cells = [_share(errors[way], errors[HOLDING]), _cell(ratios[way], 1)]
        cells.append(_cell(ratios[own] - ratios[way], 2) if way in others else "")
        cells.append(_cell(np.array([ssim(a, b)[0] for a, b in both]), 3))
        print(f"| {way} | " + " | ".join(cells) + " |")
    by_kind: dict[str, list[int]] = {}
    for index, kind in enumerate(kinds):
        by_kind.setdefault(kind, []).append(index)
    print("\nPSNR by motion; what is the same has 100 dB\n")
    print("| Motion | clips | " + " | ".join(made) + " |")
    print("|---" * (2 + len(made)) + "|")
    for kind, members in sorted(by_kind.items()):
        cells = [
            f"{np.mean([psnr(held.frames[i, 1:], c[i, 1:])[0] for i in members]):.1f}" for c in made.values()
        ]
        print(f"| {kind} | {len(members)} | " + " | ".join(cells) + " |")


def _kinds(held: Held) -> list[str]:
    """Of every clip, what happens first."""
    return [scene.motions[0].kind if scene.motions else "still" for scene in held.scenes]


def draw(held: Held, made: dict[str, np.ndarray], fps: float) -> None:
    from scenewright.clip import Clip
    from scenewright.data.world_source import say
    from scenewright.media import contact_sheet
    from scenewright.world.layout import description_of

    kinds = _kinds(held)
    shown = [kinds.index(kind) for kind in SHOWN if kind in kinds]
    rows = [(index, way) for index in shown for way in ("", *list(made)[:3])]
    clips = [Clip(frames=made[way][i] if way else held.frames[i], fps=fps) for i, way in rows]
    captions = [way or say(description_of(held.scenes[i]), i) for i, way in rows]
    sheet = contact_sheet(clips, captions=captions, frames_per_clip=clips[0].frames.shape[0], columns=1)
    IMAGES.mkdir(parents=True, exist_ok=True)
    sheet.save(IMAGES / "sound2sight.webp", quality=85)


# -------------------------------------------------------------------------------------------- sight to sound


def event_rows(root: Path, held: Held, fps: float) -> dict[str, list[list[tuple[str, float]]]]:
    """By each way, the (kind, start) of what it finds in every clip."""
    from scenewright.data.shards import Shards
    from scenewright.generation.foley import load_foley
    from scenewright.world.hearing import events_in, heard
    from scenewright.world.physics import simulate
    from scenewright.world.scene import Scene

    foley = load_foley(root / "sight2sound" / "model")
    rows: dict[str, list[list[tuple[str, float]]]] = {"network": []}
    for frames in held.frames:
        rows["network"].append([(e.kind, e.start) for e in events_in(foley.table(frames), fps)])
    shards = Shards(root / "clips")
    begins: Counter[tuple[str, int]] = Counter()
    for index in range(len(shards)):
        scene = Scene.model_validate(shards.row(index))
        for event in heard(scene, simulate(scene, shards.info.num_frames, fps)):
            begins[event.kind, int(event.start * fps + 1e-4)] += 1
    (kind, frame), _ = begins.most_common(1)[0]
    rows["first change of the picture"] = []
    for frames in held.frames:
        change = np.abs(np.diff(frames.astype(int), axis=0)).max((1, 2, 3)) > 30
        rows["first change of the picture"].append(
            [(kind, float(change.argmax()) / fps)] if change.any() else []
        )
    rows[f"always {kind}, frame {frame}"] = [[(kind, (frame + 0.5) / fps)] for _ in held.frames]
    return rows


def counts_of(
    held: Held, found: Sequence[Sequence[tuple[str, float]]], fps: float, kinds: bool
) -> np.ndarray:
    """int (N, 3): matched, true and found events of every clip; with ``kinds``, of the same kind."""
    from scenewright.evaluation.sound import event_scores
    from scenewright.world.hearing import SOUND_KINDS

    counts = np.zeros((len(found), 3), int)
    for index, (true, said) in enumerate(zip(held.events, found, strict=True)):
        for kind in SOUND_KINDS if kinds else ("any",):
            a = [event.start for event in true if kind in ("any", event.kind)]
            b = [start for name, start in said if kind in ("any", name)]
            recall = event_scores(a, b, 0.5 / fps).recall
            counts[index] += (round(recall * len(a)), len(a), len(b))
    return counts


def sound_table(root: Path, held: Held, fps: float) -> None:
    rng = np.random.default_rng(0)
    print(f"\n{sum(map(len, held.events))} events in {len(held.events)} clips\n")
    print("| Events from | F1 of onsets | F1, with their kinds | precision, so | recall, so |")
    print("|---|---|---|---|---|")
    rows = event_rows(root, held, fps)
    for way, found in rows.items():
        cells = []
        for kinds in (False, True):
            counts = counts_of(held, found, fps, kinds)
            drawn = counts[rng.integers(0, len(counts), (2000, len(counts)))].sum(1)
            scores = 2 * drawn[:, 0] / np.maximum(drawn[:, 1] + drawn[:, 2], 1)
            matched, true, said = counts.sum(0)
            low, high = np.percentile(scores, [2.5, 97.5])
            cells.append(f"{200 * matched / (true + said):.0f} ({100 * low:.0f}–{100 * high:.0f})")
        cells += [f"{100 * matched / max(said, 1):.0f}", f"{100 * matched / true:.0f}"]
        print(f"| {way} | " + " | ".join(cells) + " |")
    kinds_table(held, rows["network"], fps)


def kinds_table(held: Held, found: Sequence[Sequence[tuple[str, float]]], fps: float) -> None:
    """Of each kind of sound, how many there are, are said, and are said rightly."""
    from scenewright.evaluation.sound import event_scores
    from scenewright.world.hearing import SOUND_KINDS, event_table

    print("\n| Kind | there | said | rightly |\n|---|---|---|---|")
    for kind in SOUND_KINDS:
        right, there, said = 0, 0, 0
        for true, events in zip(held.events, found, strict=True):
            a = [event.start for event in true if event.kind == kind]
            b = [start for name, start in events if name == kind]
            right += round(event_scores(a, b, 0.5 / fps).recall * len(a))
            there, said = there + len(a), said + len(b)
        print(f"| {kind} | {there} | {said} | {right} |")
    frames = held.frames.shape[1]
    told = sum(int(event_table(true, frames, fps)[..., 0].sum()) for true in held.events)
    print(f"\n{sum(map(len, held.events)) - told} events begin in a frame with another of their kind")


def _share(errors: np.ndarray, whole: np.ndarray) -> str:
    """All errors of clips as a part of all others, in per cent, and its interval."""
    drawn = np.random.default_rng(0).integers(0, len(errors), (4000, len(errors)))
    low, high = np.percentile(errors[drawn].sum(1) / whole[drawn].sum(1), [2.5, 97.5])
    return f"{100 * errors.sum() / whole.sum():.0f} ({100 * low:.0f}–{100 * high:.0f})"


def _cell(values: np.ndarray, digits: int) -> str:
    """A mean, and its interval."""
    from scenewright.evaluation.statistics import bootstrap_interval

    found = bootstrap_interval(values)
    return f"{found.value:.{digits}f} ({found.low:.{digits}f}–{found.high:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("train", "score", "all"), default="all")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"to train, of {', '.join(RECIPES)}")
    parser.add_argument("--core-minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clips", type=int, default=128, help="to judge by")
    parser.add_argument("--folder", type=Path, default=Path("runs/sound-benchmark"))
    options = parser.parse_args()
    if options.what != "score":
        if unknown := set(options.names) - set(RECIPES):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(RECIPES)}")
        train(options.folder, options.names or RECIPES, options.threads, options.core_minutes)
    if options.what == "train":
        return
    for name in RECIPES:
        if not (options.folder / name / "model").is_dir():
            raise SystemExit(f"{name} has not been trained: python benchmarks/sound.py train")
    source = source_of(options.folder, options.threads)
    held = held_out(source, options.clips)
    made = continuations(options.folder / "sound2sight" / "model", held)
    sight_table(held, made)
    draw(held, made, source.fps)
    sound_table(options.folder, held, source.fps)
    for name in RECIPES:
        print(f"\n{name}: {json.loads((options.folder / f'{name}.json').read_text('utf-8'))}")


if __name__ == "__main__":
    main()
