// The preview of a template follows the typing, after a pause. Without it a button shows the same.
"use strict";

{
  const PAUSE_MS = 600;
  const form = document.querySelector("form[data-preview]");
  const button = form.querySelector("[data-show]");
  let timer;

  let shown = document.querySelector("iframe.message");
  let number = 0;

  // Each preview has a frame of its own, with a name of its own: so "back" in the browser leaves the
  // page, and the one before is seen until the next one is there.
  const preview = () => {
    const next = shown.cloneNode(false);
    next.removeAttribute("src");
    next.name = button.formTarget = `preview-${++number}`;
    next.hidden = true;
    shown.after(next);
    next.addEventListener("load", () => {
      if (next.name !== button.formTarget) {
        next.remove(); // a later one is on its way
        return;
      }
      shown.remove();
      next.hidden = false;
      shown = next;
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
