"""Readers of texts, which any network takes by name."""

import pytest
import torch

from scenewright.config import load_recipe
from scenewright.generation.loading import load_generator
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig, build_text_encoder
from scenewright.training.config import TrainingRecipe
from scenewright.training.planning.workload import workload
from scenewright.training.trainer import Trainer

KINDS = ("transformer", "lstm", "bag")
IDS = torch.tensor([[2, 5, 9, 7, 3, 0], [2, 7, 9, 5, 3, 0]])


def config(kind: str) -> TextEncoderConfig:
    return TextEncoderConfig(kind=kind, vocabulary=20, width=16, layers=2, heads=2)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_order_counts_but_in_a_bag_and_padding_never(kind):
    torch.manual_seed(0)
    encoder = build_text_encoder(config(kind)).eval()
    words, pooled = encoder(IDS, IDS > 0)
    assert words.shape == (2, 6, 16)
    assert pooled.shape == (2, 16)
    assert torch.allclose(pooled[0], pooled[1], atol=1e-5) == (kind == "bag")
    alone, whole = encoder(IDS[:1, :5], IDS[:1, :5] > 0)
    torch.testing.assert_close(alone, words[:1, :5], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(whole, pooled[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_transformer_reads_with_any(kind):
    sizes = FlowTransformerConfig(
        text=config(kind), patch=(2, 8, 8), width=16, layers=1, heads=2, bottleneck=8, num_frames=2, height=16
    )
    network = FlowTransformer(sizes)
    words, pooled = network.encode_text(IDS, IDS > 0)
    made = network(torch.randn(2, 3, 2, 16, 16), torch.rand(2), words, pooled, IDS > 0)
    made.square().mean().backward()
    assert made.shape == (2, 3, 2, 16, 16)
    if kind == "lstm":
        with pytest.raises(ValueError, match="width = 15 must be even"):
            TextEncoderConfig(kind="lstm", width=15)


def test_settings_of_models_from_before_there_were_kinds_stay_as_they_were():
    assert "kind" not in config("transformer").model_dump()
    assert "kind" not in config("transformer").model_dump(exclude_unset=True)
    for kind in KINDS:
        assert TextEncoderConfig.model_validate(config(kind).model_dump()) == config(kind)


def test_a_recipe_chooses_one():
    chosen = load_recipe(TrainingRecipe, "zoo/c-gan", ["network.text.kind=lstm"])
    assert chosen.network.text.kind == "lstm"


@pytest.mark.parametrize("kind", ["lstm", "bag"])
def test_a_flow_transformer_is_trained_with_any(kind, tmp_path):
    changes = [f"network.text.kind={kind}", "network.text.width=16", "network.width=16", "network.heads=2"]
    changes += ["network.layers=1", "stages.0.steps=2", "stages.0.batch=2", "workers=0", "sample_prompts=[]"]
    trainer = Trainer(load_recipe(TrainingRecipe, "zoo/flow", changes), tmp_path / "run")
    before = trainer.model.text_encoder.tokens.weight.clone()
    trainer.run()
    assert (trainer.model.text_encoder.tokens.weight != before).any()
    assert load_generator(tmp_path / "run" / "model").model.config.text.kind == kind
    with pytest.raises(ValueError, match="whose texts a transformer reads"):
        workload(trainer.recipe, "cpu")
