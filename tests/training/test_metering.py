import sys

import pytest
import torch

from scenewright.training.metering import (
    CudaEnergy,
    EstimatedEnergy,
    Meter,
    RaplEnergy,
    find_energy,
    peak_memory,
)

CPU = torch.device("cpu")


def test_rates_are_of_the_window_and_costs_of_the_run():
    meter = Meter(2e9, 64, 1e12, processes=4, price=3.0, energy=EstimatedEnergy(100.0))
    assert meter.read() == {}
    meter.update(clips=8, seconds=0.5, waited=0.1)
    meter.update(clips=8, seconds=1.5, waited=0.3)
    first = meter.read()
    assert first["clips_per_second"] == pytest.approx(16 / 2)
    assert first["tokens_per_second"] == pytest.approx(16 * 64 / 2)
    assert first["utilisation"] == pytest.approx(16 * 2e9 / 2 / 1e12)
    assert first["data_wait_share"] == pytest.approx(0.2)
    assert first["cost"] == pytest.approx(4 * 3.0 * 2 / 3600)
    assert first["energy_kwh"] == pytest.approx(4 * 100 * 2 / 3.6e6)
    # A new stage: larger clips.
    meter.flops_per_clip, meter.tokens_per_clip = 8e9, 256
    meter.update(clips=4, seconds=4.0)
    second = meter.read()
    assert second["clips_per_second"] == pytest.approx(1.0)
    assert second["tokens_per_second"] == pytest.approx(256)
    assert second["utilisation"] == pytest.approx(8e9 / 1e12)
    assert second["data_wait_share"] == 0
    assert second["cost"] == pytest.approx(4 * 3.0 * 6 / 3600)
    assert meter.describe()["energy"] == "estimated"


def test_a_resumed_run_goes_on_counting():
    meter = Meter(1e9, 1, 1e12, price=1.0, energy=EstimatedEnergy(50.0))
    meter.update(clips=1, seconds=3600.0)
    resumed = Meter(1e9, 1, 1e12, price=1.0, energy=EstimatedEnergy(50.0))
    resumed.load_state_dict(meter.state_dict())
    resumed.update(clips=1, seconds=3600.0)
    values = resumed.read()
    assert values["cost"] == pytest.approx(2.0)
    assert values["energy_kwh"] == pytest.approx(0.1)
    assert values["clips_per_second"] == pytest.approx(1 / 3600)


def rapl(root, *microjoules: int, span: int = 1000):
    for number, value in enumerate(microjoules):
        for name in (f"intel-rapl:{number}", f"intel-rapl:{number}:0"):
            (root / name).mkdir(exist_ok=True)
            (root / name / "energy_uj").write_text(f"{value}\n")
            (root / name / "max_energy_range_uj").write_text(f"{span}\n")


def test_rapl_adds_up_packages_and_survives_a_counter_that_wraps(tmp_path):
    rapl(tmp_path, 100, 900)
    energy = find_energy(CPU, 80.0, root=tmp_path)
    assert (energy.source, energy.name) == ("measured", "RAPL")
    rapl(tmp_path, 350, 100)
    assert energy.used(1.0) == pytest.approx((250 + 200) / 1e6)
    assert energy.used(1.0) == 0


def test_without_counters_energy_is_estimated_and_says_so(tmp_path):
    with pytest.raises(OSError, match="no RAPL counters"):
        RaplEnergy(tmp_path)
    energy = find_energy(CPU, 80.0, root=tmp_path)
    assert (energy.source, energy.used(2.0)) == ("estimated", 160.0)


def test_a_gpus_power_is_sampled(monkeypatch):
    monkeypatch.setattr(torch.cuda, "power_draw", lambda device: 350_000)
    energy = find_energy(torch.device("cuda", 0), 700.0)
    assert isinstance(energy, CudaEnergy)
    assert (energy.source, energy.used(2.0)) == ("measured", 700.0)


def test_a_gpu_that_tells_nothing_is_estimated(monkeypatch):
    def missing(device):
        raise ModuleNotFoundError("pynvml does not seem to be installed")

    monkeypatch.setattr(torch.cuda, "power_draw", missing)
    assert find_energy(torch.device("cuda", 0), 700.0).used(1.0) == 700.0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_the_peak_that_the_system_knows():
    held = torch.ones(30_000_000)
    peak = peak_memory(CPU)
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmHWM")]
    assert peak == pytest.approx(int(line.split()[1]) * 1024, rel=0.02)
    assert peak > held.nbytes
