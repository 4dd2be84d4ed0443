"""float8 on a machine without it: emulated, which rounds as the hardware does."""

import pytest
import torch
from test_trainer import RECIPE

from scenewright.generation.loading import load_pipeline
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.training.config import TrainingRecipe
from scenewright.training.float8 import to_float8
from scenewright.training.planning.report import plan
from scenewright.training.trainer import Trainer

CPU = torch.device("cpu")
NETWORK = RECIPE.network.model_copy(update={"width": 32, "heads": 2})


def lively(network: torch.nn.Module) -> torch.nn.Module:
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.fixture
def converted():
    """A network, and the same in float8."""
    torch.manual_seed(0)
    plain = lively(FlowTransformer(NETWORK))
    other = FlowTransformer(NETWORK)
    other.load_state_dict(plain.state_dict())
    with pytest.warns(UserWarning, match="emulated"):
        to_float8(other, CPU)
    return plain, other


def error(network, config=NETWORK) -> torch.Tensor:
    torch.manual_seed(1)
    z = torch.randn(4, config.channels, config.num_frames, config.height, config.width_pixels)
    ids = torch.randint(3, 200, (4, 6))
    words, pooled = network.encode_text(ids, ids > 0)
    return network(z, torch.rand(4), words, pooled, ids > 0) - z


def gradient(network) -> torch.Tensor:
    network.zero_grad()
    error(network).square().mean().backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def test_it_rounds_as_much_as_three_bits_of_mantissa_do(converted):
    plain, other = converted
    with torch.no_grad():
        one, two = error(plain), error(other)
    assert 1e-4 < (one - two).norm() / one.norm() < 0.05
    assert torch.nn.functional.cosine_similarity(gradient(plain), gradient(other), dim=0) > 0.98


def test_only_matrices_of_the_blocks_are_converted_and_their_names_stay(converted):
    plain, other = converted
    assert list(plain.state_dict()) == list(other.state_dict())
    names = {name for name, module in other.named_modules() if type(module).__name__ == "Float8Linear"}
    assert "blocks.0.attention.query" in names
    assert all(name.startswith(("blocks.", "text_encoder.layers.")) for name in names)


def test_a_run_in_float8_learns_and_its_model_needs_no_torchao(tmp_path):
    recipe = RECIPE.model_copy(update={"network": NETWORK, "precision": "float8"})
    with pytest.warns(UserWarning, match="emulated"):
        trainer = Trainer(recipe, tmp_path)
    trainer.run()
    assert trainer.finished
    pipeline = load_pipeline(tmp_path / "model")
    assert not any(type(m).__name__ == "Float8Linear" for m in pipeline.model.modules())


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="no repeated blocks"):
        to_float8(torch.nn.Linear(16, 16), CPU)
    data = {**RECIPE.model_dump(), "precision": "float8", "parallel": {"tensor": 2}}
    data["optimizer"] = {"name": "adamw", "lr": 1e-3}
    with pytest.raises(ValueError, match="float8 needs whole matrices"):
        TrainingRecipe.model_validate(data)


def test_a_plan_says_that_it_counts_bfloat16():
    found = plan(RECIPE.model_copy(update={"precision": "float8"}), gpus=1, gpu="h100")
    assert any("float8" in note for note in found.notes)
