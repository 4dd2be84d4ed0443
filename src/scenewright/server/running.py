"""A server that listens, with the workers beside it, from its start to its end."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from scenewright.server.app import app_of
from scenewright.server.services import Services
from scenewright.server.settings import ServerSettings
from scenewright.server.supervisor import Supervisor

log = logging.getLogger(__name__)

#: Seconds that open requests get to end.
GRACE = 5


class Listening(uvicorn.Server):
    """Ends event streams first: they would last for ever."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self.services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.services.watcher.close()
        await super().shutdown(sockets)


def listening(services: Services) -> Listening:
    """The server of an app, which takes its socket when it is run."""
    behind_proxy = services.settings.public_url is not None
    config = uvicorn.Config(
        app_of(services),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=behind_proxy,
        timeout_graceful_shutdown=GRACE,
    )
    return Listening(config, services)


def run(
    settings: ServerSettings,
    devices: Sequence[str],
    worker_options: Sequence[str] = (),
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until interrupted. ``devices``: of the workers; none are started where it is empty. ``ready`` is
    called with the URL as soon as it can be asked.

    Raises:
        ValueError: the port is taken, or the database, the store or a model cannot be used, or there are
            accounts and no user who could log in.
    """
    listener = listener_at(settings.host, settings.port)
    with listener:
        services = open_services(settings)
        server = listening(services)
        supervisor = Supervisor(
            services.queue, settings.queue_url, settings.store_url, devices, worker_options
        )
        supervisor.start()
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            # uvloop where it is installed: asyncio's own wakes up for a thread with the interpreter's lock
            # in hand, and the two then wait for each other.
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(_serve(server, listener, ready))
        except KeyboardInterrupt:
            pass  # uvicorn has ended as it should
        finally:
            supervisor.stop()


def open_services(settings: ServerSettings) -> Services:
    """What a server works with.

    Raises:
        ValueError: the database, the store or a model cannot be used, or there are accounts and no user who
            could log in.
    """
    services = Services.open(settings)
    if settings.accounts and not services.accounts.users():
        services.close()
        raise ValueError("there is no user yet who could log in: scenewright accounts add NAME --role admin")
    return services


def usual_devices() -> list[str]:
    """One for each GPU that can be used, else the CPU. Asks another process: this one is to load no torch."""
    if shutil.which("nvidia-smi") is None:
        return ["cpu"]
    code = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
    try:
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        count = int(result.stdout)
    except (ValueError, OSError, subprocess.SubprocessError):
        count = 0
    return [f"cuda:{index}" for index in range(count)] or ["cpu"]


async def _serve(server: Listening, listener: socket.socket, ready: Callable[[str], None]) -> None:
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    if server.started:
        host, port = listener.getsockname()[:2]
        shown = server.services.settings.public_url
        ready(shown or f"http://{f'[{host}]' if ':' in host else host}:{port}")
    await serving


def _interrupt(number: int, frame: Any) -> None:
    """What uvicorn raises again when it has ended: the workers are to end as well."""
    raise KeyboardInterrupt


def listener_at(host: str, port: int) -> socket.socket:
    """A socket that listens. ValueError: it cannot."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # Connections inherit it; otherwise the second half of each answer waits for 40 ms (Nagle).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValueError(f"port {port} at {host} is taken; choose another with --port") from None
        raise ValueError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None
