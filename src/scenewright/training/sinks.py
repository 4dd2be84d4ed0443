"""Where the numbers of a run go: JSON lines always, TensorBoard, Weights & Biases and MLflow as asked."""

from __future__ import annotations

import importlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from scenewright.config import Config

Values = Mapping[str, Any]


class Sink(Protocol):
    """Takes what a run says, step by step."""

    def log(self, step: int, values: Values) -> None:
        """Values after ``step``: numbers by name, now and then text (an event) and groups of numbers."""

    def picture(self, step: int, name: str, path: Path) -> None:
        """A picture that belongs to ``step``, in the run's folder."""

    def rewind(self, step: int) -> None:
        """Steps after ``step`` are about to be taken again: what was said of them counts no more."""

    def close(self) -> None:
        """Nothing more comes."""


class ProjectConfig(Config):
    """A project on a tracking service, and where that is if not at its usual place."""

    project: str
    url: str | None = None


class SinksConfig(Config):
    """Who is told beside ``log.jsonl``.

    ``tensorboard``: null writes for TensorBoard where its package is installed, true insists on it. ``wandb``
    (Weights & Biases) and ``mlflow`` send to a project.
    """

    tensorboard: bool | None = None
    wandb: ProjectConfig | None = None
    mlflow: ProjectConfig | None = None


def open_sinks(
    folder: Path, name: str, config: SinksConfig, settings: Values, note: Callable[[str], None]
) -> list[Sink]:
    """The sinks of the run ``name`` in ``folder`` beside its JSON lines. ``settings``: the recipe.

    ``note`` is told, in one line, if TensorBoard is left out, and if a sink fails later.

    Raises:
        ValueError: one that was asked for is not installed.
    """
    sinks: list[Sink] = []
    if config.tensorboard is not False:
        # By name: the writer's own import fails late and with pages of text.
        if find_spec("tensorboard") is not None:
            sinks.append(Optional(TensorBoard(folder / "tensorboard"), note))
        elif config.tensorboard:
            raise ValueError("tensorboard = true needs its package: pip install tensorboard")
        else:
            note("no curves for TensorBoard: its package is not installed (pip install tensorboard)")
    if config.wandb is not None:
        sinks.append(Optional(WeightsAndBiases(folder, name, config.wandb, settings), note))
    if config.mlflow is not None:
        sinks.append(Optional(MLflow(folder, name, config.mlflow, settings), note))
    return sinks


class JsonLines:
    """One JSON object a line, appended. A line that a kill cut off is dropped at the next opening."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists():
            data = path.read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                with path.open("rb+") as file:
                    file.truncate(whole)

    def log(self, step: int, values: Values) -> None:
        line = json.dumps({"step": step, **values}, ensure_ascii=False) + "\n"
        # In one piece: a kill leaves at most the end of this line away.
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode())

    def picture(self, step: int, name: str, path: Path) -> None:
        self.log(step, {name: path.relative_to(self.path.parent).as_posix()})

    def rewind(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = [record for record in read_records(self.path) if record.get("step", 0) <= step]
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept), "utf-8")
        os.replace(part, self.path)

    def close(self) -> None:
        """Nothing is open between two lines."""


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON lines file, without a last line that a kill cut off.

    Raises:
        ValueError: another line is not JSON.
    """
    lines = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            records.append(json.loads(line))
        except ValueError:
            raise ValueError(f"{path}, line {number} is not JSON; repair or delete it") from None
    return records


class Optional:
    """A sink that a run can do without: when it fails, that is noted once and the run goes on without it.

    It is told of groups as single values, ``group/name``.
    """

    def __init__(self, sink: Sink, note: Callable[[str], None]) -> None:
        self.sink, self._note = sink, note
        self.failed = False

    def log(self, step: int, values: Values) -> None:
        self._try(lambda: self.sink.log(step, flat(values)))

    def picture(self, step: int, name: str, path: Path) -> None:
        self._try(lambda: self.sink.picture(step, name, path))

    def rewind(self, step: int) -> None:
        self._try(lambda: self.sink.rewind(step))

    def close(self) -> None:
        self._try(self.sink.close)

    def _try(self, action: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            action()
        except Exception as error:
            self.failed = True
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._note(f"{type(self.sink).__name__} gets nothing more from this run: {why}")


def flat(values: Values, prefix: str = "") -> dict[str, float | str]:
    """Groups as single values: ``{"a": {"b": 1}}`` becomes ``{"a/b": 1}``."""
    found: dict[str, float | str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}/")
        else:
            found[prefix + name] = value
    return found


class TensorBoard:
    """Curves for ``tensorboard --logdir``; text becomes a note at its step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None
        self._opened = 0.0

    def _open(self, purge_step: int | None = None) -> Any:
        kind = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        # Files are read in the order of the second that is in their names.
        time.sleep(max(0.0, math.floor(self._opened) + 1 - time.time()))
        self._opened = time.time()
        self._writer = kind(str(self.folder), purge_step=purge_step)
        return self._writer

    def log(self, step: int, values: Values) -> None:
        writer = self._writer or self._open()
        for name, value in values.items():
            if isinstance(value, str):
                writer.add_text(name, value, step)
            else:
                writer.add_scalar(name, value, step)
        writer.flush()

    def picture(self, step: int, name: str, path: Path) -> None:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        (self._writer or self._open()).add_image(name, pixels, step, dataformats="HWC")

    def rewind(self, step: int) -> None:
        self.close()
        self._open(purge_step=step + 1)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WeightsAndBiases:
    """A run on Weights & Biases, gone on with where the folder holds one.

    Steps are a value of their own there: the service takes no step twice, and a run that goes back does.
    """

    def __init__(self, folder: Path, name: str, config: ProjectConfig, settings: Values) -> None:
        wandb = _package("wandb")
        known = folder / "wandb-run.txt"
        more = {"settings": wandb.Settings(base_url=config.url)} if config.url else {}
        self._run = wandb.init(
            project=config.project,
            name=name,
            id=known.read_text() if known.exists() else None,
            resume="allow",
            dir=str(folder),
            config=dict(settings),
            **more,
        )
        known.write_text(self._run.id)
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, values: Values) -> None:
        self._run.log({"step": step, **values})

    def picture(self, step: int, name: str, path: Path) -> None:
        self._run.log({"step": step, name: _package("wandb").Image(str(path))})

    def rewind(self, step: int) -> None:
        self._run.log({"step": step, "rewound_to": step})

    def close(self) -> None:
        self._run.finish()


class MLflow:
    """A run of an MLflow experiment, gone on with where the folder holds one.

    A step that is taken again is logged again; MLflow shows the later value of a step.
    """

    def __init__(self, folder: Path, name: str, config: ProjectConfig, settings: Values) -> None:
        self._client = _package("mlflow").MlflowClient(tracking_uri=config.url)
        known = folder / "mlflow-run.txt"
        if known.exists():
            self._run_id = known.read_text()
            self._client.update_run(self._run_id, status="RUNNING")
            return
        experiment = self._client.get_experiment_by_name(config.project)
        key = experiment.experiment_id if experiment else self._client.create_experiment(config.project)
        self._run_id = self._client.create_run(key, run_name=name).info.run_id
        for setting, value in settings.items():
            self._client.log_param(self._run_id, setting, str(value)[:500])
        known.write_text(self._run_id)

    def log(self, step: int, values: Values) -> None:
        for name, value in values.items():
            if isinstance(value, str):
                self._client.set_tag(self._run_id, f"{name} {step}", value)
            else:
                self._client.log_metric(self._run_id, name, float(value), step=step)

    def picture(self, step: int, name: str, path: Path) -> None:
        self._client.log_artifact(self._run_id, str(path), name)

    def rewind(self, step: int) -> None:
        self._client.set_tag(self._run_id, "rewound_to", str(step))

    def close(self) -> None:
        self._client.set_terminated(self._run_id)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(f"sinks.{name} needs its package: pip install {name}") from None
