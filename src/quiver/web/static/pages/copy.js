// Buttons that copy the text of the element they name in data-copy. They are hidden where nothing can be copied: without
// JavaScript, and without a clipboard (which browsers give to secure pages alone).

const SHOWN_MS = 2000;

function offer(button, source) {
  const label = button.firstChild;
  const before = label.data; // read once: a second press finds the answer to the first in its place
  let timer = 0;

  function say(words) {
    label.data = words;
    button.setAttribute("aria-live", "polite");
    clearTimeout(timer);
    timer = setTimeout(() => { label.data = before; }, SHOWN_MS);
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(source.textContent.trim()).then(() => say("Copied"), () => say("Not copied"));
  });
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    if (source) offer(button, source);
  }
}
