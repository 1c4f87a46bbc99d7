// Buttons that copy the text of the element they name in data-copy. They are hidden where nothing can be copied: without
// JavaScript, and without a clipboard (which browsers give to secure pages alone).

const SHOWN_MS = 2000;

function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.firstChild;
  const before = label.data;
  navigator.clipboard.writeText(source.textContent.trim()).then(
    () => say(button, label, before, "Copied"),
    () => say(button, label, before, "Not copied"),
  );
}

function say(button, label, before, words) {
  label.data = words;
  button.setAttribute("aria-live", "polite");
  setTimeout(() => { label.data = before; }, SHOWN_MS);
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!document.getElementById(button.dataset.copy)) continue;
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}
