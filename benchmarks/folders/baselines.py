"""What classical methods make of the same pixels: logistic regression, a support vector machine (RBF) and a random forest.

    DIRECTORY/venv/bin/python baselines.py DIRECTORY/TASK...

Their settings are chosen by cross-validation on the training images; the test images are classified once. Prints the accuracy of each
with a 95% interval (Wilson 1927), and the recall of the class that is recalled least.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def load(part):
    """Pixels `[images, height * width * channels]`, 0 to 1, and the classes."""
    paths = sorted(part.glob("*/*.png"))
    pixels = np.stack([np.asarray(Image.open(path)).ravel() for path in paths]).astype(np.float32) / 255
    return pixels, np.array([path.parent.name for path in paths])


def methods(pixels):
    """Each method with its name and the settings to choose from, for training images with these pixels."""
    # What scikit-learn calls the gamma "scale".
    gamma = 1 / (pixels.shape[1] * pixels.var())
    yield "logistic regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)), {
        "logisticregression__C": [0.0003, 0.003, 0.03, 0.3],
    }
    yield "SVM (RBF)", SVC(), {"C": [1, 3, 10, 30], "gamma": [gamma / 3, gamma, gamma * 3]}
    yield "random forest", RandomForestClassifier(500, random_state=0, n_jobs=-1), {"max_features": ["sqrt", 0.1]}


def interval(right, images):
    """Wilson's 95% interval."""
    z, share = 1.959964, right / images
    middle = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z / (1 + z * z / images) * np.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    return middle - half, middle + half


def setting(name, value):
    """A setting without the step of the pipeline that it is for."""
    shown = f"{value:.3g}" if isinstance(value, float) else value
    return f"{name.split('__')[-1]} {shown}"


def main():
    for task in map(Path, sys.argv[1:]):
        (train, train_classes), (test, test_classes) = load(task / "train"), load(task / "test")
        print(f"{task.name}: {len(train)} images to train on, {len(test)} to test on", flush=True)
        for name, method, grid in methods(train):
            search = GridSearchCV(method, grid, cv=3, n_jobs=1 if "forest" in name else 2)
            answers = search.fit(train, train_classes).predict(test)
            right = int((answers == test_classes).sum())
            low, high = interval(right, len(test))
            least = recall_score(test_classes, answers, average=None).min()
            settings = ", ".join(setting(*chosen) for chosen in search.best_params_.items())
            print(f"  {name:<20} {right / len(test):.4f} ({low:.3f} to {high:.3f}), least recall {least:.3f}, {settings}", flush=True)


if __name__ == "__main__":
    main()
