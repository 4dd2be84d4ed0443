"""Prompt lists and datasets that one brings, on small files made here."""

import json

import numpy as np
import pytest

from scenewright.clip import Clip
from scenewright.evaluation.distribution.against import videos_of
from scenewright.evaluation.suites import load_suite
from scenewright.evaluation.suites.layouts import LAYOUTS, read_layout
from scenewright.evaluation.suites.lists import read_prompts
from scenewright.media import encode


def video(path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.zeros((round(8 * seconds), 16, 16, 3), np.uint8)
    frames += np.arange(len(frames), dtype=np.uint8)[:, None, None, None] * 10
    written = path.with_suffix(".mp4") if path.suffix == ".avi" else path
    encode(Clip(frames, 8.0), written)
    written.rename(path)


def test_text_files_are_sections(tmp_path):
    folder = tmp_path / "prompts_per_dimension"
    folder.mkdir()
    (folder / "color.txt").write_text("a red car\na blue car\n\na red car\n")
    (folder / "motion.txt").write_text("a red car\n", encoding="utf-8-sig")
    suite = load_suite(folder)
    assert suite.sections == ("color", "motion")
    assert [(p.id, p.text) for p in suite.prompts] == [
        ("color-0001", "a red car"),
        ("color-0002", "a blue car"),
        ("motion-0001", "a red car"),
    ]
    assert suite.prompts[0].seed == suite.prompts[2].seed != suite.prompts[1].seed
    alone = load_suite(folder / "color.txt")
    assert alone.name == "color"
    assert len(alone.prompts) == 2


def test_vbench_puts_a_prompt_into_each_of_its_dimensions(tmp_path):
    rows = [
        {"prompt_en": "a cat", "dimension": ["subject_consistency", "motion_smoothness"]},
        {"prompt_en": "a dog", "dimension": ["subject_consistency"], "auxiliary_info": {"color": "red"}},
    ]
    (tmp_path / "VBench_full_info.json").write_text(json.dumps(rows))
    suite = load_suite(tmp_path / "VBench_full_info.json")
    assert suite.sections == ("subject_consistency", "motion_smoothness")
    assert [p.text for p in suite.prompts] == ["a cat", "a dog", "a cat"]
    for broken, message in (
        ('[{"x": 1}]', "entry 1: neither"),
        ("[", "line 1: not JSON"),
        ("[]", "no prompts"),
    ):
        (tmp_path / "broken.json").write_text(broken)
        with pytest.raises(ValueError, match=message):
            read_prompts(tmp_path / "broken.json")


def test_compbench_and_evalcrafter_lists(tmp_path):
    (tmp_path / "spatial.json").write_text(json.dumps([{"prompt": "a cat left of a dog", "spatial": "left"}]))
    (tmp_path / "prompt700.txt").write_text("a lake at dawn\n")
    assert [p.text for p in load_suite(tmp_path / "spatial.json").prompts] == ["a cat left of a dog"]
    assert load_suite(tmp_path / "prompt700.txt").sections == ("prompt700",)
    assert {p.section for p in load_suite(tmp_path).prompts} == {"prompt700", "spatial"}


def test_ucf101(tmp_path):
    video(tmp_path / "UCF-101" / "ApplyEyeMakeup" / "v_ApplyEyeMakeup_g01_c01.avi")
    video(tmp_path / "UCF-101" / "YoYo" / "v_YoYo_g08_c02.avi")
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "trainlist01.txt").write_text("YoYo/v_YoYo_g08_c02.avi 101\n")
    (lists / "testlist01.txt").write_text("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\n")
    found = read_layout(f"ucf101:{tmp_path}")
    assert [(f.caption, f.split) for f in found] == [("apply eye makeup", "test"), ("yo yo", "train")]
    assert load_suite(f"ucf101:{tmp_path}").sections == ("test", "train")
    assert videos_of(f"ucf101:{tmp_path}").count == 2


def test_tgif_qa(tmp_path):
    video(tmp_path / "gifs" / "tumblr_1.gif")
    (tmp_path / "Test_action_question.csv").write_text(
        "gif_name\tquestion\ta1\ta2\ta3\ta4\ta5\tanswer\tvid_id\tkey\n"
        "tumblr_1\tWhat does the cat do 3 times?\tjump\tsit\teat\trun\tsing\t2\tID1\t7\n"
        "tumblr_gone\tWhat?\ta\tb\tc\td\te\t0\tID2\t8\n"
    )
    (tmp_path / "Train_count_question.csv").write_text(
        "gif_name\tquestion\tanswer\tvid_id\tkey\ntumblr_1\tHow many times?\t4\tID1\t9\n"
    )
    action, count = read_layout(f"tgif-qa:{tmp_path}")
    assert (action.answer, action.choices[0], action.split) == ("eat", "jump", "test")
    assert (count.answer, count.choices, count.split) == ("4", (), "train")


def test_charades(tmp_path):
    video(tmp_path / "Charades_v1_480" / "46GP8.mp4", 4)
    (tmp_path / "Charades_v1_classes.txt").write_text("c092 Turning on a light\nc147 Sitting in a chair\n")
    (tmp_path / "Charades_v1_test.csv").write_text(
        "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
        '46GP8,HR43,Kitchen,6,7,Yes,"A person cooks, then sits.",food,x,c092 0.50 2.00;c147 1.00 3.50,4.0\n'
        "GONE1,X,Hall,6,7,Yes,A person runs.,x,x,,3.0\n"
    )
    whole, light, chair = read_layout(f"charades:{tmp_path}")
    assert whole.caption == "A person cooks, then sits."
    assert whole.labels == ("Turning on a light", "Sitting in a chair")
    assert (light.caption, light.start, light.end) == ("Turning on a light", 0.5, 2.0)
    assert len(light.clip().frames) == 12
    assert len(chair.clip().frames) == 20


def test_activitynet_and_its_captions(tmp_path):
    video(tmp_path / "videos" / "v_abc.mp4", 3)
    captions = {
        "v_abc": {
            "duration": 3.0,
            "timestamps": [[0, 1.5], [1.5, 3]],
            "sentences": [" A man jumps. ", "He falls."],
        }
    }
    (tmp_path / "val_1.json").write_text(json.dumps(captions))
    labels = {
        "database": {
            "abc": {"subset": "validation", "annotations": [{"label": "Long jump", "segment": [0.5, 2]}]}
        }
    }
    (tmp_path / "activity_net.v1-3.min.json").write_text(json.dumps(labels))
    found = read_layout(f"activitynet:{tmp_path}")
    assert [(f.caption, f.split) for f in found] == [
        ("long jump", "validation"),
        ("A man jumps.", "val_1"),
        ("He falls.", "val_1"),
    ]
    assert len(found[1].clip().frames) == 12


def test_youcook2(tmp_path):
    video(tmp_path / "raw_videos" / "training" / "101" / "xyz.mp4", 3)
    data = {
        "database": {
            "xyz": {
                "subset": "training",
                "recipe_type": "101",
                "annotations": [{"segment": [1, 2], "id": 0, "sentence": "cut the bread"}],
            },
            "gone": {"subset": "training", "annotations": [{"segment": [0, 1], "id": 0, "sentence": "x"}]},
        }
    }
    (tmp_path / "youcookii_annotations_trainval.json").write_text(json.dumps(data))
    (only,) = read_layout(f"youcook2:{tmp_path}")
    assert (only.caption, only.labels, only.start) == ("cut the bread", ("101",), 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_not_there_is_one_line(layout, tmp_path):
    with pytest.raises(ValueError, match=r"has no |none of its videos"):
        read_layout(f"{layout}:{tmp_path}")
    with pytest.raises(ValueError, match="there is no folder"):
        read_layout(f"{layout}:{tmp_path}/none")


def test_broken_tables_are_one_line(tmp_path):
    (tmp_path / "Charades_v1_test.csv").write_text("id,script\na,b\n")
    with pytest.raises(ValueError, match="has no column actions"):
        read_layout(f"charades:{tmp_path}")
    (tmp_path / "youcookii_annotations_x.json").write_text("[1]")
    with pytest.raises(ValueError, match="no object of videos"):
        read_layout(f"youcook2:{tmp_path}")
    with pytest.raises(ValueError, match="there is no layout 'ucf'"):
        read_layout("ucf:x")
    with pytest.raises(ValueError, match="there is no suite 'ucf:x'"):
        load_suite("ucf:x")
