// The data of the report. Pictures are read when somebody looks at them.

const report = readJson("report");
const rows = report.rows;
const count = rows.id.length;
const hasPrompts = rows.prompt.some((text) => text !== null);
const hasSystems = rows.system.some((name) => name !== null);
const PICTURES_IN_CHUNK = 60;
const KINDS = ["source", "edited", "difference"];
const chunks = new Map();

function readJson(name) {
  const element = byId(name);
  return element === null ? null : JSON.parse(element.textContent);
}

function chunk(name) {
  if (!chunks.has(name)) chunks.set(name, readJson(name));
  return chunks.get(name);
}

// The address of a picture, or null where there is none. `kind` counts in KINDS.
function picture(index, kind) {
  const found = chunk(`pictures-${Math.floor(index / PICTURES_IN_CHUNK)}`)[index % PICTURES_IN_CHUNK][kind];
  return typeof found === "number" ? picture(found, kind) : address(found);
}

function largerPicture(index, kind) {
  const found = chunk(`larger-${index}`)?.[kind] ?? null;
  return typeof found === "number" ? largerPicture(found, kind) : address(found);
}

function address(encoded) {
  return encoded === null ? null : `data:image/webp;base64,${encoded}`;
}

function missingWhy(index, kind) {
  return report.missing[`${index} ${KINDS[kind]}`] ?? null;
}

// A number that was written as text because JSON has no infinity.
function numeric(value) {
  return typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value;
}

for (const column of [...report.columns, ...report.ratings]) column.values = column.values.map(numeric);

// The statuses of a sample's missing scores; empty when all were scored.
function unscoredOf(index) {
  return report.columns.flatMap((column) => (index in column.unscored ? [column.unscored[index][0]] : []));
}
