"""A headless Chromium for tests of pages, driven by its DevTools protocol over a pair of pipes: no port, no network."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)

_PATIENCE = 60.0  # seconds of silence; starting takes a few on a busy machine


class Page:
    """One page; `requests` are the addresses that it asked for, `problems` what it had to complain of."""

    def __init__(self, commands: int, events: int) -> None:
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._events = events
        self._read_ahead = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.problems: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._commands.close()
        os.close(self._events)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; what happens meanwhile is noted down."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, path: Path) -> None:
        """Open a file, and wait until it is loaded."""
        self.open_url(path.as_uri())

    def open_url(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        self._loaded = False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._read()

    def wait(self, condition: str) -> None:
        """Wait until an expression in the page is true, looked at with each frame that it draws."""
        look = f"const look = () => ({condition}) ? done(true) : requestAnimationFrame(look)"
        assert self.run(f"new Promise((done) => {{ {look}; look(); }})")

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

    def look(self, *, width: int, height: int, dark: bool = False, media: str = "screen") -> None:
        """Give the page a size, and the colours and the medium that it is shown in."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def screenshot(self, *, whole: bool = False) -> bytes:
        """Return the page as a PNG."""
        result = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(result["data"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._read_ahead:
            ready, _, _ = select.select([self._events], [], [], _PATIENCE)
            chunk = os.read(self._events, 1 << 20) if ready else b""
            assert chunk, "the browser is gone, or says nothing any more"
            self._read_ahead += chunk
        message, _, self._read_ahead = self._read_ahead.partition(b"\0")
        event = json.loads(message)
        self._note(event.get("method", ""), event.get("params", {}))
        return event

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.problems.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded":
            self.problems.append(parameters["entry"]["text"])


@contextmanager
def open_page(folder: Path) -> Iterator[Page]:
    """Start a browser whose profile is in a folder, and yield a page of it."""
    assert CHROMIUM
    to_browser, commands = os.pipe()
    events, from_browser = os.pipe()
    # The browser reads commands from descriptor 3 and writes to 4; a shell puts them there, whatever they are here.
    script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    command = ["bash", "-c", script, "bash", CHROMIUM, *_FLAGS, f"--user-data-dir={folder}"]
    browser = subprocess.Popen(
        command, pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(to_browser)
    os.close(from_browser)
    page = None
    try:
        page = Page(commands, events)
        yield page
    finally:
        if page is not None:
            page.close()
        browser.terminate()
        browser.wait(timeout=30)


def axe_core() -> str | None:
    """Return the script of axe-core: from the folder in AXE_CORE, or where `npm install -g axe-core` puts it."""
    folders = [os.environ.get("AXE_CORE")]
    if npm := shutil.which("npm"):
        root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False).stdout.strip()
        folders.append(f"{root}/axe-core")
    files = (Path(folder, "axe.min.js") for folder in folders if folder)
    return next((file.read_text(encoding="utf-8") for file in files if file.exists()), None)
