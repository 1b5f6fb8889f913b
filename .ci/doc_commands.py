#!/usr/bin/env python3
"""Runs the commands of README and of docs/, each page in a copy of the repository; .ci/doc-commands describes the options.

    doc_commands.py [--whole] [--list] [PAGE...]

With small limits, the default, `trainer` and `cargo` are this program, which runs the one of target/release and the system's with these
changes: a training has one epoch, twenty where it chooses a threshold, a search two trials; in place of Fashion-MNIST there are the
built-in garments; programs of this workspace are not built again,
and its tests are listed and not run, as CI has done both; firmware runs on one core with two images.
"""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
REASONS = {
    "board": "needs a board",
    "python": "needs packages of Python",
    "service": "needs a server or a cluster",
    "minutes": "takes minutes: run by --whole",
    "hours": "takes hours, and is a part of .ci/long",
}
# Seconds that a command may take with small limits.
PATIENCE = 600


def blocks(page):
    """The blocks of shell commands in a page: their line, their reason not to be run or None, and their text."""
    found, inside, info, first, lines = [], False, "", 0, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if not line.startswith("```"):
            if inside:
                lines.append(line)
            continue
        if inside and info.split(",")[0] == "sh":
            mark = info.partition(",")[2]
            if mark and mark not in REASONS:
                sys.exit(f"error: {page}:{first}: there is no mark {mark}; there are {', '.join(REASONS)}")
            found.append((first, mark or None, lines))
        inside, info, first, lines = not inside, line[3:].strip(), number, []
    return found


def commands(lines):
    """The commands of a block: lines that end in a backslash continue, and a here-document goes to its end."""
    found, current, end = [], [], None
    for line in lines:
        current.append(line)
        here = re.search(r"<<-?\s*'?(\w+)'?", line)
        if end is None and here:
            end = here.group(1)
        elif end == line.strip():
            end = None
        if end is None and not line.rstrip().endswith("\\"):
            text = "\n".join(current)
            if re.sub(r"(?m)^\s*#.*$", "", text).strip():
                found.append(text)
            current = []
    return found


def pages(names):
    if names:
        return [pathlib.Path(name).resolve() for name in names]
    return [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "SUMMARY.md")]


def limited_trainer(arguments):
    """The arguments of `trainer` with small limits."""
    def replaced(flag, value, add):
        kept, was, skip = [], False, False
        for word in arguments:
            if skip:
                skip = False
            elif word == flag:
                was = skip = True
            elif word.startswith(flag + "="):
                was = True
            else:
                kept.append(word)
        return kept + [flag, value] if was or add else kept

    command = arguments[0] if arguments else ""
    # Fashion-MNIST is what there is without these.
    others = {"--data", "--dataset", "--resume", "--show", "-h", "--help"}
    if command in ("fit", "search", "eval", "frames") and not others & set(arguments):
        drawn = os.environ.get("DATA")
        if drawn or command in ("fit", "search"):
            arguments = [command, *(["--data", drawn] if drawn else ["--dataset", "garments"]), *arguments[1:]]
    if command == "fit" and "--resume" not in arguments and not {"-h", "--help"} & set(arguments):
        # No threshold parts right answers from wrong ones of a network that has learned nothing.
        arguments = replaced("--epochs", "20" if "--reject-at" in arguments else "1", True)
    if command == "search" and not {"--describe", "--show", "--trial"} & set(arguments):
        is_new = "--resume" not in arguments
        arguments = replaced("--trials", "2" if is_new else "3", True)
        arguments = replaced("--epochs", "1", is_new)
        arguments = replaced("--final", "1", False)
    return arguments


def as_trainer(arguments):
    program = ROOT / "target/release/trainer"
    os.execv(program, [str(program), *limited_trainer(arguments)])


def as_cargo(arguments):
    cargo = os.environ["THIMBLE_CARGO"]
    here = pathlib.Path.cwd()
    copy = pathlib.Path(os.environ["THIMBLE_COPY"])
    package = next((arguments[i + 1] for i, word in enumerate(arguments) if word == "-p"), None)
    own = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments

    def after(flag):
        return before[before.index(flag) + 1] if flag in before else None

    is_workspace = here == copy
    if is_workspace and before[0] == "run" and package:
        if package == "thimble-trainer":
            as_trainer(own)
        example, program = after("--example"), after("--bin")
        path = ROOT / "target/release" / (f"examples/{example}" if example else program)
        os.execv(path, [str(path), *own])
    if is_workspace or before[0] in ("install", "metadata") and here != copy / "firmware-tests":
        # Of the repository itself, where everything is built.
        os.chdir(ROOT)
        os.environ.pop("CARGO_TARGET_DIR", None)
        if before[0] == "test":
            own = ["--list"]
        if before[0] == "install":
            before = [*before, "--root", str(copy / "installed")]
        os.execv(cargo, [cargo, *before, *(["--", *own] if own else [])])
    os.execv(cargo, [cargo, *arguments])


def as_installer(program, arguments):
    """apt-get and rustup: what is here already is not installed again."""
    if program == "apt-get" and shutil.which("qemu-system-arm"):
        sys.exit(0)
    if program == "rustup" and arguments[:2] == ["target", "add"]:
        target = pathlib.Path(os.environ["THIMBLE_SYSROOT"]) / "lib/rustlib" / arguments[2] / "lib"
        if target.is_dir():
            sys.exit(0)
    path = os.environ["THIMBLE_PATH"]
    os.execvpe(shutil.which(program, path=path) or program, [program, *arguments], {**os.environ, "PATH": path})


# Files that pages take for granted.


def picture(path, kind, number):
    """A BMP of 40x40 pixels: stripes that lie, stripes that stand, or noise."""
    side, rows = 40, bytearray()
    for row in range(side):
        for column in range(side):
            noise = (row * 73 + column * 151 + number * 197) * 2654435761 >> 16 & 63
            at = (row if kind == "lying" else column) + number
            tone = noise * 4 if kind == "noise" else 60 + at // 4 % 2 * 130 + noise // 4
            rows += bytes([tone, (tone + number) % 256, 255 - tone if kind == "standing" else tone])
    size = 54 + len(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"BM" + struct.pack("<IIIIiiHHIIiiII", size, 0, 54, 40, side, side, 1, 24, 0, len(rows), 2835, 2835, 0, 0) + rows)


class Page:
    """A copy of the repository for the commands of one page."""

    def __init__(self, page, scratch, environment, is_whole):
        self.page, self.environment, self.is_whole = page, environment, is_whole
        self.copy = pathlib.Path(environment["THIMBLE_COPY"])
        self.text = "\n".join("\n".join(lines) for _, mark, lines in blocks(page) if not mark)

    def run(self, command, **more):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self.copy, env=self.environment, stdin=subprocess.DEVNULL, **more
        )

    def make(self, command):
        done = self.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"error: {self.page.name}: what its commands take for granted cannot be made: {command}\n{done.stdout}{done.stderr}")

    def mentions(self, name):
        return re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w.-])", self.text)

    def prepare(self):
        drawn = "cargo run --release -p thimble-tests --example shapes -- drawn 60 32"
        for name in ["birds", "people"]:
            if self.mentions(name) or re.search(rf"\b{name}[/-]", self.text):
                self.birds(name)
        if self.mentions("other-things"):
            for number in range(60):
                picture(self.copy / f"other-things/{number}.bmp", "noise", number)
        if self.mentions("cifar-10") or self.mentions("cifar"):
            for part in ["train", "test"]:
                for name in ["cifar-10", "cifar"]:
                    self.make(f"{drawn}; mkdir -p {name}; mv drawn {name}/{part}")
        for name in ["photo.jpg", "crowd.jpg"]:
            if self.mentions(name):
                picture(self.copy / name, "lying", 7)
        if self.mentions("dump.bin"):
            (self.copy / "dump.bin").write_bytes(bytes(index * 7 % 256 for index in range(160 * 120 * 2)))
        if self.mentions("classes.txt"):
            (self.copy / "classes.txt").write_text("person\nno person\n")
        for name, network in [("./mine.toml", "models small"), ("./teacher.toml", "recipes strong"), ("aware.toml", "recipes strong")]:
            if name in self.text:
                self.make(f"trainer {network} > {name}")
        imported = [("person.tflite", "vww-mobilenet-int8"), ("float.tflite", "ic-resnet8-float")]
        for name, network in imported:
            if self.mentions(name):
                self.take(f"{network}.tflite", name)
        for name, network in [("ic", "ic-resnet8"), ("kws", "kws-dscnn"), ("vww", "vww-mobilenet"), ("sww", "sww-1dconv")]:
            if self.mentions(f"{name}.bin"):
                self.take(f"{network}-int8.tflite", f"{name}.tflite")
                self.make(f"trainer import {name}.tflite --export {name}.bin")
        # Runs and models of earlier pages, where no command of this one writes them before.
        for network in ["mlp", "cnn", "small", "tiny"]:
            run = f"runs/{network}-fashion-mnist-48-1"
            made = run if self.is_whole else run.replace("fashion-mnist", "garments")
            is_written = re.search(rf"fit (?!--resume)[^\n]*--model {network}\b[^\n]*", self.text)
            if run in self.text and not (is_written and is_written.start() < self.text.index(run)):
                self.make(f"trainer fit --model {network} --out {made}")
            exported = f"{network}.bin"
            if self.mentions(exported) or f"../{exported}" in self.text:
                if not re.search(rf"--export {exported}", self.text):
                    self.make(f"trainer fit --model {network} --out made/{network} --export {exported}")
        for run in ["runs/birds-1", "runs/birds-2"]:
            if run in self.text:
                self.make(f"trainer fit --data birds --model tiny --seed {run[-1]} --out {run}")
        if self.mentions("candidate.json"):
            self.make("trainer search conv --describe --data birds > described.json")
            described = json.loads((self.copy / "described.json").read_text())
            values = {one["name"]: one["choices"][0] if one["kind"] == "categorical" else one["low"] for one in described["parameters"]}
            (self.copy / "candidate.json").write_text(json.dumps({"parameters": values, "seed": 1, "epochs": 1}))
        if self.mentions("runs/ic"):
            self.take("ic-resnet8-float.tflite", "ic.tflite")
            self.make("trainer import ic.tflite --out runs/ic --input-range 0..255")
        if self.mentions("birds.bin") and not re.search(r"--export birds\.bin", self.text):
            self.make("trainer fit --data birds --input 24x32x3 --model tiny --out made/birds --export birds.bin")
        if "fit --resume runs/cnn-fashion-mnist-48-1" in self.text:
            # As an interrupt leaves it.
            self.make("cd runs/cnn-*-48-1 && rm -f metrics.json report.html")
        if self.mentions("model.bin") and not re.search(r"--export model\.bin", self.text):
            data = "--data birds --input 24x32x3" if "--raw" in self.text else ""
            if "--raw" in self.text:
                self.birds("birds")
            self.make(f"trainer fit {data} --model tiny --out made/model --export model.bin")

    def birds(self, name):
        for kind, bird in [("lying", "crow"), ("standing", "wren")]:
            for number in range(60):
                picture(self.copy / f"{name}/{bird}/{number}.jpg", kind, number)

    def take(self, network, name):
        models = ROOT / "../shared/mlperf-tiny"
        if not (models / network).is_file():
            raise FileNotFoundError("networks of MLPerf Tiny are not here")
        shutil.copyfile(models / network, self.copy / name)


def copy_of_repository(to):
    names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in names.decode().split("\0"):
        if name and (ROOT / name).exists() and not name.startswith("fuzz/seeds"):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name, follow_symlinks=False)


def environment_of(copy, scratch, is_whole):
    environment = {**os.environ, "THIMBLE_COPY": str(copy), "HOME": str(copy / "home")}
    home = pathlib.Path(os.environ.get("HOME", "/root"))
    environment.setdefault("CARGO_HOME", str(home / ".cargo"))
    environment.setdefault("RUSTUP_HOME", str(home / ".rustup"))
    for name in ["THIMBLE_RUN", "THIMBLE_MODEL", "THIMBLE_FRAMES"]:
        environment.pop(name, None)
    (copy / "home/.local/share/bash-completion/completions").mkdir(parents=True)
    if is_whole:
        # One for all pages: each builds what the one before it has built.
        path = f"{ROOT / 'target/release'}:{os.environ['PATH']}"
        return {**environment, "PATH": path, "CARGO_TARGET_DIR": str(scratch / "target")}
    programs = scratch / "programs"
    if not programs.exists():
        programs.mkdir()
        for name in ["trainer", "cargo", "apt-get", "rustup"]:
            shim = programs / name
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{pathlib.Path(__file__).resolve()}" --as {name} "$@"\n')
            shim.chmod(0o755)
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    environment.update(
        PATH=f"{programs}:{os.environ['PATH']}",
        THIMBLE_PATH=os.environ["PATH"],
        THIMBLE_CARGO=shutil.which("cargo"),
        THIMBLE_SYSROOT=sysroot,
        CARGO_TARGET_DIR=str(scratch / "firmware-target"),
        BENCH_IMAGES="2",
    )
    return environment


def limited(command):
    """A command as it is run with small limits: scripts for several cores run on one, with two images, and runs are named by their data."""
    command = command.replace("-fashion-mnist-48", "-garments-48")
    if re.search(r"(on-all-cores|decisions-on-cores|camera-on-cores|cycles)\.sh", command):
        command = re.sub(r"BENCH_IMAGES=\d+", "BENCH_IMAGES=2", command)
        command = re.sub(r"CORES=(\"[^\"]*\"|M\S+)", "CORES=M4F", command)
        command = re.sub(r"(\.bin) \d+", r"\1 2", command)
        if "CORES=" not in command:
            command = re.sub(r"(\./|firmware-tests/)(\w[\w-]*\.sh)", r"CORES=M4F \1\2", command, count=1)
    return command


def main():
    words = sys.argv[1:]
    if words[:1] == ["--as"]:
        program, arguments = words[1], words[2:]
        return {"trainer": as_trainer, "cargo": as_cargo}.get(program, lambda rest: as_installer(program, rest))(arguments)
    if {"-h", "--help"} & set(words):
        return print(__doc__)
    unknown = [word for word in words if word.startswith("-") and word not in ("--whole", "--list")]
    if unknown:
        print(f"error: there is no option {unknown[0]}; --help describes what there is", file=sys.stderr)
        return sys.exit(2)
    is_whole, names = "--whole" in words, [word for word in words if not word.startswith("-")]
    passed, failed, excepted, skipped = 0, [], {}, 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        for page in pages(names):
            found = [(line, mark, command) for line, mark, lines in blocks(page) for command in commands(lines)]
            if is_whole:
                found = [(line, None if mark == "minutes" else mark, command) for line, mark, command in found]
            for _, mark, _ in found:
                if mark:
                    excepted[mark] = excepted.get(mark, 0) + 1
            if "--list" in words:
                for line, mark, command in found:
                    print(f"{page.name}:{line}: {f'({REASONS[mark]}) ' if mark else ''}{command}")
                continue
            wanted = [(line, command) for line, mark, command in found if not mark]
            if not wanted:
                continue
            copy = scratch / "thimble"
            copy.mkdir()
            copy_of_repository(copy)
            state = Page(page, scratch, environment_of(copy, scratch, is_whole), is_whole)
            try:
                state.prepare()
            except FileNotFoundError as error:
                print(f"SKIPPED {page.name}, {len(wanted)} commands: {error}")
                skipped += len(wanted)
                shutil.rmtree(copy)
                continue
            for line, command in wanted:
                expected = re.search(r"#.*exits with (\d+)", command)
                before = time.monotonic()
                try:
                    done = state.run(
                        command if is_whole else limited(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                        errors="replace", timeout=None if is_whole else PATIENCE,
                    )
                    code, output = done.returncode, done.stdout
                except subprocess.TimeoutExpired as error:
                    code, output = "none in time", (error.stdout or b"").decode(errors="replace")
                seconds = time.monotonic() - before
                first = command.splitlines()[0]
                if code == (int(expected.group(1)) if expected else 0):
                    passed += 1
                    print(f"ok      {page.name}:{line}: {first} ({seconds:.0f} s)", flush=True)
                else:
                    failed.append(f"{page.name}:{line}: {first}")
                    print(f"{output}\nFAILED  {page.name}:{line}: {first}: exit code {code}", flush=True)
            shutil.rmtree(copy)
    if "--list" in words:
        return None
    for mark, count in sorted(excepted.items()):
        print(f"excepted {count} commands: {REASONS[mark]}")
    if skipped:
        print(f"test result: skipped. 0 passed; 0 failed; {skipped} ignored")
    for name in failed:
        print(f"FAILED  {name}")
    print(f"commands: {passed} passed, {len(failed)} failed, {sum(excepted.values())} excepted, in {time.monotonic() - start:.0f} s")
    return sys.exit(bool(failed))


main()
