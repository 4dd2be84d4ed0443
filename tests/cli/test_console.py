"""Progress: right numbers, on the right stream, in the right form."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from scenewright.cli.console import Progress, emit, note, track


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(progress: Progress, clock: Clock, steps: int, seconds_each: float) -> None:
    with progress:
        for _ in range(steps):
            clock.now += seconds_each
            progress.advance()


def test_json_lines_carry_count_rate_and_eta() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(
        "Rendering", total=10, unit="clips", as_json=True, stream=stream, interval=2.0, clock=clock
    )
    work(progress, clock, 10, 0.5)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(e["event"], e["done"], e["eta_seconds"]) for e in events] == [
        ("progress", 4, 3.0),
        ("progress", 8, 1.0),
        ("done", 10, 0.0),
    ]
    assert all(e["rate"] == 2.0 and e["total"] == 10 and e["unit"] == "clips" for e in events)
    assert events[-1]["seconds"] == 5.0


def test_plain_lines_in_a_log() -> None:
    clock, stream = Clock(), io.StringIO()
    work(
        Progress("Rendering", total=3, unit="clips", stream=stream, interval=2.0, clock=clock), clock, 3, 40.0
    )
    assert stream.getvalue().splitlines() == [
        "Rendering 1/3 clips  40 s each  ETA 1:20",
        "Rendering 2/3 clips  40 s each  ETA 0:40",
        "Rendering 3/3 clips  40 s each  done in 2:00",
    ]


def test_the_rate_is_of_the_last_half_minute() -> None:
    clock = Clock()
    with Progress("x", total=1000, stream=io.StringIO(), clock=clock) as progress:
        for seconds in [5.0] * 20 + [0.1] * 600:
            clock.now += seconds
            progress.advance()
        assert progress.rate == pytest.approx(10.0, rel=0.05)
        assert progress.eta_seconds == pytest.approx(38.0, rel=0.05)


def test_what_an_earlier_run_did_counts_as_done_but_not_towards_the_rate() -> None:
    clock = Clock()
    with Progress("x", total=1000, initial=900, stream=io.StringIO(), clock=clock) as progress:
        clock.now += 5.0
        progress.advance(10)
        assert (progress.done, progress.rate, progress.eta_seconds) == (910, 2.0, 45.0)


def test_values_are_shown_beside_the_count_and_unknown_totals_have_no_eta() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress("Training", stream=stream, interval=0.0, clock=clock) as progress:
        clock.now += 2.0
        progress.advance(4, loss=0.123456)
    assert stream.getvalue().splitlines() == [
        "Training 4 steps  2/s  ETA -  loss 0.1235",
        "Training 4 steps  2/s  done in 2.0 s  loss 0.1235",
    ]


def test_an_error_ends_progress_without_claiming_to_be_done() -> None:
    stream = io.StringIO()

    def fail() -> None:
        with Progress("x", total=3, as_json=True, stream=stream):
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar() -> None:
    clock, stream = Clock(), Terminal()
    work(Progress("Rendering", total=4, unit="clips", stream=stream, clock=clock), clock, 4, 1.0)
    text = stream.getvalue()
    assert "\x1b[" in text
    assert "4/4 clips" in text


def test_track_yields_everything_and_counts_it() -> None:
    stream = io.StringIO()
    assert list(track("abc", "Reading", unit="files", as_json=True, stream=stream)) == list("abc")
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert (last["done"], last["total"]) == (3, 3)


@pytest.mark.parametrize("as_json", [True, False])
def test_results_and_notes_do_not_mix(as_json: bool) -> None:
    @click.command()
    def command() -> None:
        note("look out", as_json=as_json)
        emit({"value": 1}, as_json=as_json)

    result = CliRunner().invoke(command)
    read: Callable[[str], object] = json.loads if as_json else eval
    assert read(result.stdout) == {"value": 1}
    assert "look out" in result.stderr


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        emit({"value": float("nan")})
