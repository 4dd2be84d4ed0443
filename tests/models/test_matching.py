"""Networks that match texts and clips: what they compute, what they learn, and what they teach."""

import json
import math
from typing import get_args

import pytest
import torch
from click.testing import CliRunner
from overfitting import CLIPS, SIZES, handful
from torch import nn

from scenewright.cli.match import match
from scenewright.clip import Clip
from scenewright.data.streams import Batches
from scenewright.generation.loading import ModelError, load_generator
from scenewright.generation.matching import load_agreement
from scenewright.media import encode
from scenewright.models.blocks.fusion import FusionName
from scenewright.models.conditional_gan import ConditionalGANConfig
from scenewright.models.damsm import DAMSM, DAMSMConfig, word_similarity
from scenewright.models.matching import contrast
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.models.vilbert import ViLBERT, ViLBERTConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.objectives import (
    JudgedConfig,
    MatchingObjectiveConfig,
    NamedJudge,
    RegressionConfig,
)
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer

NETWORK = DAMSMConfig(**SIZES, common=32, channels=12)
READER = TextEncoderConfig(vocabulary=400, width=32, layers=1, heads=2)
TWO_STREAMS = ViLBERTConfig(**{**SIZES, "text": READER}, width=32, layers=2, heads=2)
FUSIONS = get_args(FusionName)


def test_words_are_matched_with_places_as_the_paper_says():
    """Equations 7 to 10, clip by clip and word by word, of texts without their padding."""
    torch.manual_seed(0)
    places, words = torch.randn(3, 7, 4), torch.randn(2, 5, 4)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    found = word_similarity(places, words, mask, attention=4.0, best_words=5.0)
    for clip in range(3):
        for text in range(2):
            said = words[text][mask[text]]
            among = (said @ places[clip].T).softmax(0)
            total = 0.0
            for word, vector in enumerate(said):
                weights = (4.0 * among[word]).softmax(0)
                context = weights @ places[clip]
                total += math.exp(5.0 * torch.cosine_similarity(context, vector, 0).item())
            expected = math.log(total / len(said)) / 5.0
            assert found[clip, text].item() == pytest.approx(expected, rel=1e-4)


def test_contrast_is_a_choice_both_ways_and_the_same_text_is_not_wrong():
    scores = torch.tensor([[2.0, 1.0, 0.5], [0.0, 1.0, -1.0], [0.3, 0.2, 0.1]])
    none = torch.zeros(3, 3, dtype=torch.bool)
    own = torch.arange(3)
    expected = (scores.log_softmax(1)[own, own].mean() + scores.log_softmax(0)[own, own].mean()) / -2
    assert contrast(scores, none).item() == pytest.approx(expected.item(), rel=1e-5)
    alike = torch.eye(3, dtype=torch.bool)
    alike[0, 1] = alike[1, 0] = True
    without = scores.clone()
    without[0, 1] = without[1, 0] = -1e9
    assert contrast(scores, alike).item() == pytest.approx(contrast(without, none).item(), rel=1e-5)


def test_padding_and_the_rest_of_a_batch_change_nothing():
    torch.manual_seed(0)
    network = DAMSM(NETWORK).eval()
    ids = torch.tensor([[2, 5, 9, 3, 0, 0], [2, 7, 8, 30, 31, 3]])
    clips = torch.rand(3, 3, 4, 32, 32)
    both = network.scores(ids, ids > 0, clips)
    assert both.shape == (3, 2)
    alone = network.scores(ids[:1, :4], ids[:1, :4] > 0, clips[1:2])
    torch.testing.assert_close(alone, both[1:2, :1], rtol=1e-3, atol=1e-4)


IDS = torch.tensor([[2, 5, 9, 3, 0, 0], [2, 7, 8, 30, 31, 3]])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_streams_meet_where_the_fusion_says(fusion):
    torch.manual_seed(0)
    network = ViLBERT(TWO_STREAMS.model_copy(update={"fusion": fusion})).eval()
    clips = torch.rand(2, 3, 4, 32, 32)
    scores = network.scores(IDS, IDS > 0, clips)
    assert scores.shape == (2, 2)
    alone = network.scores(IDS[:1, :4], IDS[:1, :4] > 0, clips[1:])
    torch.testing.assert_close(alone, scores[1:, :1], rtol=1e-3, atol=1e-4)
    words = network.text_encoder(IDS, IDS > 0)[0]
    patches = network.patches_in(network._patches(clips))
    first = network.streams(words, patches, IDS > 0)
    other = network.streams(words, patches.flip(0), IDS > 0)
    met = not torch.allclose(first[0], other[0], atol=1e-5)
    assert met == (fusion not in ("late", "bilinear"))
    if fusion in ("hierarchical", "dynamic"):
        apart = network.streams(words, patches.flip(0), IDS > 0, apart=True)[0]
        torch.testing.assert_close(apart, network.streams(words, patches, IDS > 0, apart=True)[0])


def test_the_loss_is_the_choice_of_a_text_among_others_and_that_the_own_one_fits():
    torch.manual_seed(0)
    network = ViLBERT(TWO_STREAMS.model_copy(update={"tasks": 0.0, "wrong": 1})).eval()
    clips = torch.rand(2, 3, 4, 32, 32)
    alike = torch.eye(2, dtype=torch.bool)
    scores = network.scores(IDS, IDS > 0, clips)
    choices = torch.stack([scores.diagonal(), torch.stack([scores[0, 1], scores[1, 0]])], 1)
    expected = -choices.log_softmax(1)[:, 0].mean() + nn.functional.softplus(-scores.diagonal()).mean()
    found = network(IDS, IDS > 0, clips, alike)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-4)
    same = network(IDS, IDS > 0, clips, torch.ones(2, 2, dtype=torch.bool))
    assert same.loss.item() == pytest.approx(
        nn.functional.softplus(-scores.diagonal()).mean().item(), rel=1e-4
    )


def test_two_streams_learn_to_say_masked_words_and_to_paint_masked_patches():
    torch.manual_seed(0)
    network = ViLBERT(TWO_STREAMS)
    clips = torch.rand(2, 1, 1, 1, 1).expand(2, 3, 4, 32, 32) * 2 - 1
    values = network._patches(clips)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        words = network.text_encoder(IDS, IDS > 0)[0]
        loss = network._tasks(IDS, words, IDS > 0, values, network.patches_in(values))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < sum(losses[:5]) / 5


@pytest.fixture(scope="module", params=["damsm", "vilbert"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("matching")
    data = handful(folder)
    recipe = TrainingRecipe(
        name="matching",
        network=NETWORK if request.param == "damsm" else TWO_STREAMS,
        objective=MatchingObjectiveConfig(),
        stages=(Stage(steps=150, batch=CLIPS, data=data),),
        optimizer=OptimizerConfig(name="adamw", lr=3e-3),
        schedule=ScheduleConfig(warmup=5, decay_fraction=0.4),
        ema_decay=0.9,
        sample_every=1000,
        workers=0,
    )
    Trainer(recipe, folder / "run").run()
    return folder / "run" / "model", data


def test_it_finds_the_text_of_a_clip_and_the_clip_of_a_text(trained):
    folder, data = trained
    agreement = load_agreement(folder)
    batch = Batches(data, CLIPS)[149]
    scores = agreement.scores([frames.numpy() for frames in batch.frames], batch.captions)
    assert (scores.argmax(1) == torch.arange(CLIPS)).all()
    assert (scores.argmax(0) == torch.arange(CLIPS)).all()
    large = [frames.repeat_interleave(2, 1).repeat_interleave(2, 2).numpy() for frames in batch.frames]
    torch.testing.assert_close(agreement.scores(large, batch.captions), scores, rtol=0.1, atol=1.0)
    with pytest.raises(ModelError, match="an encoder of texts and videos, which makes no videos"):
        load_generator(folder)


def test_videos_are_ranked_by_a_text(trained, tmp_path):
    folder, data = trained
    batch = Batches(data, CLIPS)[149]
    for index, frames in enumerate(batch.frames):
        encode(Clip(frames=frames.numpy(), fps=data.fps), tmp_path / f"{index}.mp4")
    files = [str(tmp_path / f"{index}.mp4") for index in range(CLIPS)]
    done = CliRunner().invoke(match, [batch.captions[2], *files, "--model", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    ranked = json.loads(done.output)
    assert ranked[0]["file"] == files[2]
    assert [row["score"] for row in ranked] == sorted((row["score"] for row in ranked), reverse=True)
    assert files[2] in CliRunner().invoke(match, [batch.captions[2], *files, "--model", str(folder)]).output


def test_it_teaches_clips_to_match_their_texts(trained):
    """Gradients from it alone bring noise closer to the text, and change nothing in it."""
    folder, data = trained
    agreement = load_agreement(folder)
    texts = Batches(data, CLIPS)[149].captions
    before = {name: value.clone() for name, value in agreement.model.state_dict().items()}
    torch.manual_seed(0)
    clips = (torch.randn(CLIPS, 3, 4, 32, 32) * 0.3).requires_grad_()
    first = agreement.loss(clips, texts).item()
    optimizer = torch.optim.Adam([clips], lr=0.03)
    for _ in range(20):
        optimizer.zero_grad()
        loss = agreement.loss(clips, texts)
        loss.backward()
        optimizer.step()
    assert loss.item() < first * 0.7
    for name, value in agreement.model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_gan_learns_from_it(trained, tmp_path):
    folder, data = trained
    judge = NamedJudge(reader=SIZES["text"], channels=8, most=16)
    recipe = TrainingRecipe(
        name="taught",
        network=ConditionalGANConfig(**SIZES, channels=16, noise=4),
        objective=JudgedConfig(judges=(judge,), agreement=folder, agreement_weight=1.0),
        stages=(Stage(steps=3, batch=CLIPS, data=data),),
        optimizer=OptimizerConfig(name="adam", lr=1e-3),
        sample_every=1000,
        log_every=1,
        workers=0,
    )
    trainer = Trainer(recipe, tmp_path / "run")
    trainer.run()
    assert '"disagreement"' in (tmp_path / "run" / "log.jsonl").read_text("utf-8")
    # What judges is no player: it is trained by nobody.
    assert set(trainer.networks) == {"model", "judge"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": RegressionConfig()}, r"is trained by objective\.name = matching"),
        ({"sample_prompts": ("a red cube",)}, "makes no videos"),
        ({"batch": 1}, "set batch to 2 or more"),
    ],
)
def test_recipes_that_do_not_fit(trained, change, message):
    settings = {"name": "matching", "network": NETWORK, "objective": MatchingObjectiveConfig()}
    change = dict(change)
    stage = Stage(steps=1, batch=change.pop("batch", 2), data=trained[1])
    with pytest.raises(ValueError, match=message):
        TrainingRecipe(**{**settings, "stages": (stage,), **change})
