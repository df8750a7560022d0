// Forms that send a call to this service. Outside of development no page loads this file.
// The key is in the fields of the page only: it is neither stored nor sent anywhere else.

const LONGEST = 200_000; // characters of a body that are shown

for (const form of document.querySelectorAll(".try form")) {
  form.parentElement.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await send(form);
    } finally {
      button.disabled = false;
    }
  });
}

// A key that is typed into one form is in all of them.
document.addEventListener("input", (event) => {
  if (!event.target.matches(".try .key")) return;
  for (const field of document.querySelectorAll(".try .key")) field.value = event.target.value;
});

function callOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const field of form.querySelectorAll("[data-in]")) {
    const value = field.value.trim();
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (value && field.dataset.in === "query") query.set(field.name, value);
    else if (value) headers[field.name] = value;
  }
  const key = form.querySelector(".key")?.value.trim();
  if (key) headers["X-API-Key"] = key;
  const file = form.querySelector("[type=file]")?.files[0];
  const body = file ?? (form.querySelector("textarea")?.value.trim() || undefined);
  if (body !== undefined) headers["Content-Type"] = file?.type || form.dataset.type || "application/json";
  return [query.size ? `${path}?${query}` : path, { method: form.dataset.method, headers, body }];
}

async function send(form) {
  const result = form.querySelector(".result");
  result.textContent = "";
  const began = performance.now();
  try {
    const [path, options] = callOf(form);
    const answer = await fetch(path, { ...options, credentials: "omit", redirect: "manual", cache: "no-store" });
    const body = await answer.text();
    show(result, answer, body, performance.now() - began);
  } catch (error) {
    result.append(element("p", `The call could not be made: ${error.message}`));
  }
}

function show(result, answer, body, milliseconds) {
  const status = element("p", ` ${answer.statusText} · ${Math.round(milliseconds)} ms`);
  const number = element("span", String(answer.status));
  number.className = `status ${answer.ok ? "good" : "bad"}`;
  status.prepend(number);
  const headers = element("details", "");
  const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  headers.append(element("summary", "Headers"), sample(lines));
  result.append(status, headers, sample(readable(answer, body)));
}

function readable(answer, body) {
  let text = body;
  if (/json/.test(answer.headers.get("Content-Type"))) {
    try {
      text = JSON.stringify(JSON.parse(body), null, 2);
    } catch { /* shown as it came */ }
  }
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… (${body.length} characters)` : text;
}

function sample(text) {
  const block = element("pre", text);
  block.tabIndex = 0;
  const box = element("div", "");
  box.className = "sample";
  box.append(block);
  return box;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
