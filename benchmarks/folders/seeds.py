"""Trains on tasks with several seeds, and prints the mean and the standard deviation of the model files' test accuracies, their mean
balanced accuracy, and the mean and the least recall of the worst class.

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
    """What the model file comes to on the test images, and the epochs of the run."""
    run = Path(out) / "run"
    command = [trainer, "fit", "--data", task, "--seed", str(seed), "--out", run, "--quiet", *flags]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    metrics = json.loads((run / "metrics.json").read_text())
    return metrics["int8"]["test"], metrics["epochs_run"]


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
        start, results = time.monotonic(), []
        for seed in range(1, arguments.seeds + 1):
            with tempfile.TemporaryDirectory() as out:
                result, epochs = fit(trainer, flags, task, seed, out)
                results.append(result)
        accuracies = [result["accuracy"] for result in results]
        balanced = statistics.mean(result["balanced_accuracy"] for result in results)
        recalls = [result["worst_class"]["recall"] for result in results]
        deviation = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
        seconds = (time.monotonic() - start) / arguments.seeds
        print(f"{task.name:<16} mean {statistics.mean(accuracies):.4f}, deviation {deviation:.4f}, "
              f"{min(accuracies):.4f} to {max(accuracies):.4f}; balanced {balanced:.4f}; worst class {statistics.mean(recalls):.3f}, "
              f"at least {min(recalls):.3f}; {arguments.seeds} seeds of {seconds:.0f} s, {epochs} epochs", flush=True)


if __name__ == "__main__":
    main()
