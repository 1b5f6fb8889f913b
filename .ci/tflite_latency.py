#!/usr/bin/env python3
"""Microseconds per image of LiteRT's int8 interpreter with XNNPACK on one thread, for the networks of compare-inference.

    tflite_latency.py --convert DIRECTORY    writes NAME.tflite for each network; needs tensorflow
    tflite_latency.py NAME.tflite...         prints the name and the microseconds of each; needs ai-edge-litert or tensorflow

The weights are random: the interpreter's time does not depend on them.
"""
import os
import sys
import time
from pathlib import Path

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if any(word.startswith("-") and word != "--convert" for word in sys.argv[1:]):
    print("error: there are no options but --convert and --help", file=sys.stderr)
    sys.exit(2)

import numpy as np

# Input, and number of classes.
SHAPES = {
    "mlp": ((28, 28, 1), 10),
    "cnn": ((28, 28, 1), 10),
    "small": ((28, 28, 1), 10),
    "tiny": ((28, 28, 1), 10),
    "resnet8": ((32, 32, 3), 10),
    "mobilenet": ((96, 96, 3), 2),
}


def network(name):
    import keras
    from keras import layers

    shape, classes = SHAPES[name]
    image = keras.Input(shape)

    def conv(x, channels, kernel=3, stride=1, padding="same", relu=True):
        return layers.Conv2D(channels, kernel, stride, padding, activation="relu" if relu else None)(x)

    def pooled(x, channels, padding="same"):
        return layers.MaxPooling2D(2)(conv(x, channels, padding=padding))

    if name == "mlp":
        x = layers.Dense(350, activation="relu")(layers.Flatten()(image))
    elif name == "cnn":
        x = layers.Dense(100, activation="relu")(layers.Flatten()(pooled(image, 32, "valid")))
    elif name == "small":
        x = pooled(pooled(pooled(image, 24), 48), 64, "valid")
        x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    elif name == "tiny":
        x = layers.Flatten()(pooled(pooled(pooled(image, 16), 32), 32, "valid"))
    elif name == "resnet8":
        x = conv(image, 16)
        for channels in (16, 32, 64):
            stride = 1 if channels == 16 else 2
            main = conv(conv(x, channels, stride=stride), channels, relu=False)
            shortcut = x if stride == 1 else conv(x, channels, 1, stride, relu=False)
            x = layers.ReLU()(layers.Add()([main, shortcut]))
        x = layers.GlobalAveragePooling2D()(x)
    else:
        x = conv(image, 8, stride=2)
        for channels, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + 5 * [(128, 1)] + [(256, 2), (256, 1)]:
            x = layers.DepthwiseConv2D(3, stride, "same", activation="relu")(x)
            x = conv(x, channels, 1)
        x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes)(x))


def convert(directory):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    for name, (shape, _) in SHAPES.items():
        images = np.random.default_rng(48).random((100, 1, *shape), dtype=np.float32)
        converter = tf.lite.TFLiteConverter.from_keras_model(network(name))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        (Path(directory) / f"{name}.tflite").write_bytes(converter.convert())


def microseconds(path, seconds=2.0):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow.lite import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    image = np.random.default_rng(1).integers(-128, 128, given["shape"], dtype=np.int8)
    interpreter.set_tensor(given["index"], image)
    runs, best = 1, float("inf")
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        for _ in range(runs):
            interpreter.invoke()
        best = min(best, (time.perf_counter() - begin) / runs)
        # As short as the times that the other side takes the shortest of.
        runs = max(1, int(1e-4 / best))
    return best * 1e6


arguments = sys.argv[1:]
if {"-h", "--help"} & set(arguments):
    sys.exit(print(__doc__))
if arguments[:1] == ["--convert"] and len(arguments) == 2:
    sys.exit(convert(arguments[1]))
if not arguments or any(not argument.endswith(".tflite") for argument in arguments):
    print(__doc__.split("\n\n")[1], file=sys.stderr)
    sys.exit(2)
for path in map(Path, arguments):
    print(path.stem, f"{microseconds(path):.2f}", flush=True)
