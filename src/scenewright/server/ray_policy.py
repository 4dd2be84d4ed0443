"""How many workers a queue needs, for Ray Serve's controller. It copies this module and has no other of the
package, so nothing of it is imported here."""

from __future__ import annotations

import math
from typing import Any

#: What a worker reports: how many workers the whole queue could keep busy now.
WANTED = "workers_wanted"


def workers_for(videos: int, batch: int) -> int:
    """One for every so many videos that wait or are being made."""
    return math.ceil(videos / batch)


def by_queue(context: Any) -> tuple[int, dict[str, Any]]:
    """The number of workers by what they have reported, within what the deployment allows; as it is before
    the first report. All ask the same queue, so the largest number is the latest while it grows."""
    reports = (context.aggregated_metrics or {}).get(WANTED, {})
    wanted = math.ceil(max(reports.values())) if reports else context.target_num_replicas
    least, most = context.capacity_adjusted_min_replicas, context.capacity_adjusted_max_replicas
    return max(least, min(most, wanted)), {}
