"""The flow transformer on the latents of an autoencoder."""

import json
import shutil

import numpy as np
import pytest
import torch
from test_reconstruction import NETWORK
from test_trainer import RECIPE, assert_same, final_state

from scenewright.cli.main import main
from scenewright.clip import GivenFrame, Prompt
from scenewright.data.shards import Shards
from scenewright.data.streams import StreamConfig
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.evaluation.systems import ModelSystem
from scenewright.generation.autoencoder import Autoencoder, load_autoencoder, save_autoencoder
from scenewright.generation.encoding import encode_captions, encode_clips
from scenewright.generation.loading import ModelError, load_pipeline, save_pipeline
from scenewright.generation.model_folder import lossless_dtype
from scenewright.generation.text_embedding import TextEmbedder
from scenewright.models.blocks.bottlenecks import BottleneckConfig
from scenewright.models.video_autoencoder import VideoAutoencoder
from scenewright.training.callbacks import ValidationConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.objectives import FlowMatchingConfig
from scenewright.training.objectives.given import GivenFramesConfig
from scenewright.training.planning.workload import workload
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

WORLD = {
    "sampler": SamplerConfig(num_objects=(1, 1), moving_camera=0),
    "width": 16,
    "height": 16,
    "num_frames": 8,
}


def make_autoencoder(folder, seed: int) -> Autoencoder:
    torch.manual_seed(seed)
    network = VideoAutoencoder(NETWORK.model_copy(update={"bottleneck": BottleneckConfig(channels=5)}))
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    save_autoencoder(Autoencoder(network, f"ae-{seed}"), folder)
    return load_autoencoder(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two autoencoders, a dataset, and its latents by the first."""
    home = tmp_path_factory.mktemp("latents")
    one = make_autoencoder(home / "one", 1)
    make_autoencoder(home / "other", 2)
    render_shards(WorldSource(**WORLD, seed=4), home / "world", 5, shard_size=2)
    encode_clips(one, Shards(home / "world"), home / "cached")
    return home


def recipe(home, **data):
    """The tiny recipe on latents: 5 channels of 2x4x4 for a clip of 8 frames of 16x16."""
    stream = StreamConfig(**WORLD, shards=(home / "world",), **data)
    sizes = {"channels": 5, "patch": (1, 2, 2), "num_frames": 2, "height": 4, "width_pixels": 4}
    held_out = stream.model_copy(update={"seed": 8})
    return RECIPE.model_copy(
        update={
            "network": RECIPE.network.model_copy(update=sizes),
            "autoencoder": home / "one",
            "stages": (Stage(steps=4, batch=3, data=stream),),
            "validation": ValidationConfig(every=2, batches=2, batch=2, data=held_out),
        }
    )


@pytest.fixture(scope="module")
def encoded_as_it_goes(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    Trainer(recipe(home), folder).run()
    return folder


def test_latents_from_the_cache_and_encoded_on_the_fly_are_the_same_run(home, encoded_as_it_goes, tmp_path):
    batch = Trainer(recipe(home), tmp_path / "one").feed.get(2).batch
    cached = Trainer(recipe(home, latents=(home / "cached",)), tmp_path / "two")
    seen = cached.feed.get(2).batch
    assert seen.frames.numel() == 0
    assert torch.equal(cached.family.see(seen).latents, cached.family.see(batch).latents)
    cached.run()
    one, other = final_state(encoded_as_it_goes), final_state(tmp_path / "two")
    del one["recipe"], other["recipe"]
    assert_same(one, other)


def with_given_frames(home, **data):
    tiny = recipe(home, **data)
    more = {"given_frames": 4, "given_pixels": 4}
    objective = FlowMatchingConfig(given=GivenFramesConfig())
    changes = {"network": tiny.network.model_copy(update=more), "objective": objective}
    return TrainingRecipe.model_validate(
        {**tiny.model_dump(), **{n: c.model_dump() for n, c in changes.items()}}
    )


def test_given_frames_are_pixels_of_cached_latents(home, tmp_path):
    cached = {"latents": (home / "cached",)}
    with pytest.raises(ValueError, match="set data"):
        with_given_frames(home, **cached)
    with pytest.raises(ValueError, match="beside their latents"):
        recipe(home, frames_too=True)
    Trainer(with_given_frames(home), tmp_path / "one").run()
    Trainer(with_given_frames(home, **cached, frames_too=True), tmp_path / "two").run()
    one, other = final_state(tmp_path / "one"), final_state(tmp_path / "two")
    assert any(name.endswith("given_in.1.weight") and value.any() for name, value in one.items())
    del one["recipe"], other["recipe"]
    assert_same(one, other)
    given = (GivenFrame(5, np.full((16, 16, 3), 90, np.uint8)),)
    clip = load_pipeline(tmp_path / "two" / "model").generate([Prompt(text="a red ball", given=given)])[0]
    assert (clip.frames[5] == 90).all()


def test_the_autoencoder_is_kept_bit_for_bit_in_as_few_bytes_as_that_takes(home, encoded_as_it_goes):
    kept = load_autoencoder(encoded_as_it_goes / "model" / "autoencoder")
    assert kept.hash == load_autoencoder(home / "one").hash
    sizes = [
        (f / "model.safetensors").stat().st_size
        for f in (encoded_as_it_goes / "model" / "autoencoder", home / "one")
    ]
    assert sizes[0] == sizes[1]
    with torch.no_grad():
        kept.network.latent_mean += 1e-5
    assert lossless_dtype(kept.network) == torch.float32


def test_a_model_of_latents_goes_on_from_one_of_pixels(home, tmp_path):
    pixels = RECIPE.model_copy(update={"stages": (Stage(steps=1, batch=2, data=StreamConfig(**WORLD)),)})
    Trainer(pixels, tmp_path / "pixels").run()
    folder = tmp_path / "pixels" / "model"
    trainer = Trainer(recipe(home).model_copy(update={"init_from": folder}), tmp_path / "latents")
    old, new = load_pipeline(folder).model.state_dict(), trainer.model.state_dict()
    same = {name for name in old if old[name].shape == new[name].shape and torch.equal(old[name], new[name])}
    assert {name.split(".")[0] for name in old.keys() - same} <= {"patch_in", "patch_out"}
    assert "blocks.0.attention.query.weight" in same


def test_the_exported_model_decodes_what_it_makes(home, encoded_as_it_goes, tmp_path):
    model = encoded_as_it_goes / "model"
    assert (model / "autoencoder" / "config.json").is_file()
    pipeline = load_pipeline(model)
    assert pipeline.native_size == (16, 16)
    clip = pipeline.generate([Prompt(text="a red ball rolls", seed=3)])[0]
    assert clip.frames.shape == (8, 16, 16, 3)
    short = pipeline.generate([Prompt(text="a red ball rolls", seed=3, num_frames=3)])[0]
    assert short.frames.shape == (3, 16, 16, 3)
    with pytest.raises(ValueError, match="at most 8 frames, not 9"):
        pipeline.generate([Prompt(text="a", num_frames=9)])
    trainer = Trainer(recipe(home), encoded_as_it_goes)
    expected = trainer.pipeline().generate([Prompt(text="a red ball rolls", seed=3)])[0]
    assert np.abs(clip.frames.astype(int) - expected.frames).mean() < 2
    other = make_autoencoder(tmp_path / "model" / "autoencoder", 2)
    key = ModelSystem(model).key
    for file in model.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path / "model")
    with pytest.raises(ModelError, match="another autoencoder than the model's"):
        load_pipeline(tmp_path / "model")
    card = json.loads((model / "config.json").read_text()) | {"autoencoder": other.hash}
    (tmp_path / "model" / "config.json").write_text(json.dumps(card))
    changed = load_pipeline(tmp_path / "model").generate([Prompt(text="a red ball rolls", seed=3)])[0]
    assert (changed.frames != clip.frames).any()
    assert ModelSystem(tmp_path / "model").key != key
    with pytest.raises(ModelError, match="makes no videos from text"):
        load_pipeline(model / "autoencoder")


def test_a_run_does_not_go_on_with_an_autoencoder_that_has_changed(home, encoded_as_it_goes, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(encoded_as_it_goes, run)
    Trainer(recipe(home), run)
    changed = recipe(home).model_copy(update={"autoencoder": home / "other"})
    with pytest.raises(ValueError, match=r"other has changed since .*run was begun"):
        Trainer(changed, run)


def test_the_plan_of_a_run_on_latents_counts_the_tokens_of_latents(home):
    (stage,) = workload(recipe(home), "cpu").stages
    assert stage.grid == (2, 2, 2)
    assert stage.pixels == 5 * 2 * 4 * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"autoencoder": "other"}, r"cached holds latents of another encoder than that of .*other; encode"),
        ({"autoencoder": None}, "data.latents need autoencoder"),
        ({"channels": 4}, "network.channels = 4: the latents of .*one have 5"),
        ({"patch": (1, 3, 3)}, "height must be a multiple of 3 for this model, not 4"),
        ({"autoencoder": "nothing"}, "holds no video autoencoder"),
    ],
)
def test_what_does_not_fit_together_is_refused(home, changes, message, tmp_path):
    begun = recipe(home, latents=(home / "cached",)).model_dump()
    if "autoencoder" in changes:
        name = changes["autoencoder"]
        begun["autoencoder"] = None if name is None else home / name
    else:
        begun["network"] |= changes
        begun["network"]["height"] = begun["network"]["width_pixels"] = 12
    with pytest.raises(ValueError, match=message):
        Trainer(type(RECIPE).model_validate(begun), tmp_path / "run")


def test_encoding_goes_on_where_it_stopped_and_is_a_command(home, tmp_path, capsys):
    one, dataset = load_autoencoder(home / "one"), Shards(home / "world")
    with pytest.raises(KeyboardInterrupt):
        encode_clips(one, dataset, tmp_path / "cache", on_done=_interrupt_after(2))
    written = sorted(p.name for p in (tmp_path / "cache").iterdir())
    assert written == ["encoded.json", "shard-00000.safetensors"]
    command = ["data", "encode", str(home / "world"), "--autoencoder", str(home / "one"), "--json"]
    assert main([*command, "-o", str(tmp_path / "cache")]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 5
    for name in ("shard-00000", "shard-00001", "shard-00002"):
        file = f"{name}.safetensors"
        assert (tmp_path / "cache" / file).read_bytes() == (home / "cached" / file).read_bytes()
    assert main(command) == 0
    assert (home / f"world.latents-{one.encoder_hash[:12]}" / "encoded.json").is_file()


def test_the_hash_of_the_encoder_does_not_change_with_the_decoder(home):
    one = load_autoencoder(home / "one")
    tuned = load_autoencoder(home / "one")
    tuned.network.decoder.patch_out.bias.data += 1
    assert tuned.encoder_hash == one.encoder_hash
    assert tuned.hash != one.hash
    rescaled = load_autoencoder(home / "one")
    rescaled.network.latent_mean += 1
    assert rescaled.encoder_hash != one.encoder_hash


def test_encoded_captions_are_those_of_the_frozen_text_encoder(home, encoded_as_it_goes, tmp_path, capsys):
    model = encoded_as_it_goes / "model"
    command = ["data", "encode", str(home / "world"), "--text-encoder", str(model), "--captions", "3"]
    assert main([*command, "-o", str(tmp_path / "texts")]) == 0
    begun = recipe(home, texts=(tmp_path / "texts",)).model_copy(update={"text_encoder": model})
    trainer = Trainer(begun, tmp_path / "run")
    embedder = trainer.family.embedder
    whole = [trainer.feed.get(step).batch for step in range(4)]
    assert len({caption for batch in whole for caption in batch.captions}) > 3
    for batch in whole:
        for text, words in zip(batch.captions, batch.words, strict=True):
            assert torch.equal(words, embedder.embed(text))
    # Through the network: the same words and pooled vector as from ids.
    trainer.family.see(whole[0])
    vectors, mask = trainer.family.encode_text([*whole[0].captions, ""])
    ids, mask_of_ids = trainer.family.tokenizer.batch([*whole[0].captions, ""], 64, multiple=32)
    assert torch.equal(mask, mask_of_ids)
    with torch.no_grad():
        expected = trainer.model.encode_text(ids, mask)
        found = trainer.model.encode_text(vectors, mask)
    torch.testing.assert_close(found[0][mask], expected[0][mask], atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(found[1], expected[1], atol=2e-3, rtol=2e-3)
    trainer.run()
    frozen = load_pipeline(model).model.text_encoder.state_dict()
    for name, value in trainer.averaged().text_encoder.state_dict().items():
        assert torch.equal(value, frozen[name])
    kept = load_pipeline(model).model.patch_in[0].weight
    assert not torch.equal(trainer.averaged().patch_in[0].weight, kept)


def test_captions_encoded_by_another_encoder_are_refused(home, encoded_as_it_goes, tmp_path):
    model = encoded_as_it_goes / "model"
    embedder = TextEmbedder.of(load_pipeline(model))
    before = embedder.hash
    encode_captions(embedder, Shards(home / "world"), 1, tmp_path / "texts")
    changed = load_pipeline(model)
    changed.model.text_encoder.positions.data += 1
    save_pipeline(changed, tmp_path / "changed")
    assert TextEmbedder.of(load_pipeline(tmp_path / "changed")).hash != before
    begun = recipe(home, texts=(tmp_path / "texts",))
    with pytest.raises(ValueError, match=r"texts holds texts of another encoder than that of .*changed"):
        Trainer(begun.model_copy(update={"text_encoder": tmp_path / "changed"}), tmp_path / "run")
    with pytest.raises(ValueError, match=r"data\.texts need text_encoder"):
        type(RECIPE).model_validate(begun.model_dump())


def _interrupt_after(clips: int):
    done = []

    def stop(count: int) -> None:
        done.append(count)
        if sum(done) >= clips:
            raise KeyboardInterrupt

    return stop
