"""Opens report pages in headless Chromium and checks what a reader would run into.

    report_in_chromium.py CHROMIUM OUT PAGE...

Each page is opened as on a phone and as on a desktop, light and dark, with all its details unfolded. Nothing may be written to the
console, nothing fetched, no image missing, and nothing may reach out of the page sideways. Screenshots go to OUT. Speaks the
DevTools protocol through Chromium's pipe: Python's own library is enough.
"""

import base64
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

if {"-h", "--help"} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
if len(sys.argv) < 4 or any(argument.startswith("-") for argument in sys.argv[1:]):
    print("error: give CHROMIUM OUT PAGE..., and no options; --help describes them", file=sys.stderr)
    sys.exit(2)

VIEWS = [("phone", 390, 844, 2, True), ("desktop", 1280, 900, 1, False)]
SCHEMES = ["light", "dark"]
# Seconds that an answer may take on a busy machine.
PATIENCE = 120

LOOK = """
(async () => {
  document.querySelectorAll('details').forEach(details => details.open = true);
  const images = [...document.querySelectorAll('svg image')];
  const sizes = await Promise.all(images.map(image => new Promise(resolve => {
    const copy = new Image();
    copy.onload = () => resolve(copy.naturalWidth);
    copy.onerror = () => resolve(0);
    copy.src = image.getAttribute('href');
  })));
  const figures = [...document.querySelectorAll('figure')];
  const wide = [...document.querySelectorAll('main *')].filter(element => {
    if (element.closest('.scroll') || element.closest('svg')) return false;
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5);
  });
  // Words may lean out of their figure by less than the margin around it; what scrolls cuts off at its edge.
  const cut = [...document.querySelectorAll('svg text')].filter(text => {
    const box = text.getBoundingClientRect(), svg = text.ownerSVGElement.getBoundingClientRect();
    const margin = text.closest('.scroll') ? 0.5 : 8;
    return box.left < svg.left - margin || box.right > svg.right + margin || box.top < svg.top - 8 || box.bottom > svg.bottom + 8;
  });
  // Letters fill about half of a line's box in height: only words that run into each other along the line count.
  const collisions = [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    return boxes.flatMap(([one, a], index) => boxes.slice(index + 1).filter(([, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      return across > 1 && down > 0.6 * Math.min(a.height, b.height);
    }).map(([other]) => `${one} / ${other}`));
  });
  // The connections of a graph are its only lines outside of a chart.
  const lines = [...document.querySelectorAll('figure svg > path')];
  const strayed = lines.filter(line => {
    const box = line.getBoundingClientRect(), svg = line.ownerSVGElement.getBoundingClientRect();
    return box.left < svg.left || box.right > svg.right || box.top < svg.top || box.bottom > svg.bottom;
  });
  const smallest = Math.min(...[...document.querySelectorAll('svg text')].map(text =>
    parseFloat(text.getAttribute('font-size')) * Math.abs(text.getScreenCTM().a || text.getScreenCTM().b)));
  return {
    title: document.title,
    figures: figures.length,
    drawn: figures.filter(figure => {
      const box = figure.querySelector('svg')?.getBoundingClientRect();
      return box && box.width > 100 && box.height > 50;
    }).length,
    images: images.length,
    loaded: sizes.filter(size => size > 0).length,
    overflow: document.documentElement.scrollWidth - innerWidth,
    wide: wide.slice(0, 3).map(element => element.outerHTML.slice(0, 80)),
    cut: cut.slice(0, 3).map(text => text.textContent),
    collisions: collisions.slice(0, 3),
    lines: lines.length,
    strayed: strayed.slice(0, 3).map(line => line.textContent),
    smallest,
    scripts: document.scripts.length,
    paper: getComputedStyle(document.body).backgroundColor,
    // A link to the file of an image is followed by who clicks on it, and leads to no other host.
    external: [...document.querySelectorAll('[src], [href]')]
      .filter(element => !element.matches('a[href]') || new URL(element.href).protocol !== 'file:')
      .map(element => element.getAttribute('src') || element.getAttribute('href'))
      .filter(target => target && !target.startsWith('data:') && !target.startsWith('#')),
  };
})()
"""


class Chromium:
    def __init__(self, program):
        self.profile = tempfile.mkdtemp(prefix="thimble-chromium-")
        to_browser, self.requests = os.pipe()
        self.replies, from_browser = os.pipe()
        # The browser reads its commands from descriptor 3 and answers on 4; first both get out of that way.
        far = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_browser, from_browser)]
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-pipe",
            f"--user-data-dir={self.profile}",
            "about:blank",
        ]
        command = f'exec "$0" "$@" 3<&{far[0]} 4>&{far[1]}'
        self.browser = subprocess.Popen(
            ["bash", "-c", command, program, *flags],
            pass_fds=far,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (to_browser, from_browser, *far):
            os.close(end)
        os.set_blocking(self.replies, False)
        self.buffer, self.events, self.number, self.session = b"", [], 0, None

    def close(self):
        self.browser.terminate()
        try:
            self.browser.wait(20)
        except subprocess.TimeoutExpired:
            self.browser.kill()
            self.browser.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, until):
        while time.monotonic() < until:
            if b"\0" in self.buffer:
                message, self.buffer = self.buffer.split(b"\0", 1)
                return json.loads(message)
            try:
                more = os.read(self.replies, 1 << 20)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            if not more:
                raise RuntimeError("Chromium has ended")
            self.buffer += more
        return None

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.requests, data) :]
        until = time.monotonic() + PATIENCE
        while reply := self.receive(until):
            if reply.get("id") == self.number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]
            self.events.append(reply)
        raise RuntimeError(f"{method}: no answer in {PATIENCE} s")

    def wait_for(self, event):
        until = time.monotonic() + PATIENCE
        while not any(seen["method"] == event for seen in self.events):
            seen = self.receive(until)
            if not seen:
                raise RuntimeError(f"{event} did not come in {PATIENCE} s")
            self.events.append(seen)

    def open_tab(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")
        self.call("Emulation.setScrollbarsHidden", hidden=True)

    def look(self, page, view, scheme):
        _, width, height, density, mobile = view
        size = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired")
        result = self.call("Runtime.evaluate", expression=LOOK, awaitPromise=True, returnByValue=True)
        return result["result"]["value"]

    def screenshot(self, path, whole):
        height = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}
            height = {"captureBeyondViewport": True, "clip": clip}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **height)["data"]))

    def written(self):
        """What the page wrote to the console, and the addresses elsewhere that it requested."""
        written, requested = [], []
        for event in self.events:
            method, parameters = event["method"], event.get("params", {})
            if method == "Log.entryAdded":
                written.append(parameters["entry"]["text"])
            elif method == "Runtime.consoleAPICalled":
                written.append(str(parameters["args"]))
            elif method == "Runtime.exceptionThrown":
                written.append(parameters["exceptionDetails"]["text"])
            elif method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if not url.startswith("data:") and parameters.get("type") != "Document":
                    requested.append(url)
        return written, requested


def main():
    program, out, *pages = sys.argv[1:]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    passed = failed = 0

    def check(name, fine, seen):
        nonlocal passed, failed
        if fine:
            passed += 1
        else:
            failed += 1
            print(f"FAILED {name}: {seen}")

    chromium = Chromium(program)
    try:
        chromium.open_tab()
        for page in map(pathlib.Path, pages):
            papers = {}
            for view in VIEWS:
                for scheme in SCHEMES:
                    name = f"{page.parent.name}-{page.stem}-{view[0]}-{scheme}"
                    seen = chromium.look(page, view, scheme)
                    written, requested = chromium.written()
                    papers[scheme] = seen["paper"]
                    check(f"{name}: figures are drawn", 1 <= seen["figures"] == seen["drawn"], seen)
                    check(f"{name}: images are there", 1 <= seen["images"] == seen["loaded"], seen)
                    check(f"{name}: the console is silent", not written, written)
                    check(f"{name}: nothing is fetched", not requested and not seen["external"], (requested, seen["external"]))
                    check(f"{name}: no script came in", seen["scripts"] == 0, seen["scripts"])
                    check(f"{name}: nothing overflows", seen["overflow"] <= 0 and not seen["wide"], seen)
                    check(f"{name}: words stay in their figure", not seen["cut"], seen["cut"])
                    check(f"{name}: no words run into each other", not seen["collisions"], seen["collisions"])
                    check(f"{name}: lines of a graph stay in their figure", not seen["strayed"], seen["strayed"])
                    check(f"{name}: words of figures can be read", seen["smallest"] >= 5.5, seen["smallest"])
                    chromium.screenshot(out / f"{name}.png", whole=False)
                    chromium.screenshot(out / f"{name}-whole.png", whole=True)
            check(f"{page}: light and dark differ", papers["light"] != papers["dark"], papers)
            size = page.stat().st_size
            compared = re.match(r"(\d+) runs compared", seen["title"])
            runs = int(compared[1]) if compared else 1
            check(f"{page}: under 700 KB a run", size < 700_000 * runs, size)
            counts = f"{seen['figures']} figures, {seen['images']} images, {seen['lines']} connections"
            print(f"{page}: \"{seen['title']}\", {counts}, {size} bytes")
    finally:
        chromium.close()
    print(f"report: {passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
