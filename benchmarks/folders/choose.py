"""Cross-validates variants of recipe `folders` on the training images of tasks. Test images are not looked at.

    choose.py [--folds K] [--variants "NAME;..."] DIRECTORY/TASK... -- TRAINER [FLAG...]

A row for each task and variant: the accuracy over all training images, each answered by the fit that left it out, and the mean recall of
the classes. A fit leaves out whole groups: all letters of a font family, all patches of a place, as the test images are of other families
and places. With folds by image, an image next to one that was trained on is recognized by it, and a recipe that overfits wins.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import trainings

AUGMENTATION = "rotate = 10.0, zoom = 0.15, shear = 5.0, translate = 0.1, brightness = 0.1, contrast = 0.1"
HALF = "rotate = 5.0, zoom = 0.07, shear = 2.5, translate = 0.05, brightness = 0.05, contrast = 0.05"


def steps(count):
    return [("least_steps = 2000", f"least_steps = {count}"), ("epochs = 45, ", "")]


# What is replaced in the text of the recipe.
VARIANTS = {
    "folders": [],
    "2,000 steps": steps(2000),
    "4,000 steps": steps(4000),
    "8,000 steps": steps(8000),
    "4,000 steps, half the augmentation": [*steps(4000), (AUGMENTATION, HALF)],
    "no augmentation": [(f"augment = {{ {AUGMENTATION} }}", "augment = {}"), ("rotate = 5.0\nzoom = 0.1\ntranslate = 0.08\n", "")],
    "half the augmentation": [(AUGMENTATION, HALF)],
    "mirrored too": [("[augment]\n", "[augment]\nflip = 0.5\n"), ("augment = { rotate", "augment = { flip = 0.5, rotate")],
    "no average of weights": [("average = 0.995", "average = 0.0")],
    "no smoothing": [("label_smoothing = 0.1", "label_smoothing = 0.0"), ("label_smoothing = 0.05", "label_smoothing = 0.0")],
    "weight decay of larger sets": [("weight_decay = 0.1", "weight_decay = 0.05")],
}


def fold_of(task, fold, folds, path):
    """A task made of the training images of another: the groups of a fold are its test images."""
    groups = json.loads((task / "groups.json").read_text())
    for name, of_images in groups.items():
        for part in ("train", "test"):
            (path / part / name).mkdir(parents=True)
        for image, group in zip(sorted((task / "train" / name).iterdir()), of_images, strict=True):
            part = "test" if group % folds == fold else "train"
            (path / part / name / image.name).symlink_to(image.resolve())


def cross_validated(command, task, recipe, folds):
    """Accuracy and mean recall of the classes over the folds."""
    scores = []
    for fold in range(folds):
        with tempfile.TemporaryDirectory() as scratch:
            data, file = Path(scratch) / task.name, Path(scratch) / "recipe.toml"
            file.write_text(recipe)
            fold_of(task, fold, folds, data)
            of_run = trainings.metrics(command, data, 1, ["--recipe", file])
            scores.append((of_run["int8"]["test"], of_run["images"]["test"]))
    images = sum(count for _, count in scores)
    return [sum(score[name] * count for score, count in scores) / images for name in ("accuracy", "balanced_accuracy")]


def add(parser):
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--variants", default=";".join(VARIANTS), help="names with ; between them")


def main():
    arguments, command = trainings.arguments('choose.py [--folds K] [--variants "NAME;..."] TASK... -- TRAINER [FLAG...]', add)
    variants = arguments.variants.split(";")
    for variant in variants:
        if variant not in VARIANTS:
            sys.exit(f"--variants {variant!r}: the variants are {'; '.join(VARIANTS)}")
    text = subprocess.run([command[0], "recipes", "folders"], check=True, stdout=subprocess.PIPE, text=True).stdout
    print("| task | variant | accuracy | mean recall |\n|---|---|---|---|")
    for task in arguments.tasks:
        for variant in variants:
            recipe = text
            for old, new in VARIANTS[variant]:
                if old not in recipe:
                    sys.exit(f"{variant}: recipe folders has no {old!r}")
                recipe = recipe.replace(old, new)
            accuracy, recall = cross_validated(command, task, recipe, arguments.folds)
            print(f"| `{task.name}` | {variant} | {accuracy:.4f} | {recall:.4f} |", flush=True)


if __name__ == "__main__":
    main()
