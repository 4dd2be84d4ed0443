"""What the benchmark of people and shapes trains on, and judges by."""

import io
import json
import os
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from scenewright.clip import Clip
from scenewright.evaluation.motion import content_distance
from scenewright.generation.direct import DirectGenerator
from scenewright.media import encode
from scenewright.models.moco_gan import MoCoGAN, MoCoGANConfig
from scenewright.text.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import actions  # noqa: E402
import footage_sets  # noqa: E402
import trials  # noqa: E402
from footage_sets import People, Shapes, read_strips  # noqa: E402

DATA = Path(os.environ.get("SCENEWRIGHT_DATA", ROOT / ".." / "shared" / "data"))
real = pytest.mark.skipif(not DATA.is_dir(), reason="no real footage here (SCENEWRIGHT_DATA)")


def strip(way: str, number: int) -> np.ndarray:
    """uint8 (64, 32 * 64, 3): a square goes up, or to the left."""
    frames = np.zeros((32, 64, 64, 3), np.uint8)
    for t, frame in enumerate(frames):
        x, y = (30, 50 - t) if way == "0" else (50 - t, 20)
        frame[y : y + 8, x : x + 8] = (40 + number, 90, 200)
    return frames.swapaxes(0, 1).reshape(64, -1, 3)


@pytest.fixture
def shapes(tmp_path, monkeypatch) -> Shapes:
    monkeypatch.setattr(footage_sets, "SHAPES", 3)
    monkeypatch.setattr(footage_sets, "HELD_OUT_SHAPES", 2)
    (tmp_path / "moving-shapes").mkdir()
    with tarfile.open(tmp_path / "moving-shapes" / "shapes.tar", "w") as archive:
        for way in "10":
            for number in range(5):
                file = io.BytesIO()
                Image.fromarray(strip(way, number)).convert("RGBA").save(file, "PNG")
                member = tarfile.TarInfo(f"{way}/{number:08d}.png")
                member.size = len(file.getvalue())
                file.seek(0)
                archive.addfile(member, file)
    return Shapes(tmp_path, tmp_path / "made")


def test_strips_become_clips_of_every_second_frame_that_say_which_way(shapes):
    up, left = read_strips(shapes.data / "moving-shapes" / "shapes.tar")
    assert [(f.action, f.captions) for f in (up[0], left[0])] == [
        ("up", ("a shape moves up",)),
        ("left", ("a shape moves to the left",)),
    ]
    whole = strip("1", 4).reshape(64, 32, 64, 3).swapaxes(0, 1)
    np.testing.assert_array_equal(left[4].frames(), whole[::2])
    shapes.make()
    train, held_out = shapes.clips("train"), shapes.clips("held-out")
    assert (len(train[0]), len(held_out[0])) == (6, 4)
    for clips, rows in (train, held_out):
        assert shapes.actions_of(clips) == [row["action"] for row in rows]
        assert [content_distance(clip).value for clip in clips] == [0.0] * len(clips)
    assert not {row["file"] for row in train[1]} & {row["file"] for row in held_out[1]}
    assert shapes.captions("train") == {"a shape moves up": "up", "a shape moves to the left": "left"}
    found = shapes.further(train[0])
    assert found["acd-32"][0] == 0.0
    assert found["shape"][0] == 1.0
    specks = np.zeros((16, 64, 64, 3), np.uint8)
    specks[:, 3, :9] = 40
    found = shapes.further([specks, np.full_like(specks, 40), train[0][0]])
    # What shows hardly anything, or all over, keeps its colour; but it is no shape.
    assert found["acd-32"][0] == 0.0
    assert found["shape"][0] == pytest.approx(1 / 3)
    assert shapes.actions_of([np.zeros((16, 64, 64, 3), np.uint8)]) == ["none"]


def separated(rows: list[dict]) -> set[str]:
    """Videos of which a part has the one and another the mirror image."""
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["file"].replace("-mirrored", ""), set()).add(row["part"])
    return {file for file, found in parts.items() if len(found) > 1}


def rows_of(people: People) -> list[dict]:
    found = []
    for part in ("train", "held-out"):
        shards = people.shards(part)
        found += [{**shards.row(i), "part": part} for i in range(len(shards))]
    return found


def test_people_are_held_out_with_their_mirror_images(tmp_path):
    data = tmp_path / "human-actions"
    data.mkdir()
    lines = []
    for person in (0, 2, 3, 7):
        for mirrored in (False, True):
            name = f"person{person}-bend{'-mirrored' if mirrored else ''}.mp4"
            frames = np.full((40, 64, 64, 3), 20 * person, np.uint8)
            encode(Clip(frames, 25.0), data / name)
            row = {"file": name, "caption": f"{person} bends", "person": person, "action": "bend"}
            lines.append(json.dumps({**row, "mirrored": mirrored}))
    (data / "index.jsonl").write_text("\n".join(lines), "utf-8")
    people = People(tmp_path, tmp_path / "made")
    people.make()
    rows = rows_of(people)
    assert not separated(rows)
    persons = {
        part: {r["about"]["person"] for r in rows if r["part"] == part} for part in ("train", "held-out")
    }
    assert persons == {"train": {0, 3}, "held-out": {2, 7}}
    assert len(rows) == 8 * 3


@real
def test_real_people_are_told_apart_by_what_they_do_though_never_seen(tmp_path):
    people = People(DATA, tmp_path / "people")
    people.make()
    rows = rows_of(people)
    assert len({row["file"] for row in rows}) == 60
    assert not separated(rows)
    clips, held_out = people.clips("held-out")
    right = [a == row["action"] for a, row in zip(people.actions_of(clips), held_out, strict=True)]
    assert np.mean(right) > 0.9


@real
def test_real_shapes_keep_their_colour_and_go_the_way_of_their_folder(tmp_path):
    for strips in read_strips(DATA / "moving-shapes" / "shapes.tar"):
        some = strips[::300]
        clips = [footage.frames() for footage in some]
        assert max(content_distance(clip).value for clip in clips) == 0
        seen = Shapes(DATA, tmp_path).actions_of(clips)
        assert np.mean([a == footage.action for a, footage in zip(seen, some, strict=True)]) > 0.95


def test_spread_is_among_clips_of_one_caption():
    features = np.array([[0.0, 0.0], [3.0, 4.0], [100.0, 0.0], [3.0, -4.0]])
    np.testing.assert_allclose(actions.spread(features, ["a", "a", "b", "a"]), [5, 6.5, 6.5])


class Told:
    """Stands for a trained MoCoGAN whose clips are wholly of one code, or keep both apart."""

    class model:  # noqa: N801
        noise_shape = (3,)

    def __init__(self, apart: bool) -> None:
        self.apart = apart
        self.tokenizer, self.config = self, self
        self.text, self.max_tokens = self, 8
        self.model = self
        self.noise_shape, self.device = (3,), torch.device("cpu")

    def batch(self, texts, most):
        return torch.tensor([[len(text)] for text in texts]), torch.ones(2, 1, dtype=torch.bool)

    def encode_text(self, ids, mask):
        self.pooled = ids.float()
        return self

    def swapped(self, content, motion, noise, moving):
        """A square of the content's colour, which goes the motion's way."""
        colour = 0.9 if content.item() == len("a shape moves up") else 0.2
        way = motion if self.apart else content
        x = torch.full((1, 3, 16, 64, 64), -1.0)
        for t in range(16):
            row, column = (40 - 2 * t, 30) if way.item() == len("a shape moves up") else (30, 40 - 2 * t)
            x[:, :, t, row : row + 6, column : column + 6] = colour
        self.clips = x
        return self


@pytest.mark.parametrize("apart", [True, False])
def test_swaps_are_scored_by_what_is_kept_and_what_is_exchanged(apart, shapes):
    shapes.make()
    found = actions.swapped_scores(shapes, Told(apart), pairs=6)
    assert found["content"][0] == 1.0
    assert found["action-unswapped"][0] == 1.0
    assert found["motion"][0] == found["action"][0] == float(apart)
    assert found["content-ratio"] == [0.0]


def test_each_clip_of_a_swap_is_of_its_own_text_and_noise():
    torch.manual_seed(0)
    texts = ("a red ball", "a blue cube", "a cone")
    sizes = {"text": {"vocabulary": 64, "width": 16, "layers": 1}, "num_frames": 2}
    config = MoCoGANConfig.model_validate(
        {**sizes, "height": 16, "width_pixels": 16, "channels": 8, "least": 8}
    )
    generator = DirectGenerator(MoCoGAN(config), Tokenizer.train(texts, 64, "bpe"))
    first, second, both = trials.swapped_clips(generator, texts[0], texts[1], 3)
    assert both.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(first, trials.swapped_clips(generator, texts[0], texts[2], 3)[0])
    np.testing.assert_array_equal(second, trials.swapped_clips(generator, texts[2], texts[1], 3)[1])
    # Not the first clip with another text for its motion alone: the noise of the motion is the second's, too.
    assert len({clip.tobytes() for clip in (first, second, both)}) == 3
    assert first.tobytes() != trials.swapped_clips(generator, texts[0], texts[1], 4)[0].tobytes()


def test_a_budget_goes_by_the_quickest_group_of_steps():
    times = np.cumsum([5.0, *[3, 3, 3, 7], *[2, 2, 2, 4], *[9, 9, 9, 9], *[2, 2, 3, 4]])
    assert trials.quickest(times.tolist()) == 10 / 4


def test_a_budget_is_measured_once_for_a_time_and_a_precision(tmp_path, monkeypatch):
    measured = iter((17.0, 10.0, 5.0))
    monkeypatch.setattr(trials, "seconds_a_step", lambda recipe: next(measured))
    file = tmp_path / "budget.json"

    def steps(minutes: float, precision: str) -> int:
        return trials.steps_for(file, lambda steps: SimpleNamespace(precision=precision), minutes)

    assert [steps(2.0, "float32") for _ in range(2)] == [7, 7]
    assert [steps(2.0, "bfloat16") for _ in range(2)] == [12, 12]
    assert steps(4.0, "bfloat16") == 48


def test_scores_are_kept_with_their_budget_and_told_below_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "processor", lambda: "a processor")
    budget = tmp_path / "budget.json"
    made = {"core_minutes": 45.0, "steps": 1700, "core_seconds_a_step": 1.5, "precision": "bfloat16"}
    budget.write_text(json.dumps(made))
    trials.keep(tmp_path / "flow.json", {"mean": [0.5, 0.4, 0.6]}, budget)
    trials.keep(tmp_path / "real.json", {"mean": [1.0, 1.0, 1.0]})
    rows = trials.kept(tmp_path, ["real", "none", "flow"])
    assert list(rows) == ["real", "flow"]
    assert rows["flow"]["mean"] == [0.5, 0.4, 0.6]
    assert trials.budgets(rows) == (
        "Steps in 45 minutes of a core or GPU (a processor, bfloat16): flow 1,700."
    )


def test_the_processor_is_named_as_the_system_does(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Made Up 9000\n")
    assert trials.processor(tmp_path) == "Made Up 9000"
    assert trials.processor(tmp_path / "elsewhere")
