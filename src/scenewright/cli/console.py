"""What commands share: results on standard output, progress on standard error.

On a terminal, progress is a bar with rate and ETA; in a log it is a plain line every few seconds; with
``--json`` it is one JSON object a line. Standard output carries nothing but the result, so that it can be
piped: ``scenewright evaluate nano --json | jq .scores``.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager
from types import TracebackType
from typing import IO, Any, Literal, Self, TypeVar

import click

Mode = Literal["bar", "lines", "json"]
T = TypeVar("T")

#: ``@json_option`` gives a command ``--json`` as the argument ``as_json``.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON, and progress as JSON lines on stderr."
)


def emit(result: Any, *, as_json: bool = True) -> None:
    """Print a command's result on standard output: JSON, indented on a terminal, or ``str(result)``."""
    if not as_json:
        click.echo(str(result))
        return
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(result, indent=indent, ensure_ascii=False, allow_nan=False))


def note(text: str, *, as_json: bool = False) -> None:
    """Tell the user something on standard error, where it does not mix with the result."""
    click.echo(json.dumps({"event": "note", "text": text}, ensure_ascii=False) if as_json else text, err=True)


class Progress(AbstractContextManager["Progress"]):
    """Progress of one task, shown as the place it runs in can show it.

    ``total`` may be ``None`` (unknown). ``initial`` is how much an earlier run did that this one goes on
    from: it counts as done but not towards the rate. ``unit`` is a plural noun ("clips", "steps"). ``stream``
    is standard error unless told otherwise. ``interval`` is the least time in seconds between two lines.
    ``clock`` is for tests.

    >>> with Progress("Rendering", total=len(scenes), unit="clips", as_json=as_json) as progress:
    ...     for scene in scenes:
    ...         render(scene)
    ...         progress.advance(frames=16)
    """

    def __init__(
        self,
        task: str,
        *,
        total: int | None = None,
        initial: int = 0,
        unit: str = "steps",
        as_json: bool = False,
        stream: IO[str] | None = None,
        interval: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task, self.total, self.unit = task, total, unit
        self.done = initial
        self.values: dict[str, Any] = {}
        self._stream = sys.stderr if stream is None else stream
        self.mode: Mode = "json" if as_json else "bar" if self._stream.isatty() else "lines"
        self._interval = (
            interval if interval is not None else {"bar": 0.0, "lines": 5.0, "json": 1.0}[self.mode]
        )
        self._clock = clock
        self._bar: _Bar | None = None

    def __enter__(self) -> Self:
        self._start = self._last = self._clock()
        self._window: deque[tuple[float, int]] = deque([(self._start, self.done)])
        if self.mode == "bar":
            self._bar = _Bar(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif error is None:
            self._write(finished=True)

    def advance(self, count: int = 1, **values: Any) -> None:
        """``count`` more units are done; ``values`` (a loss, a file name) are shown beside them."""
        self.done += count
        self.values.update(values)
        now = self._clock()
        self._window.append((now, self.done))
        while len(self._window) > 2 and now - self._window[0][0] > 30.0:
            self._window.popleft()
        if self._bar is not None:
            self._bar.update()
        elif now - self._last >= self._interval and self.done != self.total:
            self._last = now
            self._write(finished=False)

    @property
    def rate(self) -> float | None:
        """Units a second over the last half minute; ``None`` before the first."""
        (t0, n0), (t1, n1) = self._window[0], self._window[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 else None

    @property
    def eta_seconds(self) -> float | None:
        if self.total is None or not self.rate:
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    def _write(self, *, finished: bool) -> None:
        seconds = self._clock() - self._start
        if self.mode == "json":
            event = {
                "event": "done" if finished else "progress",
                "task": self.task,
                "unit": self.unit,
                "done": self.done,
                "total": self.total,
                "rate": _rounded(self.rate),
                "eta_seconds": 0.0 if finished else _rounded(self.eta_seconds),
                "seconds": _rounded(seconds),
                **self.values,
            }
            line = json.dumps(event, ensure_ascii=False, default=str)
        else:
            if finished:
                whole = self.total in (None, self.done)
                end = f"{'done in' if whole else 'ended after'} {_clock_time(seconds)}"
            else:
                end = f"ETA {_clock_time(self.eta_seconds)}"
            line = "  ".join([f"{self.task} {self.count}", self.rate_text, end, *self.value_texts])
        print(line, file=self._stream, flush=True)

    @property
    def count(self) -> str:
        return f"{self.done}{'' if self.total is None else f'/{self.total}'} {self.unit}"

    @property
    def rate_text(self) -> str:
        if self.rate is None:
            return "-/s"
        return f"{self.rate:.3g}/s" if self.rate >= 1 or self.rate == 0 else f"{1 / self.rate:.3g} s each"

    @property
    def value_texts(self) -> list[str]:
        return [f"{k} {f'{v:.4g}' if isinstance(v, float) else v}" for k, v in self.values.items()]


def track(items: Iterable[T], task: str, *, total: int | None = None, **options: Any) -> Iterator[T]:
    """Yield ``items`` and show progress; ``options`` as for :class:`Progress`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(task, total=total, **options) as progress:
        for item in items:
            yield item
            progress.advance()


class _Bar:
    """The terminal's bar; imported here so that logs and ``--help`` never load rich."""

    def __init__(self, progress: Progress) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._progress = progress
        self._rich = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[text]}", style="dim"),
            console=Console(file=progress._stream),
        )
        self._task = self._rich.add_task(
            progress.task, total=progress.total, completed=progress.done, text=""
        )
        self._rich.start()

    def update(self) -> None:
        p = self._progress
        text = "  ".join([p.count, p.rate_text, f"ETA {_clock_time(p.eta_seconds)}", *p.value_texts])
        self._rich.update(self._task, completed=p.done, text=text)

    def stop(self) -> None:
        self._rich.stop()


def _clock_time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
