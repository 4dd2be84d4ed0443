"""What comparisons of architectures share: budgets of processor time, and what their tables say."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scenewright.training.callbacks.base import Callback
from scenewright.training.trainer import Trainer

#: Steps that warm up; then groups of steps, the quickest of which sets a budget: other work on a machine
#: makes steps slower, and never quicker. A penalty that is due in every fourth step is in each group.
WARM, GROUPS, GROUP = 4, 4, 4
#: A value with the ends of its 95 % interval.
Value = list[float]
#: What has been found stays here, with the project: trainings take longer than one sitting.
RESULTS = Path(__file__).resolve().parent / "results"


def used() -> float:
    """Seconds of processor time of this process; where a GPU does the work, of time itself."""
    import torch

    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


class Clock(Callback):
    """Notes what has been :func:`used` after every step; by workers in other processes, too."""

    name = "clock"

    def __init__(self) -> None:
        self.times: list[float] = []
        self._elsewhere = 0.0

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        self._elsewhere += values.get("worker_seconds", 0.0)
        self.times.append(used() + self._elsewhere)


def quickest(times: Sequence[float]) -> float:
    """Seconds a step of the quickest group of steps that end at these times, before which is the time at
    which the first group begins."""
    return min(end - start for start, end in pairwise(times[::GROUP])) / GROUP


def seconds_a_step(recipe: Callable[[int], Any]) -> float:
    """By :func:`used`, a mean over the stages of a training of so many steps, by their lengths."""
    clock = Clock()
    shares = [stage.steps for stage in recipe(1000).stages]
    least = WARM + GROUPS * GROUP
    steps = -(-least * sum(shares) // min(shares))
    plan = recipe(steps + 1)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(plan, Path(folder) / "run", callbacks=[clock]).run(until=steps)
    found, end = 0.0, 0
    for stage, share in zip(plan.stages, shares, strict=True):
        begin, end = end, min(end + stage.steps, steps)
        found += share / sum(shares) * quickest(clock.times[begin + WARM - 1 : end][: GROUPS * GROUP + 1])
    return found


def steps_for(file: Path, recipe: Callable[[int], Any], core_minutes: float) -> int:
    """How many steps of a training the budget pays for; measured once for each budget and precision, and kept
    in ``file``. ``recipe``: the training of so many steps."""
    asked = {"core_minutes": core_minutes, "precision": recipe(1).precision}
    if file.is_file():
        kept = json.loads(file.read_text("utf-8"))
        if asked.items() <= kept.items():
            return int(kept["steps"])
    seconds = seconds_a_step(recipe)
    steps = max(1, int(core_minutes * 60 / seconds))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**asked, "core_seconds_a_step": seconds, "steps": steps}) + "\n", "utf-8")
    return steps


def train(name: str, recipe: Any, folder: Path) -> None:
    """Train to the end, from where an earlier run was stopped; SystemExit where this one is asked to end."""
    print(f"{name}: {recipe.total_steps} steps", flush=True)
    trainer = Trainer(recipe, folder)
    began, first = time.time(), trainer.step
    trainer.run()
    seconds = time.time() - began
    print(f"{name}: step {trainer.step} of {recipe.total_steps}, {seconds:.0f} s from {first}", flush=True)
    if not trainer.finished:
        raise SystemExit(f"{name} was asked to end; the same command goes on")


def cost(generator: Any, text: str, runs: int = 5) -> dict[str, float]:
    """``seconds``: the median of a clip on all cores; ``parameters``: in millions."""
    import statistics

    import torch

    from scenewright.clip import Prompt

    torch.set_num_threads(os.cpu_count() or 1)
    times = []
    for seed in range(runs + 1):
        began = time.perf_counter()
        generator.generate([Prompt(text=text, seed=seed)])
        times.append(time.perf_counter() - began)
    return {"seconds": statistics.median(times[1:]), "parameters": parameters_of(generator)}


def parameters_of(maker: Any) -> float:
    """Millions that what has a ``model`` has; 0 where it has none."""
    model = getattr(maker, "model", None)
    return 0.0 if model is None else sum(p.numel() for p in model.parameters()) / 1e6


def swapped_clips(generator: Any, first: str, second: str, seed: int) -> tuple[np.ndarray, ...]:
    """MoCoGAN's clips of two texts, each of noise of its own, and the clip with the content of the first and
    the motion of the second: uint8 (T, H, W, 3) each."""
    import torch

    from scenewright.clip import tensor_to_frames
    from scenewright.seeds import keyed_generator

    ids, mask = generator.tokenizer.batch([first, second], generator.config.text.max_tokens)
    shape, device = generator.model.noise_shape, generator.device
    generators = [keyed_generator(seed, name) for name in ("first", "second")]
    noise = [torch.randn(1, *shape, generator=drawn).to(device) for drawn in generators]
    with torch.inference_mode():
        pooled = generator.model.encode_text(ids.to(device), mask.to(device)).pooled.split(1)
        made = [
            generator.model.swapped(pooled[content], pooled[motion], noise[content], noise[motion]).clips
            for content, motion in ((0, 0), (1, 1), (0, 1))
        ]
    return tuple(tensor_to_frames(clips)[0].cpu().numpy() for clips in made)


def swapped_sheet(swaps: Sequence[tuple[str, str, tuple[np.ndarray, ...]]], fps: float) -> Any:
    """A contact sheet of both texts and :func:`swapped_clips` of each swap."""
    from scenewright.clip import Clip
    from scenewright.media import contact_sheet

    clips = [Clip(frames, fps) for _, _, made in swaps for frames in made]
    texts = [t for a, b, _ in swaps for t in (f"A: {a}", f"B: {b}", "what A's shows, as B's moves")]
    return contact_sheet(clips, texts, columns=1, frames_per_clip=8, height=72)


def mean(values: Sequence[float], clusters: Sequence[Hashable] | None = None, shares: bool = False) -> Value:
    """The mean with its interval from a bootstrap over clusters."""
    from scenewright.evaluation.statistics import bootstrap_interval

    found = bootstrap_interval(np.asarray(values, float), clusters, shares=shares)
    return [found.value, found.low, found.high]


def keep(file: Path, found: dict[str, Any], budget: Path | None = None) -> None:
    """Write scores for the page, beside what ``steps_for`` keeps in ``budget``, and the processor."""
    made_with: dict[str, Any] = {} if budget is None else json.loads(budget.read_text("utf-8"))
    made_with["processor"] = processor()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**found, "made_with": made_with}, indent=2) + "\n", "utf-8")


def kept(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What :func:`keep` wrote of these, in their order; those that have not been scored are left out."""
    files = {name: folder / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text("utf-8")) for name, file in files.items() if file.is_file()}


def processor(root: Path = Path("/")) -> str:
    """As the system names it; the GPU, where there is one."""
    import platform

    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    file = root / "proc" / "cpuinfo"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def budgets(rows: dict[str, dict[str, Any]]) -> str:
    """A line below a table of :func:`kept`: how long each was trained, and on what."""
    told: dict[str, list[str]] = {}
    for name, row in rows.items():
        made = row["made_with"]
        if "steps" in made:
            on = f"{made['core_minutes']:g} minutes of a core or GPU ({made['processor']}"
            on += f", {made.get('precision', 'float32')})"
            told.setdefault(on, []).append(f"{name} {made['steps']:,}")
    return "\n".join(f"Steps in {on}: {', '.join(names)}." for on, names in told.items())


def percent(value: Value | None) -> str:
    """A cell of a table: percent, with the 95 % interval."""
    return "" if value is None else "{:.0f} ({:.0f}–{:.0f})".format(*(100 * v for v in value))


def number(value: Value | None, digits: int = 2) -> str:
    """A cell of a table, with the 95 % interval."""
    return "" if value is None else "{:.{d}f} ({:.{d}f}–{:.{d}f})".format(*value, d=digits)


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a row's name in its first cell."""
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
