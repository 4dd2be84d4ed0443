"""The feedback loop: what is proposed, what is kept, and what a network that matches clips and texts lends to
measures and to other networks."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from overfitting import CLIPS, SIZES, TEXT, handful

from scenewright.cli.evaluate import evaluate
from scenewright.cli.generate import generate
from scenewright.cli.main import main
from scenewright.clip import Clip, Prompt, frames_to_tensor
from scenewright.data.streams import Batches
from scenewright.evaluation.measures import Sample
from scenewright.evaluation.pretrained import measures_with
from scenewright.evaluation.run import read_and_score
from scenewright.generation.direct import DirectGenerator, save_direct
from scenewright.generation.feedback import Correct, Feedback, Task
from scenewright.generation.guidance import Steering, steered
from scenewright.generation.loading import load_generator
from scenewright.generation.matching import load_agreement
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.rivals import described, far_rivals, near_rivals
from scenewright.generation.samplers import euler, sigma_schedule, solve
from scenewright.generation.settings import SamplingSettings
from scenewright.media import encode, probe
from scenewright.models.conditional_gan import ConditionalGAN, ConditionalGANConfig
from scenewright.models.damsm import DAMSMConfig
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made
from scenewright.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.seeds import keyed_seed
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.freezing import FreezeConfig
from scenewright.training.objectives import FlowMatchingConfig, MatchingObjectiveConfig, RegressionConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer

PROMPT = Prompt(text="a red cube rolls left", seed=5)
FLOW = FlowTransformerConfig(**SIZES, patch=(2, 8, 8), bottleneck=32, width=32, layers=2, heads=2)


def trained(folder, data, steps, **settings):
    recipe = TrainingRecipe(
        name=folder.name,
        stages=(Stage(steps=steps, batch=CLIPS, data=data),),
        **{
            "optimizer": OptimizerConfig(name="adamw", lr=3e-3),
            "schedule": ScheduleConfig(warmup=5, decay_fraction=0.4),
            **settings,
        },
        ema_decay=0.9,
        sample_every=1000,
        workers=0,
    )
    Trainer(recipe, folder).run()
    return folder / "model"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Four clips; ``judge``, which has learned them by heart; ``maker``, which has learned nothing."""
    folder = tmp_path_factory.mktemp("feedback")
    data = handful(folder)
    judge = trained(
        folder / "judge",
        data,
        150,
        network=DAMSMConfig(**SIZES, common=32, channels=12),
        objective=MatchingObjectiveConfig(),
    )
    torch.manual_seed(2)
    network = ConditionalGAN(ConditionalGANConfig(**SIZES, channels=16, noise=4))
    maker = folder / "maker"
    save_direct(DirectGenerator(network, load_agreement(judge).tokenizer, name="maker"), maker)
    batch = Batches(data, CLIPS)[149]
    return SimpleNamespace(
        folder=folder,
        data=data,
        judge=judge,
        maker=maker,
        texts=list(batch.captions),
        clips=[frames.numpy() for frames in batch.frames],
    )


@pytest.fixture(scope="module")
def flow(home):
    """A network of noise with random weights in every layer."""
    torch.manual_seed(1)
    model = FlowTransformer(FLOW)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return TextToVideo(model, load_agreement(home.judge).tokenizer, SamplingSettings(steps=4, shift=1.0))


class Shades:
    """Makes clips of one shade, by the seed."""

    name, native_size, most_frames, fps, settings, identity = "shades", (4, 4), 2, 8.0, None, "shades"

    def check(self, prompts, settings=None):
        pass

    def notes(self, prompt):
        return []

    def generate(self, prompts, settings=None, progress=None):
        return [Clip(np.full((2, 4, 4, 3), p.seed % 256, np.uint8), 8.0) for p in prompts]


def brightest(x_BCTHW, texts):
    return x_BCTHW.mean((1, 2, 3, 4))


BRIGHT = SimpleNamespace(certainty=brightest, name="bright", digest="0")


def test_redrawing_keeps_the_best_of_all_seeds_so_far():
    drafts = list(Feedback(Shades(), BRIGHT, by="redraw", rounds=3, proposals=4).drafts(PROMPT))
    shades, seen = [PROMPT.seed % 256], []
    for number in range(4):
        if number:
            shades += [keyed_seed(PROMPT.seed, "redraw", number, place) % 256 for place in range(4)]
        seen.append(max(shades))
    assert [draft.clip.frames.max() for draft in drafts] == seen
    assert len(set(seen)) > 1
    kept = drafts[-1].how["seed"]
    (again,) = Shades().generate([PROMPT.model_copy(update={"seed": kept})])
    np.testing.assert_array_equal(again.frames, drafts[-1].clip.frames)


def test_steering_moves_a_gaussian_by_as_much_as_bayes_says():
    """Clips are numbers, N(0, 1); p(wanted | clip) is exp(c clip), so that wanted ones are N(c, 1). The
    sampler, with the exact denoiser, has to make these."""

    def denoise(z, sigma, span=0.0):
        return (1 - sigma) * z / ((1 - sigma) ** 2 + sigma**2)

    c = 0.7
    everywhere = Steering(lambda x: c * x, weight=1.0, most=float("inf"), interval=(0.0, 0.9999))
    noise = torch.linspace(-2, 2, 5, dtype=torch.float64)
    sigmas = sigma_schedule(2000, 1.0)
    plain = solve(euler, denoise, noise, sigmas)
    torch.testing.assert_close(plain, noise, atol=0.01, rtol=0)
    wanted = solve(euler, steered(denoise, everywhere, lambda x: x), noise, sigmas)
    torch.testing.assert_close(wanted, noise + c, atol=0.01, rtol=0)
    twice = Steering(lambda x: c * x, weight=2.0, most=float("inf"), interval=(0.0, 0.9999))
    torch.testing.assert_close(
        solve(euler, steered(denoise, twice, lambda x: x), noise, sigmas), noise + 2 * c, atol=0.02, rtol=0
    )


def test_steering_stays_within_its_bounds():
    def denoise(z, sigma, span=0.0):
        return z

    steer = steered(denoise, Steering(lambda x: 1e6 * x.sum()[None], most=0.1), lambda x: x)
    z = torch.randn(1, 3, 2, 4, 4)
    torch.testing.assert_close(steer(z, 0.99), z)
    torch.testing.assert_close(steer(z, 0.05), z)
    moved = (steer(z, 0.5) - z).square().mean().sqrt()
    torch.testing.assert_close(moved, 0.1 * z.square().mean().sqrt())


def test_other_texts_say_something_else():
    found = near_rivals(PROMPT.text)
    assert found == near_rivals(PROMPT.text)
    own = described(PROMPT.text)
    for text in found:
        other = described(text)
        entity, event = other.entities[0], other.events[0]
        facts = (entity.color, entity.shape, entity.size), (event.kind, event.direction)
        mine = ("red", "cube", None), (own.events[0].kind, "left")
        assert (facts[0] == mine[0]) != (facts[1] == mine[1]), text
        assert sum(a != b for a, b in zip(facts[0], mine[0], strict=True)) <= 1
    assert {described(text).entities[0].color for text in found} - {"red"}
    assert {described(text).events[0].direction for text in found} - {"left"}
    assert near_rivals("the sound of silence") == []
    others = ["a blue ball", PROMPT.text, "the red cube is rolling to the left", "a cone", "a blue ball"]
    assert set(far_rivals(PROMPT.text, others, 9)) == {"a blue ball", "a cone"}
    assert far_rivals(PROMPT.text, others, 1) == far_rivals(PROMPT.text, others[::-1], 1)


@pytest.mark.parametrize("by", ["redraw", "condition", "guide"])
def test_no_rounds_change_nothing_and_some_are_the_same_every_time(home, flow, by):
    generator = flow if by == "guide" else load_generator(home.maker)
    judge = load_agreement(home.judge)
    prompt = Prompt(text=home.texts[1], seed=2)
    plain = generator.generate([prompt])[0]
    none = Feedback(generator, judge, by=by, rounds=0).generate([prompt])[0]
    np.testing.assert_array_equal(none.frames, plain.frames)
    assert len(none.metadata["feedback"]["scores"]) == 1
    loop = Feedback(generator, judge, by=by, rounds=2)
    first, again = loop.generate([prompt])[0], loop.generate([prompt])[0]
    np.testing.assert_array_equal(first.frames, again.frames)
    assert first.metadata == again.metadata
    scores = first.metadata["feedback"]["scores"]
    assert scores[0] == none.metadata["feedback"]["scores"][0]
    assert scores == sorted(scores)
    # Nothing of the networks has changed.
    np.testing.assert_array_equal(generator.generate([prompt])[0].frames, plain.frames)


def test_guided_sampling_raises_the_agreement(home):
    """Clips of plain Gaussian noise about grey, with the exact denoiser of these: the judge alone leads to
    the text that is the least likely without it."""
    judge, spread, texts = load_agreement(home.judge), 0.4, home.texts

    def denoise(z, sigma, span=0.0):
        return (1 - sigma) * spread**2 * z / ((1 - sigma) ** 2 * spread**2 + sigma**2)

    def sampled(text, weight):
        among = [text, *(other for other in texts if other != text)]
        noise = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(3))
        steering = Steering(lambda x: judge.certainty(x, among), weight=weight)
        clip = solve(
            euler, steered(denoise, steering, lambda x: x.clamp(-1, 1)), noise, sigma_schedule(12, 2.0)
        )
        return judge.certainty(clip, among).item()

    unlikely = min(texts, key=lambda text: sampled(text, 0.0))
    scores = [sampled(unlikely, weight) for weight in (0.0, 1.0, 8.0)]
    assert scores[0] < -2
    assert scores[1] > scores[0] + 1
    assert scores[2] > -0.5


def test_the_sampler_of_a_model_is_guided(home, flow):
    judge, prompt = load_agreement(home.judge), Prompt(text=home.texts[0], seed=1)
    seen = []

    def certainty(x_BCTHW):
        seen.append(tuple(x_BCTHW.shape))
        assert x_BCTHW.abs().max() <= 1
        return judge.certainty(x_BCTHW, home.texts)

    (plain,), (none,) = flow.generate([prompt]), flow.generate([prompt], steering=Steering(certainty, 0.0))
    np.testing.assert_array_equal(plain.frames, none.frames)
    assert not seen
    short = prompt.model_copy(update={"num_frames": 3})
    (guided,) = flow.generate([short], steering=Steering(certainty, 100.0))
    # Noise levels 3/4, 1/2 and 1/4: the first is nothing but noise.
    assert seen == [(1, 3, 3, 32, 32)] * 3
    assert (guided.frames != plain.frames[:3]).any()


class Album(DirectNetwork):
    """Mixes clips that it holds, by what it reads."""

    def __init__(self, clips_BCTHW):
        super().__init__(DirectConfig(**SIZES))
        self.clips, self.choose = clips_BCTHW, torch.nn.Linear(TEXT.width, len(clips_BCTHW))

    noise_shape = (1,)

    def make(self, text, noise, real_BCTHW=None):
        shares = (self.choose(text.pooled) + 0.1 * noise).softmax(-1)
        return Made((torch.einsum("bn,ncthw->bcthw", shares, self.clips),))


def test_a_corrected_condition_makes_the_clip_of_another_text(home):
    """From the encoded text of one clip, gradients of the judge alone lead to another clip: the exact measure
    sees what that one's text says, and no longer the colour of its own."""
    judge = load_agreement(home.judge)
    torch.manual_seed(0)
    album = Album(frames_to_tensor(torch.tensor(np.stack(home.clips))))
    optimizer = torch.optim.Adam(album.parameters(), lr=0.01)
    ids, mask = judge.tokenizer.batch(home.texts, TEXT.max_tokens)
    loss = torch.tensor(1.0)
    while loss > 0.2:
        loss = torch.nn.functional.cross_entropy(
            album.choose(album.encode_text(ids, mask).pooled), torch.arange(CLIPS)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    own, wanted = home.texts[0], home.texts[2]
    task = Task(judge, Prompt(text=own), None, [wanted, *(text for text in home.texts if text != wanted)])
    drafts = list(Correct(DirectGenerator(album, judge.tokenizer)).drafts(task, 8))
    scores = [draft.score for draft in drafts]
    assert scores == sorted(scores)
    assert scores[0] < -3
    assert scores[-1] > -0.1
    for draft, said, other in ((drafts[0], own, wanted), (drafts[-1], wanted, own)):
        right, wrong = read_and_score([said, other], [draft.clip.frames] * 2)
        assert all(right["colour"] + right["shape"])
        assert not any(wrong["colour"])


def test_a_step_of_correction_stays_within_its_radius(home):
    generator, judge = load_generator(home.maker), load_agreement(home.judge)
    (clip,) = generator.generate([PROMPT])
    unlikely = home.texts[int(judge.scores([clip.frames], home.texts)[0].argmin())]
    task = Task(judge, PROMPT, None, [unlikely, *(text for text in home.texts if text != unlikely)])
    with torch.no_grad():
        text, noise = generator.condition(PROMPT)
    at = (text.words, text.pooled, noise)
    moved = Correct(generator).corrected(task, at, text.mask, 0.1)
    for before, after in zip(at[:2], moved[:2], strict=True):
        assert 0 < (after - before).norm() <= 0.10001 * before.norm()
    torch.testing.assert_close(moved[2].norm(), noise.norm())
    assert not torch.equal(moved[2], noise)
    better = generator.finished(
        PROMPT, generator.model.make(EncodedText(*moved[:2], text.mask), moved[2]).clips
    )
    assert task.judged(better).score > task.judged(clip).score


def test_it_refuses_what_it_cannot_do(home, flow):
    judge, maker = load_agreement(home.judge), load_generator(home.maker)
    silent = EncoderDecoder(EncoderDecoderConfig(**SIZES))
    for generator, by, message in (
        (maker, "guide", "samples no whole clips in steps of noise"),
        (flow, "condition", "choose guide or redraw"),
        (Shades(), "condition", "choose redraw$"),
        (DirectGenerator(silent, maker.tokenizer), "redraw", "choose condition"),
        (maker, "dreams", "known: redraw, condition, guide"),
    ):
        with pytest.raises(ValueError, match=message):
            Feedback(generator, judge, by=by)
    with pytest.raises(ValueError, match="give several prompts"):
        Feedback(maker, judge).check([Prompt(text="the sound of silence")])
    Feedback(maker, judge, others=["a cube"]).check([Prompt(text="the sound of silence")])
    spans = TextToVideo(
        FlowTransformer(FLOW.model_copy(update={"spans": True})),
        maker.tokenizer,
        SamplingSettings(sampler="shortcut", guidance_scale=1.0, steps=2),
    )
    with pytest.raises(ValueError, match="shortcut sampler"):
        Feedback(spans, judge, by="guide").check([PROMPT])


def test_the_command_tells_of_every_round(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [home.texts[3], "--model", str(home.maker), "--feedback", str(home.judge), "--rounds", "2"]
    done = CliRunner().invoke(generate, [*command, "-o", "a.mp4"])
    assert done.exit_code == 0, done.output
    assert "redraw, its own text among" in done.output
    told = probe(tmp_path / "a.mp4").metadata
    assert len(told["feedback"]["scores"]) == 3
    assert told["feedback"]["judge_sha256"] == load_agreement(home.judge).digest
    done = CliRunner().invoke(generate, [*command, "--feedback-by", "condition", "--json", "-o", "b.mp4"])
    (row,) = json.loads(done.stdout)
    assert row["feedback"]["by"] == "condition"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--rounds", "2"], "name what judges"),
        (["--feedback", "{maker}"], "is of no network that matches clips and texts"),
        (["--feedback", "nowhere"], "no model 'nowhere'"),
        (["--feedback", "{judge}", "--feedback-by", "guide"], "choose condition or redraw"),
    ],
)
def test_the_command_refuses_in_one_line(home, more, message, capsys):
    places = {"maker": home.maker, "judge": home.judge}
    command = ["generate", "a red cube", "--model", str(home.maker)]
    assert main([*command, *(part.format(**places) for part in more)]) == 2
    assert message in capsys.readouterr().err


def measured(home, texts, clips):
    found = measures_with([f"matching={home.judge}"], lambda: home.texts)
    samples = [Sample(Clip(frames, 4.0), text) for frames, text in zip(clips, texts, strict=True)]
    return {m.name: float(np.nanmean([m.compute(s) for s in samples])) for m in found}


def test_measures_fall_when_captions_are_swapped_or_colours_change(home):
    right = measured(home, home.texts, home.clips)
    assert set(right) == {"r-precision", "match-margin", "one-fact-precision"}
    assert right["r-precision"] == 1
    assert right["match-margin"] > 3
    swapped = measured(home, home.texts[1:] + home.texts[:1], home.clips)
    assert swapped["r-precision"] == 0
    assert swapped["match-margin"] < right["match-margin"] - 10
    assert swapped["one-fact-precision"] < right["one-fact-precision"]
    turned = measured(home, home.texts, [clip[..., [1, 2, 0]] for clip in home.clips])
    assert turned["match-margin"] < right["match-margin"] - 1


def test_measures_are_known_by_network_and_prompts(home):
    def settings(texts):
        return [m.settings for m in measures_with([f"matching={home.judge}"], lambda: texts)]

    one, other = settings(home.texts), settings(home.texts[:3])
    assert one == settings(home.texts[::-1])
    assert one[:2] != other[:2]
    assert one[2] == other[2]
    with pytest.raises(ValueError, match="is of no network that matches"):
        measures_with([f"matching={home.maker}"])
    # What may be true of the same clip is no wrong answer.
    for others, expected in ((["a red ball"], 1.0), (["a cube", "a blue cube that falls"], None)):
        first = measures_with([f"matching={home.judge}"], lambda others=others: ["a blue cube", *others])[0]
        clip = next(c for c, t in zip(home.clips, home.texts, strict=True) if "cube" in t)
        value = first.compute(Sample(Clip(clip, 4.0), "a blue cube"))
        assert value == expected or (expected is None and np.isnan(value))


def test_a_folder_of_videos_is_measured(home, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "videos"
    folder.mkdir()
    rows = []
    for index, (frames, text) in enumerate(zip(home.clips, home.texts, strict=True)):
        encode(Clip(frames, 4.0), folder / f"{index}.mp4")
        rows.append(json.dumps({"file": f"{index}.mp4", "prompt": text}))
    (folder / "index.jsonl").write_text("\n".join(rows))
    command = [str(folder), "--with", f"matching={home.judge}", "--no-ceiling", "--json"]
    done = CliRunner().invoke(evaluate, command, catch_exceptions=False)
    scores = json.loads(done.stdout)["scores"]
    assert scores["r-precision"]["value"] == 1
    assert scores["match-margin"]["value"] > 3


@pytest.mark.parametrize("network", [ConditionalGANConfig(**SIZES, channels=16, noise=4), FLOW])
def test_a_network_begins_with_the_text_encoder_of_the_judge(home, tmp_path, network):
    objective = RegressionConfig() if network.family == "conditional-gan" else FlowMatchingConfig()
    settings = {"network": network, "objective": objective, "text_init_from": home.judge}
    judge = load_agreement(home.judge)
    weights = judge.model.text_encoder.state_dict()
    kept = trained(
        tmp_path / "kept", home.data, 2, freeze=FreezeConfig(never=("text_encoder.*",)), **settings
    )
    free = trained(tmp_path / "free", home.data, 6, **settings)
    for folder, same in ((kept, True), (free, False)):
        made = load_generator(folder)
        assert made.tokenizer.serialized == judge.tokenizer.serialized
        found = made.model.text_encoder.state_dict()
        assert all(torch.equal(found[name], weights[name]) for name in weights) == same
        for name, value in weights.items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=0.1)


def test_a_text_encoder_that_does_not_fit_is_refused(home, tmp_path):
    wide = TEXT.model_copy(update={"width": 64})
    network = ConditionalGANConfig(**{**SIZES, "text": wide}, channels=16, noise=4)
    settings = {"network": network, "objective": RegressionConfig()}
    with pytest.raises(ValueError, match=r"network\.text\.width = 64: the text encoder of .* has 32"):
        trained(tmp_path / "run", home.data, 1, text_init_from=home.judge, **settings)
    with pytest.raises(ValueError, match="is of no network that matches"):
        trained(tmp_path / "run", home.data, 1, text_init_from=home.maker, **settings)
    with pytest.raises(ValueError, match="leave one out"):
        trained(tmp_path / "run", home.data, 1, text_init_from=home.judge, init_from=home.maker, **settings)
    with pytest.raises(ValueError, match="here init_from does it"):
        trained(
            tmp_path / "run",
            home.data,
            1,
            network=DAMSMConfig(**SIZES),
            objective=MatchingObjectiveConfig(),
            text_init_from=home.judge,
        )
