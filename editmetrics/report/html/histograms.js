// How the scores are spread: for each metric a small picture, a row for each system over the same bins.

const CHART = { width: 300, row: 54, bars: 32, left: 2 };

function drawHistograms(page) {
  const charts = report.columns.map((column, place) => ({ column, found: report.histograms[place], place })).filter(({ found }) => found);
  if (!charts.length) return;
  page.append(make("h2", {}, "Distributions"),
    make("p", { class: "caption" }, "Finite scores; the same bins for all systems, each as high as its fullest. The line marks the mean."),
    make("div", { class: "charts" }, charts.map(histogramCard)));
}

function histogramCard({ column, found, place }) {
  return make("figure", { class: "chart" }, make("h3", { title: column.name }, `${column.short} ${arrow(column)}`), histogramSvg(column, found, place));
}

function histogramSvg(column, found, place) {
  const { width, row, bars, left } = CHART;
  const [low, high] = [found.edges[0], found.edges[found.edges.length - 1]];
  const at = (value) => left + (width - 2 * left) * (high > low ? (value - low) / (high - low) : 0.5);
  const height = found.counts.length * row + 16;
  const summary = [];
  const shapes = found.counts.flatMap(([system, counts], line) => {
    const base = line * row + row - 2;
    const most = Math.max(1, ...counts);
    const cell = report.boards[0].lines.find((other) => other.system === system)?.cells[place];
    summary.push(`${system ?? "all"}: mean ${said(cell?.mean ?? null)}, n ${cell?.n ?? 0}`);
    const drawn = counts.map((number, bin) => {
      const tall = number === 0 ? 0 : Math.max(1.5, (bars * number) / most);
      const [from, to] = [at(found.edges[bin]), at(found.edges[bin + 1])];
      return makeSvg("rect", { class: `bar-${line % 7}`, x: from + 0.5, y: base - tall, width: Math.max(1, to - from - 1), height: tall },
        makeSvg("title", {}, `${said(found.edges[bin])} to ${said(found.edges[bin + 1])}: ${number}`));
    });
    const mean = cell && cell.mean !== null ? at(cell.mean) : null;
    return [...drawn, makeSvg("line", { class: "axis", x1: 0, x2: width, y1: base, y2: base }),
      mean === null ? null : makeSvg("line", { class: "tick", x1: mean, x2: mean, y1: base - bars - 1, y2: base }),
      makeSvg("text", { x: left, y: base - bars - 3 }, system === null ? "" : shortened(system, 34)),
      makeSvg("text", { x: width - left, y: base - bars - 3, "text-anchor": "end" }, `n = ${counts.reduce((a, b) => a + b, 0)}`)];
  });
  return makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Distribution of ${column.name}. ${summary.join("; ")}` }, shapes,
    makeSvg("text", { x: left, y: height - 3 }, said(low)), makeSvg("text", { x: width - left, y: height - 3, "text-anchor": "end" }, said(high)));
}

function shortened(text, longest) {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}
