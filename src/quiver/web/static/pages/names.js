// Boxes for a name are given names that begin as typed. Without this script they take what is typed, as they do with it.

const WAIT_MS = 150; // between the last key and the question
const KIND = "Names"; // as the service describes what is no paper and no venue

for (const input of document.querySelectorAll("input[data-names]")) complete(input);

function complete(input) {
  const list = document.createElement("datalist");
  list.id = `${input.id}-names`;
  input.after(list);
  input.setAttribute("list", list.id);
  let timer = 0;
  let asking = null;
  input.addEventListener("input", (event) => {
    clearTimeout(timer);
    // What was chosen from the list is asked nothing about.
    if (event.inputType === "insertReplacementText" || !input.value.trim()) return;
    timer = setTimeout(ask, WAIT_MS);
  });

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const address = new URL(input.dataset.names, document.baseURI);
    address.searchParams.set("q", input.value);
    try {
      const response = await fetch(address, { signal: asking.signal });
      if (!response.ok) return;
      const [, labels, kinds] = await response.json();
      const names = labels.filter((_, place) => kinds[place] === KIND);
      list.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
    } catch {
      // a newer question took its place, or nobody answered: the box works as it is
    }
  }
}
