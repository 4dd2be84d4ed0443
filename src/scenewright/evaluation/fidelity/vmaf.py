"""VMAF by the libvmaf in ffmpeg, which predicts how people rate a distorted clip beside its reference."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scenewright.evaluation.fidelity.pairs import check_pair


class Model(NamedTuple):
    """``version``: libvmaf's name and options; ``rows``: of the pictures that it was made for."""

    version: str
    rows: int


#: ``default``: 1080 rows seen from three heights; ``neg`` gives nothing for enhancement; ``phone``: on a
#: phone; ``4k``: 2160 rows. Both clips are scaled to these rows first, bicubically.
VMAF: Mapping[str, Model] = {
    "default": Model("version=vmaf_v0.6.1", 1080),
    "neg": Model("version=vmaf_v0.6.1neg", 1080),
    "phone": Model(r"version=vmaf_v0.6.1\\:enable_transform=true", 1080),
    "4k": Model("version=vmaf_4k_v0.6.1", 2160),
}


def vmaf(
    reference: np.ndarray | str | os.PathLike[str],
    test: np.ndarray | str | os.PathLike[str],
    model: str = "default",
    *,
    threads: int | None = None,
) -> tuple[float, np.ndarray]:
    """VMAF of the clip, the mean over frames, and float64 (T,) of each frame, 0 to 100.

    ``reference``, ``test``: uint8 (T, H, W, 3), or both video files, which ffmpeg then reads itself. A clip
    beside itself gets about 97 to 100, not 100: motion that the model finds counts a little.

    Raises:
        ValueError: they do not fit, or ffmpeg cannot read a file.
    """
    if isinstance(reference, np.ndarray) != isinstance(test, np.ndarray):
        raise ValueError("give both clips as arrays, or both as files")
    if isinstance(reference, np.ndarray) and isinstance(test, np.ndarray):
        check_pair(reference, test)
        frames = _run_on_arrays(reference, test, VMAF[model], threads)
        assert len(frames) == len(test)
    else:
        for file in (reference, test):
            if not Path(os.fspath(file)).is_file():  # type: ignore[arg-type]
                raise ValueError(f"there is no video file {file}")
        inputs = ["-i", os.fspath(test), "-i", os.fspath(reference)]  # type: ignore[arg-type]
        frames = _run(inputs, VMAF[model], threads)
    return float(frames.mean()), frames


def _run_on_arrays(reference: np.ndarray, test: np.ndarray, model: Model, threads: int | None) -> np.ndarray:
    height, width = test.shape[1:3]
    inputs, feeders, ends = [], [], []
    for frames in (test, reference):
        read, write = os.pipe()
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25"]
        inputs += [*raw, "-i", f"pipe:{read}"]
        ends.append(read)
        feeders.append(threading.Thread(target=_feed, args=(write, frames), daemon=True))
    for feeder in feeders:
        feeder.start()
    try:
        return _run(inputs, model, threads, ends)
    finally:
        for end in ends:
            os.close(end)
        for feeder in feeders:
            feeder.join()


def _feed(write: int, frames: np.ndarray) -> None:
    try:
        with os.fdopen(write, "wb") as pipe:
            for frame in frames:
                pipe.write(np.ascontiguousarray(frame).data)
    except BrokenPipeError:
        pass  # ffmpeg has ended, and says itself why


def _run(inputs: list[str], model: Model, threads: int | None, ends: list[int] | None = None) -> np.ndarray:
    binary = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "vmaf.json"
        scale = (
            f"setpts=N/25/TB,scale=-2:{model.rows}:flags=bicubic:out_color_matrix=bt709:out_range=tv,"
            "format=yuv420p"
        )
        judge = f"libvmaf=model={model.version}:log_fmt=json:log_path={_escaped(log)}"
        judge += f":n_threads={threads or os.cpu_count() or 1}:shortest=1"
        graph = f"[0:v]{scale}[test];[1:v]{scale}[reference];[test][reference]{judge}"
        command = [binary, "-hide_banner", "-loglevel", "error", "-nostdin", *inputs]
        command += ["-filter_complex", graph, "-f", "null", "-"]
        done = subprocess.run(command, capture_output=True, text=True, pass_fds=ends or ())
        if done.returncode or not log.is_file():
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise ValueError(f"ffmpeg could not compute VMAF: {lines[-1]}")
        found = json.loads(log.read_text("utf-8"))["frames"]
    return np.array([frame["metrics"]["vmaf"] for frame in found])


def _escaped(path: Path) -> str:
    """For a filter graph."""
    return str(path).replace("\\", "\\\\").replace(":", r"\:").replace("'", r"\'")
