// Errors of the endpoint, which are problem documents (RFC 9457), as a reader wants them: what, why, what to do, where.

function element(name, text, className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

function parsed(text) {
  try {
    const problem = JSON.parse(text);
    return problem && typeof problem === "object" && problem.title ? problem : null;
  } catch {
    return null;
  }
}

// The line of the query, with a sign below the column.
function place(gui, { line, column }) {
  const lines = gui?.getTab()?.getQuery().split("\n") || [];
  const text = lines[line - 1];
  if (text === undefined) return null;
  const sign = column ? `\n${text.slice(0, column - 1).replace(/[^\t]/g, " ")}^` : "";
  const shown = element("pre", `${text}${sign}`);
  const button = element("button", `Line ${line}${column ? `, column ${column}` : ""}`);
  button.type = "button";
  button.addEventListener("click", () => {
    const yasqe = gui.getTab().getYasqe();
    yasqe.focus();
    yasqe.getDoc().setCursor({ line: line - 1, ch: Math.max((column || 1) - 1, 0) });
  });
  return [button, shown];
}

export function problemRenderer(getEditor) {
  return async (error) => {
    const text = error.text || "";
    if (/abort/i.test(text) && !parsed(text)) return element("p", "Stopped.");
    const problem = parsed(text);
    if (!problem) return undefined;
    const box = element("div", "", "problem");
    box.setAttribute("role", "alert");
    box.append(element("h3", problem.title));
    if (problem.detail) box.append(element("p", problem.detail));
    if (problem.line) box.append(...(place(getEditor(), problem) || []));
    if (problem.hint) box.append(element("p", problem.hint, "hint"));
    return box;
  };
}
