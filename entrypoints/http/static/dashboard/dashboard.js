// Freshness, local times, and the end of a login. Every page works without it.
const EVERY_MS = 3000;
const tags = new Map(); // the ETag of what was last loaded, by address

// The parts of a page that are "live" load again on this event; a hidden page waits until it is seen.
const refresh = () => {
  if (!document.hidden && document.querySelector(".live")) {
    document.body.dispatchEvent(new Event("refresh"));
  }
};
setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);

document.addEventListener("htmx:config:request", (event) => {
  const request = event.detail.ctx.request;
  const tag = tags.get(request.action);
  if (tag && request.method === "GET") request.headers["If-None-Match"] = tag;
});

document.addEventListener("htmx:after:request", (event) => {
  const { request, response } = event.detail.ctx;
  if (!response) return;
  if (response.status === 401) location.reload(); // the login has ended
  const tag = response.headers.get("ETag");
  if (tag && response.status === 200) tags.set(request.action, tag);
});

// Times in the reader's own zone; the title keeps UTC.
const local = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric",
  hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const short = {
  hour: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" }),
  day: new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric" }),
};
const show = (root) => {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const format = short[time.dataset.shown];
    time.title = format ? `${time.textContent} UTC` : time.textContent;
    time.textContent = (format ?? local).format(new Date(time.dateTime));
  }
  for (const zone of root.querySelectorAll("[data-zone]")) {
    zone.textContent = local.formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
  }
};
show(document);
document.addEventListener("htmx:after:swap", () => show(document));

// A field for a time holds UTC: it shows the reader's zone, and UTC is what is sent.
const toField = (when, minutes) => new Date(when.getTime() - minutes * 60000).toISOString().slice(0, 16);
for (const field of document.querySelectorAll("input[data-utc]")) {
  const when = new Date(`${field.defaultValue}Z`);
  if (!Number.isNaN(when.getTime()) && field.value === field.defaultValue) {
    field.value = toField(when, when.getTimezoneOffset());
  }
}
document.addEventListener("formdata", (event) => {
  for (const field of event.target.querySelectorAll("input[data-utc]")) {
    const when = new Date(field.value);
    if (field.name && !Number.isNaN(when.getTime())) event.formData.set(field.name, toField(when, 0));
  }
});

// A newsletter goes on by itself, page after page.
document.querySelector("form[data-goes-on]")?.requestSubmit();

// A notice is shown once: also where the browser keeps the page and comes back to it.
addEventListener("pagehide", () => document.querySelector("[role=status] .notice")?.remove());

// Texts that are taken elsewhere get a button; without it a click selects all of them.
for (const block of document.querySelectorAll("pre.copy")) {
  if (!navigator.clipboard) break; // the page came over plain HTTP
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
  });
  block.after(button);
}

// The previews of a newsletter are shown one after the other; without this a button shows each.
const previews = [...document.querySelectorAll("form[data-shows]")];
const showNext = () => {
  const form = previews.shift();
  if (!form) return;
  document.getElementsByName(form.target)[0].addEventListener("load", showNext, { once: true });
  form.requestSubmit();
  form.hidden = true;
};
showNext();
