"""Fetching by URL: what is outside is fetched, and nothing inside is reached, whatever way it is written."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scenewright.server.references import UnreachableError, check_url, fetch, is_public


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.seen.append((self.path, self.headers["Host"]))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/slow":
            server.slow.wait(5)
        elif self.path == "/long":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 100_000)
        else:
            self.send_response(200 if self.path == "/picture" else 404)
            self.send_header("Content-Type", "image/png; x=y")
            self.end_headers()
            self.wfile.write(b"picture")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def inside() -> Iterator[Any]:
    """A server that must not be reached."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.seen, server.slow = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.slow.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


def _fetch(url: str, **options: Any) -> Any:
    return asyncio.run(fetch(url, **{"most_bytes": 1000, "seconds": 2, **options}))


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:{port}/picture",
        "http://127.0.0.1:{port}/picture",
        "http://127.1:{port}/picture",
        "http://2130706433:{port}/picture",
        "http://0x7f000001:{port}/picture",
        "http://0:{port}/picture",
        "http://[::1]:{port}/picture",
        "http://[::ffff:127.0.0.1]:{port}/picture",
        "http://[64:ff9b::7f00:1]:{port}/picture",
        "http://[::]:{port}/picture",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://user:pass@127.0.0.1:{port}/picture",
        "http://127.0.0.1:{port}#@example.com/",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "gopher://127.0.0.1:{port}/x",
        "http:///x",
        "http://exa mple.com/",
        "http://example.com:99999/",
        "http://a\r\nHost: b/",
        "//example.com/x",
        "",
    ],
)
def test_nothing_inside_is_reached(url: str, inside: Any) -> None:
    with pytest.raises(UnreachableError) as refused:
        _fetch(url.format(port=inside.server_port))
    assert inside.seen == []
    assert "127.0.0.1" not in str(refused.value)


def test_a_redirect_leads_nowhere_inside(inside: Any) -> None:
    """The first address is let through as if it were public; what it leads to is checked again."""
    port = inside.server_port

    async def resolver(host: str, _: int) -> list[str]:
        return ["127.0.0.1"]

    async def flow() -> None:
        from scenewright.server import references

        real = references.is_public
        seen: list[str] = []

        def once(address: str) -> bool:
            seen.append(address)
            return len(seen) == 1 or real(address)

        references.is_public = once
        try:
            await fetch(
                f"http://public.example:{port}/to/http://127.0.0.1:{port}/picture",
                most_bytes=1000,
                seconds=2,
                resolver=resolver,
            )
        finally:
            references.is_public = real

    with pytest.raises(UnreachableError):
        asyncio.run(flow())
    assert [path for path, _ in inside.seen] == [f"/to/http://127.0.0.1:{port}/picture"]


def test_a_name_means_what_it_meant_when_it_was_checked(inside: Any) -> None:
    """Rebinding: the second answer of the DNS is never asked for, the connection goes to the first."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    asked: list[str] = []

    async def resolver(host: str, _: int) -> list[str]:
        asked.append(host)
        return next(answers)

    checked = asyncio.run(
        check_url(f"http://rebinding.example:{inside.server_port}/picture", resolver=resolver)
    )
    assert (checked.address, asked) == ("93.184.216.34", ["rebinding.example"])
    mixed = ["93.184.216.34", "10.0.0.1"]

    async def both(host: str, _: int) -> list[str]:
        return mixed

    with pytest.raises(UnreachableError):
        asyncio.run(check_url("http://mixed.example/", resolver=both))


def test_the_connection_goes_to_the_address_and_names_the_host(inside: Any) -> None:
    async def resolver(host: str, _: int) -> list[str]:
        return ["127.0.0.1"]

    url = f"http://pictures.example:{inside.server_port}/picture"
    found = _fetch(url, loopback=True, resolver=resolver)
    assert (found.content, found.media_type) == (b"picture", "image/png")
    assert inside.seen == [("/picture", f"pictures.example:{inside.server_port}")]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/long", "more than 1,000 bytes"),
        ("/slow", "no answer in"),
        ("/missing", "HTTP status 404"),
        ("/to//to//to//to//to//to//picture", "redirects more than"),
        ("/to/file:///etc/passwd", "https:// or http://"),
    ],
)
def test_what_goes_wrong_is_one_line(path: str, reason: str, inside: Any) -> None:
    with pytest.raises(UnreachableError, match=reason):
        _fetch(f"http://127.0.0.1:{inside.server_port}{path}", loopback=True, seconds=0.5)


def test_data_urls() -> None:
    encoded = base64.b64encode(b"\x89PNG").decode()
    assert _fetch(f"data:image/png;base64,{encoded}").content == b"\x89PNG"
    assert _fetch("data:,a%20b").content == b"a b"
    for broken in ("data:image/png;base64,***", "data:image/png", "data:," + "x" * 2000):
        with pytest.raises(UnreachableError):
            _fetch(broken)


def test_public_addresses_are_those_of_the_registry() -> None:
    private = [
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
    ]
    private += ["0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "fe80::/10", "fc00::/7", "ff00::/8"]
    for network in map(ipaddress.ip_network, private):
        assert not is_public(str(network[0]))
        assert not is_public(str(network[-1]))
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1::1")
    assert not is_public("2002:7f00:1::")  # 6to4 of 127.0.0.1
    assert not is_public("no address")
