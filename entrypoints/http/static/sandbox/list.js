// The list: new rows are put in, read and deleted ones follow, and nothing else is touched. So the
// focus, the selection and the place on the page stay as they are.

import { localTimes, useKeys } from "./common.js";

const EVERY = 2000; // ms
const form = document.getElementById("inbox");
const list = document.getElementById("list");
const empty = document.getElementById("empty");
const bar = document.getElementById("bar");
const counts = document.getElementById("counts");
const older = document.getElementById("older");
const news = document.getElementById("news");
let tag = "";
let timer = 0;

async function look() {
  clearTimeout(timer);
  if (document.hidden) return; // visibilitychange looks again
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const reply = await fetch(form.dataset.feed, { headers, cache: "no-store" });
    if (reply.status === 200) {
      const number = (name) => Number(reply.headers.get(name));
      merge(await reply.text(), number("Sandbox-Unread"), number("Sandbox-Found"));
      more(reply.headers.get("Sandbox-Older"));
      tag = reply.headers.get("ETag");
    }
  } catch {
    // the service is being restarted: look again
  }
  clearTimeout(timer);
  timer = setTimeout(look, EVERY);
}

function merge(html, unread, found) {
  const page = new DOMParser().parseFromString(`<ul>${html}</ul>`, "text/html");
  const wanted = [...page.querySelectorAll("li")];
  const keys = new Set(wanted.map((row) => row.dataset.key));
  for (const row of [...list.children]) if (!keys.has(row.dataset.key)) drop(row);
  const before = list.children.length;
  const arrived = [];
  let place = list.firstElementChild;
  for (const row of wanted) {
    if (place && place.dataset.key === row.dataset.key) {
      follow(place, row);
      place = place.nextElementSibling;
    } else {
      const added = document.importNode(row, true);
      localTimes(added);
      list.insertBefore(added, place);
      if (place || !before) arrived.push(added); // one that moved up from the next page is not new
    }
  }
  count(unread, found);
  if (arrived.length && (before || tag)) tell(arrived);
}

// only whether it was read can change of a message
function follow(row, wanted) {
  if (row.className === wanted.className) return;
  row.className = wanted.className;
  row.querySelector(".state").textContent = wanted.querySelector(".state").textContent;
}

function drop(row) {
  const focused = row.contains(document.activeElement);
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (focused) (next?.querySelector(".open") ?? document.getElementById("q")).focus();
}

function count(unread, found) {
  list.hidden = list.children.length === 0;
  bar.hidden = found === 0;
  empty.hidden = found > 0;
  const rest = form.dataset.search ? " found" : unread ? `, ${unread} unread` : "";
  counts.textContent = `${found} message${found === 1 ? "" : "s"}${rest}`;
  document.title = `${unread ? `(${unread}) ` : ""}Sandbox · Email Service`;
}

// where the next page begins moves as messages arrive and go
function more(place) {
  older.hidden = !place;
  if (!place) return;
  const address = new URL(older.href);
  address.searchParams.set("before", place);
  older.href = address.href;
}

function tell(arrived) {
  const [first] = arrived;
  const subject = first.querySelector(".subject").lastChild.textContent;
  news.textContent = arrived.length === 1 ? `New message: ${subject}` : `${arrived.length} new messages`;
}

async function post(url) {
  const reply = await fetch(url, { method: "POST", redirect: "manual" });
  if (reply.type !== "opaqueredirect" && !reply.ok) news.textContent = "That could not be done.";
  await look();
}

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button?.formAction) return;
  event.preventDefault();
  const menu = button.closest("details");
  if (menu) menu.open = false;
  post(button.formAction);
});

const focusedRow = () => document.activeElement.closest?.("#list > li");

function step(by) {
  const rows = [...list.children];
  const at = rows.indexOf(focusedRow());
  const row = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
  row?.querySelector(".open").focus();
}

function deleteFocused() {
  focusedRow()?.querySelector(".delete").click();
}

function markFocused() {
  const row = focusedRow();
  if (!row) return;
  const to = row.classList.contains("unread") ? "/read" : "/unread";
  post(row.querySelector(".delete").formAction.replace(/\/delete(?=\?|$)/, to));
}

useKeys({
  j: () => step(1),
  k: () => step(-1),
  d: deleteFocused,
  Delete: deleteFocused,
  m: markFocused,
  "/": () => document.getElementById("q").focus(),
});

for (const block of document.querySelectorAll("pre.copy")) {
  if (!navigator.clipboard) break;
  const text = block.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  block.append(button);
}

localTimes(document);
document.getElementById(location.hash.slice(1))?.focus(); // the row of a message that was left
document.addEventListener("visibilitychange", look);
look();
