"""Folders of small images, of which each is a task: DIRECTORY/TASK/train/CLASS/*.png and DIRECTORY/TASK/test/CLASS/*.png.

    prepare.sh DIRECTORY
    DIRECTORY/venv/bin/python tasks.py DIRECTORY [TASK...]

All of it is drawn from fixed seeds: a task is the same to the pixel each time.
"""

import json
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import skimage.data
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits, load_sample_image

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Images of a task: {class: ([training images], [test images])}, each an array of height x width (x 3) bytes. A third entry has the group of
# each training image: images of one group are alike, and are on one side where training images are split further, as they are on one side of
# the test. Without it each index is a group, which for letters is the font family.


def split(images, train, test, seed):
    """`images` in an order drawn from `seed`: so many to test on, then so many to train on."""
    images = list(images)
    random.Random(seed).shuffle(images)
    return images[test:test + train], images[:test]


def handwritten_digits():
    """All handwritten digits of 8x8 pixels and 17 grays, as scikit-learn ships them (UCI, Alpaydin and Kaynak 1998), and their labels."""
    images, labels = load_digits(return_X_y=True)
    return np.round(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), labels


def digits(train):
    images, labels = handwritten_digits()
    return {str(digit): split(images[labels == digit], train, 60, digit) for digit in range(10)}


def font_families(directory):
    """A file for each font family of the Debian packages, upright and of regular weight, with all capital letters."""
    families = {}
    for path in sorted((directory / "fonts").iterdir()):
        font = TTFont(path, lazy=True)
        name = lambda *identifiers: next(filter(None, (font["name"].getDebugName(identifier) for identifier in identifiers)), "")
        family, style = name(16, 1), name(17, 2).lower()
        characters = font.getBestCmap() or {}
        if style in ("regular", "book", "roman", "medium", "normal", "") and all(ord(at) in characters for at in LETTERS):
            families.setdefault(family, path)
    return [path for _, path in sorted(families.items())]


def letter(font, character):
    """White on black, 20x20, as large as the font draws it at 16 pixels, in the middle."""
    image = Image.new("L", (20, 20))
    ImageDraw.Draw(image).text((10, 10), character, fill=255, font=font, anchor="mm")
    return np.asarray(image)


def letters(directory, families):
    """Capital letters; no font family is on both sides."""
    fonts = [ImageFont.truetype(path, 16) for path in font_families(directory)]
    fonts = [font for font in fonts if all(letter(font, character).any() for character in LETTERS)]
    train, test = split(fonts, families, 60, 0)
    return {at: ([letter(font, at) for font in train], [letter(font, at) for font in test]) for at in LETTERS}


def rare_letter(directory, rare):
    """40 of one letter against 400 of all others, as they come; the 60 families to test on are those of `letters`."""
    images = letters(directory, 110)
    parts = []
    for part, count in ((0, 400), (1, 600)):
        others = [image for at in LETTERS if at != rare for image in images[at][part]]
        parts.append(split(others, count, 0, part)[0])
    train, test = images[rare]
    return {rare: (train[:40], test), "others": tuple(parts)}


def emoji(directory, vendor):
    """Emoji of a vendor by category, on white, 24x24: Google's Noto (Apache 2.0) and Twitter's Twemoji (CC BY 4.0)."""
    package = directory / f"emoji-datasource-{vendor}"
    categories = {}
    for entry in json.loads((package / "emoji.json").read_text()):
        path = package / "img" / vendor / "64" / entry["image"]
        if entry[f"has_img_{vendor}"] and entry["category"] != "Component" and path.exists():
            image = Image.open(path).convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
            image = np.asarray(image.resize((24, 24), Image.Resampling.BOX))
            name = entry["category"].replace("&", "and").replace(" ", "-").lower()
            categories.setdefault(name, []).append(image)
    return categories


def emoji_of_both(directory, counts):
    """`counts`: images to train on and to test on, by category; a quarter of all tests where there are none."""
    google, twitter = emoji(directory, "google"), emoji(directory, "twitter")
    images = {name: google[name] + twitter[name] for name in google}
    if counts is None:
        counts = {name: (len(all) - len(all) // 4, len(all) // 4) for name, all in images.items()}
    return {name: split(images[name], train, test, 1) for name, (train, test) in counts.items()}


def photographs(train):
    """Patches of 48x48 pixels at a size of 24x24, by the photograph. A photograph is cut into squares of 64, each for training or for
    tests, and no patch reaches over its square."""
    named = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket", "retina", "immunohistochemistry")}
    named |= {"motorcycle": skimage.data.stereo_motorcycle()[0]}
    named |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    task = {}
    for name, photograph in named.items():
        generator = random.Random(name)
        rows, columns = photograph.shape[0] // 64, photograph.shape[1] // 64
        squares = [(64 * row, 64 * column) for row in range(rows) for column in range(columns)]
        train_squares, test_squares = split(squares, len(squares), len(squares) // 3, name)

        def patch(squares):
            square = generator.choice(squares)
            top, left = (at + generator.randrange(17) for at in square)
            image = Image.fromarray(photograph[top:top + 48, left:left + 48, :3])
            return np.asarray(image.resize((24, 24), Image.Resampling.BOX)), squares.index(square)

        train_images, groups = zip(*(patch(train_squares) for _ in range(train)))
        task[name] = train_images, [patch(test_squares)[0] for _ in range(100)], groups
    return task


TASKS = {
    "digits": lambda directory: digits(110),
    "digits-40": lambda directory: digits(40),
    "letters": lambda directory: letters(directory, 110),
    "letters-40": lambda directory: letters(directory, 40),
    # The tail of a Q is small, and an O is among the others.
    "letters-40-400": lambda directory: rare_letter(directory, "Q"),
    "emoji": lambda directory: emoji_of_both(directory, None),
    "emoji-40-400": lambda directory: emoji_of_both(directory, {"food-and-drink": (40, 100), "objects": (400, 100)}),
    "photographs": lambda directory: photographs(300),
    "photographs-40": lambda directory: photographs(40),
}


def write(task, path):
    for name, parts in task.items():
        for part, images in zip(("train", "test"), parts[:2]):
            folder = path / part / name
            folder.mkdir(parents=True)
            for index, image in enumerate(images):
                Image.fromarray(image).save(folder / f"{index:04}.png")
    groups = {name: parts[2] if len(parts) > 2 else list(range(len(parts[0]))) for name, parts in task.items()}
    (path / "groups.json").write_text(json.dumps(groups))


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(TASKS):
        sys.exit(f"usage: tasks.py DIRECTORY [TASK...]; tasks: {', '.join(TASKS)}")
    directory = Path(sys.argv[1])
    for name in sys.argv[2:] or TASKS:
        path = directory / name
        shutil.rmtree(path, ignore_errors=True)
        task = TASKS[name](directory)
        write(task, path)
        train, test = ([len(parts[part]) for parts in task.values()] for part in (0, 1))
        print(f"{name:<16} {len(task):>2} classes, {sum(train):>5} images to train on ({min(train)} to {max(train)} of a class), {sum(test):>5} to test on")


if __name__ == "__main__":
    main()
