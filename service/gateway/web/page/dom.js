// Find and make elements of the page.

export const $ = (id) => document.getElementById(id);

/** Create an element with a text and a class. */
export function element(kind, text = "", name = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

/** Create a button with a text, a class and a click handler. */
export function button(text, name, onClick) {
  const made = element("button", text, name);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

/**
 * Replace what is in an element. Whatever had the focus has it again where its `data-key` is still there; else
 * `otherwise` gets it, so that nobody who works by keyboard starts anew at the top of the page.
 */
export function replaceAll(parent, children, otherwise) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...children);
  if (focused) (parent.querySelector(`[data-key="${focused}"]`) ?? otherwise)?.focus();
}

/** Return a table's row of texts or elements. */
export function row(kind, cells) {
  const line = element("tr");
  line.append(
    ...cells.map((content) => {
      const cell = element(kind);
      cell.append(content);
      if (kind === "th") cell.scope = "col";
      return cell;
    }),
  );
  return line;
}
