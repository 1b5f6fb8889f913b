"""Trains on tasks with several seeds, and prints the mean and the standard deviation of the model files' test accuracies.

    seeds.py --seeds 5 DIRECTORY/TASK... -- TRAINER [FLAG...]

For example `seeds.py --seeds 5 tasks/digits -- target/release/trainer --recipe tutorial`. Seeds count from 1.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def fit(trainer, flags, task, seed, out):
    """Accuracy on the test images, of the model file, and the smallest recall of a class."""
    run = Path(out) / "run"
    command = [trainer, "fit", "--data", task, "--seed", str(seed), "--out", run, "--quiet", *flags]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    metrics = json.loads((run / "metrics.json").read_text())
    return metrics["int8"]["test"]["accuracy"], metrics["epochs_run"]


def main():
    words, command = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(usage="seeds.py [--seeds N] TASK... -- TRAINER [FLAG...]")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("tasks", nargs="+", type=Path)
    arguments = parser.parse_args(words)
    if not command:
        parser.error("no trainer is named after --")
    trainer, *flags = command
    for task in arguments.tasks:
        start, accuracies = time.monotonic(), []
        for seed in range(1, arguments.seeds + 1):
            with tempfile.TemporaryDirectory() as out:
                accuracy, epochs = fit(trainer, flags, task, seed, out)
                accuracies.append(accuracy)
        deviation = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
        seconds = (time.monotonic() - start) / arguments.seeds
        print(f"{task.name:<16} mean {statistics.mean(accuracies):.4f}, deviation {deviation:.4f}, "
              f"{min(accuracies):.4f} to {max(accuracies):.4f}, {arguments.seeds} seeds of {seconds:.0f} s, {epochs} epochs", flush=True)


if __name__ == "__main__":
    main()
