"""Pretrained networks by folder, on small ones with random weights that are made here: nothing is
downloaded."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from tokenizers import Tokenizer, models, pre_tokenizers, processors  # noqa: E402

from scenewright.clip import Clip  # noqa: E402
from scenewright.evaluation.consistency import consistency_measures  # noqa: E402
from scenewright.evaluation.distribution.i3d import I3D, pad_same  # noqa: E402
from scenewright.evaluation.distribution.networks import load_network, prepared  # noqa: E402
from scenewright.evaluation.measures import Sample  # noqa: E402
from scenewright.evaluation.pretrained import measures_with  # noqa: E402
from scenewright.evaluation.pretrained.agreement import PREFIX, infer  # noqa: E402
from scenewright.evaluation.pretrained.detection import detect  # noqa: E402
from scenewright.evaluation.pretrained.folders import as_pixels  # noqa: E402
from scenewright.evaluation.semantics.detection import Detection, named_scores  # noqa: E402
from scenewright.evaluation.suites import SuitePrompt  # noqa: E402
from scenewright.evaluation.systems import WorldSystem  # noqa: E402

WORDS = "a an red blue ball cube cone rolls left photo of depicts nothing is there it medium".split()
PROCESSOR = {
    "do_resize": True,
    "size": {"shortest_edge": 40},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
}


def save_tokenizer(folder) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Folders of a small CLIP, a classifier of pairs, a detector that knows classes and one that is told,
    DINO's kind of network, VideoMAE and V-JEPA."""
    home = tmp_path_factory.mktemp("pretrained")
    torch.manual_seed(2)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**small, "vocab_size": 40, "eos_token_id": 3, "pad_token_id": 0, "max_position_embeddings": 32}
    seen = {**small, "image_size": 32, "patch_size": 8}
    made = {
        "clip": transformers.CLIPModel(
            transformers.CLIPConfig(text_config=text, vision_config=seen, projection_dim=16)
        ),
        "nli": transformers.BertForSequenceClassification(
            transformers.BertConfig(
                **small,
                vocab_size=40,
                num_labels=3,
                id2label={0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"},
                label2id={"CONTRADICTION": 0, "NEUTRAL": 1, "ENTAILMENT": 2},
            )
        ),
        "yolos": transformers.YolosForObjectDetection(
            transformers.YolosConfig(
                **small,
                image_size=(32, 32),
                patch_size=8,
                num_detection_tokens=5,
                id2label={0: "sphere", 1: "cube"},
                label2id={"sphere": 0, "cube": 1},
            )
        ),
        "owl": transformers.OwlViTForObjectDetection(
            transformers.OwlViTConfig(text_config=text, vision_config=seen, projection_dim=32)
        ),
        "vit": transformers.ViTModel(transformers.ViTConfig(**seen)),
        "videomae": transformers.VideoMAEModel(transformers.VideoMAEConfig(**{**seen, "image_size": 224})),
        "vjepa": transformers.VJEPA2Model(
            transformers.VJEPA2Config(
                crop_size=32,
                frames_per_clip=16,
                hidden_size=32,
                num_attention_heads=2,
                num_hidden_layers=2,
                mlp_ratio=2,
                pred_hidden_size=24,
                pred_num_attention_heads=2,
                pred_num_hidden_layers=1,
                pred_num_mask_tokens=1,
            )
        ),
    }
    with torch.no_grad():
        made["clip"].text_projection.weight.neg_()  # by chance all cosines were negative, and the scores 0
    for name, network in made.items():
        network.save_pretrained(home / name)
        (home / name / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
        if name in ("clip", "nli", "owl"):
            save_tokenizer(home / name)
    return home


@pytest.fixture(scope="module")
def sample() -> Sample:
    text = "a red ball rolls left"
    clip = WorldSystem(96, 64, 6).clips([SuitePrompt("a", "s", text, 3)], 0)[0]
    return Sample(clip, text, clip)


def test_pictures_are_prepared_as_the_folder_says(home, sample):
    """Against Pillow and the formula, step by step."""
    frame = sample.frames[0]
    found = as_pixels([frame], home / "clip")[0]
    resized = np.asarray(Image.fromarray(frame).resize((60, 40), Image.Resampling.BICUBIC))
    middle = resized[4:36, 14:46] / 255
    expected = (middle - PROCESSOR["image_mean"]) / np.array(PROCESSOR["image_std"])
    assert found.shape == (3, 32, 32)
    assert np.allclose(found.numpy(), np.moveaxis(expected, -1, 0), atol=1e-5)


def test_clip_score_is_the_formula(home, sample):
    measure = measures_with([f"clip={home / 'clip'}"])[0]
    network = transformers.CLIPModel.from_pretrained(home / "clip").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(home / "clip")
    with torch.no_grad():
        out = network(
            **tokenizer([PREFIX + sample.text], return_tensors="pt"),
            pixel_values=as_pixels(list(sample.frames), home / "clip"),
        )
        expected = 2.5 * (out.image_embeds @ out.text_embeds.T).clamp(min=0).mean()
    assert measure.compute(sample) == pytest.approx(float(expected), abs=1e-5)
    other = Sample(sample.clip, "a blue cube")
    assert measure.compute(other) != measure.compute(sample)


def test_entailment_takes_the_classes_by_their_names(home, sample):
    entailed, contradicted = measures_with([f"nli={home / 'nli'}"])
    assert (entailed.name, entailed.better) == ("nli-entailed", "higher")
    assert (contradicted.name, contradicted.better) == ("nli-contradicted", "lower")
    network = transformers.BertForSequenceClassification.from_pretrained(home / "nli").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(home / "nli")
    pairs = [("a red ball", "a ball"), ("nothing is there", "a blue cube rolls left")]
    found = infer(pairs, home / "nli")
    for (premise, hypothesis), row in zip(pairs, found, strict=True):
        with torch.no_grad():
            logits = network(**tokenizer(premise, hypothesis, return_tensors="pt")).logits
        assert np.allclose(row, logits.softmax(1)[0].numpy(), atol=1e-5)
    assert 0 <= entailed.compute(sample) + contradicted.compute(sample) <= 1


@pytest.mark.parametrize("kind", ["yolos", "owl"])
def test_a_detector_gives_boxes_scores_and_labels(home, sample, kind, monkeypatch):
    monkeypatch.setattr("scenewright.evaluation.pretrained.detection.THRESHOLD", {True: 0.0, False: 0.0})
    monkeypatch.setattr("scenewright.evaluation.pretrained.detection.OVERLAP", 1.1)
    found = detect(sample.frames, home / kind, ["sphere", "cube"])
    queries = 5 if kind == "yolos" else 16
    assert len(found) == queries * len(sample.frames)
    assert {item.label for item in found} <= {"sphere", "cube"}
    network = (
        transformers.YolosForObjectDetection if kind == "yolos" else transformers.OwlViTForObjectDetection
    ).from_pretrained(home / kind)
    inputs = {"pixel_values": as_pixels([sample.frames[2]], home / kind)}
    if kind == "owl":
        tokenizer = transformers.AutoTokenizer.from_pretrained(home / kind)
        inputs |= tokenizer(
            ["a photo of a sphere", "a photo of a cube"], padding=True, return_tensors="pt"
        ).data
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        x, y, w, h = network.eval()(**inputs).pred_boxes[0].unbind(-1)
    boxes = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1).numpy()
    mine = np.array([item.box for item in found if item.frame == 2])
    assert np.allclose(np.sort(mine, 0), np.sort(boxes, 0), atol=1e-4)


def test_a_box_counts_once_and_names_are_counted_by_frame(home, sample, monkeypatch):
    monkeypatch.setattr("scenewright.evaluation.pretrained.detection.THRESHOLD", {True: 0.0, False: 0.0})
    monkeypatch.setattr("scenewright.evaluation.pretrained.detection.OVERLAP", 0.0)
    apart = detect(sample.frames[:1], home / "yolos")
    boxes = [(item.label, item.box) for item in apart]
    for i, (label, a) in enumerate(boxes):
        for other, b in boxes[:i]:
            assert label != other or min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])
    box = (0.0, 0.0, 1.0, 1.0)
    seen = [Detection(0, box, "cube"), Detection(0, box, "cube"), Detection(1, box, "sphere")]
    scores = named_scores({"cube": 1, "sphere": 1}, seen, 2)
    assert (scores.found, scores.missed, scores.wrong) == (2, 2, 1)
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.recall == 0.5


def test_measures_of_a_detector_and_of_consistency(home, sample):
    found = measures_with([f"detector={home / 'yolos'}", f"frames={home / 'vit'}"])
    values = {m.name: m.compute(sample) for m in found}
    assert {"detected-precision", "detected-recall", "detected-f1"} <= set(values)
    for name in ("frame-consistency", "subject-consistency", "background-consistency"):
        assert 0 < values[name] <= 1
    still = Clip(np.repeat(sample.frames[:1], 4, 0), 8.0)
    frame = next(m for m in found if m.name == "frame-consistency")
    assert frame.compute(Sample(still, sample.text)) == pytest.approx(1, abs=1e-6)
    assert frame.convention != consistency_measures()[0].convention


def test_consistency_by_the_network_of_the_package_sees_what_changes(sample):
    frame, subject, background = consistency_measures()
    changed = sample.frames.copy()
    changed[3:] = 255 - changed[3:]
    inverted = Sample(Clip(changed, 8.0), sample.text)
    inverted.__dict__["reading"] = sample.reading
    for measure in (frame, subject, background):
        assert measure.compute(inverted) < measure.compute(sample), measure.name


@pytest.mark.parametrize(("name", "preset"), [("videomae", "videomae"), ("vjepa", "plain")])
def test_video_transformers_give_the_mean_of_their_tokens(home, name, preset):
    side = 32
    frames = np.random.default_rng(0).integers(0, 256, (16, side, side, 3), dtype=np.uint8)
    network = load_network(home / name, preset)
    found = network(Clip(frames, 8.0))
    model = transformers.AutoModel.from_pretrained(home / name).eval()
    x = prepared(frames, network.preset).transpose(1, 2)
    with torch.no_grad():
        extra = {"skip_predictor": True} if name == "vjepa" else {}
        tokens = model(x, **extra).last_hidden_state
    assert np.allclose(found, tokens.mean(1)[0].numpy(), atol=1e-5)
    assert network.logits(found[None]) is None


def test_i3d_reads_its_weights_and_has_the_published_size(tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = I3D().eval()
    assert sum(p.numel() for p in network.parameters()) == 12_697_264
    assert "Mixed_4f.b1b.conv3d.weight" in network.state_dict()
    assert network.state_dict()["logits.conv3d.weight"].shape == (400, 1024, 1, 1, 1)
    save_file(network.state_dict(), tmp_path / "i3d.safetensors")
    frames = np.random.default_rng(0).integers(0, 256, (10, 60, 80, 3), dtype=np.uint8)
    loaded = load_network(tmp_path / "i3d.safetensors", "i3d-fastvideo")
    with torch.no_grad():
        expected = network(prepared(frames, loaded.preset))[0].numpy()
    assert expected.shape == (400,)
    assert np.allclose(loaded(Clip(frames, 8.0)), expected, atol=1e-4)
    assert loaded.logits(expected[None]) is not None
    save_file({"logits.conv3d.bias": torch.zeros(400)}, tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match="is missing"):
        load_network(tmp_path / "bad.safetensors", "i3d-common")
    with pytest.raises(ValueError, match="with the preset i3d-common or i3d-fastvideo"):
        load_network(tmp_path / "i3d.safetensors", "i3d-stylegan-v")


def test_same_padding_is_tensorflows():
    x = torch.ones(1, 1, 5, 6, 7)
    assert pad_same(x, (3, 3, 3), (2, 2, 2)).shape == (1, 1, 7, 7, 9)
    padded = pad_same(x, (1, 2, 3), (1, 1, 2))
    assert padded.shape == (1, 1, 5, 7, 9)
    assert padded[0, 0, 0, -1].sum() == 0  # the odd one comes last
    assert padded[0, 0, 0, 0].sum() == 7


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("clip", "give KIND=FOLDER"),
        ("ocr=x", "with one of clip, nli, detector, frames"),
        ("clip=nowhere", "there is no folder nowhere"),
        ("nli={home}/vit", "names no class entail"),
        ("clip={home}", "has no config.json"),
    ],
)
def test_wrong_folders_get_one_line(home, choice, message):
    with pytest.raises(ValueError, match=message):
        measures_with([choice.format(home=home)])
