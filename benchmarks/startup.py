"""How long the command line takes to start, cold, in a new process each time.

    python benchmarks/startup.py [--json] [--runs 15]

Peers, where they are installed in the same environment, are measured the same way: what a user waits for
before the first line of help appears.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import scenewright": [sys.executable, "-c", "import scenewright"],
    "scenewright --help": [str(BIN / "scenewright"), "--help"],
    "scenewright doctor --help": [str(BIN / "scenewright"), "doctor", "--help"],
    "peer: tensorboard --help": [str(BIN / "tensorboard"), "--help"],
    "peer: torchrun --help": [str(BIN / "torchrun"), "--help"],
    "peer: diffusers-cli --help": [str(BIN / "diffusers-cli"), "--help"],
}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    results = {}
    for name, command in COMMANDS.items():
        if shutil.which(command[0]) is None:
            continue
        seconds = [measure(command) for _ in range(options.runs + 1)][1:]  # the first fills the disk cache
        results[name] = {"median_s": statistics.median(seconds), "min_s": min(seconds), "runs": len(seconds)}
        if not options.json:
            print(f"{name:<28} {results[name]['median_s'] * 1e3:7.0f} ms median of {len(seconds)}")
    if options.json:
        print(json.dumps(results))


def measure(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
