// The gallery: what to look at first, then all pairs, sorted and filtered. Only the cards in sight are in the page.

const gallery = { order: [], columns: 1, width: 0, height: 0, current: 0, drawn: new Map(), controls: {} };
const GAP = 13;
const NARROWEST = 300;

function drawGallery(page) {
  if (count < report.samples) {
    page.append(make("p", { class: "note" }, `The gallery holds ${count.toLocaleString("en")} of ${plural(report.samples, "pair")}: the worst, the best, the most disputed and the failed ones (--max-pairs). All numbers are over all of them.`));
  }
  page.append(make("h2", {}, "Look at these first"), firstStrips(), make("h2", { id: "all" }, "All pairs"), tools(),
    make("div", { class: "found" }, make("span", { role: "status", "aria-live": "polite", id: "found" }),
      make("span", {}, "Arrows move, Enter opens, Escape closes")),
    make("ol", { id: "cards", "aria-label": "Pairs" }));
  byId("cards").addEventListener("keydown", moveByKey);
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      drawCards();
    });
  };
  addEventListener("scroll", later, { passive: true });
  new ResizeObserver(later).observe(byId("cards"));
}

function firstStrips() {
  const heads = [["worst", "Worst", "lowest mean percentile over all metrics", "worst"], ["best", "Best", "highest mean percentile over all metrics", "best"],
    ["disputed", "Most disputed", report.disputedBy === "ratings" ? "metrics and people are farthest apart" : "the metrics are farthest apart", "disputed"]];
  return make("div", { class: "strips" }, heads.map(([name, title, why, sort]) => {
    const chosen = report.first[name];
    if (chosen.length === 0) return null;
    const cards = chosen.map((index, place) => {
      const made = card(index, { badge: badgeOf(name, index), open: () => openPair(chosen, place, made) });
      made.tabIndex = 0;
      return made;
    });
    return [make("h3", {}, make("span", {}, title, make("span", { class: "count" }, why)), make("button", { type: "button", onclick: () => {
      gallery.controls.sort.value = sort;
      refresh();
      byId("all").scrollIntoView();
    } }, "sort all like this")), make("div", { class: "first" }, cards)];
  }));
}

function badgeOf(name, index) {
  return name === "disputed" ? `${percent(rows.dispute[index])} apart` : `percentile ${Math.round(100 * rows.merit[index])}`;
}

function tools() {
  const controls = gallery.controls;
  const changed = () => refresh();
  controls.sort = make("select", { id: "sort", onchange: changed }, option("worst", "worst first, all metrics"), option("best", "best first, all metrics"),
    option("disputed", "most disputed first"), report.columns.flatMap((column, place) => [option(`worst ${place}`, `${column.name}: worst first`), option(`best ${place}`, `${column.name}: best first`)]),
    report.ratings.flatMap((rating, place) => [option(`low ${place}`, `${rating.name} (people): lowest first`), option(`high ${place}`, `${rating.name} (people): highest first`)]),
    option("id", "name"), option("table", "order of the table"));
  controls.system = make("select", { id: "system", onchange: changed }, option("", "all"), report.systems.map((name) => option(name, name)));
  const statuses = [...new Set(report.columns.flatMap((column) => Object.values(column.unscored).map(([status]) => status)))].sort();
  controls.status = make("select", { id: "status", onchange: changed }, option("", "all"), option("ok", "everything scored"), option("unscored", "something not scored"), statuses.map((status) => option(status, status)));
  controls.metric = make("select", { id: "metric", onchange: changed, "aria-label": "Score that is limited" }, report.columns.map((column, place) => option(place, column.name)));
  controls.low = make("input", { id: "low", type: "number", step: "any", placeholder: "from", "aria-label": "Lowest score", oninput: changed });
  controls.high = make("input", { id: "high", type: "number", step: "any", placeholder: "to", "aria-label": "Highest score", oninput: changed });
  controls.text = make("input", { id: "text", type: "search", placeholder: "prompt, name, explanation", autocomplete: "off", oninput: changed });
  const labelled = (text, control) => make("label", {}, text, control);
  return make("form", { class: "tools", role: "search", "aria-label": "Sort and filter the pairs", onsubmit: (event) => event.preventDefault() },
    labelled("Sort", controls.sort), report.systems.length > 1 ? labelled("System", controls.system) : null, labelled("Status", controls.status),
    labelled("Score", controls.metric), make("div", { class: "between", role: "group", "aria-label": "Score between" }, "Score between", make("div", { class: "range" }, controls.low, "–", controls.high)),
    labelled("Text", controls.text), make("button", { type: "button", id: "reset", onclick: reset }, "Show all"));
}

function reset() {
  for (const name of ["system", "status", "low", "high", "text"]) gallery.controls[name].value = "";
  refresh();
}

const searched = new Map();

function textOf(index) {
  if (!searched.has(index)) {
    const explained = Object.values(rows.explanations).map((said) => said[index] ?? "");
    const other = Object.values(rows.other).map((texts) => texts[index] ?? "");
    searched.set(index, [rows.id[index], rows.system[index], rows.prompt[index], ...explained, ...other].join("\n").toLowerCase());
  }
  return searched.get(index);
}

function filter() {
  const { system, status, metric, low, high, text } = gallery.controls;
  const words = text.value.toLowerCase().trim();
  const column = report.columns[Number(metric.value)];
  const [least, most] = [low, high].map((input) => (input.value === "" ? null : input.valueAsNumber));
  return [...Array(count).keys()].filter((index) => {
    if (system.value && rows.system[index] !== system.value) return false;
    const value = column.values[index];
    if ((least !== null || most !== null) && value === null) return false;
    if ((least !== null && value < least) || (most !== null && value > most)) return false;
    if (status.value) {
      const lost = unscoredOf(index);
      if (status.value === "ok" ? lost.length > 0 : status.value === "unscored" ? lost.length === 0 : !lost.includes(status.value)) return false;
    }
    return !words || textOf(index).includes(words);
  });
}

// The metric that the gallery is sorted by, null where it is by something else.
function sortedColumn() {
  const [how, place] = gallery.controls.sort.value.split(" ");
  return place !== undefined && (how === "worst" || how === "best") ? report.columns[Number(place)] : null;
}

function sort(order) {
  const [how, place] = gallery.controls.sort.value.split(" ");
  if (how === "table") return order;
  if (how === "id") return order.sort((a, b) => rows.id[a].localeCompare(rows.id[b], "en", { numeric: true }));
  const column = sortedColumn();
  const values = column ? column.values : place !== undefined ? report.ratings[Number(place)].values : how === "disputed" ? rows.dispute : rows.merit;
  const up = how === "low" || (how === "worst" && (!column || column.higher)) || (how === "best" && column && !column.higher);
  return order.sort((a, b) => {
    const [one, other] = [values[a], values[b]];
    if (one === null || other === null) return (one === null) - (other === null) || a - b; // what has no score comes last
    return (up ? 1 : -1) * (one < other ? -1 : one > other ? 1 : 0) || a - b;
  });
}

function refresh() {
  gallery.order = sort(filter());
  gallery.current = 0;
  clearCards();
  const filtered = gallery.order.length < count;
  byId("found").textContent = filtered ? `${gallery.order.length.toLocaleString("en")} of ${plural(count, "pair")}` : plural(count, "pair");
  drawCards();
}

function clearCards() {
  for (const item of gallery.drawn.values()) item.remove();
  gallery.drawn.clear();
}

function measure() {
  const list = byId("cards");
  const wide = list.clientWidth;
  const columns = Math.max(1, Math.floor((wide + GAP) / (NARROWEST + GAP)));
  const width = (wide - GAP * (columns - 1)) / columns;
  if (columns !== gallery.columns || Math.abs(width - gallery.width) > 0.5) clearCards();
  if (width !== gallery.width) {
    const trial = make("li", {}, card(0, { open: () => {} }));
    trial.style.width = `${width}px`;
    trial.style.visibility = "hidden";
    list.append(trial);
    gallery.height = trial.offsetHeight + GAP;
    trial.remove();
  }
  Object.assign(gallery, { columns, width });
  list.style.height = `${Math.ceil(gallery.order.length / columns) * gallery.height}px`;
}

// Put the cards in sight, and one screen before and after, into the page; take the others out.
function drawCards() {
  const list = byId("cards");
  if (list.offsetParent === null || count === 0) return;
  measure();
  const top = -list.getBoundingClientRect().top;
  const firstLine = Math.floor((top - innerHeight) / gallery.height);
  const lastLine = Math.ceil((top + 2 * innerHeight) / gallery.height);
  const from = Math.max(0, firstLine * gallery.columns);
  const to = Math.min(gallery.order.length, lastLine * gallery.columns);
  for (const [place, item] of gallery.drawn) {
    if ((place < from || place >= to) && !item.contains(document.activeElement)) {
      item.remove();
      gallery.drawn.delete(place);
    }
  }
  for (let place = from; place < to; place++) if (!gallery.drawn.has(place)) addCard(place);
}

function addCard(place) {
  const index = gallery.order[place];
  const made = card(index, { sorted: sortedColumn(), badge: null, open: () => {
    gallery.current = place;
    openPair(gallery.order, place, (last) => focusCard(gallery.order.indexOf(last)));
  } });
  made.tabIndex = place === gallery.current ? 0 : -1;
  made.addEventListener("focus", () => settle(place));
  const item = make("li", { "aria-posinset": place + 1, "aria-setsize": gallery.order.length }, made);
  item.style.width = `${gallery.width}px`;
  item.style.transform = `translate(${(place % gallery.columns) * (gallery.width + GAP)}px, ${Math.floor(place / gallery.columns) * gallery.height}px)`;
  const next = [...gallery.drawn.keys()].filter((other) => other > place).sort((a, b) => a - b)[0];
  byId("cards").insertBefore(item, next === undefined ? null : gallery.drawn.get(next));
  gallery.drawn.set(place, item);
}

// One card of the list can be reached by Tab; arrows go to the others.
function settle(place) {
  const before = gallery.drawn.get(gallery.current)?.firstChild;
  if (before) before.tabIndex = -1;
  gallery.current = place;
  const now = gallery.drawn.get(place)?.firstChild;
  if (now) now.tabIndex = 0;
}

function focusCard(place) {
  if (place < 0 || place >= gallery.order.length) return;
  const list = byId("cards");
  const top = list.getBoundingClientRect().top + scrollY + Math.floor(place / gallery.columns) * gallery.height;
  if (top < scrollY || top + gallery.height > scrollY + innerHeight) scrollTo(0, top - (innerHeight - gallery.height) / 2);
  drawCards();
  if (!gallery.drawn.has(place)) addCard(place);
  settle(place);
  gallery.drawn.get(place).firstChild.focus({ preventScroll: true });
}

function moveByKey(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: gallery.columns, ArrowUp: -gallery.columns }[event.key];
  const place = by !== undefined ? gallery.current + by : { Home: 0, End: gallery.order.length - 1 }[event.key];
  if (place === undefined) return;
  event.preventDefault();
  focusCard(Math.min(Math.max(place, 0), gallery.order.length - 1));
}
