#!/usr/bin/env python3
"""Three workers on one study: no trial is lost, and none counts twice, whichever of them end, and how.

    SEARCH_URL=URL search_workers.py TRAINER DIRECTORY

URL is of an empty PostgreSQL database, with a password; files are written to DIRECTORY. Needs optuna and psycopg; called by search-workers.
The last line counts the checks.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if any(word.startswith("-") for word in sys.argv[1:]) or len(sys.argv) != 3:
    print("error: a program, a directory, and no options but --help", file=sys.stderr)
    sys.exit(2)

import optuna

TRIALS = 24
EPOCHS = 4
HEARTBEAT = 2
DEADLINE = time.monotonic() + 900

counts = Counter()


def check(name, holds, detail=""):
    counts["passed" if holds else "failed"] += 1
    if not holds:
        print(f"FAILED: {name}: {detail}", flush=True)


class Workers:
    """Processes of `trainer search` on one study."""

    def __init__(self, trainer, url, directory):
        self.trainer, self.url, self.directory = trainer, url, directory
        self.outputs = []

    def start(self, *flags, space="conv", model="16K", validation="0.05", out="run"):
        """A worker, whose process is that of the script from when it has loaded the images on."""
        output = self.directory / f"worker-{len(self.outputs)}.txt"
        self.outputs.append(output)
        command = [self.trainer, "search", space, "--dataset", "garments", "--storage", self.url, "--study", "workers", "--trials", str(TRIALS),
                   "--epochs", str(EPOCHS), "--heartbeat", str(HEARTBEAT), "--max-model", model, "--val-fraction", validation,
                   "--workers", "1", "--out", self.directory / out, *flags]
        with output.open("w") as file:
            # Three at once on few cores: a thread each.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                    env={**os.environ, "RAYON_NUM_THREADS": "1"})

    def printed(self, worker):
        return self.outputs[worker].read_text()


def running(study, process):
    """The trial that a worker trains at present, between its first epoch and its last."""
    for trial in study.get_trials(deepcopy=False):
        is_its_own = trial.state.name == "RUNNING" and trial.user_attrs.get("worker", "").endswith(f" {process.pid}")
        if is_its_own and 1 <= len(trial.intermediate_values) < EPOCHS - 1:
            return trial.number
    return None


def stop_in_mid_trial(study, process):
    """Suspends a worker while it trains; the number of its trial."""
    while time.monotonic() < DEADLINE and process.poll() is None:
        if running(study, process) is not None:
            process.send_signal(signal.SIGSTOP)
            trial = running(study, process)
            if trial is not None:
                return trial
            process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    return None


def suspend(study, process):
    """Suspends a worker in mid-trial until another one has taken its trial for lost, and then continues it. The numbers of its trials until
    it was so: where it is suspended with a row locked, nobody can do that."""
    suspended = []
    while time.monotonic() < DEADLINE and process.poll() is None:
        trial = stop_in_mid_trial(study, process)
        if trial is None:
            break
        suspended.append(trial)
        end = time.monotonic() + 90
        while study.get_trials(deepcopy=False)[trial].state.name == "RUNNING" and time.monotonic() < end:
            time.sleep(0.2)
        process.send_signal(signal.SIGCONT)
        if time.monotonic() < end:
            break
    return suspended


def code(process, seconds=60):
    """The exit code of a worker, as soon as it has ended; None where it does not."""
    try:
        return process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return None


def add_unbegun(study):
    """Adds two trials as workers leave them that are killed before the first heartbeat. The second one was to repeat a lost trial, and has
    parameters."""
    first = study.ask().number
    channels = optuna.distributions.IntDistribution(4, 32, step=4)
    study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.RUNNING, params={"stage1.channels": 8},
                                        distributions={"stage1.channels": channels}, user_attrs={"unbegun": True}))
    return first, next(trial.number for trial in study.get_trials(deepcopy=False) if "unbegun" in trial.user_attrs)


def command_lines():
    lines = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines[int(entry.parent.name)] = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            pass
    return lines


def trains(directory, trial):
    """Whether a process trains this trial, if there is one."""
    return trial is not None and any(f"{directory}/run/trials/{trial:05} " in f"{line} " for line in command_lines().values())


def gone(directory, trial, seconds):
    end = time.monotonic() + seconds
    while trains(directory, trial) and time.monotonic() < end:
        time.sleep(0.1)
    return not trains(directory, trial)


def main():
    trainer, url, directory = sys.argv[1], os.environ.pop("SEARCH_URL"), Path(sys.argv[2])
    password = re.search(r":([^:@]*)@", url)[1]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    workers = Workers(trainer, url, directory)
    # Those that are to end in mid-trial end no trial early themselves.
    processes = [workers.start("--no-halving"), workers.start("--no-halving"), workers.start()]
    storage = None
    while storage is None or not optuna.get_all_study_names(storage):
        # Until the first worker has made the tables.
        if time.monotonic() > DEADLINE or all(process.poll() is not None for process in processes):
            print("\n".join(workers.printed(worker) for worker in range(3)))
            sys.exit("no worker began a study")
        time.sleep(0.2)
        try:
            storage = optuna.storages.RDBStorage(url.replace("://", "+psycopg://"), skip_table_creation=True)
        except Exception:
            storage = None
    study = optuna.load_study(study_name="workers", storage=storage)

    without_parameters, with_parameters = add_unbegun(study)
    killed = stop_in_mid_trial(study, processes[0])
    processes[0].kill()
    check("a worker is killed in mid-trial", killed is not None and code(processes[0]) == -signal.SIGKILL, processes[0].returncode)
    check("its training ends with it", gone(directory, killed, 5), killed)
    joined = workers.start()
    given_back = stop_in_mid_trial(study, processes[1])
    processes[1].terminate()
    processes[1].send_signal(signal.SIGCONT)
    check("no command line has the password", not any(password in line for pid, line in command_lines().items() if pid != joined.pid))
    check("a worker ends at SIGTERM", given_back is not None and code(processes[1]) == 128 + signal.SIGTERM, processes[1].returncode)
    check("its training ends with it", gone(directory, given_back, 0.5), given_back)
    suspended = suspend(study, processes[2])
    for process in (processes[2], joined):
        check("a worker ends when the study has its trials", code(process, DEADLINE - time.monotonic()) == 0, process.returncode)

    trials = study.get_trials()
    by_state = Counter(trial.state.name for trial in trials)
    finished = {trial.number for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")}
    trained = [trial for trial in trials if trial.number in finished and all(value <= 0 for value in trial.constraints.values())]
    check("the study has its trials, and of each further worker at most one more", TRIALS <= len(trained) <= TRIALS + 2, len(trained))
    check("none is left", not by_state["RUNNING"] and not by_state["WAITING"], by_state)
    # The trial that each repeats: the one that was lost last, where a repeated one is lost too.
    repeated = {trial.number: trial.system_attrs["retry_history"][-1] for trial in trials if "retry_history" in trial.system_attrs}
    repeats = Counter(repeated.values())
    # The one that SIGTERM found may just have come to its end.
    lost = {number for number in (killed, given_back, *suspended, with_parameters) if number not in finished}
    check("the trial of the worker that was killed is lost", killed in lost, killed)
    check("the trial of the worker that was suspended is lost", bool(lost & set(suspended)), suspended)
    check("the worker that was suspended continues", "another worker repeats it" in workers.printed(2), workers.printed(2))
    check("the trials that never began are over", {trials[number].state.name for number in (without_parameters, with_parameters)} == {"FAIL"})
    check("lost trials are repeated once each", repeats == dict.fromkeys(lost, 1), repeats)
    check("no others failed", by_state["FAIL"] == len(lost) + 1, by_state)
    for trial in trials:
        first = repeated.get(trial.number)
        if first is not None:
            same = trials[first].params.items() <= trial.params.items()
            same &= trials[first].user_attrs.get("seed", trial.user_attrs["seed"]) == trial.user_attrs["seed"]
            check("a repeated trial has its parameters and its seed, and ends", same and trial.number in finished | lost, trial)
    reports = Counter()
    for worker in range(len(workers.outputs)):
        reports.update(int(number) for number in re.findall(r"^ *(\d+) .*  (?:finished|ended early)$", workers.printed(worker), re.MULTILINE))
    check("each trained trial is of one worker", set(reports) == {trial.number for trial in trained} and set(reports.values()) == {1}, reports)
    too_large = [trial for trial in trials if any(value > 0 for value in trial.constraints.values())]
    check("candidates that are too large are not trained", all(not trial.intermediate_values for trial in too_large), too_large)
    check("what candidates take is kept", all(trial.user_attrs["model"] <= 16 * 1024 for trial in trained), trained)

    for what, change in (("budget", {"model": "8K"}), ("data set", {"validation": "0.1"}), ("space", {"space": "separable", "out": "other"})):
        refused = workers.start(**change)
        check(f"another {what} is refused", code(refused) == 1 and f"its {what} " in workers.printed(-1), workers.printed(-1))
    workers.url = url.replace(f":{password}@", f":{password}-not@")
    refused = workers.start()
    check("a wrong password is an error", code(refused) == 1 and "password authentication failed" in workers.printed(-1),
          workers.printed(-1))
    texts = [workers.printed(worker) for worker in range(len(workers.outputs))]
    check("no output has the password", not any(password in text for text in texts))
    states = ", ".join(f"{count} {state}" for state, count in sorted(by_state.items()))
    print(f"{len(trials)} trials: {states}; {len(trained)} trained, {len(too_large)} too large; best accuracy {study.best_value:.4f}")
    print(f"search: {counts['passed']} passed, {counts['failed']} failed")
    if counts["failed"]:
        print("\n".join(texts))
    sys.exit(1 if counts["failed"] else 0)


main()
