// Buttons that copy; the page says all it has to say without them.
for (const block of document.querySelectorAll("pre.copy, pre.program")) {
  const text = block.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(block); // not a secure context: Ctrl+C does the rest
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.parentElement.classList.add("has-copy");
  block.before(button);
}

// On a phone the contents would push everything else off the screen.
if (matchMedia("(max-width: 60rem)").matches) {
  const menu = document.querySelector(".menu");
  menu.parentElement.classList.add("stays");
  menu.open = false;
  menu.addEventListener("click", (event) => { if (event.target.closest("a")) menu.open = false; });
}
