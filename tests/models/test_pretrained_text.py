"""Language models of transformers as text encoders, against the library itself."""

import shutil
import sys

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from language_models import KINDS, POSITIONS, save_language_model  # noqa: E402
from overfitting import SIZES, WORLD  # noqa: E402

from scenewright.clip import Prompt  # noqa: E402
from scenewright.config import ConfigError, load_recipe  # noqa: E402
from scenewright.generation.loading import load_generator  # noqa: E402
from scenewright.models.pretrained_text import PretrainedTextReader  # noqa: E402
from scenewright.models.text_encoder import (  # noqa: E402
    TextEncoderConfig,
    begin_text_encoders,
    build_text_encoder,
    source_tokenizer,
)
from scenewright.text import pretrained  # noqa: E402
from scenewright.training.config import Stage, TrainingRecipe  # noqa: E402
from scenewright.training.trainer import Trainer  # noqa: E402

TEXTS = ["a Red ball rolls left", "the cube", "", "a large blue ball and a small cube"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("language-models")
    for kind in KINDS:
        save_language_model(folder / kind, kind)
    return folder


def reader_of(folder, **settings):
    config = TextEncoderConfig(
        kind="pretrained", source=str(folder), width=12, max_tokens=POSITIONS, **settings
    )
    torch.manual_seed(1)
    reader = build_text_encoder(config)
    begin_text_encoders(reader)
    return reader.eval()


def theirs(folder, kind):
    names = {"t5": "T5EncoderModel", "clip": "CLIPTextModel", "clip-both": "CLIPTextModel"}
    return getattr(transformers, names.get(kind, "AutoModel")).from_pretrained(folder).eval()


def learning(module):
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_every_hidden_state_is_that_of_the_library(home, kind):
    network = theirs(home / kind, kind)
    for layer in (-1, -2, -3, -4):
        reader = reader_of(home / kind, layer=layer)
        for text in TEXTS:
            ids, mask = source_tokenizer(reader.config).batch([text], POSITIONS)
            out = network(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True)
            expected = out.last_hidden_state if layer == -1 else out.hidden_states[layer]
            torch.testing.assert_close(reader.hidden(ids, mask), expected, rtol=1e-5, atol=1e-6)
            words, pooled = reader(ids, mask)
            assert words.shape == (1, ids.shape[1], 12)
            torch.testing.assert_close(pooled, words.mean(1))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_vectors(home, kind):
    reader = reader_of(home / kind, layer=-2)
    tokenizer = source_tokenizer(reader.config)
    ids, mask = tokenizer.batch(TEXTS, POSITIONS, pad_to_max=True)
    words, pooled = reader(ids, mask)
    for row, text in enumerate(TEXTS):
        alone, whole = reader(*tokenizer.batch([text], POSITIONS))
        torch.testing.assert_close(words[row, : alone.shape[1]], alone[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(pooled[row], whole[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_the_library_and_their_file_is_the_tokenizer(home, kind, tmp_path):
    tokenizer = source_tokenizer(reader_of(home / kind).config)
    library = transformers.AutoTokenizer.from_pretrained(home / kind)
    tokenizer.save(tmp_path / tokenizer.FILE)
    again = pretrained.PretrainedTokenizer.load(tmp_path / tokenizer.FILE)
    for text in TEXTS:
        expected = library(text)["input_ids"]
        if kind == "gpt2":  # marks no ends, so an empty text would have no token
            expected = [*expected, library.eos_token_id]
        assert tokenizer.encode(text) == again.encode(text) == expected
        pieces = tokenizer.pieces(text)
        assert len(pieces) == len(expected)
        assert "".join(pieces) == text.replace(" ", "")
    ids, mask = tokenizer.batch([TEXTS[3]], 5)
    whole = tokenizer.encode(TEXTS[3])
    assert ids.tolist() == [[*whole[:4], whole[-1]]]
    assert mask.all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_learns_is_what_was_asked_for(home, kind):
    ids, mask = source_tokenizer(reader_of(home / kind).config).batch(TEXTS, POSITIONS)
    of_reader = {"norm.weight", "norm.bias", "project.weight", "project.bias"}
    for train, layer in (("none", -1), (1, -1), (2, -2), ("all", -1), ("all", -2)):
        reader = reader_of(home / kind, train=train, layer=layer).train()
        before = {name: p.clone() for name, p in reader.named_parameters()}
        optimizer = torch.optim.AdamW([p for p in reader.parameters() if p.requires_grad], lr=1e-2)
        words, pooled = reader(ids, mask)
        (words[mask].square().sum() + pooled.sum()).backward()
        # Whatever learns is used, and whatever is used and should learn does.
        assert {n for n, p in reader.named_parameters() if p.grad is not None} == learning(reader)
        optimizer.step()
        changed = {n for n, p in reader.named_parameters() if not torch.equal(p, before[n])}
        assert changed <= learning(reader)
        assert of_reader <= changed
        inside = changed - of_reader
        blocks = {n.split(".")[i + 1] for n in inside for i in [_list_at(n)] if i is not None}
        expected = {
            "none": set(),
            1: {"2"},
            2: {"0", "1"},
            "all": {"0", "1", "2"} if layer == -1 else {"0", "1"},
        }
        assert blocks == expected[train]
        assert any("emb" in n or "wte" in n for n in inside) == (train == "all")


def _list_at(name):
    """Where in a parameter's name the list of layers stands."""
    parts = name.split(".")
    for i, part in enumerate(parts):
        if part in ("layer", "layers", "h", "block") and parts[i + 1].isdigit():
            return i
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_parts_have_no_dropout_and_learning_ones_do(home, kind):
    reader = reader_of(home / kind)
    ids, mask = source_tokenizer(reader.config).batch(TEXTS, POSITIONS)
    with torch.no_grad():
        still = reader(ids, mask)[0][mask]
        assert torch.equal(reader.train()(ids, mask)[0][mask], still)
        # What a run freezes on its own is still, too.
        tuned = reader_of(home / kind, train=1).train()
        assert not torch.equal(tuned(ids, mask)[0][mask], tuned(ids, mask)[0][mask])
        tuned.network.requires_grad_(False)
        assert torch.equal(tuned(ids, mask)[0][mask], tuned(ids, mask)[0][mask])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": -5}, r"layer = -5: .*bert has 3 layers; choose from -1 to -4"),
        ({"train": 3, "layer": -2}, "train = 3: 2 layers of .* are below layer = -2"),
        ({"max_tokens": 25}, "max_tokens = 25: .* reads at most 24 tokens"),
        ({"words": 5}, "words = 5 does nothing for kind = pretrained"),
        ({"source": None}, "kind = pretrained needs source: a folder, or a name on the hub"),
        (
            {"source": "/nowhere/bert"},
            "there is no language model '/nowhere/bert', as a folder or on the hub",
        ),
        ({"kind": "lstm"}, "source = .* does nothing for kind = lstm"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_a_line(home, settings, message):
    text = {"kind": "pretrained", "source": str(home / "bert"), "max_tokens": 24} | settings
    changes = [f"network.text.{k}={v}" for k, v in text.items() if v is not None]
    with pytest.raises(ConfigError, match=message) as error:
        load_recipe(TrainingRecipe, "zoo/c-gan", changes)
    assert "\n" not in str(error.value)


def test_folders_that_do_not_hold_what_they_should_are_refused(home, tmp_path, monkeypatch):
    shutil.copytree(home / "bert", tmp_path / "bert")
    (tmp_path / "bert" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="bert is not a folder of a language model with safetensors"):
        reader_of(tmp_path / "bert")
    shutil.copytree(home / "gpt2", tmp_path / "gpt2")
    config = TextEncoderConfig(kind="pretrained", source=str(tmp_path / "gpt2"), max_tokens=8)
    save_language_model(tmp_path / "gpt2", "gpt2", layers=2)
    with pytest.raises(ValueError, match=r"gpt2 has no weights of h\.2"):
        build_text_encoder(config).begin()
    with pytest.raises(ValueError, match=r"is no tokenizer of the tokenizers library"):
        pretrained.PretrainedTokenizer(b"{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    pretrained.describe.cache_clear()
    with pytest.raises(ValueError, match=r"pip install 'scenewright\[pretrained\]'"):
        TextEncoderConfig(kind="pretrained", source=str(tmp_path / "gpt2"))


def test_a_name_on_the_hub_is_read_as_the_library_reads_it(home, tmp_path, monkeypatch):
    """The library's own cache stands in for the hub."""
    cached = tmp_path / "models--someone--tiny-bert"
    shutil.copytree(home / "bert", cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    named, local = reader_of("someone/tiny-bert"), reader_of(home / "bert")
    for name, tensor in local.state_dict().items():
        assert torch.equal(named.state_dict()[name], tensor)
    with pytest.raises(
        ValueError, match="there is no language model 'someone/else', as a folder or on the hub"
    ):
        reader_of("someone/else")


def run_of(source, folder, train="none", **settings):
    text = TextEncoderConfig(
        kind="pretrained", source=str(source), width=12, max_tokens=POSITIONS, train=train
    )
    network = {
        "family": "encoder-decoder",
        **SIZES,
        "text": text,
        "channels": 8,
        "least": 4,
        "attention": True,
    }
    recipe = TrainingRecipe(
        name="read",
        network=network,
        objective={"name": "regression"},
        stages=(Stage(steps=4, batch=2, data=WORLD),),
        workers=0,
        checkpoint_every=2,
        **settings,
    )
    return Trainer(recipe, folder)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5", "clip"])
def test_a_run_keeps_what_is_frozen_and_its_model_opens_without_the_source(home, kind, tmp_path):
    source = shutil.copytree(home / kind, tmp_path / "source")
    trainer = run_of(source, tmp_path / "run")
    encoder = trainer.model.text_encoder
    begun = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    assert not any("text_encoder.network." in name for name in trainer.averaging.ema.weights)
    trainer.run(until=2)
    run_of(source, tmp_path / "run").run()
    trainer = run_of(source, tmp_path / "run")
    for name, tensor in trainer.model.text_encoder.state_dict().items():
        assert torch.equal(tensor, begun[name]) == name.startswith("network."), name
    held = [p for optimizer in trainer.optimizers["model"] for p in optimizer.state]
    assert held
    assert not {id(p) for p in trainer.model.text_encoder.network.parameters()} & {id(p) for p in held}
    pretrained.describe.cache_clear()
    shutil.rmtree(source)
    generator = load_generator(tmp_path / "run" / "model")
    for name, tensor in generator.model.text_encoder.state_dict().items():
        if name.startswith("network."):
            assert torch.equal(tensor, begun[name].half().to(tensor.dtype)), name
    clip, looked = generator.attention(Prompt(text="a red ball"))
    assert clip.frames.shape == (4, 32, 32, 3)
    assert "".join(piece for piece, _ in looked) == "aredball"
    notes = generator.notes(Prompt(text="a crimson ball"))
    assert notes[0].startswith('read was not trained with "crimson"; it goes by what ')
    with pytest.raises(ValueError, match="there is no language model"):
        run_of(source, tmp_path / "other")


def test_a_run_can_freeze_more_and_thaw_what_learns(home, tmp_path):
    """Rates and freezing go by the names of parameters, as everywhere."""
    thaw = {"unfreeze": [{"at_step": 2, "patterns": ["text_encoder.network.*"]}]}
    rates = {"rates": {"text_encoder.network.*": 0.1}}
    with pytest.raises(ValueError, match=r"the network itself \(network.text.train\) has all its parameters"):
        run_of(home / "bert", tmp_path / "refused", freeze=thaw)
    trainer = run_of(home / "bert", tmp_path / "run", train=1, freeze=thaw, optimizer=rates)
    network = trainer.model.text_encoder.network
    begun = {name: p.clone() for name, p in network.named_parameters()}
    trainer.run(until=2)
    assert all(torch.equal(p, begun[name]) for name, p in network.named_parameters())
    trainer.run()
    moved = {name for name, p in network.named_parameters() if not torch.equal(p, begun[name])}
    assert moved
    assert all(name.startswith("encoder.layer.2.") for name in moved)
    scales = {
        group["lr_scale"]
        for o in trainer.optimizers["model"]
        for group in o.param_groups
        if any(p is network.get_input_embeddings().weight for p in group["params"])
    }
    assert scales == {0.1}
    with pytest.raises(ValueError, match="no parameter's name matches 'text_encodr"):
        run_of(home / "bert", tmp_path / "typo", optimizer={"rates": {"text_encodr.*": 0.1}})


@pytest.mark.parametrize("name", ["zoo/flow", "zoo/vilbert", "zoo/damsm", "zoo/c-gan", "zoo/attn-gan"])
def test_any_family_that_reads_texts_takes_one(home, tmp_path, name):
    """At sizes that a test can train; the judges of a GAN read the same tokens."""
    size = len(transformers.AutoTokenizer.from_pretrained(home / "bert"))
    changes = ["network.text.kind=pretrained", f"network.text.source={home / 'bert'}"]
    changes += [f"network.text.max_tokens={POSITIONS}", "stages.0.steps=2", "stages.0.batch=2", "workers=0"]
    recipe = load_recipe(TrainingRecipe, name)
    changes += ["network.text.width=128", "sample_prompts=[]"]
    if isinstance(getattr(recipe.objective, "judges", None), tuple):
        changes += ["objective.agreement=null", "objective.agreement_weight=null"]
        for index, judge in enumerate(recipe.objective.judges):
            reader = f"objective.judges.{index}.reader"
            changes += [f"{reader}.vocabulary={size}"] if judge.text != "none" else []
            if index == 0:
                changes += [f"{reader}.kind=pretrained", f"{reader}.source={home / 'bert'}"]
                changes += [f"{reader}.max_tokens={POSITIONS}"]
    trainer = Trainer(load_recipe(TrainingRecipe, name, changes), tmp_path / "run")
    theirs_of = theirs(home / "bert", "bert").state_dict()
    trainer.run()
    readers = [
        m for n in trainer.networks.values() for m in n.modules() if isinstance(m, PretrainedTextReader)
    ]
    assert len(readers) == (2 if "gan" in name else 1)
    for reader in readers:
        for key, tensor in reader.network.state_dict().items():
            assert torch.equal(tensor, theirs_of[key])
