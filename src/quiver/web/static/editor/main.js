// The SPARQL editor of this service: YASGUI, told of our endpoint, prefixes, terms, examples and pages.
// Everything comes from this service; the page's Content-Security-Policy allows no other host.

import { registerCompleters } from "./completion.js";
import { offerDownloads, registerViews } from "./views.js";
import { problemRenderer } from "./problems.js";

const { Yasgui } = window;
const panel = document.getElementById("editor-panel");
const endpoint = new URL("sparql", document.baseURI).href;
// Longer ones are sent in the body, and shared behind the #, where no server sees them.
const LONGEST_IN_ADDRESS = 1500;

function linkTo(query) {
  const address = new URL(endpoint);
  const parameters = new URLSearchParams({ query }).toString();
  address[parameters.length > LONGEST_IN_ADDRESS ? "hash" : "search"] = parameters;
  return address.href;
}

// The query that the address carries: /sparql?query= or /sparql#query=
function linkedQuery() {
  for (const part of [window.location.hash.slice(1), window.location.search]) {
    const query = new URLSearchParams(part).get("query");
    if (query) return query;
  }
  return null;
}

// A query's own first comment names its tab.
function nameOf(query) {
  const comment = /^\s*#\s*(\S.{0,60})/.exec(query);
  return comment ? comment[1].trim() : undefined;
}

function configure(knowledge) {
  const { Yasqe, Yasr } = Yasgui;
  registerCompleters(Yasqe, knowledge);
  registerViews(Yasr, knowledge);
  Yasr.defaults.errorRenderers = [problemRenderer(() => window.quiverEditor)];
  Yasgui.Tab.prototype.getShareableLink = function () {
    return linkTo(this.getQuery());
  };
  Object.assign(Yasqe.defaults, { value: panel.dataset.example, editorHeight: "22rem", resizeable: true });
}

function start(knowledge) {
  configure(knowledge);
  const linked = linkedQuery();
  const gui = new Yasgui(document.getElementById("editor"), {
    persistenceId: `quiver ${window.location.pathname}`,
    populateFromUrl: false,
    autofocus: false,
    endpointCatalogueOptions: { getData: () => [], keys: [] },
    copyEndpointOnNewTab: false,
    requestConfig: {
      endpoint,
      method: (self) => (self.getTab().getQuery().length > LONGEST_IN_ADDRESS ? "POST" : "GET"),
      acceptHeaderSelect: "application/sparql-results+json,*/*;q=0.1",
      acceptHeaderGraph: "text/turtle,*/*;q=0.1",
    },
    yasr: { prefixes: knowledge.prefixes },
  });
  window.quiverEditor = gui;
  keepDownloads(gui, knowledge);
  if (linked) openLinked(gui, linked, fresh(gui));
  window.addEventListener("hashchange", () => {
    const query = linkedQuery();
    if (query) openLinked(gui, query);
  });
  for (const event of ["tabChange", "tabSelect"]) gui.on(event, () => setTimeout(() => forgetLink(gui)));
  return gui;
}

// Below every answer, links to it in our formats: of the query that ran, whatever was typed since.
function keepDownloads(gui, knowledge) {
  const ran = new WeakMap();
  const offer = (tab) => {
    const yasr = tab?.getYasr();
    if (yasr) offerDownloads(yasr, ran.get(tab) ?? tab.getPersistedJson().yasqe.value, knowledge, endpoint);
  };
  gui.on("query", (_, tab) => ran.set(tab, tab.getQuery()));
  // Both are told before the answer is set.
  gui.on("queryResponse", (_, tab) => setTimeout(() => offer(tab)));
  gui.on("tabSelect", () => setTimeout(() => offer(gui.getTab())));
  offer(gui.getTab());
}

// The one tab that a first visit finds, untouched.
function fresh(gui) {
  const tabs = Object.values(gui._tabs);
  return tabs.length === 1 && tabs[0].getQuery() === panel.dataset.example && !tabs[0].hasResults() ? tabs[0] : null;
}

function openLinked(gui, query, into = null) {
  const held = Object.values(gui._tabs).find((tab) => tab.getPersistedJson().yasqe.value === query);
  const tab = held || into;
  if (tab) {
    gui.selectTabId(tab.getId());
    if (!held) tab.setQuery(query);
    if (!held && nameOf(query)) tab.setName(nameOf(query));
  }
  const shown = tab || open(gui, query);
  if (!shown.hasResults()) shown.query().catch(() => {});
}

function open(gui, query, name = nameOf(query)) {
  return gui.addTab(true, { yasqe: { value: query }, ...(name ? { name } : {}) });
}

// The address tells of a query only as long as that query is the one shown.
function forgetLink(gui) {
  const linked = linkedQuery();
  const tab = gui.getTab();
  if (linked && tab && tab.getYasqe() && tab.getQuery() !== linked) {
    window.history.replaceState(null, "", endpoint);
  }
}

function listExamples(gui, areas) {
  const list = document.getElementById("examples");
  areas.forEach((area, place) => {
    const group = document.createElement("details");
    group.open = place === 0 && window.matchMedia("(min-width: 46rem)").matches;
    group.append(Object.assign(document.createElement("summary"), { textContent: area.label }));
    const items = document.createElement("ul");
    for (const query of area.queries) {
      const button = Object.assign(document.createElement("button"), {
        type: "button",
        textContent: query.title,
        title: query.summary,
      });
      button.addEventListener("click", () => openExample(gui, query));
      const item = document.createElement("li");
      item.append(button);
      items.append(item);
    }
    group.append(items);
    list.append(group);
  });
}

function openExample(gui, query) {
  const held = Object.values(gui._tabs).find((tab) => tab.getPersistedJson().yasqe.value === query.text);
  if (held) gui.selectTabId(held.getId());
  else open(gui, query.text, query.title);
  document.getElementById("editor").scrollIntoView({ block: "nearest" });
}

// What a screen reader says of the parts that the bundle leaves unnamed.
function nameParts(gui) {
  const name = (tab) => tab?.getYasqe()?.getInputField().setAttribute("aria-label", "SPARQL query");
  name(gui.getTab());
  gui.on("tabSelect", () => setTimeout(() => name(gui.getTab())));
  gui.on("tabAdd", () => setTimeout(() => name(gui.getTab())));
}

async function main() {
  if (!Yasgui) return;
  const answer = await fetch(panel.dataset.knowledge);
  if (!answer.ok) return;
  const knowledge = await answer.json();
  document.getElementById("plain-form").hidden = true;
  panel.hidden = false;
  const gui = start(knowledge);
  listExamples(gui, knowledge.areas);
  nameParts(gui);
}

main();
