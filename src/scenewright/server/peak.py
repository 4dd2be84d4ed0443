"""How much memory a piece of work took at most."""

from __future__ import annotations

from pathlib import Path

import torch

_SELF = Path("/proc/self")


class PeakMemory:
    """Counts from its creation; on a CPU that of the whole process."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        try:
            # Linux: the high-water mark begins anew.
            (_SELF / "clear_refs").write_text("5")
        except OSError:
            self._known = False
        else:
            self._known = True

    def bytes(self) -> int | None:
        """The most so far; None where the system does not tell."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        if not self._known:
            return None
        for line in (_SELF / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return None
