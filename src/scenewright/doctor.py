"""What works on this machine, and how to get the rest. Runs with any part of the installation missing."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

from scenewright.machine import available_memory, measured_peak, usable_cores

State = Literal["ok", "info", "missing", "failed"]

#: FFmpeg encoders that output formats and benchmarks use, and the filter that measures VMAF.
ENCODERS = ("libx264", "libvpx-vp9", "libsvtav1", "libaom-av1", "aac", "libopus")
FILTERS = ("libvmaf",)

#: Less than this much memory or disk and a video may not come out, in bytes.
MIN_MEMORY, MIN_DISK = 1.5e9, 0.5e9


class Check(NamedTuple):
    """One line of the report.

    ``state``: "ok", "info" (nothing to judge), "missing" (optional, absent) or "failed". ``needed``: whether
    ``scenewright generate`` depends on it. ``fix``: the command or step that puts it right. ``data``: the
    same as ``text`` for programs, JSON-like.
    """

    name: str
    state: State
    text: str
    fix: str | None = None
    needed: bool = False
    data: Any = None

    def as_dict(self) -> dict[str, Any]:
        return self._asdict()


def examine() -> list[Check]:
    """Run every check, in the order of the report. Takes a few seconds; writes only to a temporary folder."""
    checks: list[Check] = []
    for name, look, needed in LOOKS:
        try:
            found = look()
        except Exception as error:
            found = Check(name, "failed", _reason(error), needed=needed)
        checks += found if isinstance(found, list) else [found]
    return checks


def ready(checks: list[Check]) -> bool:
    """Whether ``scenewright generate`` can work: nothing that it needs is missing or failed."""
    return not any(check.needed and check.state in ("missing", "failed") for check in checks)


# ------------------------------------------------------------------------------------------------ the machine


def _python() -> Check:
    text = f"{platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    data = {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
    }
    return Check("python", "ok", text, None, True, data)


def _cpu() -> Check:
    usable, logical = usable_cores(), os.cpu_count() or 1
    text = f"{usable:g} of {logical} cores usable" if usable < logical else f"{logical} cores"
    return Check("cpu", "info", text, data={"usable_cores": usable, "logical_cores": logical})


def _memory() -> Check:
    free = available_memory()
    if free is None:
        return Check("memory", "info", "free memory unknown on this system")
    enough = free >= MIN_MEMORY
    fix = None if enough else "close other programs; generate needs about 1.5 GB"
    data = {"available_bytes": free}
    return Check("memory", "ok" if enough else "failed", f"{free / 1e9:.1f} GB free", fix, True, data)


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    enough = free >= MIN_DISK
    fix = None if enough else "free some space; a video needs little, its encoder needs room to work"
    data = {"free_bytes": free}
    return Check("disk", "ok" if enough else "failed", f"{free / 1e9:.1f} GB free here", fix, True, data)


# ----------------------------------------------------------------------------------------------- the packages


class Requirement(NamedTuple):
    """A package the project asks for. ``extra`` is "" for the base install."""

    name: str
    bound: str
    extra: str

    @classmethod
    def parse(cls, line: str) -> Requirement:
        spec, _, marker = line.partition(";")
        found = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(.*)", spec.strip())
        assert found is not None, line
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        return cls(found[1], found[2], extra[1] if extra else "")

    @property
    def installed(self) -> str | None:
        try:
            return metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None

    @property
    def satisfied(self) -> bool:
        """Installed, and not older than the lower bound."""
        lower = re.search(r">=\s*([0-9.]+)", self.bound)
        version = self.installed
        if version is None or lower is None:
            return version is not None
        return _release(version) >= _release(lower[1])


def _packages() -> list[Check]:
    try:
        lines = metadata.requires("scenewright") or []
    except metadata.PackageNotFoundError:
        return [Check("packages", "failed", "scenewright itself is not installed", "pip install -e .", True)]
    groups: dict[str, list[Requirement]] = {}
    for requirement in map(Requirement.parse, lines):
        if requirement.name != "scenewright":
            groups.setdefault(requirement.extra, []).append(requirement)
    return [_package_group(extra, requirements) for extra, requirements in groups.items()]


def _package_group(extra: str, requirements: list[Requirement]) -> Check:
    lacking = [r for r in requirements if not r.satisfied]
    data = [
        {"package": r.name, "required": r.bound, "installed": r.installed, "satisfied": r.satisfied}
        for r in requirements
    ]
    name = f"extra {extra}" if extra else "packages"
    if not lacking:
        text = f"all {len(requirements)} installed"
        return Check(name, "ok", text, None, not extra, data)
    text = f"{len(requirements) - len(lacking)} of {len(requirements)} installed, not " + ", ".join(
        r.name if r.installed is None else f"{r.name}{r.bound} (there is {r.installed})" for r in lacking
    )
    fix = "pip install " + " ".join(f"'{r.name}{r.bound}'" for r in lacking)
    return Check(name, "missing" if extra else "failed", text, fix, not extra, data)


# ---------------------------------------------------------------------------------------------- the computing


def _torch() -> list[Check]:
    torch = importlib.import_module("torch")
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    threads = torch.get_num_threads()
    speed = measured_peak(seconds=0.3) / 1e9
    text = (
        f"{torch.__version__} ({build}), {threads} threads, {speed:.0f} GFLOP/s on the CPU (float32 matmul)"
    )
    data = {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "threads": threads,
        "matmul_gflops": round(speed, 1),
    }
    return [Check("torch", "ok", text, None, True, data), *_gpus(torch)]


def _gpus(torch: Any) -> list[Check]:
    if torch.cuda.is_available():
        return [_cuda_gpu(torch, index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        speed = measured_peak("mps", seconds=0.3) / 1e9
        data = {"name": "mps", "matmul_gflops": round(speed, 1)}
        return [Check("gpu", "ok", f"Apple GPU (MPS), {speed:.0f} GFLOP/s", data=data)]
    if shutil.which("nvidia-smi"):
        fix = "the CUDA build for your system: https://pytorch.org/get-started/locally"
        why = "this torch is a CPU build" if torch.version.cuda is None else "torch cannot use the driver"
        return [Check("gpu", "missing", f"an NVIDIA driver is here, but {why}", fix)]
    return [Check("gpu", "info", "none; everything runs on the CPU", data=None)]


def _cuda_gpu(torch: Any, index: int) -> Check:
    properties = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    speed = measured_peak(f"cuda:{index}", "bfloat16", seconds=0.3) / 1e9
    memory = f"{free / 1e9:.0f} of {total / 1e9:.0f} GB free"
    text = f"{properties.name}, {memory}, {speed / 1e3:.0f} TFLOP/s in bfloat16"
    data = {
        "name": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "free_bytes": free,
        "total_bytes": total,
        "matmul_gflops": round(speed, 1),
    }
    return Check(f"gpu {index}", "ok", text, data=data)


# ------------------------------------------------------------------------------------------------- the videos


def _ffmpeg() -> Check:
    fix = "pip install imageio-ffmpeg"
    try:
        binary = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
        first = _run(binary, "-version").splitlines()[0]
        offered = _names(_run(binary, "-hide_banner", "-encoders"))
        filters = _names(_run(binary, "-hide_banner", "-filters"))
    except (ImportError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        return Check("ffmpeg", "failed", _reason(error), fix)
    has = {name: name in offered for name in ENCODERS} | {name: name in filters for name in FILTERS}
    version = first.removeprefix("ffmpeg version ").split()[0]
    text = f"{version} with {_have(has)}"
    return Check("ffmpeg", "ok", text, None, False, {"version": version, "offers": has})


def _encoders() -> Check:
    av = importlib.import_module("av")
    has = {name: name in av.codecs_available and _can_encode(av, name) for name in ENCODERS}
    text = f"PyAV {av.__version__} with {_have(has)}"
    works = has["libx264"]
    fix = None if works else "pip install --force-reinstall --only-binary :all: av"
    return Check("encoders", "ok" if works else "failed", text, fix, True, {"version": av.__version__, **has})


def _can_encode(av: Any, name: str) -> bool:
    try:
        return bool(av.codec.Codec(name, "w").is_encoder)
    except ValueError:
        return False


def _self_test() -> Check:
    """Encode one second of moving pattern, decode it, and compare the pictures."""
    import numpy as np

    from scenewright.clip import Clip
    from scenewright.media import decode, encode

    t, y, x = np.mgrid[0:16, 0:96, 0:128]
    frames = np.stack([x * 2 % 256, y * 2 % 256, t * 16 % 256], axis=-1).astype(np.uint8)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.mp4"
        encode(Clip(frames, fps=16), path)
        size = path.stat().st_size
        back = decode(path)
    seconds = time.perf_counter() - start
    error = (
        float(np.abs(back.frames.astype(int) - frames).mean()) if back.frames.shape == frames.shape else None
    )
    data = {"seconds": round(seconds, 3), "bytes": size, "mean_error": error}
    if error is None:
        text = f"wrote {frames.shape[0]} frames of {frames.shape[1:3]}, read {back.frames.shape}"
        return Check("self-test", "failed", text, None, True, data)
    text = (
        f"wrote and read 1 s of video in {seconds:.2f} s: {size / 1e3:.0f} kB, mean error {error:.1f} levels"
    )
    return Check("self-test", "ok" if error < 12 else "failed", text, None, True, data)


def _model() -> Check:
    from scenewright.generation.loading import load_pipeline

    start = time.perf_counter()
    try:
        load_pipeline("nano")
    except (OSError, ValueError, ImportError) as error:
        fix = "reinstall scenewright: its weights are part of the package"
        return Check("model nano", "failed", _reason(error), fix, True)
    seconds = time.perf_counter() - start
    return Check("model nano", "ok", f"loads in {seconds:.1f} s", None, True, {"seconds": round(seconds, 3)})


def _run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return result.stdout


def _names(listing: str) -> set[str]:
    """The names in what ``ffmpeg -encoders`` and ``-filters`` print: the second word of each line."""
    return {words[1] for line in listing.splitlines() if len(words := line.split()) > 1}


def _have(has: dict[str, bool]) -> str:
    lacking = [name for name, there in has.items() if not there]
    text = ", ".join(name for name, there in has.items() if there) or "none of the encoders"
    return text + (f" (not {', '.join(lacking)})" if lacking else "")


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(n) for n in numbers[0].split(".")) if numbers else ()


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


#: The checks in the order of the report: name, function, and whether ``generate`` depends on it.
LOOKS: tuple[tuple[str, Callable[[], Check | list[Check]], bool], ...] = (
    ("python", _python, True),
    ("cpu", _cpu, False),
    ("memory", _memory, False),
    ("disk", _disk, False),
    ("packages", _packages, True),
    ("torch", _torch, True),
    ("ffmpeg", _ffmpeg, False),
    ("encoders", _encoders, True),
    ("self-test", _self_test, True),
    ("model nano", _model, True),
)
