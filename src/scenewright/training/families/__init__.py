"""The families of networks that can be trained, found by ``network.family`` in a recipe."""

from typing import Annotated

from pydantic import Tag

from scenewright.config import kind
from scenewright.models.causal_flow_transformer import CausalFlowTransformerConfig
from scenewright.models.conditional_gan import ConditionalGANConfig
from scenewright.models.damsm import DAMSMConfig
from scenewright.models.diffusion_unet import DiffusionUNetConfig
from scenewright.models.encoder_decoder import EncoderDecoderConfig
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.models.hierarchical_video_gan import HierarchicalVideoGANConfig
from scenewright.models.keyframe_gan import KeyframeGANConfig
from scenewright.models.layout_decoder import LayoutDecoderConfig
from scenewright.models.layout_planner import LayoutPlannerConfig
from scenewright.models.moco_gan import MoCoGANConfig
from scenewright.models.stacked_gan import StackedGANConfig
from scenewright.models.token_transformer import TokenTransformerConfig
from scenewright.models.video_autoencoder import VideoAutoencoderConfig
from scenewright.models.video_gan import VideoGANConfig
from scenewright.models.vilbert import ViLBERTConfig
from scenewright.training.families.autoencoders import AutoencoderFamily
from scenewright.training.families.base import Family
from scenewright.training.families.direct import DirectFamily
from scenewright.training.families.layout_planners import LayoutPlannerFamily
from scenewright.training.families.matching import MatchingFamily
from scenewright.training.families.text_to_video import TextToVideoFamily
from scenewright.training.families.tokens import TokenFamily

#: The sizes of any network; the key ``family`` tells which.
NetworkConfig = Annotated[
    Annotated[FlowTransformerConfig, Tag("flow-transformer")]
    | Annotated[CausalFlowTransformerConfig, Tag("causal-flow-transformer")]
    | Annotated[DiffusionUNetConfig, Tag("diffusion-unet")]
    | Annotated[VideoAutoencoderConfig, Tag("video-autoencoder")]
    | Annotated[LayoutPlannerConfig, Tag("layout-planner")]
    | Annotated[LayoutDecoderConfig, Tag("layout-decoder")]
    | Annotated[EncoderDecoderConfig, Tag("encoder-decoder")]
    | Annotated[ConditionalGANConfig, Tag("conditional-gan")]
    | Annotated[VideoGANConfig, Tag("video-gan")]
    | Annotated[HierarchicalVideoGANConfig, Tag("hierarchical-video-gan")]
    | Annotated[MoCoGANConfig, Tag("moco-gan")]
    | Annotated[StackedGANConfig, Tag("stacked-gan")]
    | Annotated[KeyframeGANConfig, Tag("keyframe-gan")]
    | Annotated[DAMSMConfig, Tag("damsm")]
    | Annotated[ViLBERTConfig, Tag("vilbert")]
    | Annotated[TokenTransformerConfig, Tag("token-transformer")],
    kind("family", "flow-transformer"),
]

FAMILIES: dict[str, type[Family]] = {
    "flow-transformer": TextToVideoFamily,
    "causal-flow-transformer": TextToVideoFamily,
    "diffusion-unet": TextToVideoFamily,
    "video-autoencoder": AutoencoderFamily,
    "layout-planner": LayoutPlannerFamily,
    "layout-decoder": LayoutPlannerFamily,
    "encoder-decoder": DirectFamily,
    "conditional-gan": DirectFamily,
    "video-gan": DirectFamily,
    "hierarchical-video-gan": DirectFamily,
    "moco-gan": DirectFamily,
    "stacked-gan": DirectFamily,
    "keyframe-gan": DirectFamily,
    "damsm": MatchingFamily,
    "vilbert": MatchingFamily,
    "token-transformer": TokenFamily,
}

__all__ = ["FAMILIES", "Family", "NetworkConfig"]
