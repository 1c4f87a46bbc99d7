// Completion: prefixes of the data set, classes and properties of the vocabulary and of the release. Nothing is asked
// of prefix.cc or Linked Open Vocabularies, as the editor would by itself.

const MOST = 60;

// The shortest prefixed name of an IRI, or null.
export function curieOf(iri, prefixes) {
  let best = null;
  for (const [prefix, namespace] of Object.entries(prefixes)) {
    const local = iri.slice(namespace.length);
    if (!iri.startsWith(namespace) || !/^[\w-]+(\.[\w-]+)*$/.test(local)) continue;
    const name = `${prefix}:${local}`;
    if (!best || name.length < best.length) best = name;
  }
  return best;
}

// How well a term fits what is typed: 0 for best, null for not at all.
function fit(term, typed) {
  if (typed.startsWith("<")) return term.iri.toLowerCase().startsWith(typed.slice(1)) ? 0 : null;
  if (term.name.startsWith(typed)) return 0;
  const [prefix, local] = typed.includes(":") ? typed.split(":", 2) : ["", typed];
  if (!local || (prefix && !term.name.startsWith(`${prefix}:`))) return null;
  if (term.local.startsWith(local)) return 1;
  return term.local.includes(local) || term.label.toLowerCase().includes(local) ? 2 : null;
}

// A word without a prefix before the cursor, and what the grammar has room for where it begins; the editor's own tokens
// are of no help there, since `abstract` is the keyword ABS and an error to them.
function bareWord(yasqe) {
  const { line, ch } = yasqe.getDoc().getCursor();
  const text = yasqe.getDoc().getLine(line).slice(0, ch);
  const found = /(?:^|[\s/^|(!])([a-z][\w-]+)$/i.exec(text);
  if (!found) return null;
  const start = ch - found[1].length;
  const before = yasqe.getTokenAt({ line, ch: start }, true).state;
  return {
    word: found[1],
    start,
    end: ch,
    isProperty: before.OK && (before.possibleCurrent || []).includes("a"),
    isClass: before.OK && /(^|\s)(a|rdf:type)\s+$/.test(text.slice(0, start)),
  };
}

function completer(name, fallback, terms, prefixes) {
  const known = new Map();
  for (const term of terms) {
    const curie = curieOf(term.iri, prefixes);
    const told = (curie || term.iri).toLowerCase();
    known.set(term.iri, { ...term, curie, name: told, local: told.split(":").pop() });
  }
  return {
    name,
    bulk: false,
    autoShow: true,
    persistenceId: null,
    isValidCompletionPosition: (yasqe) => {
      const bare = bareWord(yasqe);
      if (bare) return name === "class" ? bare.isClass : bare.isProperty;
      return fallback.isValidCompletionPosition(yasqe);
    },
    preProcessToken: (yasqe, token) => {
      const bare = bareWord(yasqe);
      return bare ? { ...token, string: bare.word, from: { ch: bare.start }, to: { ch: bare.end } } : token;
    },
    get: (yasqe, token) => {
      const typed = (token ? token.string : "").trim().toLowerCase();
      const own = ownNames(yasqe, prefixes);
      const found = [];
      for (const term of known.values()) {
        const given = curieOf(term.iri, own);
        const rank = fit({ ...term, name: (given || term.name).toLowerCase() }, typed);
        if (rank !== null) found.push([rank, term.iri]);
      }
      return found.sort((a, b) => a[0] - b[0]).slice(0, MOST).map(([, iri]) => iri);
    },
    postProcessSuggestion: (yasqe, _, iri) => curieOf(iri, ownNames(yasqe, prefixes)) || `<${iri}>`,
    postprocessHints: (yasqe, hints) => {
      const own = ownNames(yasqe, prefixes);
      const byText = new Map([...known.values()].map((term) => [curieOf(term.iri, own) || `<${term.iri}>`, term]));
      return hints.map((hint) => ({ ...hint, render: (element) => draw(element, hint.text, byText.get(hint.text)) }));
    },
  };
}

// The query's own prefixes win over ours.
function ownNames(yasqe, prefixes) {
  return { ...prefixes, ...yasqe.getPrefixesFromQuery() };
}

function draw(element, text, term) {
  element.append(Object.assign(document.createElement("span"), { className: "hint-name", textContent: text }));
  const notes = [term?.label, term?.count ? term.count.toLocaleString("en") : ""].filter(Boolean).join(" · ");
  if (notes) element.append(Object.assign(document.createElement("span"), { className: "hint-note", textContent: notes }));
}

export function registerCompleters(Yasqe, { prefixes, classes, properties }) {
  const shipped = Yasqe.Autocompleters;
  const lines = Object.entries(prefixes).map(([prefix, namespace]) => `${prefix}: <${namespace}>`);
  Yasqe.forkAutocompleter("prefixes", { name: "prefixes", get: lines.sort(), persistenceId: null }, false);
  Yasqe.registerAutocompleter(completer("class", shipped.class, classes, prefixes), false);
  Yasqe.registerAutocompleter(completer("property", shipped.property, properties, prefixes), false);
  Yasqe.defaults.autocompleters = ["prefixes", "variables", "class", "property"];
  Yasqe.defaults.prefixCcApi = null;
}
