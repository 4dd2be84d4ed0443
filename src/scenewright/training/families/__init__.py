"""The families of networks that can be trained, found by ``network.family`` in a recipe."""

from typing import Annotated

from pydantic import Tag

from scenewright.config import kind
from scenewright.models.encoder_decoder import EncoderDecoderConfig
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.models.layout_decoder import LayoutDecoderConfig
from scenewright.models.layout_planner import LayoutPlannerConfig
from scenewright.models.video_autoencoder import VideoAutoencoderConfig
from scenewright.training.families.autoencoders import AutoencoderFamily
from scenewright.training.families.base import Family
from scenewright.training.families.direct import DirectFamily
from scenewright.training.families.layout_planners import LayoutPlannerFamily
from scenewright.training.families.text_to_video import TextToVideoFamily

#: The sizes of any network; the key ``family`` tells which.
NetworkConfig = Annotated[
    Annotated[FlowTransformerConfig, Tag("flow-transformer")]
    | Annotated[VideoAutoencoderConfig, Tag("video-autoencoder")]
    | Annotated[LayoutPlannerConfig, Tag("layout-planner")]
    | Annotated[LayoutDecoderConfig, Tag("layout-decoder")]
    | Annotated[EncoderDecoderConfig, Tag("encoder-decoder")],
    kind("family", "flow-transformer"),
]

FAMILIES: dict[str, type[Family]] = {
    "flow-transformer": TextToVideoFamily,
    "video-autoencoder": AutoencoderFamily,
    "layout-planner": LayoutPlannerFamily,
    "layout-decoder": LayoutPlannerFamily,
    "encoder-decoder": DirectFamily,
}

__all__ = ["FAMILIES", "Family", "NetworkConfig"]
