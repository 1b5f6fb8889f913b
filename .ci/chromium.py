"""Headless Chromium for the checks of pages, through the DevTools protocol on its pipe: Python's own library is enough."""

import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

VIEWS = [("phone", 390, 844, 2, True), ("desktop", 1280, 900, 1, False)]
SCHEMES = ["light", "dark"]
# Seconds that an answer may take on a busy machine.
PATIENCE = 120

FINDINGS = """
axe.run({resultTypes: ['violations']}).then(found => found.violations
  .filter(finding => ['serious', 'critical'].includes(finding.impact))
  .map(finding => `${finding.id} (${finding.impact}): ${finding.help}: ${finding.nodes[0].html.slice(0, 120)}`))
"""


class Checks:
    """Counts checks, and prints those that fail."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, name, fine, seen):
        if fine:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name}: {seen}")

    def end(self, what):
        print(f"{what}: {self.passed} passed, {self.failed} failed")
        raise SystemExit(1 if self.failed or not self.passed else 0)


def axe_source(path):
    """The source of axe-core; none where it is not available."""
    return pathlib.Path(path).read_text() if path != "-" else None


class Chromium:
    def __init__(self, program, *more_flags):
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
            *more_flags,
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
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"]:
            self.call(f"{domain}.enable")
        self.call("Emulation.setScrollbarsHidden", hidden=True)

    def open(self, page, view, scheme):
        """Opens a page, as on a phone or a desktop, light or dark."""
        _, width, height, density, mobile = view
        size = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def value(self, expression):
        """What an expression, or the promise that it is, comes to in the page."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression[:200]}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_until(self, expression):
        """Waits for an expression to be true in the page; returns whether it came to be."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.value(expression):
                return True
            time.sleep(0.05)
        return False

    def findings(self, axe):
        """Serious and critical findings of axe-core, whose source is given, each with the first element that it is about."""
        if not self.value("typeof axe === 'object'"):
            self.call("Runtime.evaluate", expression=axe)
        return self.value(FINDINGS)

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
