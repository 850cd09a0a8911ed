// A table whose columns sort: by a click on a heading, or Enter and Space on it; again to turn the order.
// `columns`: { head, of (small print), title, name (text column), down (whether the first order is descending), key(line), cell(line) }.

function sortableTable(columns, lines, { className = "stacked", label, apart = null }) {
  const state = { sorted: null, down: true };
  const body = make("tbody");
  const headers = columns.map((column, place) => {
    const inside = [column.head, column.of ? make("span", { class: "of" }, column.of) : null];
    return make("th", { scope: "col", class: column.name ? "name" : null, "aria-sort": "none" },
      make("button", { type: "button", title: `${column.title ? `${column.title}. ` : ""}Sort.`, onclick: () => sort(place) }, inside));
  });

  function draw(shown) {
    body.replaceChildren(...shown.map((line, index) => make("tr", { class: apart && apart(line, shown[index - 1]) ? "apart" : null },
      columns.map((column, place) => (column.row || (place === 0 && !columns.some((other) => other.row)) ? make("th", { scope: "row" }, column.cell(line)) : filledCell(column, line))))));
  }

  function sort(place) {
    state.down = state.sorted === place ? !state.down : Boolean(columns[place].down);
    state.sorted = place;
    headers.forEach((header, other) => header.setAttribute("aria-sort", other !== place ? "none" : state.down ? "descending" : "ascending"));
    draw([...lines].sort((a, b) => (state.down ? -1 : 1) * ordered(columns[place].key(a), columns[place].key(b), state.down)));
  }

  draw(lines);
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    make("table", { class: className }, make("thead", {}, make("tr", {}, headers)), body));
}

function filledCell(column, line) {
  const cell = column.cell(line);
  return cell instanceof Element && cell.tagName === "TD" ? cell : make("td", { class: column.name ? "name" : null, "data-of": column.phone ?? column.head }, cell);
}

// What has no value comes last, whichever way.
function ordered(a, b, down) {
  const lacking = (value) => value === null || value === undefined || value === "";
  if (lacking(a) || lacking(b)) return (down ? -1 : 1) * (Number(lacking(a)) - Number(lacking(b)));
  return typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
}
