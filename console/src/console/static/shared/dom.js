/** Builds DOM elements. Strings become text nodes; nothing is parsed as HTML. */

/** @typedef {Node | string | number | null | undefined | false | any[]} Child */
/** @typedef {Record<string, any>} Attributes `on…` are listeners, others are attributes; false and null omit one. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function el(name, attributes = {}, ...children) {
  return furnished(document.createElement(name), attributes, children);
}

/**
 * @param {string} name
 * @param {Attributes} [attributes]
 * @param {...Child} children
 */
export function svg(name, attributes = {}, ...children) {
  return furnished(document.createElementNS(SVG, name), attributes, children);
}

/**
 * Replace the content of a node.
 * @template {Element} E
 * @param {E} node
 * @param {...Child} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/**
 * @template {Element} E
 * @param {E} node
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function furnished(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...flat(children));
  return node;
}

/** @param {Child[]} children @returns {(Node | string)[]} */
function flat(children) {
  return children.flat(9).flatMap((child) => {
    if (child === null || child === undefined || child === false) return [];
    return [child instanceof Node ? child : String(child)];
  });
}

let last = 0;

/** A new id, to connect a label with its element. @param {string} stem */
export function newId(stem) {
  last += 1;
  return `${stem}-${last}`;
}
