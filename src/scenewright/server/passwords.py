"""Passwords and keys, as they are kept: never as they are.

Passwords are short, so that they are hashed slowly (scrypt, RFC 7914). Keys and session tokens have 256
random bits, which nobody can try out, and one SHA-256 is enough.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

#: Cost of scrypt: 2^15 rounds of 8 blocks, 32 MB; about a tenth of a second.
_N, _R, _P, _MEMORY = 1 << 15, 8, 1, 64 << 20

LEAST_PASSWORD, MOST_PASSWORD = 10, 200


def hash_password(password: str) -> str:
    """``scrypt$N$r$p$salt$hash``. ValueError: it is too short or too long."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise ValueError(f"a password has from {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    derived = _derived(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(derived)}"


def password_fits(password: str, stored: str | None) -> bool:
    """Whether it is the password. Takes as long where there is none stored, so that nobody learns by the time
    which users there are."""
    if stored is None:
        _derived(password[:MOST_PASSWORD], b"0" * 16, _N, _R, _P)
        return False
    _, n, r, p, salt, expected = stored.split("$")
    derived = _derived(password[:MOST_PASSWORD], _bytes(salt), int(n), int(r), int(p))
    return hmac.compare_digest(derived, _bytes(expected))


def new_token(prefix: str = "") -> str:
    """A secret with 256 random bits, to be shown once."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is kept of a key or a session's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _derived(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
