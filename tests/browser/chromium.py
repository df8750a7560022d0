"""Chromium without a window, driven over its DevTools protocol: no other program, no package.

    with chromium() as browser:
        page = browser.page(width=390, dark=True)
        page.goto(url)
        page.click("button.delete")  # see Page
        assert axe_violations(page) == []

It connects to loopback alone: every other name and address is "not found", and is recorded.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.page import Page
from tests.browser.protocol import PATIENCE_S, Connection
from tests.missing import missing

# the protocol's pipes must be the descriptors 3 and 4 of the browser
START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 64) for n in sys.argv[1:3])
os.dup2(read, 3); os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--mute-audio",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--proxy-server=direct://",
)


class Browser:
    """A started browser. Each page has cookies and storage of its own, unless it shares them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pages: dict[str, Page] = {}
        connection.on_event = self._happened

    def page(
        self,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        scripts: bool = True,
        timezone: str = "UTC",
        beside: Page | None = None,
    ) -> Page:
        """An empty page in front; *beside* another one it is a tab of the same window."""
        call = self._connection.call
        context = (
            beside.context if beside else call("Target.createBrowserContext")["browserContextId"]
        )
        target = call("Target.createTarget", url="about:blank", browserContextId=context)[
            "targetId"
        ]
        session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(
            self._connection,
            session=session,
            context=context,
            target=target,
            scripts=scripts,
            timezone=timezone,
        )
        self._pages[session] = page
        page.prepare()
        page.resize(width=width, height=height, dark=dark)
        return page

    def _happened(self, name: str, fields: Mapping[str, Any], session: str) -> None:
        page = self._pages.get(session)
        if page is None:
            return
        if name == "Target.attachedToTarget":  # a frame with a process of its own
            self._pages[fields["sessionId"]] = page
            page.prepare_frame(fields["sessionId"])
        page.happened(name, fields, session)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that is ended in any case."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("Chromium is not installed: apt-get install chromium")
    profile = tempfile.mkdtemp(prefix="chromium-")
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    its_read, write = os.pipe()
    read, its_write = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-S", "-c", START, str(its_read), str(its_write)),
            *(program, *OPTIONS, *root, f"--user-data-dir={profile}"),
        ],
        pass_fds=(its_read, its_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(its_read)
    os.close(its_write)
    connection = Connection(reading=read, writing=write)
    try:
        yield Browser(connection)
    finally:
        connection.tell("Browser.close")
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        connection.close()
        shutil.rmtree(Path(profile), ignore_errors=True)
