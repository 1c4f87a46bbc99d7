// In the picture of a network, the ties of a name stand out while the pointer or the keyboard is on it.

for (const [begin, end] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
  document.addEventListener(begin, (event) => light(event.target, true));
  document.addEventListener(end, (event) => light(event.target, false));
}

function light(target, on) {
  const node = target.closest?.(".network a[data-node]");
  if (!node) return;
  const picture = node.closest(".network");
  picture.classList.toggle("lit", on);
  for (const tie of picture.querySelectorAll(".tie")) {
    const ends = tie.dataset.ends.split(" ");
    if (!ends.includes(node.dataset.node)) continue;
    tie.classList.toggle("lit", on);
    for (const end of ends) picture.querySelector(`a[data-node="${end}"]`)?.classList.toggle("lit", on);
  }
}
