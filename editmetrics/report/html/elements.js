// Elements of the page. Whatever comes from outside gets in as text (textContent), never as markup.

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  return filled(element, properties, children);
}

function makeSvg(tag, properties = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

// Text that may break after an underscore, a colon or a slash, as names of columns have them.
function breakable(text) {
  return text.split(/(?<=[_:/,])/).flatMap((part, place) => (place === 0 ? [part] : [make("wbr"), part]));
}

function byId(name) {
  return document.getElementById(name);
}

function option(value, text) {
  return make("option", { value }, text);
}
