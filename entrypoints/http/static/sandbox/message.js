// One message: its frame is as high as its content, and the width can be switched without a reload.

import { localTimes, useKeys } from "./common.js";

const LEAST = 96; // px
const MOST = 30000;
const frame = document.getElementById("frame");

// The frame runs no script, so this page measures it. At a height of 1 px a page is as high as what
// stands in it, also where it wants to fill the window.
function fit() {
  const page = frame?.contentDocument?.documentElement;
  if (!page) return;
  frame.style.height = "1px";
  const wanted = Math.max(page.scrollHeight, page.querySelector("body")?.scrollHeight ?? 0);
  const wide = page.scrollWidth > page.clientWidth; // it has a scroll bar of its own
  frame.style.height = `${Math.min(Math.max(wanted, LEAST), MOST) + (wide ? 20 : 2)}px`;
}

for (const link of document.querySelectorAll(".width a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    frame.classList.toggle("phone", "phone" in link.dataset);
    for (const other of document.querySelectorAll(".width a")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    history.replaceState(null, "", link.href);
    fit();
  });
}

const click = (id) => () => document.getElementById(id)?.click();

// Whoever has clicked into the frame presses its keys there.
let watched = null;

function watch() {
  fit();
  const page = frame.contentDocument;
  if (!page || page === watched || page.URL === "about:blank") return;
  watched = page;
  page.addEventListener("keydown", (event) => {
    document.dispatchEvent(new KeyboardEvent("keydown", event));
  });
}

localTimes(document);
if (frame) {
  if (frame.contentDocument?.readyState === "complete") watch();
  frame.addEventListener("load", watch);
  window.addEventListener("resize", fit);
}
useKeys({
  u: click("back"),
  j: click("older"),
  k: click("newer"),
  d: click("delete"),
  Delete: click("delete"),
  m: click("unread"),
});
