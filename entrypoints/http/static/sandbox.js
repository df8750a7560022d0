// Shows new mail as it arrives, and lets the calls be copied with one click.
"use strict";

const inbox = document.getElementById("inbox");

async function look() {
  try {
    const reply = await fetch(inbox.dataset.feed, { cache: "no-store" });
    const messages = await reply.json();
    const newest = messages.length ? messages[0].number : 0;
    if (newest !== Number(inbox.dataset.newest)) location.reload();
  } catch {
    // the service is being restarted: look again
  }
}

setInterval(look, 2000);

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
