"""Trials per hour of one and of several workers of a study in PostgreSQL, and what the storage costs per trial.

    scaling.py [--trials N] [--workers 1,2] URL TRAINER

URL is of an empty database, postgresql://user:password@host/database. Runs with a Python that has optuna and psycopg. Every candidate has
the same network, so that workers differ in nothing but their number; each has one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
import sqlalchemy

# A network of one size; what is chosen costs nothing.
SPACE = """
name = "one-size"

[[stage]]
channels = 16
downsample = "pool"

[[stage]]
channels = 32
downsample = "pool"

[recipe]
learning_rate = { from = 5e-4, to = 5e-3, scale = "log" }
weight_decay = { from = 1e-3, to = 1e-1, scale = "log" }
"""

# What a trial of five epochs reports, in no time.
REPORTS = [
    {"event": "checked", "model": 9000, "flash": 30000, "ram": 12000, "milliseconds": 40.0, "violations": {"model": -7000.0, "ram": -2000.0}},
    *({"event": "epoch", "epoch": epoch, "validation_accuracy": 0.8} for epoch in range(1, 6)),
    {"event": "finished", "validation_accuracy": 0.8},
]

# What worker.py is run with here: it counts what it sends to the storage, and how long that takes.
COUNTING = """
import os, time, sqlalchemy
spent = [0, 0.0]
def before(connection, *_): connection.info["since"] = time.perf_counter()
def after(connection, *_): spent[0] += 1; spent[1] += time.perf_counter() - connection.info["since"]
sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", before)
sqlalchemy.event.listen(sqlalchemy.Engine, "after_cursor_execute", after)
import atexit
atexit.register(lambda: print("statements", *spent))
exec(compile(open(os.environ.pop("WORKER")).read(), "worker.py", "exec"))
"""


def span(study):
    """Seconds from the start of the first trial to the end of the last."""
    trials = [trial for trial in study.get_trials() if trial.state.is_finished()]
    return (max(trial.datetime_complete for trial in trials) - min(trial.datetime_start for trial in trials)).total_seconds(), len(trials)


def trials_per_hour(trainer, url, workers, trials):
    name = f"scaling-{workers}-{time.time():.0f}"
    with tempfile.TemporaryDirectory() as directory:
        space = Path(directory) / "space.toml"
        space.write_text(SPACE)
        command = [trainer, "search", space, "--dataset", "garments", "--epochs", "1", "--storage", url, "--study", name, "--workers", "1",
                   "--trials", str(trials), "--out", Path(directory) / "trials", "--python", sys.executable]
        processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "RAYON_NUM_THREADS": "1"}) for _ in range(workers)]
        if any([process.wait() != 0 for process in processes]):
            sys.exit("a worker failed")
    study = optuna.load_study(study_name=name, storage=url.replace("://", "+psycopg://", 1))
    seconds, finished = span(study)
    lengths = [trial.duration.total_seconds() for trial in study.get_trials() if trial.state.is_finished()]
    print(f"{workers} workers: {finished} trials in {seconds:.1f} s, {3600 * finished / seconds:.0f} an hour; "
          f"a trial takes {sum(lengths) / len(lengths):.2f} s", flush=True)


def server_time(engine):
    """Milliseconds that the server has worked for this database, and transactions."""
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT pg_stat_clear_snapshot()"))
        return connection.execute(sqlalchemy.text(
            "SELECT active_time, xact_commit FROM pg_stat_database WHERE datname = current_database()")).one()


def storage_share(url, trials):
    """What the storage costs where trials take no time."""
    url = url.replace("://", "+psycopg://", 1)
    engine = sqlalchemy.create_engine(url)
    worker = Path(__file__).parents[2] / "trainer/src/search/worker.py"
    with tempfile.TemporaryDirectory() as directory:
        reports = Path(directory) / "reports"
        reports.write_text("".join(json.dumps(report) + "\n" for report in REPORTS))
        parameters = [{"name": f"parameter{index}", "kind": "integer", "low": 1, "high": 16, "step": 1} for index in range(12)]
        job = {"storage": url, "shown_storage": "the storage", "secrets": [], "study": f"storage-{time.time():.0f}", "parameters": parameters,
               "objectives": [{"name": "accuracy", "direction": "maximize"}], "identity": {}, "sampler": "random", "trials": trials,
               "workers": 1, "threads": 1, "seed": 1, "epochs": 5, "seconds": None, "quiet": False, "data": None, "heartbeat": 60, "out": directory,
               "trial": ["sh", "-c", f"exec cat {reports}"]}
        for sampler, halving in (("random", None), ("tpe", None), ("tpe", {"first": 1, "reduction": 3})):
            job.update(sampler=sampler, halving=halving, study=f"storage-{sampler}-{time.time():.0f}")
            before = server_time(engine)
            environment = {**os.environ, "THIMBLE_SEARCH_JOB": json.dumps(job), "WORKER": str(worker)}
            output = subprocess.run([sys.executable, "-c", COUNTING], env=environment, check=True, capture_output=True, text=True).stdout
            statements, seconds = output.strip().splitlines()[-1].split()[1:]
            # The server's counters are written when a connection has ended.
            time.sleep(2)
            after = server_time(engine)
            study = optuna.load_study(study_name=job["study"], storage=url)
            whole, finished = span(study)
            early = ", which may end early" if halving else ""
            print(f"storage, sampler {sampler}, {finished} trials of no length{early}: {1000 * whole / finished:.1f} ms each, of which "
                  f"{1000 * float(seconds) / finished:.1f} ms wait for {int(statements) / finished:.0f} statements of "
                  f"{(after[1] - before[1]) / finished:.0f} transactions; the server works {(after[0] - before[0]) / finished:.1f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(usage="scaling.py [--trials N] [--workers 1,2] URL TRAINER")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("url")
    parser.add_argument("trainer")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage_share(arguments.url, 5 * arguments.trials)
    for workers in arguments.workers.split(","):
        trials_per_hour(arguments.trainer, arguments.url, int(workers), arguments.trials)


if __name__ == "__main__":
    main()
