// Quicker ways to what the page has anyway: it says all that it has to say without them.

const KEPT = "docs-language";

// The language of the samples is chosen once, for all samples of all pages.

const storage = (() => { try { return localStorage; } catch { return null; } })();

function choose(language) {
  for (const input of document.querySelectorAll(".languages input")) {
    if (input.value === language) input.checked = true;
  }
}

choose(storage?.getItem(KEPT));
addEventListener("storage", (event) => { if (event.key === KEPT) choose(event.newValue); });
document.addEventListener("change", (event) => {
  if (!event.target.matches(".languages input")) return;
  const before = event.target.getBoundingClientRect().top;
  choose(event.target.value);
  scrollBy(0, event.target.getBoundingClientRect().top - before); // samples above became shorter
  try { storage?.setItem(KEPT, event.target.value); } catch { /* full or forbidden: this page only */ }
});

// Buttons that copy.

async function copy(block) {
  try {
    await navigator.clipboard.writeText(block.textContent);
    return true;
  } catch { // no permission, or not a secure context
    getSelection().selectAllChildren(block);
    const done = document.execCommand("copy");
    if (done) getSelection().removeAllRanges();
    return done;
  }
}

function addCopy(sample) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const shown = [...sample.querySelectorAll("pre")].find((block) => block.offsetParent);
    button.textContent = await copy(shown) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  sample.append(button);
}

document.querySelectorAll(".sample").forEach(addCopy);

// Results while somebody types. The page of results is asked for, so that it alone ranks them.

const form = document.querySelector(".search");
const field = form.elements.q;
const found = document.createElement("div");
found.className = "found";
found.hidden = true;
found.setAttribute("role", "status");
form.append(found);
form.querySelector("kbd").hidden = false;
let asking = null;
let waiting = 0;

function hide() {
  clearTimeout(waiting);
  asking?.abort();
  found.hidden = true;
}

function show(page) {
  const entries = [...page.querySelectorAll("#results li")];
  const list = document.createElement("ol");
  list.append(...entries);
  const none = document.createElement("p");
  none.textContent = "Nothing was found.";
  found.replaceChildren(entries.length ? list : none);
  found.hidden = false;
}

async function ask() {
  const query = field.value.trim();
  asking?.abort();
  if (!query) return hide();
  asking = new AbortController();
  const text = await resultsOf(query, asking.signal);
  if (text !== null) show(new DOMParser().parseFromString(text, "text/html"));
}

async function resultsOf(query, signal) {
  try {
    const address = `${form.action}?${new URLSearchParams({ q: query })}`;
    const answer = await fetch(address, { signal, credentials: "omit" });
    return answer.ok ? await answer.text() : null;
  } catch {
    return null; // a newer question, or no connection: Enter asks for the page
  }
}

function move(by) {
  const links = [...found.querySelectorAll("a")];
  const next = links.indexOf(document.activeElement) + by;
  (links[next] ?? (next < 0 ? field : links.at(-1)))?.focus();
}

field.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(ask, 120);
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    hide();
    field.focus();
  } else if (!found.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    move(event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
  }
});
found.addEventListener("click", (event) => { if (event.target.closest("a")) hide(); });
document.addEventListener("click", (event) => { if (!form.contains(event.target)) hide(); });
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio]), textarea");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  field.focus();
  field.select();
});
