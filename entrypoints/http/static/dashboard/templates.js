// The preview of a template follows the typing, after a pause. Without it a button shows the same.
"use strict";

{
  const PAUSE_MS = 600;
  const form = document.querySelector("form[data-preview]");
  const button = form.querySelector("[data-show]");
  let timer;

  // Each preview has a frame of its own, so that "back" in the browser leaves the page.
  const preview = () => {
    const shown = document.querySelector('iframe[name="preview"]');
    const next = shown.cloneNode(false);
    next.removeAttribute("src");
    next.hidden = true;
    shown.removeAttribute("name");
    shown.after(next);
    next.addEventListener("load", () => {
      for (const frame of document.querySelectorAll("iframe.message")) {
        if (frame !== next) frame.remove();
      }
      next.hidden = false;
    });
    form.requestSubmit(button);
  };

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(preview, PAUSE_MS);
  });

  // What was sent and refused is in the form, and not yet in the frame.
  if (document.querySelector(".problem")) preview();
}
