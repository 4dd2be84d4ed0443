"""How often the reader is right, on renders that it has never seen: the ceiling of the exact measure.

``python -m scenewright.evaluation.reader.check --clips 400`` samples test scenes, says everything about them
that the exact measure scores, renders and reads them, and prints one row per attribute. ``--card FILE``
writes the model card with the same table.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scenewright.evaluation.exact import score
from scenewright.evaluation.reader.data import SEED_OFFSETS
from scenewright.evaluation.report import Outcome, Report
from scenewright.world.layout import SamplerConfig, description_of, sample_scene
from scenewright.world.scene import Scene

CARD = """# The reader

Two small convolutional networks (`scenewright.evaluation.reader.model`) that see what is in a clip of the
world: objects, their shape, colour, size, material, motion, direction, track and depth. `scenewright
evaluate` scores videos with it. Trained from scratch on renders of the world with true labels; nothing else
went in.

    python -m scenewright.evaluation.reader.data runs/reader/data --clips 16384
    python -m scenewright.evaluation.reader.data runs/reader/data --clips 8192 --mixture subtle
    python -m scenewright.evaluation.reader.train --data runs/reader/data --run runs/reader/run \\
        --steps {steps} --save src/scenewright/weights/reader
    python -m scenewright.evaluation.reader.check --clips {clips} --steps {steps} \\
        --card src/scenewright/weights/reader/README.md

Its steps were taken in six runs, each from the weights of the one before (`--start`): 2,950 on 3,072 clips,
2,600 on 12,288, 520 on all 16,384 of the first mixture; then, with the correlation of neighbouring frames,
1,700 with the second mixture too, and 1,000 and 1,400 (rate 7e-4) with a loss term for turning and without
the first 3,072 clips, whose spins are faster than the world's are now.

Right in per cent on {clips} held-out renders for each number of objects, at {side}x{side}, with everything
about each scene asked:

```
{table}
```

It knows the world and nothing else: on other footage its answers mean nothing.
"""


def held_out_scenes(clips: int, objects: int) -> list[Scene]:
    """Scenes with test seeds, a fixed camera and the plain setting, and no combination held out."""
    config = SamplerConfig(
        num_objects=(objects, objects), still=0.1, sequences=0.0, moving_camera=0.0, settings=0.05, groups=0.0
    )
    return [sample_scene(SEED_OFFSETS["test"] + 10_000 * objects + i, config=config) for i in range(clips)]


def check(clips: int, objects: int, side: int = 128, batch: int = 16) -> list[Outcome]:
    """Outcomes of reading true renders against their full descriptions."""
    from scenewright.evaluation.reader.decode import read_clips
    from scenewright.world.render import render

    outcomes = []
    scenes = held_out_scenes(clips, objects)
    for start in range(0, clips, batch):
        part = scenes[start : start + batch]
        frames = [r.rgb for r in render(part, width=side, height=side) if r.rgb is not None]
        for i, (scene, reading) in enumerate(zip(part, read_clips(frames), strict=True), start):
            items = score(description_of(scene), reading)
            section = f"{objects} object{'s' if objects > 1 else ''}"
            outcomes.append(Outcome(f"{objects}-{i:04d}", section, "", items, reading.record()))
    return outcomes


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--card", type=Path, help="write the model card here")
    parser.add_argument("--steps", type=int, help="training steps, for the card")
    options = parser.parse_args()
    if options.card and options.steps is None:
        parser.error("--card needs --steps")
    torch.set_num_threads(options.threads)
    outcomes = [o for n in options.objects for o in check(options.clips, n, options.side)]
    table = Report("held-out renders", "reader", outcomes).table()
    print(table)
    if options.card:
        options.card.write_text(
            CARD.format(clips=options.clips, side=options.side, steps=options.steps, table=table)
        )


if __name__ == "__main__":
    main()
