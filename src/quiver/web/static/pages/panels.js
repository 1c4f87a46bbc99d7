// Panels that are asked for on demand open in their place. Their links lead to the same page with the panel open, so
// without this script, or when the service does not answer, they work as links do.

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-panel]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  open(link);
});

async function open(link) {
  const panel = document.getElementById(link.dataset.panel);
  if (!panel || panel.getAttribute("aria-busy") === "true") return;
  const told = panel.querySelector("[role=status]") ?? statusBehind(link);
  panel.setAttribute("aria-busy", "true");
  told.textContent = "Asking …";
  try {
    const address = new URL(link.href);
    address.hash = "";
    address.searchParams.set("only", panel.id);
    const response = await fetch(address, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(`the service answered ${response.status}`);
    // Links in the answer are relative to its address, which differs from the page's in its query alone.
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    const opened = answer.getElementById(panel.id);
    if (!opened || opened.querySelector("a[data-panel]")) throw new Error("the answer has no such panel");
    show(panel, document.adoptNode(opened), link);
  } catch (error) {
    panel.removeAttribute("aria-busy");
    told.replaceChildren(`This did not come: ${error.message}. `, anew(link));
  }
}

function show(panel, opened, link) {
  panel.replaceWith(opened);
  const heading = opened.querySelector("h2");
  heading.tabIndex = -1; // so that a reader without eyes on the page goes on here
  heading.focus({ preventScroll: true });
  // The address says what is open, so that reloading, coming back and passing it on show the same.
  const address = new URL(link.href);
  history.replaceState(history.state, "", address.pathname + address.search);
  // What is still closed opens besides what is open now.
  const open = address.searchParams.get("open") ?? "";
  for (const other of document.querySelectorAll("a[data-panel]")) {
    const further = new URL(other.href);
    const all = new Set([...open.split(" "), ...(further.searchParams.get("open") ?? "").split(" ")].filter(Boolean));
    further.searchParams.set("open", [...all].join(" "));
    other.href = further;
  }
}

function statusBehind(link) {
  const told = document.createElement("p");
  told.setAttribute("role", "status");
  told.className = "note small";
  link.closest("p").after(told);
  return told;
}

function anew(link) {
  const plain = document.createElement("a");
  plain.href = link.href;
  plain.textContent = "Open it as a page";
  return plain;
}
