// Completion in every search box: a combobox with a list of links (WAI-ARIA 1.2, "Editable Combobox With List
// Autocomplete"). Without this script, or when the service does not answer, the box is a plain form.

const WAIT_MS = 120; // between the last key and the question
const KEPT = 100; // answers kept, so that going back over a word asks nothing

for (const form of document.querySelectorAll("form.find")) {
  const input = form.querySelector("input[name=q]");
  if (input) complete(form, input);
}

function complete(form, input) {
  const root = new URL(form.getAttribute("action"), document.baseURI);
  const answers = new Map();
  const list = make("div", { role: "listbox", id: `${input.id}-suggestions`, className: "suggestions", hidden: true });
  list.setAttribute("aria-label", "Suggestions");
  const told = make("p", { role: "status", className: "visually-hidden" });
  form.append(list, told);
  let options = [];
  let active = -1;
  let timer = 0;
  let asking = null;

  // A search field would be cleared by Escape, which is to close the list first.
  input.type = "text";
  input.enterKeyHint = "search";
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");

  function show(groups) {
    list.replaceChildren(...groups.map((group, place) => groupOf(group, place, list.id, root)));
    options = [...list.querySelectorAll("[role=option]")];
    const count = options.length;
    choose(-1);
    open(count > 0);
    told.textContent = count ? `${count} suggestion${count === 1 ? "" : "s"}, use the arrow keys.` : "No suggestions.";
  }

  function open(wanted) {
    list.hidden = !wanted;
    input.setAttribute("aria-expanded", String(wanted));
    if (!wanted) choose(-1);
  }

  function close() {
    clearTimeout(timer);
    asking?.abort();
    open(false);
    told.textContent = "";
  }

  function choose(place) {
    options[active]?.setAttribute("aria-selected", "false");
    active = place;
    const option = options[active];
    if (option) {
      option.setAttribute("aria-selected", "true");
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  async function ask() {
    asking?.abort();
    const text = input.value.trimStart();
    if (!text) return close();
    if (!answers.has(text)) {
      const url = new URL("suggest.json", root);
      url.searchParams.set("q", text);
      asking = new AbortController();
      try {
        const response = await fetch(url, { signal: asking.signal });
        if (!response.ok) return close();
        if (answers.size >= KEPT) answers.delete(answers.keys().next().value);
        answers.set(text, (await response.json()).groups);
      } catch {
        return; // a newer question took its place, or nobody answered: the form works as it is
      }
    }
    if (document.activeElement === input && input.value.trimStart() === text) show(answers.get(text));
  }

  input.addEventListener("input", (event) => {
    if (event.isComposing) return; // what an input method has not settled is no word yet
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("compositionend", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    const last = options.length - 1;
    const steps = {
      // Past either end lies the box itself.
      ArrowDown: () => choose(active === last ? -1 : active + 1),
      ArrowUp: () => choose(active === -1 ? last : active - 1),
      Home: () => choose(0),
      End: () => choose(last),
    };
    if (event.key === "Tab") return close();
    if (event.key === "Escape") {
      if (!list.hidden) close();
      else input.value = "";
    } else if (event.key === "Enter") {
      if (list.hidden || active === -1) return close(); // and search
      options[active].click();
    } else if (event.altKey && event.key === "ArrowUp") {
      close();
    } else if (event.key === "ArrowDown" && list.hidden) {
      ask();
    } else if (event.key in steps && !list.hidden && !event.shiftKey) {
      if (active === -1 && (event.key === "Home" || event.key === "End")) return; // the caret's
      steps[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  });

  // The box keeps the focus while the pointer is in the list.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  input.addEventListener("blur", close);
  form.addEventListener("submit", close);
  addEventListener("pageshow", (event) => event.persisted && close());
}

function groupOf(group, place, listId, root) {
  const title = make("div", { id: `${listId}-${place}`, className: "suggestion-kind" }, group.label);
  const box = make("div", { role: "group" }, title, ...group.suggestions.map((one, number) => optionOf(one, `${title.id}-${number}`, root)));
  box.setAttribute("aria-labelledby", title.id);
  return box;
}

function optionOf(suggestion, id, root) {
  const words = suggestion.pieces.map(([text, typed]) => (typed ? make("mark", {}, text) : text));
  const label = make("span", { className: "suggestion-label" }, ...words);
  if (suggestion.number) label.append(" ", make("span", { className: "homonym" }, suggestion.number));
  const { papers, at_least: atLeast, year } = suggestion;
  const count = `${atLeast ? "at least " : ""}${papers?.toLocaleString("en")} paper${papers === 1 ? "" : "s"}`;
  const about = papers === undefined ? String(year ?? "") : count;
  const option = make("a", { role: "option", id, href: new URL(suggestion.path, root).href, tabIndex: -1 }, label, " ", make("span", { className: "figure" }, about));
  option.setAttribute("aria-selected", "false");
  return option;
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (properties.role) element.setAttribute("role", properties.role);
  element.append(...children);
  return element;
}
