#!/usr/bin/env python3
"""A folder of images of 96x96: patches of the color photographs that scikit-image ships, a class for each photograph.

usage: photo_patches.py DIRECTORY [TRAIN [TEST]]

Writes TRAIN patches a class (40) from the left two thirds of each photograph to DIRECTORY/train and TEST (100) from its right third to
DIRECTORY/test, each of a random size and place, drawn from a seed. Needs scikit-image.
"""
import os
import sys

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if any(word.startswith("-") for word in sys.argv[1:]) or not 2 <= len(sys.argv) <= 4:
    print("error: a directory and up to two numbers, and no options but --help", file=sys.stderr)
    sys.exit(2)

import numpy as np
from skimage import data, io, transform

NAMES = ["astronaut", "cat", "coffee", "hubble_deep_field", "immunohistochemistry", "retina", "rocket"]
SIDE = 96


def main(directory, train=40, test=100):
    random = np.random.default_rng(48)
    for name in NAMES:
        photo = getattr(data, name)()[..., :3]
        border = photo.shape[1] * 2 // 3
        for part, half, count in (("train", photo[:, :border], int(train)), ("test", photo[:, border:], int(test))):
            folder = os.path.join(directory, part, name)
            os.makedirs(folder, exist_ok=True)
            for index in range(count):
                size = int(random.integers(min(64, *half.shape[:2]), min(160, *half.shape[:2]) + 1))
                top, left = (int(random.integers(0, side - size + 1)) for side in half.shape[:2])
                patch = transform.resize(half[top : top + size, left : left + size], (SIDE, SIDE), anti_aliasing=True)
                io.imsave(os.path.join(folder, f"{index:03}.png"), (patch * 255 + 0.5).astype(np.uint8), check_contrast=False)


main(*sys.argv[1:])
