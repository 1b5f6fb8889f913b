"""How well models distinguish images of their classes from images of other things, before and after calibration.

    unknown.py images DIRECTORY FASHION_MNIST
    unknown.py measure TRAINER MODEL DATA UNKNOWN [MODEL DATA UNKNOWN...]

`images` writes the images of the pairs that docs/rejection.md measures: digits of scikit-learn and garments of the IDX files in
FASHION_MNIST, both as folders to train on and as images of other things; eight of the ten garments, and the other two; noise.

`measure` prints a row for each model, directory of its images and directory of other things, by `trainer eval --json`: false accepts where
95% of the right answers are accepted, and the area under the receiver operating characteristic (AUROC), at temperature 1 and at that of the
file. DATA is - where the trainer finds the images of the model by itself.
"""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tasks import digits, handwritten_digits, write

GARMENTS = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"]

# Garments that are kept out of training: one that is like others, and one that is not.
OTHERS = ["coat", "bag"]


def idx(path):
    """The bytes of an IDX file, [images, 28, 28] or [images]."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dimensions = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(dimensions)).reshape(dimensions)


def fashion_mnist(directory, part):
    """Images and labels of a part, `train` or `t10k`."""
    def file(kind, dimensions):
        name = f"{part}-{kind}-idx{dimensions}-ubyte"
        return next(path for path in (directory / name, directory / f"{name}.gz") if path.exists())
    return idx(file("images", 3)), idx(file("labels", 1))


def save(images, folder):
    """Images without classes."""
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:05}.png")


def images(directory, fashion):
    if directory.exists() and any(directory.iterdir()):
        sys.exit(f"{directory} is not empty")
    (train, train_labels), (test, test_labels) = (fashion_mnist(fashion, part) for part in ("train", "t10k"))
    write(digits(110), directory / "digits")
    # As large as garments, whose network takes images as they are.
    enlarged = lambda image: Image.fromarray(image).resize((28, 28), Image.Resampling.BILINEAR)
    all_digits, _ = handwritten_digits()
    save((np.asarray(enlarged(image)) for image in all_digits), directory / "other/digits")
    save(test[:4000], directory / "other/garments")
    known = [garment for garment in GARMENTS if garment not in OTHERS]
    of = lambda images, labels, garment: images[labels == GARMENTS.index(garment)]
    write({garment: (of(train, train_labels, garment), of(test, test_labels, garment)) for garment in known}, directory / "eight-garments")
    save(np.concatenate([of(test, test_labels, garment) for garment in OTHERS]), directory / "other/two-garments")
    noise = np.random.default_rng(48)
    for side in (8, 28):
        save(noise.integers(0, 256, (2000, side, side), np.uint8), directory / f"other/noise-{side}")


def measure(trainer, pairs):
    print("| model | unknown | images of these | accepted at 95%, temperature 1 | calibrated | AUROC, temperature 1 | calibrated |")
    print("|---|---|---|---|---|---|---|")
    for model, data, unknown in pairs:
        command = [trainer, "eval", model, "--unknown", unknown, "--json"] + ([] if data == "-" else ["--data", data])
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["confidence"]["unknown"]
        # A file of temperature 1 has no other.
        before = found.get("uncalibrated", found)
        # There is neither where no answer is right.
        at_95 = [at.get("at_95_percent") for at in (before, found)]
        shares = [f"{at['accepted'] / at['images']:.1%}" if at else "-" for at in at_95]
        areas = [f"{at['auroc']:.4f}" if "auroc" in at else "-" for at in (before, found)]
        cells = [f"`{Path(model).stem}`", f"`{Path(unknown).name}`", f"{found['images']:,}", *shares, *areas]
        print(f"| {' | '.join(cells)} |", flush=True)


def main():
    command, *words = sys.argv[1:] or [""]
    if command == "images" and len(words) == 2:
        images(*map(Path, words))
    elif command == "measure" and len(words) > 1 and len(words) % 3 == 1:
        measure(words[0], zip(*[iter(words[1:])] * 3))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
