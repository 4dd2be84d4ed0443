"""Fetching what a request refers to by URL, without becoming a way into the server's own network.

Only http and https, only public addresses. A name is resolved once, every address of it is checked, and the
connection goes to the address that was checked, so that a name cannot mean something else a moment later.
Each redirect is checked anew. Size and time are limited, and proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import httpx

MOST_REDIRECTS = 4
MOST_URL = 2048

#: Addresses that stand for IPv4 addresses in IPv6.
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))

Resolve = Callable[[str, int], Awaitable[list[str]]]


class UnreachableError(ValueError):
    """What cannot be fetched: one line that tells nothing of the server's network."""


@dataclass(frozen=True)
class Fetched:
    """``media_type``: as the other side says, without parameters."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Answer:
    """``status`` of HTTP, ``headers`` with lower-case names, at most the bytes that were allowed."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """A URL whose host is resolved: the connection goes to ``address``, the request names ``host``."""

    url: str
    host: str
    address: str
    port: int


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an address is of the open internet, whatever way it is written."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        inner: IPv4Address | None = ip.ipv4_mapped or ip.sixtofour
        if ip.teredo is not None:
            inner = ip.teredo[1]
        if any(ip in network for network in _TRANSLATED):
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


async def check_url(url: str, *, loopback: bool = False, resolver: Resolve = resolve) -> Checked:
    """Resolve and check a URL. ``loopback``: this machine may be meant, too.

    Raises:
        UnreachableError: not http(s), no host, a password in it, or not public.
    """
    if len(url) > MOST_URL:
        raise UnreachableError(f"a URL has at most {MOST_URL} characters")
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname
    except ValueError:
        raise UnreachableError("the URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UnreachableError("the URL must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise UnreachableError("the URL must not have a user or a password in it")
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        raise UnreachableError("the URL must not have spaces or control characters in it")
    try:
        addresses = await resolver(host, port)
    except (OSError, UnicodeError):
        addresses = []
    allowed = [a for a in addresses if is_public(a) or (loopback and _is_loopback(a))]
    # One address that is not public makes the name suspicious as a whole.
    if not allowed or len(allowed) != len(addresses):
        raise UnreachableError("the URL's host cannot be reached from here; only public addresses are")
    return Checked(url, host, allowed[0], port)


async def send(
    checked: Checked,
    *,
    method: str = "GET",
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    most_bytes: int,
    seconds: float,
) -> Answer:
    """One request to the address that was checked; redirects are not followed.

    Raises:
        UnreachableError: no answer in time, or one that is too long.
    """
    parts = urlsplit(checked.url)
    literal = f"[{checked.address}]" if ":" in checked.address else checked.address
    target = parts._replace(netloc=f"{literal}:{checked.port}", fragment="").geturl()
    named = f"[{checked.host}]" if ":" in checked.host else checked.host
    default = 443 if parts.scheme == "https" else 80
    sent = {
        "Host": named if checked.port == default else f"{named}:{checked.port}",
        "User-Agent": "scenewright",
        "Accept-Encoding": "identity",
        **(headers or {}),
    }
    extensions: dict[str, Any] = {"sni_hostname": checked.host} if parts.scheme == "https" else {}
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=seconds) as client,
            client.stream(method, target, content=content, headers=sent, extensions=extensions) as response,
        ):
            chunks, size = [], 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > most_bytes:
                    raise UnreachableError(f"the URL gives more than {most_bytes:,} bytes")
                chunks.append(chunk)
            return Answer(response.status_code, b"".join(chunks), dict(response.headers))
    except TimeoutError:
        raise UnreachableError(f"the URL gave no answer in {seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        raise UnreachableError("the URL gave no answer that can be used") from None


async def fetch(
    url: str,
    *,
    most_bytes: int,
    seconds: float = 20.0,
    loopback: bool = False,
    resolver: Resolve = resolve,
) -> Fetched:
    """What a http(s) or data URL gives.

    Raises:
        UnreachableError: in one line, why not.
    """
    if url[:5].lower() == "data:":
        return await asyncio.to_thread(_data, url, most_bytes)
    for _ in range(MOST_REDIRECTS + 1):
        checked = await check_url(url, loopback=loopback, resolver=resolver)
        answer = await send(checked, most_bytes=most_bytes, seconds=seconds)
        if answer.status in (301, 302, 303, 307, 308) and "location" in answer.headers:
            url = urljoin(url, answer.headers["location"])
            continue
        if answer.status != 200:
            raise UnreachableError(f"the URL answers with HTTP status {answer.status}")
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(answer.content, media_type)
    raise UnreachableError(f"the URL redirects more than {MOST_REDIRECTS} times")


def _data(url: str, most_bytes: int) -> Fetched:
    """RFC 2397."""
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise UnreachableError("a data URL has a comma before its data")
    if len(body) > 4 * most_bytes:
        raise UnreachableError(f"the data URL has more than {most_bytes:,} bytes")
    media_type, *parameters = head.split(";")
    try:
        content = unquote_to_bytes(body)
        if "base64" in (parameter.strip().lower() for parameter in parameters):
            content = base64.b64decode(b"".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnreachableError("the data URL's data cannot be decoded") from None
    if len(content) > most_bytes:
        raise UnreachableError(f"the data URL has more than {most_bytes:,} bytes")
    return Fetched(content, media_type.strip().lower() or "text/plain")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
