"""A handful of clips that networks learn by heart, and what the exact measure sees in what they make then.

No two of them have a shape or a colour in common, so that every caption, whichever of both it leaves out, is
of one clip.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scenewright.clip import Prompt
from scenewright.data.streams import Batches, StreamConfig
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.evaluation.run import read_and_score
from scenewright.generation.loading import load_generator
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

TEXT = TextEncoderConfig(kind="lstm", vocabulary=400, width=32, layers=1)
#: Sizes that all networks of these tests share.
SIZES = {"text": TEXT, "num_frames": 4, "height": 32, "width_pixels": 32}
CLIPS = 4
#: After which shares of the steps is looked whether enough has been learned.
LOOKS = (0.3, 0.45, 0.6, 0.8)
WORLD = StreamConfig(
    sampler=SamplerConfig(
        num_objects=(1, 1),
        shapes=("cube", "sphere", "cone", "torus"),
        colors=("red", "green", "blue", "yellow"),
        sizes=("large",),
        materials={"matte": 1.0},
        moving_camera=0,
        settings=0,
        still=1.0,
    ),
    seed=195,
    width=32,
    height=32,
    num_frames=4,
    fps=4.0,
)


def handful(folder: Path, **changes) -> StreamConfig:
    """Four clips that are shown again and again, with captions that are written anew."""
    source = WorldSource(**{name: getattr(WORLD, name) for name in WorldSource.model_fields})
    render_shards(source, folder / "clips", CLIPS, shard_size=CLIPS)
    return WORLD.model_copy(update={"shards": (folder / "clips",), **changes})


def learned(
    folder: Path,
    data: StreamConfig,
    steps: int,
    then: tuple[Stage, ...] = (),
    enough: Mapping[str, float] | None = None,
    **settings,
) -> dict[str, float]:
    """Trains into ``folder / "run"``, ``then`` in other stages; the share of what the last captions say
    that is seen in clips made of them. ``enough``: training ends where that much is seen."""
    recipe = TrainingRecipe(
        name="learned",
        stages=(Stage(steps=steps, batch=CLIPS, data=data), *then),
        ema_decay=0.95,
        sample_every=steps,
        workers=0,
        **settings,
    )
    trainer = Trainer(recipe, folder / "run")
    for share in LOOKS if enough else ():
        trainer.run(until=round(share * steps))
        found = seen(trainer.export(), data, trainer.step)
        if all(found[name] >= least for name, least in enough.items()):
            return found
    trainer.run()
    return seen(folder / "run" / "model", data, steps)


def seen(model: Path, data: StreamConfig, step: int) -> dict[str, float]:
    """The share of what the captions of a step say that is seen in clips made of them."""
    captions = Batches(data, CLIPS)[step - 1].captions
    clips = load_generator(model).generate([Prompt(text=text) for text in captions])
    found = read_and_score(list(captions), [clip.frames for clip in clips])
    return {name: float(np.mean([v for facts in found for v in facts[name]])) for name in ("colour", "shape")}
