// How results are shown: a table whose IRIs lead to our pages, a bar chart, and links to the data in our formats.

import { curieOf } from "./completion.js";

const WEB = /^(https?|ftp):\/\//;
const NUMERIC = /#(integer|decimal|double|float|int|long|short|nonNegativeInteger|positiveInteger)$/;
const GRAPH = /turtle|triples|quads|trig|ld\+json|rdf/;
const MOST_BARS = 100;
const LONGEST_ADDRESS = 6000;

// Where an IRI is shown: by its path below the service's own address, whatever host the data was made for.
function pageOf(iri, { base, vocabularies }) {
  const root = new URL("./", document.baseURI).href;
  if (iri.startsWith(base)) return root + iri.slice(base.length);
  for (const [namespace, page] of Object.entries(vocabularies)) {
    if (iri.startsWith(namespace)) return root + page + iri.slice(namespace.length);
  }
  return null;
}

function shortened(iri, { base }, prefixes) {
  if (iri.startsWith(base) && iri.length > base.length) return iri.slice(base.length);
  return curieOf(iri, prefixes) || iri;
}

function textAsHtml(text) {
  const holder = document.createElement("span");
  holder.textContent = text;
  return holder.innerHTML.replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

// The solutions as the endpoint gave them: the bundle's own reading puts values in place of `{{name}}` inside a literal,
// and titles hold such braces.
const read = new WeakMap();
function solutionsOf(results) {
  if (!results) return [];
  if (!read.has(results)) {
    const pristine = (results.getContentType() || "").includes("sparql-results+json");
    read.set(results, pristine ? JSON.parse(results.getOriginalResponseAsString()).results?.bindings : null);
  }
  return read.get(results) ?? results.getBindings() ?? [];
}

function tableView(Table, knowledge) {
  return class extends Table {
    constructor(yasr) {
      super(yasr);
      this.helpReference = undefined;
      // A value without quotes, type and angle brackets, whole.
      this.persistentConfig = { compact: true, isEllipsed: false };
    }

    getRows() {
      const names = this.yasr.results?.getVariables() || [];
      return solutionsOf(this.yasr.results).map((row, place) => [place + 1, ...names.map((name) => row[name] ?? "")]);
    }

    // Values are set as text from the start. The bundle would have DOMPurify take the markup out of each, which loses
    // what a title holds and has the browser report the handlers that it finds there.
    getColumns() {
      const columns = super.getColumns();
      const prefixes = this.yasr.getPrefixes();
      for (const column of columns.slice(1)) {
        column.render = (cell, purpose) => {
          if (cell === "") return cell;
          return purpose === "display" || purpose === "type"
            ? this.getCellContent(cell, prefixes)
            : textAsHtml(cell.value);
        };
      }
      return columns;
    }

    formatLiteral(binding, prefixes) {
      const text = textAsHtml(binding.value);
      if (this.persistentConfig.compact) return text;
      if (binding["xml:lang"]) return `"${text}"<sup>@${textAsHtml(binding["xml:lang"])}</sup>`;
      if (!binding.datatype) return text;
      return `"${text}"<sup>^^${this.getUriLinkFromBinding({ value: binding.datatype }, prefixes)}</sup>`;
    }

    getUriLinkFromBinding(binding, prefixes) {
      const iri = binding.value;
      const name = shortened(iri, knowledge, { ...knowledge.prefixes, ...prefixes });
      const text = textAsHtml(name);
      const page = pageOf(iri, knowledge);
      if (page) return `<a class="iri" href="${textAsHtml(page)}">${text}</a>`;
      if (!WEB.test(iri)) return text;
      return `<a class="iri${name === iri ? " outside" : ""}" target="_blank" rel="noopener noreferrer" href="${textAsHtml(iri)}">${text}</a>`;
    }
  };
}

// The first column of numbers, with the column that says what each is of.
function bars(results) {
  const rows = solutionsOf(results);
  const names = rows.length > 1 ? results.getVariables() : [];
  const isNumber = (name) => rows.every((row) => !row[name] || NUMERIC.test(row[name].datatype || ""));
  const numbers = names.filter((name) => isNumber(name) && rows.some((row) => row[name]));
  const figure = numbers.at(-1);
  const others = names.filter((name) => name !== figure);
  const isText = (cell) => cell?.type === "literal" && !NUMERIC.test(cell.datatype || "");
  const label = others.find((name) => rows.some((row) => isText(row[name]))) || others[0];
  return figure && label ? { rows, figure, label } : null;
}

function chartView(knowledge) {
  return class {
    constructor(yasr) {
      this.yasr = yasr;
      this.priority = 1;
      this.label = "Chart";
    }

    canHandleResults() {
      return bars(this.yasr.results) !== null;
    }

    getIcon() {
      const icon = document.createElement("div");
      icon.className = "chart-icon";
      return icon;
    }

    draw() {
      const { rows, figure, label } = bars(this.yasr.results);
      const shown = rows.slice(0, MOST_BARS);
      const values = shown.map((row) => Number(row[figure]?.value || 0));
      const most = Math.max(...values.map(Math.abs), 1);
      const list = document.createElement("table");
      list.className = "bars";
      list.append(Object.assign(document.createElement("caption"), { textContent: `${figure} by ${label}` }));
      shown.forEach((row, place) => {
        const line = list.insertRow();
        const cell = row[label];
        const text = cell?.type === "uri" ? shortened(cell.value, knowledge, knowledge.prefixes) : cell?.value || "";
        const head = Object.assign(document.createElement("th"), { scope: "row", textContent: text });
        line.append(head);
        const bar = document.createElement("span");
        bar.className = "bar";
        bar.style.width = `${(Math.abs(values[place]) / most) * 100}%`;
        line.insertCell().append(bar);
        line.insertCell().textContent = values[place].toLocaleString("en");
      });
      this.yasr.resultsEl.append(list);
      if (rows.length > shown.length) {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = `The first ${MOST_BARS} of ${rows.length.toLocaleString("en")}.`;
        this.yasr.resultsEl.append(note);
      }
    }
  };
}

// Links to the answer of *query* in every format, below the results in *yasr*; a query too long for an address is sent
// when its link is followed.
export function offerDownloads(yasr, query, { formats }, endpoint) {
  yasr.rootEl.querySelector(":scope > .downloads")?.remove();
  if (!yasr.results || yasr.results.hasError()) return;
  const kind = GRAPH.test(yasr.results.getContentType() || "") ? "graph" : "solutions";
  const line = Object.assign(document.createElement("p"), { className: "tools downloads" });
  line.append("This answer as ");
  for (const format of formats[kind]) {
    const parameters = new URLSearchParams({ query, format: format.name });
    const link = document.createElement("a");
    link.textContent = format.label;
    link.download = `answer.${format.extension}`;
    link.href = `${endpoint}?${parameters}`;
    if (link.href.length > LONGEST_ADDRESS) {
      link.href = endpoint;
      link.addEventListener("click", (event) => {
        event.preventDefault();
        save(endpoint, parameters, link.download);
      });
    }
    line.append(link, " ");
  }
  yasr.rootEl.append(line);
}

async function save(endpoint, body, name) {
  const answer = await fetch(endpoint, { method: "POST", body });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = answer.ok ? name : "problem.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export function registerViews(Yasr, knowledge) {
  Yasr.registerPlugin("table", tableView(Yasr.plugins.table, knowledge));
  Yasr.registerPlugin("chart", chartView(knowledge));
  for (const view of ["boolean", "response"]) Yasr.plugins[view].prototype.helpReference = undefined;
  Yasr.defaults.pluginOrder = ["table", "chart", "response"];
}
