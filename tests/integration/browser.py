"""A headless Chromium, driven over chromedriver's plain HTTP interface (W3C WebDriver)."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--no-first-run", "--force-color-profile=srgb", "--lang=en",
)  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Tab": "\ue004"}


def is_here() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


class Browser:
    """One window. Use as a context manager; nothing of it is left afterwards."""

    def __init__(self, width=1440, height=900):
        self._profile = tempfile.mkdtemp(prefix="browser-")
        self._driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = next(line for line in self._driver.stdout if "started successfully on port" in line)
        self._root = "http://127.0.0.1:" + re.search(r"port (\d+)", line)[1]
        options = {"binary": shutil.which("chromium"), "args": [*ARGUMENTS, f"--window-size={width},{height}", f"--user-data-dir={self._profile}"]}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        self._session = self._call("POST", "/session", {"capabilities": wanted})["sessionId"]
        self.resize(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._call("DELETE", f"/session/{self._session}")
        finally:
            self._driver.terminate()
            self._driver.wait(10)
            self._driver.stdout.close()
            shutil.rmtree(self._profile, ignore_errors=True)

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(json.load(error)["value"]["message"]) from None

    def _do(self, method, path, body=None):
        return self._call(method, f"/session/{self._session}{path}", body)

    def resize(self, width, height):
        """The page's size; the window's frame is not counted."""
        frame = self.run("return [outerWidth - innerWidth, outerHeight - innerHeight]")
        self._do("POST", "/window/rect", {"width": width + frame[0], "height": height + frame[1]})

    def open(self, url):
        self._do("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """Run JavaScript; what it returns."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def texts(self, selector):
        """The visible text of every element that fits."""
        script = "return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility()).map((e) => e.innerText.trim())"
        return self.run(script, selector)

    def text(self, selector):
        found = self.texts(selector)
        assert len(found) == 1, f"{selector}: expected one visible element, found {found}"
        return found[0]

    def wait(self, what, done, seconds=20.0):
        """Ask until the page has got there. The pages run on a real clock; the limit is for a machine under load."""
        until = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < until, f"never happened: {what}; the page says {self.run('return document.body.innerText')[:2000]!r}"
            time.sleep(0.05)
        return found

    def wait_text(self, selector, part):
        return self.wait(f"{part!r} in {selector}", lambda: any(part in text for text in self.texts(selector)))

    def click(self, selector):
        element = self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._do("POST", f"/element/{element}/click", {})

    def fill(self, selector, text):
        element = self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._do("POST", f"/element/{element}/clear", {})
        self._do("POST", f"/element/{element}/value", {"text": text})

    def press(self, *keys):
        """Keys on whatever has the focus."""
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def complaints(self):
        """What the page's console has said: errors, refused scripts, missing files."""
        return [entry["message"] for entry in self._do("POST", "/se/log", {"type": "browser"}) if entry["level"] in ("SEVERE", "WARNING")]

    def picture(self, path: Path):
        path.write_bytes(base64.b64decode(self._do("GET", "/screenshot")))
