"""Opens pages of `trainer demo` in headless Chromium, and does what a user would do.

    demo_in_chromium.py CHROMIUM AXE OUT TRAINER MODEL...

Each MODEL has its page beside it, demo.html. It is opened as on a phone and as on a desktop, light and dark: nothing may be written to
the console, nothing fetched, nothing may reach out of the page, the checksum has to be the host's, and axe-core (AXE, its axe.min.js; -
leaves that out) may find nothing serious. Then an image is opened and one dropped, which become the same input and the same probabilities
as in `trainer predict`; a drawing is made with the mouse and one with keys; images come from a fake camera; and what goes wrong has to be
shown. Screenshots go to OUT.
"""

import base64
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zlib

from chromium import SCHEMES, VIEWS, Checks, Chromium, axe_source

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if len(sys.argv) < 6 or any(argument.startswith("-") and argument != "-" for argument in sys.argv[1:]):
    print("error: give CHROMIUM AXE OUT TRAINER MODEL..., and no options; --help describes them", file=sys.stderr)
    sys.exit(2)

FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
READY = "document.documentElement.dataset.ready === 'yes' || !document.getElementById('failure').hidden"
TEXT = "document.getElementById('{}').textContent"
# The bytes of the input: of gray ones all channels of a canvas are the same.
INPUT = """
(() => {
  const canvas = document.getElementById('seen');
  return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data].filter((_, index) => index % 4 < 3);
})()
"""
PERCENTS = """
Object.fromEntries([...document.querySelectorAll('#bars li')].map(bar =>
  [bar.querySelector('.name').textContent, bar.querySelector('.percent').textContent]))
"""
WIDE = """
[...document.querySelectorAll('main *')].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width > 0 && (box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5);
}).slice(0, 3).map(element => element.outerHTML.slice(0, 80)).concat(
  document.documentElement.scrollWidth > document.documentElement.clientWidth ? ['the page'] : [])
"""


# What of the policy blocks a connection.
CONNECT = """
new Promise(resolve => {
  document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));
  fetch('http://127.0.0.1:9/').catch(() => setTimeout(() => resolve('nothing'), 1000));
})
"""


def png(width, height, pixel):
    """A PNG file in RGB, of what `pixel` gives for x and y."""
    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in pixel(x, y)) for y in range(height))

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Page:
    """A page that is open."""

    def __init__(self, chromium, path):
        self.chromium, self.path, self.name = chromium, path, path.parent.name

    def open(self, view=VIEWS[1], scheme="light"):
        self.chromium.open(self.path, view, scheme)
        return self.chromium.wait_until(READY)

    def text(self, element):
        return self.chromium.value(TEXT.format(element))

    def has(self, element):
        return self.chromium.value(f"document.getElementById('{element}') !== null")

    def click(self, element):
        self.chromium.value(f"document.getElementById('{element}').click()")

    def place(self, element):
        """Where the middle of an element is, after it was scrolled into view."""
        return self.chromium.value(
            f"(element => {{ element.scrollIntoView({{block: 'center'}}); const box = element.getBoundingClientRect();"
            f" return [box.left + box.width / 2, box.top + box.height / 2, box.width]; }})(document.getElementById('{element}'))"
        )

    def choose(self, file):
        """As a user opens a file."""
        root = self.chromium.call("DOM.getDocument")["root"]["nodeId"]
        node = self.chromium.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.chromium.call("DOM.setFileInputFiles", files=[str(file)], nodeId=node)
        return self.chromium.wait_until(f"{TEXT.format('note')}.includes({json.dumps(file.name)})")

    def drop(self, file):
        """As a user drops a file."""
        x, y, _ = self.place("decision")
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ["dragEnter", "dragOver", "drop"]:
            self.chromium.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)
        return self.chromium.wait_until(f"{TEXT.format('note')}.includes({json.dumps(file.name)})")

    def mouse(self, kind, x, y):
        self.chromium.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def key(self, name, code=0):
        text = {"text": " "} if name == " " else {}
        for kind in ["keyDown", "keyUp"]:
            self.chromium.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **text)

    def has_input(self, condition):
        """Waits for an input of which a condition holds, of its bytes as `input`."""
        return self.chromium.wait_until(f"(input => {condition})({INPUT.strip()})")


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.S)[1])


def check_looks(check, page, axe, out):
    """As on a phone and on a desktop, light and dark."""
    data, chromium, papers = data_of(page.path), page.chromium, {}
    for view in VIEWS:
        for scheme in SCHEMES:
            name = f"demo-{page.name}-{view[0]}-{scheme}"
            check(f"{name}: the page runs", page.open(view, scheme) and not page.text("failure"), page.text("failure"))
            checksum = page.text("checksum")
            check(f"{name}: the checksum is the host's", checksum == f"0x{data['checksum']:08x}", checksum)
            check(f"{name}: and the page states that", page.text("equal").startswith("equal to the host's"), page.text("equal"))
            check(f"{name}: the time is there", re.match(r"[\d.]+ ms$", page.text("time")), page.text("time"))
            figures = chromium.value("document.querySelectorAll('#layers canvas').length")
            check(f"{name}: all layers are shown", figures == len(data["layers"]), figures)
            scripts = chromium.value("[...document.scripts].map(script => script.id || 'the script')")
            check(f"{name}: no script came in", scripts == ["data", "program", "model", "images", "the script"], scripts)
            wide = chromium.value(WIDE)
            check(f"{name}: nothing overflows", not wide, wide)
            written, requested = chromium.written()
            check(f"{name}: the console is silent", not written, written)
            check(f"{name}: nothing is fetched", not requested, requested)
            papers[scheme] = chromium.value("getComputedStyle(document.body).backgroundColor")
            if axe:
                findings = chromium.findings(axe)
                check(f"{name}: axe-core finds nothing serious", not findings, findings)
            chromium.screenshot(out / f"{name}.png", whole=True)
    check(f"{page.name}: light and dark differ", papers["light"] != papers["dark"], papers)
    blocked = chromium.value(CONNECT)
    check(f"{page.name}: the policy blocks connections", blocked == "connect-src", blocked)
    time, size = page.text("time"), page.path.stat().st_size
    print(f'{page.path}: "{chromium.value("document.title")}", {time} per image, {checksum}, {size} bytes')


def check_files(check, page, trainer, model, scratch):
    """Files that are opened and dropped have the input and the probabilities that the trainer gives them."""
    data = data_of(page.path)
    height, width = data["input"]["height"], data["input"]["width"]
    colors = lambda x, y: ((x * 37 + y * 11) % 256, (x * y) % 256, (255 - x * 5) % 256)
    black = lambda x, y: (0, 0, 0)
    # A model that takes images of its own size only is given these; another is given one that it has to scale.
    other = (width, height) if data["resize"] == 0 else (3 * width + 5, 2 * height + 1)
    images = [("colors", (width, height), colors, page.choose), ("other", other, colors, page.drop)]
    for name, size, pixel, bring in [*images, ("black", (width, height), black, page.choose)]:
        page.open()
        file = scratch / f"{page.name}-{name}.png"
        file.write_bytes(png(*size, pixel))
        check_answer(check, page, data, [trainer, "predict", model, file], file, bring)
    # Black is none of the classes of the one model here that has a threshold.
    if "needs" in page.text("why"):
        check(f"{page.name}: a black image is none of these", page.text("decision") == "None of these", page.text("decision"))
        print(f"{page.path}: {page.text('decision')}. {page.text('why')}")
    broken = scratch / "broken.png"
    broken.write_bytes(b"no image")
    page.choose(broken)
    check(f"{page.name}: a file that is no image is named", "is not an image" in page.text("note"), page.text("note"))


def check_answer(check, page, data, predict, file, bring):
    """The answer to a file is that of `trainer predict`."""
    name = file.name
    check(f"{name}: it is taken", bring(file), page.text("note"))
    dumped = file.with_suffix(".input")
    command = [*predict, "--json", "--top", "1", "--dump-input", dumped]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    expected, seen = list(dumped.read_bytes()), page.chromium.value(INPUT)
    expected = expected if data["input"]["channels"] == 3 else [value for value in expected for _ in range(3)]
    check(f"{name}: the input is that of trainer predict", seen == expected, [seen[:12], expected[:12]])
    percents = page.chromium.value(PERCENTS)
    wanted = {data["classes"][index]: f"{100 * share:.1f}%" for index, share in enumerate(answer["probabilities"])}
    differing = {name: (percent, wanted.get(name)) for name, percent in percents.items() if not near(percent, wanted.get(name))}
    check(f"{name}: the probabilities are those of trainer predict", percents and not differing, differing)
    decision = page.text("decision")
    rejected = decision == "None of these"
    check(f"{name}: so is the decision", rejected != answer["accepted"], (decision, answer["accepted"]))
    check(f"{name}: and the class", rejected or decision.startswith(answer["class"] + ", "), decision)


def near(one, other):
    """Whether two percentages are the same but for their rounding."""
    return other is not None and abs(float(one[:-1]) - float(other[:-1])) < 0.11


def check_drawing(check, page):
    """Drawings, by mouse and by keys."""
    page.open()
    page.click("clear")
    check(f"{page.name}: an empty canvas is one color", page.has_input("new Set(input).size === 1"), page.text("note"))
    x, y, size = page.place("stage")
    page.mouse("mousePressed", x - size / 4, y - size / 4)
    for step in range(9):
        page.mouse("mouseMoved", x - size / 4 + step * size / 16, y - size / 4 + step * size / 16)
    page.mouse("mouseReleased", x + size / 4, y + size / 4)
    check(f"{page.name}: the mouse draws", page.has_input("new Set(input).size > 1"), page.text("decision"))
    page.chromium.value("document.getElementById('stage').focus()")
    page.key("Delete", 46)
    check(f"{page.name}: Delete clears", page.has_input("new Set(input).size === 1"), page.text("decision"))
    page.key(" ", 32)
    for _ in range(8):
        page.key("ArrowDown", 40)
    check(f"{page.name}: keys draw", page.has_input("new Set(input).size > 1"), page.text("decision"))


def check_camera(check, page, out):
    """A fake camera, whose image changes all the time."""
    page.open()
    page.click("camera")
    started = page.chromium.wait_until(f"{TEXT.format('camera')} === 'Stop camera'")
    check(f"{page.name}: the camera starts", started, page.text("note"))
    page.chromium.value("document.getElementById('camera').dataset.before = ''")
    changes = "(input => { const now = input.join(); const element = document.getElementById('camera');" \
        " if (!element.dataset.before) element.dataset.before = now; return element.dataset.before !== now; })"
    check(f"{page.name}: its images change", page.chromium.wait_until(f"{changes}({INPUT.strip()})"), page.text("note"))
    page.chromium.screenshot(out / f"demo-{page.name}-camera.png", whole=False)
    page.click("camera")
    stopped = page.text("camera")
    check(f"{page.name}: the camera stops", stopped == "Start camera", stopped)
    written, _ = page.chromium.written()
    check(f"{page.name}: the console is silent with a camera", not written, written)


def check_failures(check, page, scratch):
    """What goes wrong is shown, with what to do. There is no camera here."""
    page.open()
    page.click("camera")
    page.chromium.wait_until(f"{TEXT.format('note')} !== '' && !{TEXT.format('note')}.includes('labeled')")
    refused = page.text("note")
    check(f"{page.name}: no camera", "There is no camera" in refused or "was refused" in refused, refused)
    page.chromium.value("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page.click("camera")
    note = page.text("note")
    check(f"{page.name}: a browser that gives none", "opened as a file" in note and "http.server" in note, note)
    text = page.path.read_text()
    model = re.search(r'id="model">([^<]*)<', text)[1]
    damaged = bytearray(base64.b64decode(model))
    damaged[len(damaged) // 2] ^= 1
    checksum = f'"checksum":{data_of(page.path)["checksum"]}'
    for name, other, expected in [
        ("damaged", text.replace(model, base64.b64encode(damaged).decode()), "The model in this page is damaged"),
        ("other-host", text.replace(checksum, '"checksum":1'), "differ from those of the host"),
    ]:
        path = scratch / name / "demo.html"
        path.parent.mkdir()
        path.write_text(other)
        broken = Page(page.chromium, path)
        broken.open()
        check(f"{page.name}, {name}: it is reported", expected in broken.text("failure"), broken.text("failure"))


def main():
    program, axe, out, trainer, *models = sys.argv[1:]
    axe, out = axe_source(axe), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    check = Checks()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        chromium = Chromium(program, *FAKE_CAMERA)
        try:
            chromium.open_tab()
            for model in map(pathlib.Path, models):
                page = Page(chromium, model.with_name("demo.html"))
                check_looks(check, page, axe, out)
                check_files(check, page, trainer, model, scratch)
                if page.has("clear"):
                    check_drawing(check, page)
                check_camera(check, page, out)
        finally:
            chromium.close()
        chromium = Chromium(program)
        try:
            chromium.open_tab()
            check_failures(check, Page(chromium, pathlib.Path(models[0]).with_name("demo.html")), scratch)
        finally:
            chromium.close()
    check.end("demo")


main()
