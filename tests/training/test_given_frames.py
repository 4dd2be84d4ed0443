from dataclasses import replace

import pytest
import torch

from scenewright.data.streams import Batch, StreamConfig
from scenewright.generation.given import given_input
from scenewright.generation.loading import load_pipeline
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import FlowMatching, FlowMatchingConfig, GivenFramesConfig, Inputs
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

NETWORK = FlowTransformerConfig(
    patch=(4, 8, 8), bottleneck=16, width=32, layers=1, heads=2, num_frames=8, height=16, width_pixels=16,
    text=TextEncoderConfig(vocabulary=64, width=32, layers=1, heads=2, max_tokens=8),
)  # fmt: skip
DATA = StreamConfig(
    sampler=SamplerConfig(num_objects=(1, 1), moving_camera=0), width=16, height=16, num_frames=8
)


def draws(step: int = 0, batch: int = 400) -> Draws:
    return Draws(1, step, batch, range(batch))


def test_each_kind_has_its_share():
    known = GivenFramesConfig().draw(draws(batch=4000), 16)
    counts = {
        "none": ~known.any(1),
        "first": known[:, 0] & (known.sum(1) == 1),
        "last": known[:, -1] & (known.sum(1) == 1),
        "ends": known[:, 0] & known[:, -1] & (known.sum(1) == 2),
    }
    starts = known[:, :2].all(1) & (known.sum(1) >= 2) & (known.long().diff(dim=1).clamp(min=0).sum(1) == 0)
    shares = {name: at.float().mean().item() for name, at in counts.items()} | {
        "start": starts.float().mean().item()
    }
    for name, share in {"none": 0.5, "first": 0.2, "last": 0.05, "ends": 0.1, "start": 0.1}.items():
        assert shares[name] == pytest.approx(share, abs=0.02), name
    lengths = known[starts].sum(1)
    assert [n for n in range(17) if (lengths == n).sum() > 20] == list(range(2, 9))


def test_never_the_whole_clip_and_the_same_for_any_micro_batch():
    config = GivenFramesConfig(none=0, first=0, last=0, ends=0, start=0, scattered=1)
    known = config.draw(draws(), 4)
    assert not known.all(1).any()
    assert 0.3 < known.float().mean() < 0.6
    parts = [config.draw(draws().part(range(i, i + 100)), 4) for i in range(0, 400, 100)]
    assert torch.equal(torch.cat(parts), known)
    assert not torch.equal(config.draw(draws(step=1), 4), known)
    single = GivenFramesConfig(none=0, first=1, last=0, ends=0, start=0, scattered=0)
    assert not single.draw(draws(batch=4), 1).any()
    with pytest.raises(ValueError, match="a share above 0"):
        GivenFramesConfig(none=0, first=0, last=0, ends=0, start=0, scattered=0)


class Off(torch.nn.Module):
    """The true clip, but for an offset in each frame."""

    def __init__(self, x, offsets):
        super().__init__()
        self.x, self.offsets = x, offsets

    def encode_text(self, ids, mask):
        return ids, ids

    def forward(self, z, sigma, words, pooled, mask, given_BGTHW):
        return self.x + self.offsets.view(1, 1, -1, 1, 1)


def test_the_loss_leaves_given_frames_out():
    x = torch.randn(4, 3, 4, 8, 8)
    known = torch.tensor([[1, 0, 0, 1]] * 4).bool()
    ids = torch.ones(4, 1, dtype=torch.int64)
    inputs = Inputs(x, ids, ids > 0, ("",) * 4, draws(batch=4), known=known, given=torch.zeros(4, 4, 4, 8, 8))
    objective = FlowMatching(FlowMatchingConfig(min_sigma=1.0, given=GivenFramesConfig()))
    loss, parts = objective.loss(Off(x, torch.tensor([9.0, 0.5, 0.5, 9.0])), inputs)
    assert loss.item() == pytest.approx(0.25)
    assert parts["mse"] == pytest.approx(0.25)
    loss, _ = objective.loss(Off(x, torch.tensor([9.0, 0.5, 0.5, 9.0])), replace(inputs, known=~known))
    assert loss.item() == pytest.approx(81.0)


def test_new_layers_begin_as_nothing_and_a_span_of_zero_is_none():
    torch.manual_seed(0)
    plain = FlowTransformer(NETWORK)
    for parameter in plain.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    more = FlowTransformer(NETWORK.model_copy(update={"given_frames": 1, "spans": True}))
    missing, unexpected = more.load_state_dict(plain.state_dict(), strict=False)
    assert {name.split(".")[0] for name in missing} == {"given_in", "span"}
    assert not unexpected
    z, sigma, ids = (
        torch.randn(2, 3, 8, 16, 16),
        torch.tensor([0.9, 0.4]),
        torch.ones(2, 3, dtype=torch.int64),
    )
    given, span = torch.randn(2, 4, 8, 16, 16), torch.tensor([0.2, 0.1])

    def out(model, *conditions):
        return model(z, sigma, *model.encode_text(ids, ids > 0), ids > 0, *conditions)

    assert torch.equal(out(more, given, span), out(plain))
    for parameter in more.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    assert not torch.allclose(out(more, given), out(plain))
    assert not torch.allclose(out(more, None, span), out(plain))
    torch.testing.assert_close(out(more, None, torch.zeros(2)), out(plain))
    torch.testing.assert_close(out(more, torch.zeros_like(given)), out(plain))
    with pytest.raises(ValueError, match="takes no given frames"):
        out(plain, given)
    with pytest.raises(ValueError, match="takes no spans"):
        out(plain, None, span)


def test_a_network_learns_to_continue_what_it_is_given():
    """Clips of one plain colour, which only a given frame tells."""
    torch.manual_seed(0)
    model = FlowTransformer(NETWORK.model_copy(update={"given_frames": 1}))
    objective = FlowMatching(FlowMatchingConfig(given=GivenFramesConfig(none=0.5, first=0.5), shift=8.0))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    def encode(texts):
        ids = torch.ones(len(texts), 1, dtype=torch.int64)
        return ids, ids > 0

    for step in range(250):
        colors = torch.randint(0, 256, (32, 1, 1, 1, 3), generator=torch.Generator().manual_seed(step))
        batch = Batch(colors.to(torch.uint8).expand(-1, 8, 16, 16, -1).contiguous(), [""] * 32, range(32))
        inputs = objective.prepare(batch, encode, draws(step, 32))
        inputs = replace(inputs, given=given_input(batch.frames, inputs.known))
        loss, _ = objective.loss(model, inputs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        words = model.encode_text(inputs.ids, inputs.mask)
        z = torch.randn_like(inputs.x)
        x = model(z, torch.ones(32), *words, inputs.mask, inputs.given)
    error = (x - inputs.x).square().mean((1, 2, 3, 4))
    told = inputs.known.any(1)
    assert error[told].mean() < 0.1 * error[~told].mean()


RECIPE = TrainingRecipe(
    name="tiny",
    network=NETWORK,
    stages=(Stage(steps=4, batch=4, data=DATA),),
    checkpoint_every=2,
    threads=1,
    workers=0,
)


def changed(recipe: TrainingRecipe = RECIPE, network: dict | None = None, **changes) -> TrainingRecipe:
    data = recipe.model_dump()
    data["network"] |= network or {}
    return TrainingRecipe.model_validate({**data, **changes})


def test_a_run_goes_on_from_a_model_without_given_frames_and_resumes(tmp_path):
    Trainer(RECIPE, tmp_path / "plain").run()
    plain = load_pipeline(tmp_path / "plain" / "model")
    recipe = changed(
        network={"given_frames": 1},
        objective={"name": "flow_matching", "given": {}},
        init_from=tmp_path / "plain" / "model",
    )
    trainer = Trainer(recipe, tmp_path / "given")
    torch.testing.assert_close(
        trainer.model.state_dict()["patch_in.0.weight"], plain.model.state_dict()["patch_in.0.weight"]
    )
    trainer.run(until=2)
    Trainer(recipe, tmp_path / "given").run()
    Trainer(recipe, tmp_path / "whole").run()
    pipelines = [load_pipeline(tmp_path / name / "model").model.state_dict() for name in ("given", "whole")]
    assert all(torch.equal(pipelines[0][name], pipelines[1][name]) for name in pipelines[0])
    with pytest.raises(ValueError, match="network of another kind: given_in"):
        Trainer(changed(init_from=tmp_path / "given" / "model"), tmp_path / "back")


def test_few_steps_are_distilled_from_a_model_folder(tmp_path):
    Trainer(RECIPE, tmp_path / "plain").run()
    folder = tmp_path / "plain" / "model"
    recipe = changed(
        network={"spans": True}, init_from=folder,
        objective={"name": "few_steps", "teacher": folder, "fewest": 2, "most": 4},
        fast={"steps": 2, "sampler": "shortcut", "guidance_scale": 1},
    )  # fmt: skip
    Trainer(recipe, tmp_path / "fast").run()
    assert load_pipeline(tmp_path / "fast" / "model").fast == recipe.fast
    assert "mse_halves" in (tmp_path / "fast" / "log.jsonl").read_text()
    other = changed(
        recipe, network={"given_frames": 1}, objective={**recipe.objective.model_dump(), "given": {}}
    )
    with pytest.raises(ValueError, match="is not that of the teacher, 0"):
        Trainer(other, tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"given_frames": 1}}, "go together"),
        ({"objective": {"name": "flow_matching", "given": {}}}, "go together"),
        (
            {"network": {"given_frames": 4}, "objective": {"name": "flow_matching", "given": {}}},
            "here they are 1 and 1",
        ),
        ({"network": {"spans": True}}, "few_steps go together"),
        ({"network": {"spans": True}, "objective": {"name": "few_steps"}}, "set init_from"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        changed(**changes)
