"""One page of the browser: what a person does on it, and what happened meanwhile."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from tests.browser.protocol import PATIENCE_S, Connection, ProtocolError

SCREENSHOTS = Path(__file__).parents[2] / "build/screenshots"  # git leaves it out, CI names it
EXECUTED = "executed"  # the function that a hostile script of a test calls if it runs
_KEYS = {
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "Tab": ("Tab", 9, ""),
    "Delete": ("Delete", 46, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    " ": ("Space", 32, " "),
}


class Page:
    """A page with its frames.

    *errors* are what its console shows as an error, exceptions and violations of a policy included.
    *executed* is what a script of a test reported by calling ``executed("…")`` in any frame, and
    each dialog that opened. *requests* are the addresses that were asked for, in any frame, without
    those that a policy blocked.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        session: str,
        context: str,
        target: str,
        scripts: bool,
        timezone: str,
    ) -> None:
        self._connection = connection
        self._session = session
        self._settings = (
            *_WATCHING,
            ("Emulation.setScriptExecutionDisabled", {"value": not scripts}),
            ("Emulation.setTimezoneOverride", {"timezoneId": timezone}),
        )
        self._loaded = False
        self.context = context
        self.target = target
        self.errors: list[str] = []
        self.executed: list[str] = []
        self.requests: list[str] = []
        self._asked: dict[str, str] = {}

    # -- what a person does ------------------------------------------------------------------------

    def goto(self, url: str) -> None:
        """Open *url* and wait until it and what it loads is there."""
        self._loaded = False
        answer = self._call("Page.navigate", url=url)
        if "errorText" in answer:
            raise ProtocolError(f"{url}: {answer['errorText']}")
        self._wait(lambda: self._loaded, f"{url} to be loaded")

    def click(self, selector: str) -> None:
        """Press the mouse on the first element of *selector*, wherever on the page it is."""
        self._click(selector, "null")

    def click_in_frame(self, frame: str, selector: str) -> None:
        """The same in a frame of the page's own origin."""
        self._click(selector, f"document.querySelector({json.dumps(frame)})")

    def _click(self, selector: str, frame: str) -> None:
        place = self.evaluate(
            f"""(() => {{
                const frame = {frame};
                const page = frame ? frame.contentDocument : document;
                const element = page.querySelector({json.dumps(selector)});
                if (!element) return null;
                element.scrollIntoView({{ block: "center", inline: "center" }});
                const box = element.getClientRects()[0];
                const outer = frame ? frame.getBoundingClientRect() : {{ x: 0, y: 0 }};
                return box && [outer.x + box.x + box.width / 2, outer.y + box.y + box.height / 2];
            }})()"""
        )
        if place is None:
            raise AssertionError(f"there is no {selector} to be clicked")
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    def click_through(self, selector: str) -> None:
        """Click what leads to another page, and wait until that is loaded."""
        self._loaded = False
        self.click(selector)
        self._wait(lambda: self._loaded, f"the page behind {selector}")

    def press(self, key: str) -> None:
        """Press one key: a letter, or Enter, Escape, Tab, Delete, ArrowDown, ArrowUp, space."""
        code, number, text = _KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), key))
        what = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **what)
        self._call("Input.dispatchKeyEvent", type="keyUp", **what)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def close(self) -> None:
        """Close it."""
        self._connection.call("Target.closeTarget", targetId=self.target)

    def bring_to_front(self) -> None:
        """Show this tab; the others of its window are hidden."""
        self._call("Page.bringToFront")

    # -- what can be seen --------------------------------------------------------------------------

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page, or of its promise."""
        answer = self._call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            told = answer["exceptionDetails"]
            raise AssertionError(told.get("exception", {}).get("description") or told["text"])
        return answer["result"].get("value")

    def wait_for(self, expression: str, *, patience_s: float = PATIENCE_S) -> Any:
        """The value of the expression once it is true; AssertionError if that takes too long.

        The page may go to another address meanwhile, and lack what is asked for until then.
        """

        def value() -> Any:
            try:
                return self.evaluate(expression)
            except ProtocolError as error:
                if "navigated" not in str(error):
                    raise
                return None
            except AssertionError:
                return None

        return self._wait(value, expression, patience_s=patience_s)

    def text(self, selector: str = "body") -> str:
        """The text that a person sees in the first element of *selector*."""
        text: str = self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return text

    def screenshot(self, path: Path | str, *, whole: bool = False) -> Path:
        """What the window shows as a PNG; the *whole* page up to 10,000 pixels down.

        A relative *path* is one below `SCREENSHOTS`.
        """
        fields: dict[str, object] = {"format": "png"}
        if whole:
            size = self._call("Page.getLayoutMetrics")["cssContentSize"]
            area = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 10_000)}
            fields |= {"clip": {**area, "scale": 1}, "captureBeyondViewport": True}
        path = SCREENSHOTS / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", **fields)["data"]))
        return path

    def resize(self, *, width: int, height: int = 800, dark: bool = False) -> None:
        """Show the page on a screen of this size, in the light or the dark."""
        phone = width < 600
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self._call("Emulation.setEmulatedMedia", features=[scheme, still])

    def in_zone(self, zone: str) -> None:
        """Be in a time zone such as Asia/Kolkata from the next page on."""
        self._call("Emulation.setTimezoneOverride", timezoneId=zone)

    def settle(self, seconds: float = 0.2) -> None:
        """Let events arrive for that long."""
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0:
            self._connection.read(left)

    def tabs(self) -> int:
        """How many tabs the browser has open beside and with this one."""
        targets = self._connection.call("Target.getTargets")["targetInfos"]
        return sum(
            one["type"] == "page" and one["browserContextId"] == self.context for one in targets
        )

    # -- what the browser tells --------------------------------------------------------------------

    def prepare(self) -> None:
        """Called once, by the browser."""
        self._call("Page.enable")
        for method, fields in self._settings:
            self._call(method, **fields)

    def prepare_frame(self, session: str) -> None:
        """Called by the browser for a frame that waits to be started."""
        for method, fields in self._settings:
            self._connection.tell(method, session, **fields)
        self._connection.tell("Runtime.runIfWaitingForDebugger", session)

    def happened(self, name: str, fields: Mapping[str, Any], session: str) -> None:
        """Called by the browser for each event of the page and its frames."""
        match name:
            case "Page.loadEventFired":
                self._loaded = True
            case "Page.javascriptDialogOpening":
                self.executed.append(f"{fields['type']}: {fields['message']}")
                self._connection.tell("Page.handleJavaScriptDialog", session, accept=True)
            case "Runtime.bindingCalled":
                self.executed.append(fields["payload"])
            case "Runtime.exceptionThrown":
                told = fields["exceptionDetails"]
                self.errors.append(told.get("exception", {}).get("description") or told["text"])
            case "Log.entryAdded" if fields["entry"]["level"] == "error":
                self.errors.append(fields["entry"]["text"])
            case "Network.requestWillBeSent":
                self._asked[fields["requestId"]] = fields["request"]["url"]
                self.requests.append(fields["request"]["url"])
            case "Network.loadingFailed" if fields.get("blockedReason") == "csp":
                self.requests.remove(self._asked.pop(fields["requestId"]))

    def _call(self, method: str, **fields: object) -> Mapping[str, Any]:
        return self._connection.call(method, self._session, **fields)

    def _wait(self, met: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S) -> Any:
        deadline = monotonic() + patience_s
        while not (answer := met()):
            if monotonic() > deadline:
                raise AssertionError(f"waited {patience_s} s in vain for {what}")
            self._connection.read(0.05)
        return answer


_WATCHING: tuple[tuple[str, dict[str, object]], ...] = (
    ("Runtime.enable", {}),
    ("Runtime.addBinding", {"name": EXECUTED}),
    ("Log.enable", {}),
    ("Network.enable", {}),
    (
        "Target.setAutoAttach",
        {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True},
    ),
)
