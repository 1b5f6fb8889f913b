#!/usr/bin/env python3
"""Microseconds per image of TFLite's int8 interpreter on one thread, for the tutorial's two networks.

The weights are random: the interpreter's time does not depend on them. Needs tensorflow; called by compare-inference.
"""
import os
import sys
import time

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if not set(sys.argv[1:]) <= {"mlp", "cnn"}:
    print("error: the networks are mlp and cnn, by default both; there are no options but --help", file=sys.stderr)
    sys.exit(2)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from keras import layers

NETWORKS = {
    "mlp": [layers.Flatten(), layers.Dense(350, activation="relu"), layers.Dense(10)],
    "cnn": [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(100, activation="relu"),
        layers.Dense(10),
    ],
}


def converted(name):
    model = keras.Sequential([keras.Input((28, 28, 1)), *NETWORKS[name]])
    images = np.random.default_rng(48).random((100, 1, 28, 28, 1), dtype=np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def microseconds(name, seconds=2.0):
    interpreter = tf.lite.Interpreter(model_content=converted(name), num_threads=1)
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]["index"]
    interpreter.set_tensor(index, np.random.default_rng(1).integers(-128, 128, (1, 28, 28, 1), dtype=np.int8))
    for _ in range(200):
        interpreter.invoke()
    best = float("inf")
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        for _ in range(500):
            interpreter.invoke()
        best = min(best, (time.perf_counter() - begin) / 500)
    return best * 1e6


for name in sys.argv[1:] or NETWORKS:
    print(name, f"{microseconds(name):.2f}", flush=True)
