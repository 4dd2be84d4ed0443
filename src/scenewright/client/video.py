"""A video of a server, as its client sees it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Video(BaseModel):
    """The state of a video at one moment. ``progress``: per cent; ``phase``: queued, load, encode, denoise,
    decode, export, final or paused; ``eta_seconds``: None where it cannot be told; ``queue_position``: 1 is
    made next. Whatever else the server tells is an attribute, too."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    status: Literal["queued", "in_progress", "completed", "failed", "cancelled"]
    progress: int
    prompt: str
    model: str
    seed: int
    size: str
    seconds: str
    width: int
    height: int
    num_frames: int
    fps: float
    created_at: int
    completed_at: int | None = None
    phase: str = ""
    current_step: int = 0
    total_steps: int | None = None
    eta_seconds: float | None = None
    queue_position: int | None = None
    preview: str | None = None
    paused: bool = False
    error: dict[str, Any] | None = None
    notes: list[str] = []
    tags: list[str] = []
    title: str | None = None
    remixed_from_video_id: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in ("completed", "failed", "cancelled")
