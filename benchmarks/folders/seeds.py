"""Trains on tasks with several seeds, and prints the mean and the standard deviation of the model files' test accuracies, their mean
balanced accuracy, and the mean and the least recall of the worst class.

    seeds.py --seeds 5 DIRECTORY/TASK... -- TRAINER [FLAG...]

For example `seeds.py --seeds 5 tasks/digits -- target/release/trainer --recipe tutorial`. Seeds count from 1.
"""

import statistics
import time

import trainings


def main():
    usage = "seeds.py [--seeds N] TASK... -- TRAINER [FLAG...]"
    arguments, command = trainings.arguments(usage, lambda parser: parser.add_argument("--seeds", type=int, default=5))
    for task in arguments.tasks:
        start, results = time.monotonic(), []
        for seed in range(1, arguments.seeds + 1):
            of_run = trainings.metrics(command, task, seed)
            results.append(of_run["int8"]["test"])
        accuracies = [result["accuracy"] for result in results]
        balanced = statistics.mean(result["balanced_accuracy"] for result in results)
        recalls = [result["worst_class"]["recall"] for result in results]
        deviation = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
        seconds = (time.monotonic() - start) / arguments.seeds
        print(f"{task.name:<16} mean {statistics.mean(accuracies):.4f}, deviation {deviation:.4f}, "
              f"{min(accuracies):.4f} to {max(accuracies):.4f}; balanced {balanced:.4f}; worst class {statistics.mean(recalls):.3f}, "
              f"at least {min(recalls):.3f}; {arguments.seeds} seeds of {seconds:.0f} s, {of_run['epochs_run']} epochs", flush=True)


if __name__ == "__main__":
    main()
