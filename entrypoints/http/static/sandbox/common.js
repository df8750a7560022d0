// What both pages of the sandbox do: times in the reader's own time, keys, forms without a reload.

export function localTimes(within) {
  const today = new Date().toDateString();
  for (const shown of within.querySelectorAll("time[datetime]")) {
    const at = new Date(shown.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const whole = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    const short = at.toDateString() === today ? at.toLocaleTimeString() : at.toLocaleDateString();
    shown.textContent = "whole" in shown.dataset ? whole : short;
    shown.title = `${whole} (${shown.dateTime})`;
  }
}

// Calls actions[key] for a key that is pressed outside of a field. The reader can switch that off:
// who speaks to the computer presses keys without meaning to (WCAG 2.2, 2.1.4).
export function useKeys(actions) {
  const help = document.getElementById("keys");
  const wanted = document.getElementById("keys-on");
  help.hidden = false;
  wanted.checked = remembered() !== "off";
  wanted.addEventListener("change", () => remember(wanted.checked ? "on" : "off"));
  const pressed = (event) => {
    if (!wanted.checked || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.target.closest?.("input, textarea, select")) return;
    const action = event.key === "?" ? () => (help.open = !help.open) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  document.addEventListener("keydown", pressed);
}

function remembered() {
  try {
    return localStorage.getItem("sandbox-keys");
  } catch {
    return null; // a browser that keeps nothing
  }
}

function remember(value) {
  try {
    localStorage.setItem("sandbox-keys", value);
  } catch {
    // a browser that keeps nothing: it holds for this page
  }
}
