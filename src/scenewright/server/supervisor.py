"""Keeps one worker process a device running for as long as the server does."""

from __future__ import annotations

import logging
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError

from scenewright.server.jobs import JobQueue

log = logging.getLogger(__name__)

#: Seconds until a worker that died is started again: the first time, and at most. One that has worked for
#: so long before it dies counts as the first time.
_FIRST, _LONGEST, _HEALTHY = 0.5, 60.0, 60.0
#: Seconds that a worker gets to keep what is half made.
GRACE = 15.0


@dataclass
class _Slot:
    device: str
    process: subprocess.Popen[bytes] | None = None
    worker_id: str = ""
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0


class Supervisor:
    """``devices``: one worker each; ``options``: of ``scenewright worker``, beside the queue, the store and
    the device. A worker ends with this process, however this one ends: the pipe between them closes."""

    def __init__(
        self,
        queue: JobQueue,
        queue_url: str,
        store_url: str,
        devices: Sequence[str],
        options: Sequence[str] = (),
    ) -> None:
        self.queue = queue
        self._command = [sys.executable, "-m", "scenewright", "worker", "--queue", queue_url]
        self._command += ["--store", store_url, *options, "--until-input-ends"]
        self._slots = [_Slot(device) for device in devices]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the workers, and watch them from a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the workers; what they have half made is kept. One that does not end is killed."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        running = [slot for slot in self._slots if slot.process is not None]
        for slot in running:
            assert slot.process is not None
            assert slot.process.stdin is not None
            slot.process.terminate()
            slot.process.stdin.close()
        end = time.monotonic() + GRACE
        for slot in running:
            assert slot.process is not None
            try:
                slot.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                slot.process.kill()
                slot.process.wait()
            self._buried(slot)

    @property
    def processes(self) -> list[int]:
        """The ids of the processes that run now."""
        return [slot.process.pid for slot in self._slots if slot.process and slot.process.poll() is None]

    def _watch(self) -> None:
        while not self._stopping.is_set():
            now = time.monotonic()
            for slot in self._slots:
                if slot.process is None and now >= slot.due:
                    self._begin(slot, now)
                elif slot.process is not None and slot.process.poll() is not None:
                    slot.deaths = 1 if now - slot.started > _HEALTHY else slot.deaths + 1
                    wait = min(_LONGEST, _FIRST * 2.0 ** (slot.deaths - 1))
                    slot.due = now + wait
                    log.warning(
                        "the worker on %s ended with code %d; another starts in %.1f s",
                        slot.device,
                        slot.process.returncode,
                        wait,
                    )
                    self._buried(slot)
            self._stopping.wait(0.1)

    def _begin(self, slot: _Slot, now: float) -> None:
        slot.worker_id = f"worker_{secrets.token_hex(8)}"
        command = [*self._command, "--device", slot.device, "--id", slot.worker_id]
        slot.process, slot.started = subprocess.Popen(command, stdin=subprocess.PIPE), now

    def _buried(self, slot: _Slot) -> None:
        """What it had is for others, at once."""
        assert slot.process is not None
        if slot.process.stdin is not None:
            slot.process.stdin.close()
        slot.process = None
        try:
            self.queue.release(slot.worker_id)
        except OperationalError as error:
            # Its lease will run out.
            log.warning("the queue cannot be reached: %s", error.orig)
