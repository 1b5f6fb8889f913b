#!/usr/bin/env python3
"""How an imported network differs from LiteRT's reference kernels: of so many inputs the share of output codes that are equal and off by
one, before the softmax, and of classes that agree. Exit code 1 where one that rounds twice differs.

usage: compare_import.py LOGITS COUNT MODEL.tflite ONCE.bin TWICE.bin [IMAGES]

LOGITS is the program of tests/examples/logits.rs, and the model files are those of both roundings. IMAGES are inputs as bytes, one after
the other; without them half are noise and half are soft blobs, drawn from a seed. Needs ai-edge-litert and numpy; called by compare-import.
"""
import subprocess
import sys
import tempfile

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if any(word.startswith("-") for word in sys.argv[1:]) or len(sys.argv) not in (6, 7):
    print("error: a program, a number, three or four files, and no options but --help", file=sys.stderr)
    sys.exit(2)

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

COUNT = int(sys.argv[2])


def drawn(shape):
    random = np.random.default_rng(48)
    noise = random.integers(0, 256, (COUNT // 2, *shape), dtype=np.uint8)
    blobs = random.normal(0, 1, (COUNT - COUNT // 2, *[max(1, side // 8) for side in shape[:2]], shape[2]))
    for axis, side in ((1, shape[0]), (2, shape[1])):
        places = np.linspace(0, blobs.shape[axis] - 1, side)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, blobs.shape[axis] - 1)
        part = (places - low).reshape([-1 if index == axis else 1 for index in range(4)])
        blobs = np.take(blobs, low, axis) * (1 - part) + np.take(blobs, high, axis) * part
    return np.concatenate([noise, np.clip(128 + 60 * blobs, 0, 255).astype(np.uint8)])


def codes_of(program, model, inputs, quantization, kind):
    """Logits, and the codes that the file's own output has for them."""
    scale, zero_point = quantization
    with tempfile.NamedTemporaryFile() as file:
        inputs.tofile(file.name)
        ran = subprocess.run([program, model, file.name], capture_output=True, check=True)
    logits = np.frombuffer(ran.stdout, np.int32).reshape(len(inputs), -1)
    codes = np.floor(logits * (float(ran.stderr) / scale) + 0.5) + zero_point
    return logits, np.clip(codes, np.iinfo(kind).min, np.iinfo(kind).max).astype(int)


def main(program, _, tflite, once, twice, images=None):
    interpreter = Interpreter(
        model_path=tflite, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    (given,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = [int(side) for side in given["shape"][1:]]
    shape = shape if len(shape) == 3 else [1, 1, int(np.prod(shape))]
    inputs = drawn(shape) if images is None else np.fromfile(images, np.uint8).reshape(-1, *shape)[:COUNT]
    # The codes that a softmax gets, if the network ends in one.
    operators = interpreter._get_ops_details()
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    tensor = details[output["index"]]
    if operators[-1]["op_name"] == "SOFTMAX":
        tensor = details[operators[-1]["inputs"][0]]
    theirs = []
    for image in inputs:
        codes = image if given["dtype"] == np.uint8 else (image.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(given["index"], codes.reshape(given["shape"]))
        interpreter.invoke()
        theirs.append(interpreter.get_tensor(tensor["index"]).reshape(-1).astype(int))
    theirs = np.stack(theirs)
    name = tflite.rsplit("/", 1)[-1].removesuffix(".tflite")
    for rounding, model in (("once", once), ("twice", twice)):
        logits, own = codes_of(program, model, inputs, tensor["quantization"], tensor["dtype"])
        off = np.abs(own - theirs)
        # Of equal codes the lowest class on both sides.
        agree = np.mean(own.argmax(1) == theirs.argmax(1))
        logit = np.mean(logits.argmax(1) == theirs.argmax(1))
        shares = f"{np.mean(off == 0):>8.2%} {np.mean(off <= 1):>8.2%} {off.max():>5} {agree:>8.2%} {logit:>8.2%}"
        print(f"{name:<24} {rounding:<5} {len(inputs):>6} {shares}", flush=True)
    return int(off.max() > 0)


sys.exit(main(*sys.argv[1:]))
