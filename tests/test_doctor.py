"""scenewright doctor: what it reports, what it demands, and that it runs on a broken installation."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from scenewright import doctor
from scenewright.cli.doctor import doctor as command
from scenewright.doctor import Check, Requirement, examine, ready


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.fixture(scope="module")
def checks() -> dict[str, Check]:
    return by_name(examine())


def test_versions_are_those_installed(checks: dict[str, Check]) -> None:
    assert checks["torch"].data["version"] == torch.__version__
    for package in checks["packages"].data:
        assert package["installed"] == metadata.version(package["package"])
        assert package["satisfied"]
    assert checks["packages"].needed


def test_the_ffmpeg_binary_and_its_encoders_are_found(checks: dict[str, Check]) -> None:
    import subprocess

    import imageio_ffmpeg

    listing = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-h", "encoder=libx264"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert checks["ffmpeg"].data["offers"]["libx264"] == listing.startswith("Encoder libx264")
    assert checks["ffmpeg"].data["version"] == imageio_ffmpeg.get_ffmpeg_version().split()[0]


def test_it_encodes_and_decodes_a_second_of_video(checks: dict[str, Check]) -> None:
    check = checks["self-test"]
    assert check.state == "ok", check.text
    assert check.data["bytes"] > 500
    assert check.data["mean_error"] < 12


def test_missing_packages_come_with_the_command_that_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "click>=8.1",
        "numpy>=999",
        "no-such-package-here>=2",
        "absent-tool[extra]>=1.5 ; extra == 'lab'",
        'pytest>=1; extra == "test"',
        "scenewright[test]; extra == 'dev'",
    ]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: lines)
    found = by_name(doctor._packages())
    base = found["packages"]
    assert (base.state, base.needed) == ("failed", True)
    assert base.fix == "pip install 'numpy>=999' 'no-such-package-here>=2'"
    assert f"numpy>=999 (there is {metadata.version('numpy')})" in base.text
    assert (found["extra lab"].state, found["extra lab"].needed) == ("missing", False)
    assert found["extra lab"].fix == "pip install 'absent-tool>=1.5'"
    assert found["extra test"].state == "ok"
    assert "extra dev" not in found


@pytest.mark.parametrize(
    ("installed", "bound", "satisfied"),
    [("2.13.0+cpu", ">=2.9", True), ("2.8.1", ">=2.9", False), ("10.0", ">=9,<11", True), ("1.0", "", True)],
)
def test_versions_compare_as_numbers(
    installed: str, bound: str, satisfied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda name: installed)
    assert Requirement("x", bound, "").satisfied is satisfied


def test_gpus_are_reported_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(name="Some GPU", major=9, minor=0)
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 2,
        get_device_properties=lambda index: card,
        mem_get_info=lambda index: (60e9, 80e9),
    )
    monkeypatch.setattr(doctor, "measured_peak", lambda *_, seconds: 5e14)
    found = doctor._gpus(SimpleNamespace(cuda=cuda, bfloat16="bfloat16"))
    assert [check.name for check in found] == ["gpu 0", "gpu 1"]
    assert found[0].text == "Some GPU, 60 of 80 GB free, 500 TFLOP/s in bfloat16"
    assert found[0].data["compute_capability"] == "9.0"


@pytest.mark.parametrize(("driver", "state"), [("/usr/bin/nvidia-smi", "missing"), (None, "info")])
def test_a_driver_that_torch_cannot_use_is_pointed_out(
    driver: str | None, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: driver)
    off = SimpleNamespace(is_available=lambda: False)
    fake = SimpleNamespace(cuda=off, backends=SimpleNamespace(mps=off), version=SimpleNamespace(cuda=None))
    (check,) = doctor._gpus(fake)
    assert check.state == state
    assert (check.fix is not None) is (driver is not None)
    assert not check.needed


@pytest.mark.parametrize(
    ("checks_", "expected"),
    [
        ([Check("a", "ok", "", needed=True), Check("b", "missing", "")], True),
        ([Check("a", "failed", "", needed=True)], False),
        ([Check("a", "missing", "", needed=True)], False),
        ([Check("a", "info", "", needed=True), Check("b", "failed", "")], True),
    ],
)
def test_ready_means_all_that_generate_needs(checks_: list[Check], expected: bool) -> None:
    assert ready(checks_) is expected


def test_it_runs_where_torch_and_pyav_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("torch", "av", "scenewright.media", "scenewright.generation.loading"):
        monkeypatch.setitem(sys.modules, package, None)
    checks = examine()
    broken = {check.name for check in checks if check.state == "failed"}
    assert {"torch", "encoders", "self-test", "model nano"} <= broken
    assert not ready(checks)


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("failed", 1)])
@pytest.mark.parametrize("args", [["--json"], []])
def test_the_exit_code_says_whether_generate_works(
    state: doctor.State, code: int, args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Check("torch", state, "2.x", "pip install torch", True), Check("gpu", "info", "none")]
    monkeypatch.setattr(doctor, "examine", lambda: found)
    result = CliRunner().invoke(command, args)
    assert result.exit_code == code
    if args:
        report = json.loads(result.stdout)
        assert report["ready"] is (code == 0)
        assert [check["name"] for check in report["checks"]] == ["torch", "gpu"]
    else:
        assert "pip install torch" in result.stdout
        assert ("Not ready: scenewright generate needs torch." in result.stdout) is (code == 1)
