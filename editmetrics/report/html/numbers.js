// How numbers are written: by the width of their interval, or with four significant digits, as in the terminal.

function said(value) {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(2).replace("-", "−");
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

// The decimals that an interval supports: two significant digits of its width; null without one.
function digitsOf(low, high) {
  if (low === null || low === undefined || high === null || !Number.isFinite(high - low) || high <= low) return null;
  return Math.max(0, 1 - Math.floor(Math.log10(high - low)));
}

function rounded(value, digits) {
  if (digits === null || digits > 6 || value === null || !Number.isFinite(value)) return said(value);
  return value.toFixed(digits).replace("-", "−");
}

function arrow(column) {
  return column.higher ? "↑" : "↓";
}

function direction(column) {
  return column.higher ? "higher is better" : "lower is better";
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

function plural(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
