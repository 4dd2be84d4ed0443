"""Transformers over words and a video's tokens: what they compute, draw, caption, and learn by heart."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from overfitting import CLIPS, handful, learned

from scenewright.cli.caption import caption
from scenewright.cli.generate import generate as generate_command
from scenewright.clip import Clip, Prompt
from scenewright.data.streams import Batches
from scenewright.evaluation.run import read_and_score
from scenewright.evaluation.systems import ModelSystem
from scenewright.generation.loading import ModelError, load_generator, load_pipeline, untrained_generator
from scenewright.generation.token_sampling import TokenSampling, sample_video, sample_words
from scenewright.media import encode
from scenewright.models.blocks.attention import KeyValueCache
from scenewright.models.token_transformer import TokenTransformer, TokenTransformerConfig
from scenewright.models.video_autoencoder import VideoAutoencoderConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import Inputs, ReconstructionConfig, Tokens, TokensConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer

SMALL = TokenTransformerConfig(
    vocabulary=20, max_tokens=5, codes=11, grid=(2, 2, 3), width=16, layers=2, heads=2
)
ORDERS = ("masked", "causal")


def small(order: str) -> TokenTransformer:
    torch.manual_seed(0)
    return TokenTransformer(SMALL.model_copy(update={"order": order})).eval()


def numbers(network: TokenTransformer) -> torch.Tensor:
    return torch.cat([network.word_numbers, network.beginnings[0], network.video_numbers])


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS)
def test_who_sees_whom(order):
    network = small(order)
    tokens = torch.randint(0, 30, (1, 18))
    changed = tokens.clone()
    changed[0, 9] = (changed[0, 9] + 1) % 30
    differs = (network(tokens, numbers(network)) != network(changed, numbers(network))).any(-1)[0]
    assert differs[9:].all()
    assert differs[:9].all() if order == "masked" else not differs[:9].any()


@torch.no_grad()
def test_a_cache_changes_nothing():
    network = small("causal")
    tokens, places = torch.randint(0, 30, (2, 18)), numbers(network)
    whole = network(tokens, places)
    caches = network.caches()
    parts = [network(tokens[:, a:b], places[a:b], caches) for a, b in ((0, 6), (6, 7), (7, 8), (8, 18))]
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-4, atol=1e-5)
    cache = KeyValueCache(2)
    with pytest.raises(ValueError, match="3 tokens do not fit into a cache for 2"):
        cache.extended(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4))


@torch.no_grad()
def test_the_next_token_is_drawn_as_often_as_it_is_likely():
    """Of a video of two tokens, the pairs' frequencies against the product rule."""
    torch.manual_seed(1)
    config = TokenTransformerConfig(
        order="causal", vocabulary=8, max_tokens=4, codes=2, grid=(1, 1, 2), width=8, layers=1, heads=1
    )
    network = TokenTransformer(config).eval()
    network.tokens.weight.mul_(8)
    words = torch.tensor([2, 5, 3, 0])
    settings = TokenSampling(guidance_scale=1.0)
    generator = torch.Generator().manual_seed(0)
    count = 1500
    drawn = torch.stack([sample_video(network, words, settings, generator).flatten() for _ in range(count)])
    places = torch.cat([network.word_numbers, network.beginnings[0], network.video_numbers[:1]])
    for first in (0, 1):
        tokens = torch.cat([words, torch.tensor([config.video_begins, 8 + first])])[None]
        x = network(tokens, places)[0]
        likely = network.logits(x[-2:], "codes").softmax(-1)
        for second in (0, 1):
            expected = (likely[0, first] * likely[1, second]).item()
            found = (drawn == torch.tensor([first, second])).all(1).float().mean().item()
            assert found == pytest.approx(expected, abs=4 * (expected * (1 - expected) / count) ** 0.5 + 1e-3)


class Certain(TokenTransformer):
    """Knows a video and a text, whatever it sees; counts how often it is asked."""

    def __init__(self, codes: torch.Tensor, words: torch.Tensor) -> None:
        super().__init__(SMALL)
        self.truth, self.asked, self.known = {"codes": codes, "words": words}, 0, []

    def forward(self, tokens_BN, places_N, caches=None):
        self.asked += 1
        self.known.append(int((tokens_BN[0, 5:] != SMALL.masked).sum()))
        return torch.zeros(*tokens_BN.shape, 1)

    def logits(self, x, kind):
        size = {"codes": SMALL.codes, "words": SMALL.vocabulary}[kind]
        found = torch.nn.functional.one_hot(self.truth[kind], size).float() * 50
        # Of words one is asked for at a time, the next.
        return found[(self.asked - 1) % 5] if kind == "words" else found.expand(*x.shape[:-2], -1, -1)


def test_a_video_is_unmasked_in_so_many_steps():
    codes, words = torch.arange(12) % 11, torch.tensor([2, 7, 9, 3, 0])
    network = Certain(codes, words)
    seen = []
    found = sample_video(
        network, words, TokenSampling(steps=4), torch.Generator(), lambda *step: seen.append(step)
    )
    assert found.flatten().tolist() == codes.tolist()
    assert found.shape == (2, 2, 3)
    # 12 cos(pi k / 8) are left after each step.
    assert network.known == [0, 12 - 11, 12 - 8, 12 - 4]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    network.asked = 0
    assert sample_words(network, codes) == [2, 7, 9, 3]


def test_guidance_goes_beyond_the_text():
    from scenewright.generation.token_sampling import _guided

    told, untold = torch.randn(1, 3, 4), torch.randn(1, 3, 4)
    both = torch.cat([told, untold])
    torch.testing.assert_close(_guided(both, TokenSampling(guidance_scale=0.0)), untold[0])
    torch.testing.assert_close(_guided(both, TokenSampling(guidance_scale=2.0)), 2 * told[0] - untold[0])


@pytest.mark.parametrize("order", ORDERS)
def test_losses_are_of_what_is_not_seen(order):
    """Brute force: clip by clip, token by token."""
    network = small(order)
    ids = torch.tensor([[2, 6, 3, 0, 0], [2, 9, 8, 7, 3]])
    x = torch.randint(0, 11, (2, 1, 2, 2, 3)).float()
    for captioning in (0.0, 1.0):
        objective = Tokens(TokensConfig(captioning=captioning, dropout=0.0))
        inputs = Inputs(x, ids, ids > 0, ("a", "b"), Draws(3, 1, 2, range(2)))
        found, parts = objective.loss(network, inputs)
        assert set(parts) == {"words" if captioning else "video"}
        if order == "masked":
            # At least one token is masked, and the loss is of no others: it moves only with their targets.
            assert found.item() > 0
            continue
        total = 0.0
        kind, base = ("words", 0) if captioning else ("codes", 20)
        places = [network.word_numbers, network.beginnings[int(captioning)], network.video_numbers]
        numbers_N = torch.cat(places[::-1] if captioning else places)
        for clip in range(2):
            codes = x[clip].flatten().long() + 20
            first, second = (codes, ids[clip]) if captioning else (ids[clip], codes)
            begin = torch.tensor([SMALL.words_begin if captioning else SMALL.video_begins])
            losses = []
            for n, target in enumerate(second.tolist()):
                if target == 0:
                    continue
                tokens = torch.cat([first, begin, second[:n]])[None]
                logits = network.logits(network(tokens, numbers_N[: tokens.shape[1]])[0, -1], kind)
                losses.append(-logits.log_softmax(-1)[target - base].item())
            total += np.mean(losses) / 2
        assert found.item() == pytest.approx(total, rel=1e-4)


def test_masked_tokens_alone_count():
    network = small("masked")
    ids = torch.tensor([[2, 6, 3, 0, 0]])
    x = torch.randint(0, 11, (1, 1, 2, 2, 3)).float()
    seen = []
    forward = network.forward
    network.forward = lambda tokens, places: seen.append(tokens) or forward(tokens, places)
    objective = Tokens(TokensConfig(captioning=0.0, dropout=0.0))
    draws = Draws(3, 1, 1, range(1))
    found, _ = objective.loss(network, Inputs(x, ids, ids > 0, ("a",), draws))
    hidden = seen[0][0, 5:] == SMALL.masked
    assert 0 < hidden.sum() <= 12
    logits = network.logits(
        forward(seen[0], torch.cat([network.word_numbers, network.video_numbers])), "codes"
    )
    expected = torch.nn.functional.cross_entropy(logits[0, 5:][hidden], x.flatten().long()[hidden])
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.fixture(scope="module", autouse=True)
def whole_corpus():
    """These networks write captions: they need words in the pieces that many captions give."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scenewright.training.vocabulary.CORPUS", 20_000)
        yield


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """Clips, and the folder of an autoencoder that has learned tokens of them."""
    folder = tmp_path_factory.mktemp("tokens")
    data = handful(folder)
    network = VideoAutoencoderConfig.model_validate(
        {
            "patch": [4, 4, 4],
            "widths": [48],
            "encoder_blocks": [1],
            "decoder_blocks": [1],
            "bottleneck": {"name": "fsq", "levels": [8, 8, 8]},
        }
    )
    recipe = TrainingRecipe(
        name="tokenizer",
        network=network,
        stages=(Stage(steps=400, batch=CLIPS, data=data),),
        objective=ReconstructionConfig(single_start=0.0),
        optimizer=OptimizerConfig(name="adamw", lr=4e-3),
        schedule=ScheduleConfig(warmup=10, decay_fraction=0.4),
        ema_decay=0.9,
        sample_every=1000,
        workers=0,
    )
    Trainer(recipe, folder / "tokenizer").run()
    return folder, data


@pytest.fixture(scope="module", params=ORDERS)
def trained(request, tokenizer):
    folder, data = tokenizer
    where = folder / request.param
    where.mkdir()
    found = learned(
        where,
        data,
        900 if request.param == "masked" else 400,
        network=TokenTransformerConfig(
            order=request.param, vocabulary=400, codes=512, grid=(1, 8, 8), width=96, layers=3, heads=3
        ),
        autoencoder=folder / "tokenizer" / "model",
        objective=TokensConfig(captioning=0.5, dropout=0.1),
        optimizer=OptimizerConfig(name="adamw", lr=2e-3),
        schedule=ScheduleConfig(warmup=10, decay_fraction=0.4),
    )
    return where / "run" / "model", data, found


def test_it_learns_a_handful_of_clips(trained):
    _, _, found = trained
    assert found["colour"] >= 0.66, found
    assert found["shape"] >= 0.75, found


def test_it_says_what_it_sees(trained, tmp_path):
    """Its captions name colour and shape of what it learned by heart, by the exact reader's own reading."""
    folder, data, _ = trained
    model = load_generator(folder)
    batch = Batches(data, CLIPS)[0]
    clips = [Clip(frames=frames.numpy(), fps=data.fps) for frames in batch.frames]
    said = [model.caption(clip) for clip in clips]
    found = read_and_score(said, [clip.frames for clip in clips])
    seen = [v for facts in found for name in ("colour", "shape") for v in facts[name]]
    # A caption may leave out one of both; guessing is right in a quarter.
    assert len(seen) >= CLIPS, said
    assert np.mean(seen) >= 0.7, said
    encode(clips[0], tmp_path / "a.mp4")
    done = CliRunner().invoke(caption, [str(tmp_path / "a.mp4"), "--model", str(folder)])
    assert done.exit_code == 0, done.output
    assert "a.mp4: " in done.output
    refused = CliRunner().invoke(caption, [str(tmp_path / "a.mp4"), "--model", "nano"])
    assert refused.exit_code == 2
    assert "reads none" in refused.output


def test_it_is_used_as_any_model(trained, tmp_path):
    folder, _, _ = trained
    path = tmp_path / "a.mp4"
    done = CliRunner().invoke(generate_command, ["a red cube", "--model", str(folder), "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert path.exists()
    model = load_generator(folder)
    one, again = (model.generate([Prompt(text="a red cube", seed=4)])[0].frames for _ in range(2))
    assert (one == again).all()
    with pytest.raises(ValueError, match="has no shift"):
        model.recommended(changes={"shift": 2.0})
    with pytest.raises(ValueError, match="at most 4 frames, not 9"):
        model.generate([Prompt(text="a red cube", num_frames=9)])
    with pytest.raises(ModelError, match="of the family token-transformer"):
        load_pipeline(folder)
    assert untrained_generator(folder, 1).identity != model.identity
    assert ModelSystem(folder).key != ModelSystem(folder, guidance_scale=3.0).key


def test_recipes_that_do_not_fit(tokenizer, tmp_path):
    folder, data = tokenizer
    network = TokenTransformerConfig(vocabulary=400, codes=512, grid=(1, 8, 8))
    fits = {
        "name": "tokens",
        "network": network,
        "objective": TokensConfig(),
        "autoencoder": folder / "tokenizer" / "model",
        "stages": (Stage(steps=1, batch=2, data=data),),
        "workers": 0,
    }
    with pytest.raises(ValueError, match="needs autoencoder"):
        TrainingRecipe(**{**fits, "autoencoder": None})
    with pytest.raises(ValueError, match=r"trained by objective\.name = tokens"):
        TrainingRecipe(**{**fits, "objective": ReconstructionConfig()})
    other = network.model_copy(update={"grid": (1, 4, 8)})
    with pytest.raises(ValueError, match=r"have \(1, 8, 8\) tokens"):
        Trainer(TrainingRecipe(**{**fits, "network": other}), tmp_path / "a")
    other = network.model_copy(update={"codes": 64})
    with pytest.raises(ValueError, match="draws 64 codes, the autoencoder has 512"):
        Trainer(TrainingRecipe(**{**fits, "network": other}), tmp_path / "b")
