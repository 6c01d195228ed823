"""Take the pictures of the live page: ``python docs/screenshots.py [RECORDING]``.

A replay runs through the whole pipeline, and Chromium visits the page as a desktop and as a phone,
in light and in dark. Needs Debian's packages ``chromium`` and ``fonts-inter``.
"""

import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import oxipng
from kafka_local.ports import free_port
from playwright.sync_api import Browser, Page, expect, sync_playwright

from txfeatures.process.clock import SystemClock

DOCS = Path(__file__).parent
RECORDING = DOCS.parent / "examples" / "recording.ndjson.gz"
PICTURES = DOCS / "images"
CHROMIUM = "/usr/bin/chromium"

SPEED = 8
"""Seconds of the feed in a second: a minute of it is long enough for all pictures."""

MINUTES = 11
"""Minutes of history on the pictures; the recording of the examples has three more."""

PATIENCE_MS = 300_000
LARGEST_BYTES = 200_000

WINDOWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 1240}},
    "phone": {"viewport": {"width": 390, "height": 1400}},
}


def main() -> None:
    """Replay the recording and write the pictures."""
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDING
    port = free_port()
    demo = subprocess.Popen(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "txfeatures", "demo", "--source", "replay"),
            *("--file", str(recording), "--speed", str(SPEED), "--port", str(port)),
        ],
    )
    try:
        wait_until_served(port, demo)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            take(browser, f"http://127.0.0.1:{port}")
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait()


def take(browser: Browser, url: str) -> None:
    """Open every page, wait until one shows ``MINUTES`` of history, and take all pictures."""
    expect.set_options(timeout=PATIENCE_MS)
    pages: dict[str, Page] = {}
    for window, options in WINDOWS.items():
        for scheme in ("light", "dark"):
            page = browser.new_context(color_scheme=scheme, **options).new_page()
            page.goto(url)
            pages[f"page-{window}-{scheme}"] = page
    first = next(iter(pages.values()))
    first.wait_for_function(
        "least => parseInt(document.querySelector('[data-chart=count] svg')"
        ".getAttribute('aria-label').split(', ').at(-1)) >= least",
        arg=MINUTES,
        timeout=PATIENCE_MS,
    )
    PICTURES.mkdir(exist_ok=True)
    for name, page in pages.items():  # all at once, since the feed goes on
        page.screenshot(path=PICTURES / f"{name}.png")
    for path in sorted(PICTURES.glob("page-*.png")):
        oxipng.optimize(path, level=4, strip=oxipng.StripChunks.safe())
        size = path.stat().st_size
        print(f"{path.name}: {size:,} bytes")  # noqa: T201 - a command
        if size > LARGEST_BYTES:
            sys.exit(f"{path} has more than {LARGEST_BYTES:,} bytes; make its window smaller")


def wait_until_served(port: int, demo: subprocess.Popen[bytes]) -> None:
    """Return as soon as the api accepts connections."""
    clock, never = SystemClock(), threading.Event()
    while demo.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        clock.wait(never, 0.5)
    sys.exit("the demo has ended before the page was served; its last lines have the reason")


if __name__ == "__main__":
    main()
