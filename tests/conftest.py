from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from scenewright.generation.autoencoder import Autoencoder
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.settings import SamplingSettings
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.text.tokenizer import Tokenizer

CORPUS = [f"a {c} {s} {m}" for c in ("red", "blue") for s in ("ball", "cube") for m in ("rolls", "falls")] * 4


@pytest.fixture(scope="session", autouse=True)
def small_corpus():
    """Fitting the tokenizer to 20,000 captions is slow; a few hundred do here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scenewright.training.vocabulary.CORPUS", 300)
        yield


@pytest.fixture(scope="session")
def tiny_pipeline() -> TextToVideo:
    """A small network with random weights in every layer: what it makes depends on every input."""
    tokenizer = Tokenizer.train(CORPUS, 40)
    config = FlowTransformerConfig(
        patch=(4, 8, 8),
        bottleneck=16,
        width=32,
        layers=2,
        heads=2,
        num_frames=8,
        height=16,
        width_pixels=24,
        text=TextEncoderConfig(vocabulary=tokenizer.size, width=32, layers=1, heads=2, max_tokens=16),
    )
    torch.manual_seed(0)
    model = FlowTransformer(config)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return TextToVideo(
        model=model,
        tokenizer=tokenizer,
        settings=SamplingSettings(steps=3),
        words=frozenset("a red blue ball cube rolls falls".split()),
        name="tiny",
    )


@pytest.fixture(scope="session")
def with_network(tiny_pipeline) -> Callable[..., TextToVideo]:
    """Makes the same with a network of other settings, random in every layer."""

    def make(autoencoder: Autoencoder | None = None, **changes: object) -> TextToVideo:
        torch.manual_seed(3)
        model = FlowTransformer(tiny_pipeline.model.config.model_copy(update=changes))
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.3)
        return replace(tiny_pipeline, model=model, autoencoder=autoencoder)

    return make


@pytest.fixture(scope="session")
def given_pipeline(with_network) -> TextToVideo:
    """The tiny one with a network that takes given frames and spans."""
    return with_network(given_frames=1, spans=True)
