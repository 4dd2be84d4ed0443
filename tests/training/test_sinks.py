import io
import json
import os
import signal
import subprocess
import sys
import types

import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from scenewright.training.sinks import (
    JsonLines,
    MLflow,
    Optional,
    ProjectConfig,
    SinksConfig,
    TensorBoard,
    WeightsAndBiases,
    open_sinks,
    read_records,
)

PROJECT = ProjectConfig(project="videos", url="http://tracker")


def test_lines_are_appended_and_read_back(tmp_path):
    sink = JsonLines(tmp_path / "log.jsonl")
    sink.log(1, {"loss": 0.5})
    sink.log(2, {"loss": 0.25, "event": "größer"})
    assert read_records(tmp_path / "log.jsonl") == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 0.25, "event": "größer"},
    ]


def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1, "loss": 1.0}\n{"step": 2, "lo')
    assert read_records(path) == [{"step": 1, "loss": 1.0}]
    JsonLines(path).log(2, {"loss": 0.5})
    assert [record["step"] for record in read_records(path)] == [1, 2]


def test_a_broken_line_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"log\.jsonl, line 2 is not JSON"):
        read_records(path)


def test_records_after_a_resumed_step_are_dropped(tmp_path):
    sink = JsonLines(tmp_path / "log.jsonl")
    sink.rewind(5)
    for step in (2, 4, 6, 8):
        sink.log(step, {"loss": step / 10})
    sink.rewind(5)
    sink.log(6, {"loss": 0.0})
    assert [(r["step"], r["loss"]) for r in read_records(sink.path)] == [(2, 0.2), (4, 0.4), (6, 0.0)]
    assert [p.name for p in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_killed_writer_leaves_whole_lines(tmp_path):
    path = tmp_path / "log.jsonl"
    code = (
        "import sys; from pathlib import Path; from scenewright.training.sinks import JsonLines\n"
        "sink = JsonLines(Path(sys.argv[1])); print('ready', flush=True)\n"
        "for step in range(10**9): sink.log(step, {'text': 'x' * 1000})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout.readline() == b"ready\n"
    while not path.exists() or path.stat().st_size < 100_000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    JsonLines(path)
    steps = [record["step"] for record in read_records(path)]
    assert steps == list(range(len(steps)))
    assert len(steps) > 50


def curves(folder):
    """What TensorBoard itself reads from a folder."""
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={"images": 0})
    accumulator.Reload()
    return accumulator


def test_tensorboard_gets_curves_notes_and_pictures_and_forgets_steps_taken_again(tmp_path):
    sink = Optional(TensorBoard(tmp_path / "tensorboard"), pytest.fail)
    for step in (1, 2, 3):
        sink.log(step, {"loss": step * 1.0, "validation": {"psnr": {"value": 30.0 + step}}})
    sink.rewind(1)
    sink.log(2, {"loss": 9.0, "event": "skipped"})
    Image.new("RGB", (3, 2), (255, 0, 0)).save(tmp_path / "sheet.png")
    sink.picture(2, "samples", tmp_path / "sheet.png")
    sink.close()
    seen = curves(tmp_path / "tensorboard")
    assert [(e.step, e.value) for e in seen.Scalars("loss")] == [(1, 1.0), (2, 9.0)]
    assert [(e.step, e.value) for e in seen.Scalars("validation/psnr/value")] == [(1, 31.0)]
    (note,) = seen.Tensors("event/text_summary")
    assert note.tensor_proto.string_val == [b"skipped"]
    (picture,) = seen.Images("samples")
    assert (picture.step, picture.width, picture.height) == (2, 3, 2)
    with Image.open(io.BytesIO(picture.encoded_image_string)) as back:
        assert back.getpixel((2, 1)) == (255, 0, 0)


def test_tensorboard_is_the_default_and_can_be_turned_off(tmp_path):
    (one,) = open_sinks(tmp_path, "run", SinksConfig(), {}, pytest.fail)
    assert isinstance(one.sink, TensorBoard)
    assert open_sinks(tmp_path, "run", SinksConfig(tensorboard=False), {}, pytest.fail) == []


def test_without_its_package_tensorboard_is_left_out_with_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr("scenewright.training.sinks.find_spec", lambda name: None)
    notes: list[str] = []
    assert open_sinks(tmp_path, "run", SinksConfig(), {}, notes.append) == []
    assert len(notes) == 1
    assert "pip install tensorboard" in notes[0]
    with pytest.raises(ValueError, match="tensorboard = true needs its package"):
        open_sinks(tmp_path, "run", SinksConfig(tensorboard=True), {}, notes.append)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_service_that_was_asked_for_has_to_be_installed(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    config = SinksConfig(tensorboard=False, **{name: PROJECT})
    with pytest.raises(ValueError, match=rf"sinks\.{name} needs its package: pip install {name}"):
        open_sinks(tmp_path, "run", config, {}, print)


def test_weights_and_biases_goes_on_with_its_run(tmp_path, monkeypatch):
    calls: list[tuple] = []

    class Run:
        id = "abc"

        def define_metric(self, name, step_metric=None):
            calls.append(("metric", name, step_metric))

        def log(self, values):
            calls.append(("log", values))

        def finish(self):
            calls.append(("finish",))

    module = types.ModuleType("wandb")
    module.Image = lambda path: ("picture", path)
    module.Settings = lambda base_url: base_url
    module.init = lambda **settings: calls.append(("init", settings)) or Run()
    monkeypatch.setitem(sys.modules, "wandb", module)
    sink = WeightsAndBiases(tmp_path, "nano", PROJECT, {"lr": 1e-3})
    sink.log(3, {"loss": 0.5})
    sink.picture(3, "samples", tmp_path / "sheet.png")
    sink.close()
    assert calls[0][1]["project"] == "videos"
    assert calls[0][1]["config"] == {"lr": 1e-3}
    assert calls[0][1]["settings"] == "http://tracker"
    assert calls[0][1]["id"] is None
    # The service refuses a step that is not later than the last: steps are values, and curves go by them.
    assert ("metric", "*", "step") in calls
    assert calls[-3:] == [
        ("log", {"step": 3, "loss": 0.5}),
        ("log", {"step": 3, "samples": ("picture", str(tmp_path / "sheet.png"))}),
        ("finish",),
    ]
    again = WeightsAndBiases(tmp_path, "nano", PROJECT, {})
    again.rewind(2)
    resumed = next(call[1] for call in reversed(calls) if call[0] == "init")
    assert (resumed["id"], resumed["resume"]) == ("abc", "allow")


class FakeClient:
    """What a tracking server would hold."""

    runs: dict = {}  # noqa: RUF012

    def __init__(self, tracking_uri=None):
        self.uri = tracking_uri

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return f"experiment {name}"

    def create_run(self, experiment, run_name):
        key = f"run{len(self.runs)}"
        self.runs[key] = {"of": experiment, "name": run_name, "params": {}, "metrics": [], "tags": {}}
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=key))

    def update_run(self, run, status):
        self.runs[run]["status"] = status

    def log_param(self, run, key, value):
        self.runs[run]["params"][key] = value

    def log_metric(self, run, name, value, step):
        self.runs[run]["metrics"].append((name, step, value))

    def log_artifact(self, run, path, folder):
        self.runs[run]["tags"][folder] = path

    def set_tag(self, run, key, value):
        self.runs[run]["tags"][key] = value

    def set_terminated(self, run):
        self.runs[run]["status"] = "FINISHED"


def test_mlflow_goes_on_with_its_run(tmp_path, monkeypatch):
    module = types.ModuleType("mlflow")
    module.MlflowClient = FakeClient
    monkeypatch.setattr(FakeClient, "runs", {})
    monkeypatch.setitem(sys.modules, "mlflow", module)
    sink = MLflow(tmp_path, "nano", PROJECT, {"optimizer.lr": 1e-3})
    sink.log(1, {"loss": 0.5, "event": "skipped"})
    sink.picture(1, "samples", tmp_path / "sheet.png")
    sink.close()
    again = MLflow(tmp_path, "nano", PROJECT, {"optimizer.lr": 1e-3})
    assert FakeClient.runs["run0"]["status"] == "RUNNING"
    again.rewind(0)
    again.log(1, {"loss": 0.25})
    assert FakeClient.runs == {
        "run0": {
            "of": "experiment videos",
            "name": "nano",
            "params": {"optimizer.lr": "0.001"},
            "metrics": [("loss", 1, 0.5), ("loss", 1, 0.25)],
            "tags": {
                "event 1": "skipped",
                "samples": str(tmp_path / "sheet.png"),
                "rewound_to": "0",
            },
            "status": "RUNNING",
        }
    }


def test_a_service_that_fails_is_noted_once_and_the_run_goes_on():
    class Broken:
        def log(self, step, values):
            raise ConnectionError("no route to host\nmore")

        rewind = close = log

    notes: list[str] = []
    sink = Optional(Broken(), notes.append)
    sink.log(1, {})
    sink.log(2, {})
    sink.rewind(1)
    sink.close()
    assert notes == ["Broken gets nothing more from this run: no route to host"]


def test_records_are_json_a_line(tmp_path):
    sink = JsonLines(tmp_path / "log.jsonl")
    sink.log(7, {"loss": 1.0, "parts": {"mse": 0.5}})
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line) == {"step": 7, "loss": 1.0, "parts": {"mse": 0.5}}
