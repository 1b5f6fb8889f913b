"""Runs trials of a study that is in Optuna's storage: asks Optuna for parameters, and has `trainer search --trial` train with them.

`trainer search --storage` starts this script, with what to do as JSON in the environment variable THIMBLE_SEARCH_JOB.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from contextlib import closing
from pathlib import Path

import optuna
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

# Taken out of the environment, so that no process that is started from here has the password.
JOB = json.loads(os.environ.pop("THIMBLE_SEARCH_JOB"))
NAMES = [objective["name"] for objective in JOB["objectives"]]
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
RETRIES = 3
FAILURES_IN_A_ROW = 3
AWAY_SECONDS = 300
# Seconds without a heartbeat after which a trial is taken for lost.
GRACE = 3 * JOB["heartbeat"]
HEAD = "trial  accuracy  epochs      flash        RAM        ms  seconds"

storage = None
children = set()
failures = []
# Trials that run without a worker, by number, and since when that is known here.
unbegun = {}
interrupted_by = None


class Interrupted(Exception):
    """This worker is requested to end: another one gets the trial."""


class TrainerFailed(Exception):
    """The trainer ended without a result."""


class Mismatch(Exception):
    """The study is one of another search."""


def say(line):
    if not JOB["quiet"]:
        print(line, flush=True)


def suggest(trial, parameter):
    name, kind = parameter["name"], parameter["kind"]
    if kind == "categorical":
        return trial.suggest_categorical(name, parameter["choices"])
    if kind == "integer":
        return trial.suggest_int(name, parameter["low"], parameter["high"], step=parameter.get("step", 1))
    return trial.suggest_float(name, parameter["low"], parameter["high"], log=parameter.get("log", False))


def chosen(trial):
    """The parameters of a trial by name; those of a part that the candidate does not have are left out."""
    values = {}
    for parameter in JOB["parameters"]:
        condition = parameter.get("only_if")
        if not condition or values.get(condition["name"], 0) >= condition["at_least"]:
            values[parameter["name"]] = suggest(trial, parameter)
    return values


def events(trial):
    """What the trainer reports of a trial, as it reports it; the trainer ends where the reader does."""
    # A trial that is repeated has the seed that it had.
    seed = trial.user_attrs.get("seed", JOB["seed"] + trial.number)
    trial.set_user_attr("seed", seed)
    candidate = {"parameters": chosen(trial), "seed": seed, "epochs": JOB["epochs"], "data": JOB["data"]}
    directory = run_of(trial)
    file = directory.with_suffix(".json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(candidate))
    # The trainer ends when its standard input does, however this process ends. A signal of the terminal is for this process alone.
    child = subprocess.Popen([*JOB["trial"], "--trial", file, "--out", directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, start_new_session=True, env={"RAYON_NUM_THREADS": str(JOB["threads"]), **os.environ})
    children.add(child)
    try:
        if interrupted_by:
            child.kill()
        for line in child.stdout:
            # What is cut off, or no event, is nothing to go by.
            if line.startswith("{") and line.endswith("}\n"):
                yield json.loads(line)
    finally:
        child.kill()
        child.wait()
        children.discard(child)


def objective(trial):
    """Accuracy and what else the study is for; what the candidate takes, and by how much that is too much, is kept with the trial."""
    if interrupted_by:
        raise Interrupted
    # What has a worker has a heartbeat, so that it is missed when the worker ends.
    storage.record_heartbeat(trial._trial_id)
    trial.set_user_attr("worker", f"{socket.gethostname()} {os.getpid()}")
    values, epochs = {"accuracy": 0.0}, 0
    with closing(events(trial)) as reported:
        for event in reported:
            if event["event"] == "checked":
                for name in ("model", "flash", "ram", "milliseconds"):
                    values[name] = event[name]
                    trial.set_user_attr(name, event[name])
                for name, violation in event["violations"].items():
                    trial.set_constraint(name, violation)
                if any(violation > 0 for violation in event["violations"].values()):
                    run_of(trial).with_suffix(".json").unlink()
                    if len(NAMES) == 1:
                        raise optuna.TrialPruned
                    return [values[name] for name in NAMES]
            elif event["event"] == "epoch":
                epochs = event["epoch"]
                if len(NAMES) == 1:
                    trial.report(event["validation_accuracy"], epochs)
                    if epochs < JOB["epochs"] and trial.should_prune():
                        raise optuna.TrialPruned
            elif event["event"] == "failed":
                trial.set_user_attr("failed", event["reason"])
                if "flash" not in values:
                    trial.set_constraint("network", 1.0)
                    raise optuna.TrialPruned
                return [values[name] for name in NAMES]
            elif event["event"] == "finished":
                values["accuracy"] = event["validation_accuracy"]
                trial.set_user_attr("epochs", epochs)
                return [values[name] for name in NAMES]
    raise Interrupted if interrupted_by else TrainerFailed


def fits(trial):
    return all(violation <= 0 for violation in trial.constraints.values())


def trained(study):
    """The trials that count, by all workers: not those that did not fit, which cost nothing, and those that failed or were lost."""
    return [trial for trial in study.get_trials(deepcopy=False, states=COUNTED) if fits(trial)]


def fail_unbegun(study):
    """Marks trials as failed whose worker ended before their first heartbeat: Optuna looks for those whose last one is long ago."""
    global unbegun
    now = time.monotonic()
    # Clocks of machines differ: a trial is as old as it is known here.
    trials = [trial for trial in study.get_trials(states=(TrialState.RUNNING,)) if "worker" not in trial.user_attrs]
    unbegun = {trial.number: unbegun.get(trial.number, now) for trial in trials}
    for trial in trials:
        if now - unbegun[trial.number] > GRACE:
            try:
                study.tell(trial.number, state=TrialState.FAIL)
            except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
                # Another worker was first.
                continue
            # Those that were to repeat a lost trial have its parameters.
            if trial.params:
                retry(study, trial)


def run_of(trial):
    """The directory of a trial of this worker."""
    return Path(JOB["out"]) / "trials" / f"{trial.number:05}"


def row(trial):
    """A trial in the columns of HEAD."""
    accuracy = trial.values[NAMES.index("accuracy")] if trial.values else 0.0
    kept = trial.user_attrs
    epochs = kept.get("epochs", len(trial.intermediate_values))
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return (f"{trial.number:>5}  {accuracy:>8.4f}  {epochs:>6}  {kept['flash']:>9,}  {kept['ram']:>9,}  {kept['milliseconds']:>8.1f}  "
            f"{seconds:>7.1f}")


def after(study, trial):
    """Prints what became of a trial, and ends this worker where it is time."""
    failed = trial.state == TrialState.FAIL
    failures[:] = [*failures, trial.number] if failed and not interrupted_by else []
    if failed and interrupted_by:
        retry(study, trial)
        say(f"{trial.number:>5}  given back, to be repeated")
    elif failed:
        print(f"trial {trial.number}: the trainer ended without a result", file=sys.stderr, flush=True)
    elif fits(trial):
        say(f"{row(trial)}  {outcome(trial)}")
    fail_unbegun(study)
    if interrupted_by or len(failures) >= FAILURES_IN_A_ROW or len(trained(study)) >= JOB["trials"]:
        study.stop()


def outcome(trial):
    return trial.user_attrs.get("failed", "ended early" if trial.state == TrialState.PRUNED else "finished")


def retry(study, trial):
    """Queues a trial again whose worker is gone; `trial` is a copy."""
    trial.user_attrs.pop("worker", None)
    optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, trial)


def open_storage():
    # A trial has one connection, and its heartbeat another one for a moment. Braces would be taken for a template.
    engine = {"pool_size": JOB["workers"], "max_overflow": -1, "pool_pre_ping": True}
    if JOB["storage"].startswith("sqlite"):
        engine = {"connect_args": {"timeout": 60}}
    url = JOB["storage"].replace("{", "{{").replace("}", "}}")
    for attempt in range(5):
        try:
            return optuna.storages.RDBStorage(url, engine, heartbeat_interval=JOB["heartbeat"], grace_period=GRACE,
                                              heartbeat_stale_trial_callback=retry)
        except SQLAlchemyError as error:
            # Workers that start together create the same tables; only one can.
            if attempt == 4 or "already exists" not in str(error) and "unique" not in str(error).lower():
                raise
            time.sleep(0.5 + attempt)


def open_study(storage):
    """The study, whose first worker notes which search it is of, and with which all others have to agree."""
    samplers = {"tpe": lambda: optuna.samplers.TPESampler(constant_liar=True), "nsga2": optuna.samplers.NSGAIISampler,
                "random": optuna.samplers.RandomSampler}
    halving, pruner = JOB["halving"], optuna.pruners.NopPruner()
    if halving and len(NAMES) == 1:
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=halving["first"], reduction_factor=halving["reduction"])
    options = {"study_name": JOB["study"], "storage": storage, "sampler": samplers[JOB["sampler"]](), "pruner": pruner}
    try:
        study = optuna.create_study(directions=[each["direction"] for each in JOB["objectives"]], **options)
        study.set_metric_names(NAMES)
        study.set_user_attr("search", JOB["identity"])
        return study
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(**options)
    for _ in range(60):
        if "search" in study.user_attrs or study.get_trials(deepcopy=False):
            break
        time.sleep(0.5)
    of_study = study.user_attrs.get("search")
    if of_study is None:
        raise Mismatch(f"study {JOB['study']} is not one of trainer search; give another name with --study")
    for name, value in JOB["identity"].items():
        if of_study.get(name) != value:
            raise Mismatch(f"study {JOB['study']} is one of another search: its {name} is {of_study.get(name)}, and here it is {value}; "
                           "give the same, or another name with --study")
    return study


def interrupt(number, _frame):
    global interrupted_by
    interrupted_by = number
    for child in list(children):
        child.kill()


def storage_error(error):
    """The error of the storage that is the cause of another one, which Optuna may raise in its place."""
    while error is not None and not isinstance(error, (optuna.exceptions.StorageInternalError, SQLAlchemyError)):
        error = error.__context__
    return error


def run(study):
    """Runs trials until enough are trained. The storage may be away for a while, as where its server starts again."""
    away_since, end = None, time.monotonic() + (JOB["seconds"] or float("inf"))
    while True:
        try:
            left = end - time.monotonic()
            if interrupted_by or left <= 0 or len(failures) >= FAILURES_IN_A_ROW or len(trained(study)) >= JOB["trials"]:
                return
            away_since = None
            study.optimize(objective, n_jobs=JOB["workers"], timeout=left if JOB["seconds"] else None,
                           catch=(Interrupted, TrainerFailed), callbacks=[after])
        except Exception as error:
            away = storage_error(error)
            if away is not None:
                away_since = away_since or time.monotonic()
                if interrupted_by or time.monotonic() - away_since > AWAY_SECONDS:
                    raise away
                print(f"{JOB['shown_storage']}: {message(away)}; trying again", file=sys.stderr, flush=True)
                time.sleep(5)
            elif str(error).startswith("Cannot tell a "):
                # No heartbeat of it came through for a while, and another worker repeats it.
                say("a trial counted as lost, and another worker repeats it")
            else:
                raise


def main():
    global storage
    storage = open_storage()
    study = open_study(storage)
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    say(HEAD)
    run(study)
    if interrupted_by:
        return 128 + interrupted_by
    if len(failures) >= FAILURES_IN_A_ROW:
        print(f"error: {FAILURES_IN_A_ROW} trials failed, one after the other; the messages above have the reasons", file=sys.stderr)
        return 1
    trials = trained(study)
    say(f"\n{len(trials)} trials of study {JOB['study']} are trained; the best:")
    say(HEAD)
    for trial in study.best_trials if any(trial.state == TrialState.COMPLETE for trial in trials) else []:
        say(f"{row(trial)}  {json.dumps(trial.params)}")
    return 0


def message(error):
    """The cause of an error in one line, without a password."""
    cause = storage_error(error) or error
    cause = cause.__cause__ or cause
    text = str(getattr(cause, "orig", None) or cause).strip() or type(cause).__name__
    for secret in JOB["secrets"]:
        text = text.replace(secret, "***")
    return text.splitlines()[0]


if __name__ == "__main__":
    # Of the threads that send heartbeats.
    threading.excepthook = lambda failed: print(f"{JOB['shown_storage']}: {message(failed.exc_value)}", file=sys.stderr, flush=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        place = f"{JOB['shown_storage']}: " if storage_error(error) else ""
        print(f"error: {place}{message(error)}", file=sys.stderr)
        code = 1
    sys.exit(code)
