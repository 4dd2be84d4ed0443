"""Clips of one large thing that is heard, to learn by heart."""

from scenewright.data.streams import StreamConfig
from scenewright.data.world_source import WorldSource
from scenewright.world.layout import SamplerConfig


def heard_world(seed: int, frames: int, fps: float, still: float) -> StreamConfig:
    return StreamConfig(
        sampler=SamplerConfig(
            num_objects=(1, 1),
            shapes=("cube", "sphere", "cone", "torus"),
            colors=("red", "green", "blue", "yellow"),
            sizes=("large",),
            moving_camera=0,
            settings=0,
            sequences=0,
            speeds=0,
            still=still,
        ),
        seed=seed,
        width=32,
        height=32,
        num_frames=frames,
        fps=fps,
        facts=("sound",),
    )


def source_of(world: StreamConfig) -> WorldSource:
    """What renders the same clips into shards."""
    return WorldSource(**{name: getattr(world, name) for name in WorldSource.model_fields})
