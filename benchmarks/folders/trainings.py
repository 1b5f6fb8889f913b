"""What the scripts that train on tasks share: their command lines, and a training that is thrown away."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def arguments(usage, add):
    """The arguments of a script before `--`, to which `add` adds its own, and trainer and flags after it."""
    words, command = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(usage=usage)
    add(parser)
    parser.add_argument("tasks", nargs="+", type=Path)
    found = parser.parse_args(words)
    if not command:
        parser.error("no trainer is named after --")
    return found, command


def metrics(command, task, seed, flags=()):
    """metrics.json of a training of a task with this seed."""
    with tempfile.TemporaryDirectory() as out:
        trainer, *more = command
        run = Path(out) / "run"
        fit = [trainer, "fit", "--data", task, "--seed", str(seed), "--out", run, "--quiet", *flags, *more]
        subprocess.run(fit, check=True, stdout=subprocess.DEVNULL)
        return json.loads((run / "metrics.json").read_text())
