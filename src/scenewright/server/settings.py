"""What a server is told when it starts."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, model_validator

from scenewright.config import Config


class Limits(Config):
    """``requests_per_minute``: of one user, None for any number; ``logins_per_minute``: attempts from one
    address, ``wrong_keys_per_minute`` likewise. ``upload_bytes``: of one request. ``queued``: videos of one
    user that wait or are being made. ``stored_bytes``: of one user's videos and uploads, None for any.
    ``pixels``: of a frame, ``frames`` of a video, ``reference_pixels`` of a picture that is given.
    ``events``: open event streams in all."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    logins_per_minute: int = Field(default=10, ge=1)
    wrong_keys_per_minute: int = Field(default=60, ge=1)
    upload_bytes: int = Field(default=256 << 20, ge=1)
    queued: int = Field(default=1000, ge=1)
    stored_bytes: int | None = Field(default=None, ge=1)
    pixels: int = Field(default=2048 * 2048, ge=1)
    frames: int = Field(default=4096, ge=1)
    reference_pixels: int = Field(default=64_000_000, ge=1)
    events: int = Field(default=1000, ge=1)


class Offer(Config):
    """What is served, from where and to whom, wherever it listens. ``folder``: where secrets are, and the
    queue and the files unless ``queue`` and ``store`` (URLs) say otherwise. ``accounts``: whether users must
    log in or have a key. ``allowed_hosts``: names by which browsers may reach it, beside its own. ``models``:
    folders of models that it offers beside those of the package. ``public_url``: where clients reach it, for
    links; by the request where left out. ``expire_days``: after how many days videos are removed, None for
    never. ``poll``: seconds between two looks at the queue."""

    folder: Path = Path("runs/studio")
    queue: str = ""
    store: str = ""
    accounts: bool = False
    allowed_hosts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    default_model: str = "nano"
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$")
    expire_days: float | None = Field(default=None, gt=0)
    limits: Limits = Limits()
    poll: float = Field(default=0.25, gt=0, le=60)

    @property
    def queue_url(self) -> str:
        return self.queue or f"sqlite:///{(self.folder / 'jobs.sqlite').absolute()}"

    @property
    def store_url(self) -> str:
        return self.store or str((self.folder / "files").absolute())


class ServerSettings(Offer):
    """``host`` and ``port``: where it listens; anywhere but on this machine needs accounts."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)

    @model_validator(mode="after")
    def _not_open_to_all(self) -> ServerSettings:
        if not self.accounts and not self.loopback:
            raise ValueError(
                f"at {self.host} everyone on the network could make, see and delete videos; "
                "add --accounts, or stay at 127.0.0.1"
            )
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a name or address is always this machine."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
