"""Networks and a recipe small enough for tests of planning."""

from scenewright.data.streams import StreamConfig
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.optimizers import OptimizerConfig

SMALL = FlowTransformerConfig(
    patch=(2, 8, 8),
    bottleneck=24,
    width=64,
    layers=2,
    heads=4,
    mlp_ratio=2.5,
    num_frames=8,
    height=32,
    width_pixels=32,
    text=TextEncoderConfig(vocabulary=100, width=48, layers=1, heads=4, max_tokens=32),
)
OTHER = SMALL.model_copy(
    update={
        "channels": 4,
        "patch": (1, 4, 8),
        "width": 96,
        "layers": 3,
        "mlp_ratio": 8 / 3,
        "text": TextEncoderConfig(vocabulary=80, width=32, layers=2, heads=2, max_tokens=48),
    }
)
#: Activations outweigh weights.
BROAD = SMALL.model_copy(
    update={"patch": (2, 16, 16), "bottleneck": 64, "width": 256, "layers": 2, "num_frames": 16}
    | {"height": 128, "width_pixels": 128}
)
#: Weights outweigh activations.
DEEP = BROAD.model_copy(update={"width": 512, "layers": 3, "num_frames": 2})


def grid_of(config: FlowTransformerConfig) -> tuple[int, int, int]:
    return config.grid(config.num_frames, config.height, config.width_pixels)


def recipe(**changes: object) -> TrainingRecipe:
    data = StreamConfig(width=32, height=32, num_frames=8)
    return TrainingRecipe(
        name="small",
        network=SMALL,
        optimizer=OptimizerConfig(name="adamw"),
        stages=(Stage(steps=10, batch=8, data=data), Stage(steps=30, batch=16, data=data)),
    ).model_copy(update=changes)
