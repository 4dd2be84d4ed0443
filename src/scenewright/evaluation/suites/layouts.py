"""Public datasets as they are laid out after download: videos with their captions, labels and questions.

Named ``LAYOUT:FOLDER``: ``ucf101``, ``tgif-qa``, ``charades``, ``activitynet``, ``youcook2``. As a suite
it gives its captions, as a reference its videos. A video that was not downloaded is left out: many are
gone.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenewright.clip import Clip
from scenewright.evaluation.suites.lists import suite_of
from scenewright.evaluation.suites.suite import Suite

VIDEO_ENDINGS = (".mp4", ".avi", ".mkv", ".webm", ".gif", ".mov", ".webp")


@dataclass(frozen=True)
class Footage:
    """A video, or from ``start`` to ``end`` seconds of it. ``split``: as the dataset names it, "" for
    unknown. ``labels``: classes. ``question``, ``answer``, ``choices``: what can be asked of it."""

    file: Path
    caption: str
    split: str = ""
    start: float | None = None
    end: float | None = None
    labels: tuple[str, ...] = ()
    question: str = ""
    answer: str = ""
    choices: tuple[str, ...] = ()

    def clip(self) -> Clip:
        """Without sound."""
        from scenewright.media import decode

        return decode(self.file, start=self.start, end=self.end, audio=False)


def read_layout(name: str) -> list[Footage]:
    """Everything of ``LAYOUT:FOLDER`` whose video is there.

    Raises:
        ValueError: an unknown layout, a file that is missing or of another form, or no video at all.
    """
    layout, _, folder = name.partition(":")
    if layout not in LAYOUTS:
        raise ValueError(f"there is no layout {layout!r}; known: {', '.join(LAYOUTS)}")
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{name}: there is no folder {folder}")
    found = [item for item in LAYOUTS[layout](root) if item.file.is_file()]
    if not found:
        raise ValueError(f"{name}: none of its videos is there")
    return found


def is_layout(name: str) -> bool:
    """Whether ``name`` begins with the name of a layout and a colon."""
    return name.partition(":")[0] in LAYOUTS and ":" in name


def layout_suite(name: str) -> Suite:
    """The captions of ``LAYOUT:FOLDER``, a section for each split."""
    pairs = [(item.split or "all", item.caption) for item in read_layout(name) if item.caption]
    return suite_of(name.partition(":")[0], pairs, name)


def _ucf101(root: Path) -> Iterator[Footage]:
    """``UCF-101/CLASS/v_CLASS_gNN_cNN.avi``; splits from ``ucfTrainTestlist/{train,test}list01.txt``."""
    splits = {}
    for split in ("train", "test"):
        for file in root.rglob(f"{split}list01.txt"):
            for line in _lines(file):
                splits[line.split()[0].rpartition("/")[2]] = split
    for file in sorted(root.rglob("v_*_g[0-9][0-9]_c[0-9][0-9].*")):
        if file.suffix.lower() in VIDEO_ENDINGS:
            label = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", file.name.split("_")[1]).lower()
            yield Footage(file, label, splits.get(file.name, ""), labels=(label,))


def _tgif_qa(root: Path) -> Iterator[Footage]:
    """Tables ``{Train,Test}_{frameqa,count,action,transition}_question.csv``, separated by tabs or commas,
    and ``gifs/NAME.gif``."""
    videos = _by_stem(root)
    for table in _required(root, "*_question.csv"):
        split = table.name.partition("_")[0].lower()
        for row in _rows(table, ("gif_name", "question")):
            choices = tuple(row[f"a{i}"] for i in range(1, 6) if row.get(f"a{i}"))
            answer = row.get("answer", "")
            if choices and answer.isdecimal() and int(answer) < len(choices):
                answer = choices[int(answer)]
            caption = row.get("description", "")
            file = videos.get(row["gif_name"], root / "gifs" / f"{row['gif_name']}.gif")
            yield Footage(file, caption, split, question=row["question"], answer=answer, choices=choices)


def _charades(root: Path) -> Iterator[Footage]:
    """``Charades_v1_{train,test}.csv``, ``Charades_v1_classes.txt`` and ``ID.mp4``: a clip for each
    action, and one of the whole script."""
    videos = _by_stem(root)
    names = {}
    for file in root.rglob("Charades_v1_classes.txt"):
        names = dict(line.split(" ", 1) for line in _lines(file))
    for table in _required(root, "Charades_v1_t*.csv"):
        split = table.stem.rpartition("_")[2]
        for row in _rows(table, ("id", "script", "actions")):
            file = videos.get(row["id"], root / f"{row['id']}.mp4")
            stretches = [part.split() for part in row["actions"].split(";") if part.strip()]
            labels = tuple(dict.fromkeys(names.get(part[0], part[0]) for part in stretches))
            yield Footage(file, row["script"], split, labels=labels)
            for code, start, end in stretches:
                label = names.get(code, code)
                yield Footage(file, label, split, float(start), float(end), (label,))


def _activitynet(root: Path) -> Iterator[Footage]:
    """ActivityNet Captions, ``{train,val_1,val_2}.json`` of timestamps and sentences, and ActivityNet itself,
    ``activity_net*.json`` of labels and segments; videos as ``v_ID.mp4``."""
    videos = _by_stem(root)
    for table in _required(root, "*.json"):
        data = _json(table)
        if "database" in data:
            for name, video in data["database"].items():
                file = _video(videos, root, name)
                for note in video.get("annotations", ()):
                    start, end = note["segment"]
                    label = str(note["label"])
                    yield Footage(file, label.lower(), str(video.get("subset", "")), start, end, (label,))
        else:
            for name, video in data.items():
                file = _video(videos, root, name)
                for (start, end), sentence in zip(video["timestamps"], video["sentences"], strict=True):
                    yield Footage(file, str(sentence).strip(), table.stem, start, end)


def _youcook2(root: Path) -> Iterator[Footage]:
    """``youcookii_annotations*.json``; videos anywhere below, as ``ID.mp4`` and the like."""
    videos = _by_stem(root)
    for table in _required(root, "youcookii_annotations*.json"):
        for name, video in _json(table)["database"].items():
            file = videos.get(name, root / f"{name}.mp4")
            recipe = str(video.get("recipe_type", ""))
            for note in video.get("annotations", ()):
                start, end = note["segment"]
                split = str(video.get("subset", ""))
                yield Footage(file, str(note["sentence"]).strip(), split, start, end, (recipe,))


#: How each dataset is read.
LAYOUTS: Mapping[str, Callable[[Path], Iterator[Footage]]] = {
    "ucf101": _ucf101,
    "tgif-qa": _tgif_qa,
    "charades": _charades,
    "activitynet": _activitynet,
    "youcook2": _youcook2,
}


def _required(root: Path, pattern: str) -> list[Path]:
    found = sorted(root.rglob(pattern))
    if not found:
        raise ValueError(f"{root} has no {pattern}")
    return found


def _by_stem(root: Path) -> dict[str, Path]:
    files = (f for f in sorted(root.rglob("*")) if f.suffix.lower() in VIDEO_ENDINGS)
    return {file.stem: file for file in files}


def _video(videos: Mapping[str, Path], root: Path, name: str) -> Path:
    bare = name.removeprefix("v_")
    return videos.get(f"v_{bare}") or videos.get(bare) or root / f"v_{bare}.mp4"


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _rows(table: Path, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        first = stream.readline()
        stream.seek(0)
        reader = csv.DictReader(stream, delimiter="\t" if "\t" in first else ",")
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{table} has no column {missing[0]}")
        yield from reader


def _json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}, line {error.lineno}: not JSON: {error.msg}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{file} is no object of videos")
    return data
