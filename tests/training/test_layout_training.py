"""Planners of layouts, networks that take layouts, and modulations of low rank: trained, saved, used."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from test_trainer import RECIPE

from scenewright.cli.world import world
from scenewright.clip import GivenFrame, Prompt
from scenewright.data.shards import Shards
from scenewright.data.streams import Batches, StreamConfig
from scenewright.data.world_source import WorldSource, caption, render_shards
from scenewright.generation.loading import ModelError, load_pipeline, save_pipeline, untrained_pipeline
from scenewright.generation.planner import Planner, load_planner
from scenewright.generation.settings import SamplingSettings
from scenewright.generation.text_embedding import TextEmbedder
from scenewright.layout import Layout
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.models.layout import LayoutConfig
from scenewright.models.layout_comparisons import COMPARISONS
from scenewright.models.layout_decoder import PLACES, LayoutDecoder, LayoutDecoderConfig
from scenewright.models.layout_planner import LayoutPlanner, LayoutPlannerConfig
from scenewright.models.modulation import low_rank_modulations
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import FlowMatching, FlowMatchingConfig, PlanningConfig
from scenewright.training.objectives.base import Inputs
from scenewright.training.objectives.given import GivenFramesConfig
from scenewright.training.objectives.planning import Planning
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.trainer import Trainer
from scenewright.world.boxes import LABELS
from scenewright.world.layout import SamplerConfig
from scenewright.world.scene import Scene

LAYOUT = LayoutConfig(
    slots=3,
    num_frames=8,
    attributes=LABELS,
)
WORLD = {"sampler": SamplerConfig(num_objects=(1, 2), moving_camera=0), "width": 24, "height": 16}
WORLD |= {"num_frames": 8, "fps": 4.0}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    render_shards(WorldSource(**WORLD, seed=5), folder, 8, shard_size=4, frames=False)
    return folder


def planner_recipe(scenes, **changes) -> TrainingRecipe:
    network = LayoutPlannerConfig(layout=LAYOUT, width=64, layers=3, text_layers=1)
    stream = StreamConfig(**WORLD, shards=(scenes,), layouts="instead")
    return TrainingRecipe(
        **{
            "name": "planner",
            "network": network,
            "text_encoder": "nano",
            "stages": (Stage(steps=250, batch=16, data=stream),),
            "objective": FlowMatchingConfig(shift=1.5, caption_dropout=0.1),
            "ema_decay": 0.97,
            "sampling": SamplingSettings(steps=12, guidance_scale=1.5, shift=1.5),
            "sample_prompts": ("a red cube",),
            "sample_every": 250,
            "workers": 0,
            **changes,
        }
    )


DECODER = {
    "network": LayoutDecoderConfig(layout=LAYOUT, width=64, layers=2, decoder_layers=1, text_layers=1),
    "objective": PlanningConfig(),
    "optimizer": OptimizerConfig(lr=3e-3),
}


@pytest.mark.parametrize("changes", [{}, DECODER], ids=["planner", "decoder"])
def test_a_planner_learns_a_handful_of_scenes(scenes, tmp_path, changes):
    """By heart: which things, how many, and where they go."""
    Trainer(planner_recipe(scenes, **changes), tmp_path / "run").run()
    planner = load_planner(tmp_path / "run" / "model")
    embedder = TextEmbedder.of(load_pipeline("nano"))
    assert planner.text_encoder == embedder.hash
    right = near = 0
    batches = Batches(StreamConfig(**WORLD, shards=(scenes,), layouts="instead"), 8)
    batch = batches[999]
    for text, true in zip(batch.captions, batch.layouts, strict=True):
        (found,) = planner.plan(*embedder.embed_together([text, ""]), [3])
        same = [labels["color"] for labels in found.labels] == [labels["color"] for labels in true.labels]
        right += same
        if same:
            near += np.abs(found.boxes - true.boxes)[true.depth > 0].mean() < 0.06
    assert right >= 6
    assert near >= 5
    assert list((tmp_path / "run").rglob("*.png"))


@pytest.mark.parametrize("family", [LayoutPlanner, LayoutDecoder])
def test_the_same_seed_plans_the_same_and_another_does_not(family):
    torch.manual_seed(0)
    network = family(family.Config(layout=LAYOUT, width=32, layers=1))
    planner = Planner(network, "none").untrained(1)
    with torch.no_grad():
        if family is LayoutPlanner:
            planner.network.slot_out.bias[0] = 1
        else:
            planner.network.heads["there"].bias[1] += 1
    words, mask = torch.randn(2, 4, 256), torch.ones(2, 4, dtype=torch.bool)
    one, again, other = (planner.plan(words, mask, [seed])[0] for seed in (1, 1, 2))
    assert one.labels == again.labels
    np.testing.assert_array_equal(one.boxes, again.boxes)
    assert len(one) != len(other) or one.labels != other.labels
    together = planner.plan(words[[0, 0, 1, 1]], mask[[0, 0, 1, 1]], [1, 2])
    for alone, planned in zip((one, other), together, strict=True):
        assert alone.labels == planned.labels
        np.testing.assert_allclose(alone.boxes, planned.boxes, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text_encoder": None}, "set text_encoder"),
        ({"autoencoder": "nano"}, "autoencoder does nothing for a layout-planner"),
        ({"objective": FlowMatchingConfig(given=GivenFramesConfig())}, "without objective.given"),
        ({"network": DECODER["network"]}, "a layout-decoder is trained by objective.name = planning"),
        ({"objective": PlanningConfig()}, "trained by objective.name = flow_matching"),
    ],
)
def test_recipes_that_no_planner_can_be_trained_by(scenes, change, message):
    with pytest.raises(ValueError, match=message):
        planner_recipe(scenes, **change)


def test_choices_and_tracks_are_a_layout_and_back(scenes):
    torch.manual_seed(0)
    network = LayoutDecoder(LayoutDecoderConfig(layout=LAYOUT, width=32, layers=1))
    layouts = Batches(StreamConfig(**WORLD, shards=(scenes,), layouts="instead"), 8)[0].layouts
    features = torch.stack([LAYOUT.encode(layout) for layout in layouts])
    choices, tracks = network.read(features)
    torch.testing.assert_close(network.write(choices, tracks), features)
    for layout, row in zip(layouts, choices, strict=True):
        assert row[: len(layout), 0].all()
        assert not row[len(layout) :].any()
        columns = np.digitize(layout.boxes[:, :, [0, 2]].mean(-1), network.config.columns)
        first = np.argmax(layout.depth > 0, axis=1)
        chosen = list(network.config.choices).index("columns")
        assert row[: len(layout), chosen].tolist() == [columns[n, at] for n, at in enumerate(first)]


def test_what_is_chosen_depends_on_nothing_that_comes_later():
    """What things are: on what is chosen before. Where they are: on all that they are, and where those before
    are."""
    torch.manual_seed(0)
    network = LayoutDecoder(LayoutDecoderConfig(layout=LAYOUT, width=32, layers=1)).eval()
    words, mask = torch.randn(1, 5, 32), torch.ones(1, 5, dtype=torch.bool)
    names = list(network.config.choices)
    choices = torch.ones(1, 3, len(names), dtype=torch.int64)
    plain = network.logits(choices, words, mask)

    def changed(*names_of_second: str) -> list[list[bool]]:
        other = choices.clone()
        other[:, 1, [names.index(name) for name in names_of_second]] = 0
        pairs = zip(plain, network.logits(other, words, mask), strict=True)
        return [
            [not torch.allclose(a, b, atol=1e-5) for a, b in zip(one[0], two[0], strict=True)]
            for one, two in pairs
        ]

    for name, (first, second, third) in zip(names, changed("size", "across of last"), strict=True):
        place = name in PLACES
        assert (first, third) == (place, True)
        assert second == (place or names.index(name) > names.index("size"))
    for name, (first, second, third) in zip(names, changed("columns"), strict=True):
        assert (first, second) == (False, name in ("rows", "depths"))
        assert third == (name in PLACES)


def test_comparisons_weigh_as_much_as_asked(scenes):
    """The loss against the logits' own cross-entropies, thing by thing; comparisons alone count more."""
    torch.manual_seed(0)
    network = LayoutDecoder(LayoutDecoderConfig(layout=LAYOUT, width=32, layers=1)).eval()
    layouts = Batches(StreamConfig(**WORLD, shards=(scenes,), layouts="instead"), 8)[0].layouts
    features = torch.stack([LAYOUT.encode(layout) for layout in layouts])
    words, mask = torch.randn(8, 5, 256), torch.ones(8, 5, dtype=torch.bool)
    choices, _ = network.read(features)
    logits = network.logits(choices, network.encode_text(words, mask)[0], mask)
    plain = compared = 0.0
    for row, layout in enumerate(layouts):
        for place, (name, values) in enumerate(zip(network.config.choices, logits, strict=True)):
            asked = len(layout) + (name == "there" and len(layout) < LAYOUT.slots)
            for slot in range(asked):
                error = -values[row, slot].log_softmax(-1)[choices[row, slot, place]].item() / 8
                plain, compared = plain + error, compared + error * (name in COMPARISONS)

    def choices_loss(weight: float) -> float:
        inputs = Inputs(features.mT[..., None, None], words, mask, ("",) * 8, Draws(0, 0, 8, range(8)))
        return Planning(PlanningConfig(comparison_weight=weight)).loss(network, inputs)[1]["choices"]

    assert compared > 0.5
    assert choices_loss(1.0) == pytest.approx(plain, rel=1e-4)
    assert choices_loss(3.0) == pytest.approx(plain + 2 * compared, rel=1e-4)


def test_a_layout_of_nothing_is_a_layout():
    nothing = Layout((), np.zeros((0, 8, 4), "f4"), np.zeros((0, 8), "f4"))
    assert len(LAYOUT.decode(LAYOUT.encode(nothing))) == 0


def test_scenes_without_frames(scenes, tmp_path):
    dataset = Shards(scenes)
    assert not dataset.has_frames
    assert len({Scene.model_validate(dataset.row(i)).seed for i in range(8)}) == 8
    rendered = StreamConfig(**WORLD, shards=(scenes,))
    with pytest.raises(ValueError, match="holds scenes without frames"):
        Batches(rendered, 2)
    live = Batches(StreamConfig(**WORLD, layouts="instead", seed=5), 2)[0]
    assert live.frames.shape == (2, 0, 16, 24, 3)
    assert len(live.layouts) == 2
    arguments = ["sample", "-n", "3", "-o", tmp_path / "s", "--as", "scenes", "--num-frames", 8]
    done = CliRunner().invoke(world, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    assert [f.suffix for f in (tmp_path / "s").glob("shard-*")] == [".jsonl"]


def test_frames_can_be_added_to_scenes(tmp_path):
    source = WorldSource(**WORLD, seed=6)
    render_shards(source, tmp_path, 2, frames=False)
    render_shards(source, tmp_path, 2)
    dataset = Shards(tmp_path)
    np.testing.assert_array_equal(dataset.frames(1), source.render([source.scene(1)])[0])


# ------------------------------------------------------------------------------------ networks with layouts


@pytest.fixture(scope="module")
def led(with_network):
    """The tiny pipeline on layouts and given frames, with a planner that knows nothing."""
    pipeline = with_network(layout=LAYOUT, given_frames=1)
    text = pipeline.model.config.text
    network = LayoutPlanner(LayoutPlannerConfig(layout=LAYOUT, text=text, width=32, layers=1, text_layers=1))
    return replace(pipeline, planner=Planner(network, "tiny").untrained(0))


def one_thing(left: float) -> Layout:
    labels = {name: values[0] for name, values in LAYOUT.attributes.items()}
    box = np.tile(np.float32([left, 0.2, left + 0.3, 0.7]), (1, 8, 1))
    return Layout((labels,), box, np.full((1, 8), 9.0, np.float32))


def test_clips_follow_the_plan_or_the_layout_of_the_prompt(led):
    prompt = Prompt(text="a red ball rolls", seed=4)
    planned, again = (led.generate([prompt])[0].frames for _ in range(2))
    np.testing.assert_array_equal(planned, again)
    alone = replace(led, planner=None).generate([prompt])[0].frames
    assert (planned != alone).any()
    own = [led.generate([prompt.model_copy(update={"layout": one_thing(x)})])[0].frames for x in (0.1, 0.5)]
    assert (own[0] != own[1]).any()
    assert (own[0] != planned).any()


def test_given_frames_say_where_things_are(led):
    """There is no plan beside them."""
    picture = np.zeros((16, 24, 3), np.uint8)
    prompt = Prompt(text="a red ball rolls", seed=4, given=(GivenFrame(0, picture),))
    found = led.generate([prompt])[0].frames
    np.testing.assert_array_equal(found, replace(led, planner=None).generate([prompt])[0].frames)


def test_a_layout_is_refused_where_none_is_taken(tiny_pipeline, led):
    prompt = Prompt(text="a red ball", layout=one_thing(0.1))
    with pytest.raises(ValueError, match="was not trained with layouts"):
        tiny_pipeline.generate([prompt])
    short = Layout(one_thing(0).labels, np.zeros((1, 3, 4), "f4"), np.zeros((1, 3), "f4"))
    with pytest.raises(ValueError, match="8 frames here, not 3"):
        led.generate([prompt.model_copy(update={"layout": short})])


def test_a_folder_holds_the_planner_and_knows_it(led, tmp_path):
    save_pipeline(led, tmp_path / "model", torch.float32)
    prompt = Prompt(text="a red ball rolls", seed=4)
    again = load_pipeline(tmp_path / "model")
    np.testing.assert_array_equal(again.generate([prompt])[0].frames, led.generate([prompt])[0].frames)
    assert again.planner.hash == led.planner.hash
    assert untrained_pipeline(tmp_path / "model", seed=1).planner.hash != led.planner.hash
    other = tmp_path / "other"
    save_pipeline(replace(led, planner=led.planner.untrained(8)), other, torch.float32)
    (other / "planner" / "model.safetensors").replace(tmp_path / "model" / "planner" / "model.safetensors")
    with pytest.raises(ModelError, match="another planner than the model's"):
        load_pipeline(tmp_path / "model")
    with pytest.raises(ModelError, match="planner of layouts, which makes no videos"):
        load_pipeline(tmp_path / "model" / "planner")


def layout_recipe(**changes) -> TrainingRecipe:
    layout = LAYOUT.model_copy(update={"num_frames": RECIPE.network.num_frames})
    network = RECIPE.network.model_copy(update={"layout": layout})
    stream = RECIPE.stages[0].data.model_copy(update={"layouts": "beside"})
    return RECIPE.model_copy(
        update={"network": network, "stages": (Stage(steps=3, batch=3, data=stream),), **changes}
    )


def test_a_run_with_layouts_shows_them(tmp_path):
    recipe = layout_recipe()
    recipe = TrainingRecipe.model_validate(recipe.model_dump())
    trainer = Trainer(recipe, tmp_path / "run")
    trainer.run()
    out = load_pipeline(tmp_path / "run" / "model").model.layout_in.out.weight
    assert out.abs().max() > 0


def test_layouts_are_shown_where_the_caption_is_and_no_frame_is_given(tiny_pipeline):
    config = FlowMatchingConfig(caption_dropout=0.4, layout_dropout=0.3, given=GivenFramesConfig(none=0.5))
    stream = StreamConfig(**WORLD, layouts="beside")
    batch = Batches(stream, 64)[0]
    draws = Draws(1, 0, 64, range(64))
    encode = lambda texts: tiny_pipeline.tokenizer.batch(texts, 16)  # noqa: E731
    inputs = FlowMatching(config).prepare(batch, encode, draws)
    without = torch.tensor([not text for text in inputs.captions])
    assert not inputs.led[without].any()
    assert not inputs.led[inputs.known.any(1)].any()
    free = ~without & ~inputs.known.any(1)
    assert 0.4 < inputs.led[free].float().mean() < 0.95

    config = FlowMatchingConfig(caption_dropout=0.6, layout_dropout=0.0, layout_alone=0.5)
    inputs = FlowMatching(config).prepare(batch, encode, draws)
    without = torch.tensor([not text for text in inputs.captions])
    assert inputs.led[~without].all()
    assert 0.2 < inputs.led[without].float().mean() < 0.8


@pytest.mark.parametrize(
    ("network", "layouts", "message"),
    [
        (None, "beside", "network.layout and data.layouts go together"),
        (LAYOUT, "none", "network.layout and data.layouts go together"),
        (LAYOUT.model_copy(update={"num_frames": 16}), "beside", "clips have 4 frames"),
    ],
)
def test_recipes_whose_layouts_do_not_fit(network, layouts, message):
    recipe = layout_recipe()
    stage = recipe.stages[0]
    changed = recipe.model_copy(
        update={
            "network": recipe.network.model_copy(update={"layout": network}),
            "stages": (
                stage.model_copy(update={"data": stage.data.model_copy(update={"layouts": layouts})}),
            ),
        }
    )
    with pytest.raises(ValueError, match=message):
        TrainingRecipe.model_validate(changed.model_dump())


@pytest.mark.parametrize("rank", [8, 16])
def test_low_rank_modulations_are_close_where_it_counts(with_network, rank):
    """On conditions that occur they are closer than the plain truncated decomposition, and exact at the full
    rank."""
    pipeline = with_network()
    whole = pipeline.model
    texts = [caption(WorldSource(**WORLD).scene(i), i) for i in range(40)]
    ids, mask = pipeline.tokenizer.batch(texts, 16)
    weights = low_rank_modulations(whole, ids, mask, rank)
    low = FlowTransformer(whole.config.model_copy(update={"modulation_rank": rank}))
    low.load_state_dict(weights)
    plain = FlowTransformer(low.config)
    plain.load_state_dict(truncated(whole, rank))
    z, sigma, text = torch.randn(8, 3, 8, 16, 24), torch.linspace(0.1, 1, 8), whole.encode_text(ids, mask)
    text = [x[:8] for x in text]
    true = whole(z, sigma, *text, mask[:8])
    ours, theirs = ((net(z, sigma, *text, mask[:8]) - true).norm() for net in (low, plain))
    assert ours < theirs
    assert ours < 0.1 * true.norm()
    full = FlowTransformer(whole.config.model_copy(update={"modulation_rank": 32}))
    full.load_state_dict(low_rank_modulations(whole, ids, mask, 32))
    torch.testing.assert_close(full(z, sigma, *text, mask[:8]), true, rtol=1e-3, atol=1e-3)


def truncated(network: FlowTransformer, rank: int) -> dict[str, torch.Tensor]:
    found = {}
    for name, weight in network.state_dict().items():
        if not name.endswith(".modulation.weight"):
            found[name.replace(".modulation.bias", ".modulation.1.bias")] = weight
            continue
        u, s, v = torch.linalg.svd(weight, full_matrices=False)
        block = name.removesuffix("weight")
        found[f"{block}0.weight"], found[f"{block}1.weight"] = v[:rank], u[:, :rank] * s[:rank]
    return found
