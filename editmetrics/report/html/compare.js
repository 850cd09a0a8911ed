// In an opened pair: the other systems' edits of the same source, a slider between any two pictures, and their difference.

const SIDE = { source: "source", edited: "edited" };

// The samples of the same task, this one first; the others in the order of the systems.
function sameTask(index) {
  if (rows.task[index] === null) return [index];
  const others = [];
  for (let other = 0; other < count; other++) if (other !== index && rows.task[other] === rows.task[index]) others.push(other);
  return [index, ...others.sort((a, b) => report.systems.indexOf(rows.system[a]) - report.systems.indexOf(rows.system[b]))];
}

function systemName(index) {
  return rows.system[index] ?? "edited";
}

// What can be looked at against each other: [name, address of a picture].
function comparable(index) {
  const shown = (other, kind) => largerPicture(other, kind) ?? picture(other, kind);
  const source = report.kinds.includes(0) ? [[SIDE.source, shown(index, 0)]] : [];
  return [...source, ...sameTask(index).map((other) => [systemName(other), shown(other, 1)])].filter(([, address]) => address !== null);
}

function othersFigures(index) {
  return sameTask(index).slice(1).map((other) => make("figure", { class: "other" },
    make("div", { class: "frame" }, picture(other, 1) === null ? make("span", {}, missingWhy(other, 1) ?? "no picture")
      : make("img", { src: largerPicture(other, 1) ?? picture(other, 1), alt: `edited image of ${rows.id[other]}` })),
    make("figcaption", {}, make("button", { type: "button", class: "link", onclick: () => openOther(other) }, systemName(other)))));
}

function openOther(other) {
  const place = pair.order.indexOf(other);
  if (place >= 0) openPair(pair.order, place, pair.opener);
  else openPair([other], 0, pair.opener);
}

function compareBlock(index) {
  const choices = comparable(index);
  if (choices.length < 2) return null;
  const own = choices.findIndex(([name]) => name === systemName(index));
  const select = (name, chosen) => {
    const control = make("select", { "aria-label": `Picture on the ${name}`, onchange: () => draw() }, choices.map(([text], place) => option(place, text)));
    control.value = String(chosen);
    return control;
  };
  const left = select("left", 0);
  const right = select("right", own > 0 ? own : 1);
  const under = make("img", { alt: "" });
  const over = make("img", { alt: "", class: "over" });
  const line = make("i", { class: "divider", "aria-hidden": "true" });
  const range = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Divider between the two pictures", oninput: () => divide() });
  const stage = make("div", { class: "stage" }, under, over, line, range);
  const canvas = make("canvas", { role: "img", "aria-label": "Difference of the two pictures" });
  const caption = make("figcaption", {}, "");

  function divide() {
    over.style.clipPath = `inset(0 ${100 - range.value}% 0 0)`;
    line.style.left = `${range.value}%`;
  }

  function draw() {
    over.src = choices[Number(left.value)][1];
    under.src = choices[Number(right.value)][1];
    caption.textContent = `difference × ${report.amplified} of these two pictures`;
    Promise.all([over.decode(), under.decode()]).then(() => drawDifference(canvas, over, under)).catch(() => {
      caption.textContent = "these pictures cannot be compared";
    });
  }

  divide();
  draw();
  return make("section", { class: "compare", "aria-label": "Compare two pictures" },
    make("div", { class: "choose" }, make("label", {}, "left ", left), make("label", {}, "right ", right)),
    make("div", { class: "side-by-side" }, make("figure", {}, stage, make("figcaption", {}, "move the divider: drag it, or use the arrow keys")),
      make("figure", {}, canvas, caption)));
}

// The largest absolute difference of the three channels, amplified, as grey; the second picture is scaled to the first.
function drawDifference(canvas, one, other) {
  const [width, height] = [one.naturalWidth, one.naturalHeight];
  const pixels = [one, other].map((image) => {
    const sheet = make("canvas", { width, height });
    const brush = sheet.getContext("2d");
    brush.drawImage(image, 0, 0, width, height);
    return brush.getImageData(0, 0, width, height);
  });
  const [a, b] = pixels.map((image) => image.data);
  for (let place = 0; place < a.length; place += 4) {
    const largest = Math.max(Math.abs(a[place] - b[place]), Math.abs(a[place + 1] - b[place + 1]), Math.abs(a[place + 2] - b[place + 2]));
    a[place] = a[place + 1] = a[place + 2] = Math.min(255, report.amplified * largest);
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(pixels[0], 0, 0);
}
