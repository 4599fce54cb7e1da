"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const COLOURS = ["#5aa9ff", "#ff9f45", "#64d38b", "#e377c2", "#d6c94a", "#b08cff"];
const ZOOMS = [0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const GRID_FROM = 8; // pixels become squares with lines between them
const FLICKER_MS = 500;

const state = {
  left: 0,
  right: 1,
  mode: "slider",
  shown: 0, // place in data.frames
  line: 0.5, // of the width of the view
  scale: 1,
  x: 0, // place of the picture's corner in the view
  y: 0,
  second: false, // whether flicker shows the right clip
  fitted: true,
};

// Pictures are decoded when they are first looked at, and kept.
const decoded = new Map();

function picture(clip, shown) {
  const key = clip + "/" + shown;
  if (!decoded.has(key)) {
    const image = new Image();
    image.onload = draw;
    image.src = data.images[clip][shown];
    decoded.set(key, image);
  }
  const image = decoded.get(key);
  return image.complete && image.naturalWidth ? image : null;
}

const view = byId("view");
const pen = view.getContext("2d");

function resize() {
  const ratio = window.devicePixelRatio || 1;
  view.width = Math.round(view.clientWidth * ratio);
  view.height = Math.round(view.clientHeight * ratio);
  if (state.fitted) fit();
  draw();
  drawPlots();
}

function paneWidth() {
  return state.mode === "side" ? Math.floor(view.width / 2) : view.width;
}

function fit() {
  state.fitted = true;
  state.scale = Math.min(paneWidth() / data.width, view.height / data.height);
  state.x = (paneWidth() - data.width * state.scale) / 2;
  state.y = (view.height - data.height * state.scale) / 2;
  showZoom();
}

function zoomTo(scale, atX, atY) {
  const factor = scale / state.scale;
  state.x = atX - (atX - state.x) * factor;
  state.y = atY - (atY - state.y) * factor;
  state.scale = scale;
  state.fitted = false;
  showZoom();
  draw();
}

function showZoom() {
  const select = byId("zoom");
  const nearest = ZOOMS.find((zoom) => Math.abs(zoom - state.scale) < 1e-6);
  select.value = nearest === undefined ? "" : String(nearest);
  select.options[0].textContent = Math.round(state.scale * 100) + " %";
}

// Draws a picture where x goes from `from` to `to` in the view, moved by `offset`.
function paint(source, from, to, offset) {
  if (!source || to <= from) return;
  pen.save();
  pen.beginPath();
  pen.rect(from, 0, to - from, view.height);
  pen.clip();
  pen.imageSmoothingEnabled = state.scale < 1;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(
    source, Math.round(state.x) + offset, Math.round(state.y),
    data.width * state.scale, data.height * state.scale);
  if (state.scale >= GRID_FROM) grid(offset);
  pen.restore();
}

function grid(offset) {
  const left = Math.round(state.x) + offset;
  const top = Math.round(state.y);
  pen.beginPath();
  for (let column = 0; column <= data.width; column++) {
    const x = Math.round(left + column * state.scale) + 0.5;
    if (x < 0 || x > view.width) continue;
    pen.moveTo(x, Math.max(0, top));
    pen.lineTo(x, Math.min(view.height, top + data.height * state.scale));
  }
  for (let row = 0; row <= data.height; row++) {
    const y = Math.round(top + row * state.scale) + 0.5;
    if (y < 0 || y > view.height) continue;
    pen.moveTo(Math.max(0, left), y);
    pen.lineTo(Math.min(view.width, left + data.width * state.scale), y);
  }
  pen.strokeStyle = "rgba(128,128,128,0.35)";
  pen.lineWidth = 1;
  pen.stroke();
}

function label(text, x, y, align) {
  const ratio = window.devicePixelRatio || 1;
  pen.font = 13 * ratio + "px system-ui, sans-serif";
  const width = pen.measureText(text).width + 12 * ratio;
  const from = align === "right" ? x - width : x;
  pen.fillStyle = "rgba(0,0,0,0.65)";
  pen.fillRect(from, y, width, 22 * ratio);
  pen.fillStyle = "#fff";
  pen.fillText(text, from + 6 * ratio, y + 16 * ratio);
}

function draw() {
  const left = picture(state.left, state.shown);
  const right = picture(state.right, state.shown);
  const [first, second] = [data.labels[state.left], data.labels[state.right]];
  pen.clearRect(0, 0, view.width, view.height);
  if (state.mode === "slider") {
    const line = Math.round(state.line * view.width);
    paint(left, 0, line, 0);
    paint(right, line, view.width, 0);
    pen.fillStyle = "#fff";
    pen.fillRect(line - 1, 0, 2, view.height);
    pen.beginPath();
    pen.arc(line, view.height / 2, 9, 0, 2 * Math.PI);
    pen.fill();
    label(first, 8, 8, "left");
    label(second, view.width - 8, 8, "right");
  } else if (state.mode === "side") {
    const half = paneWidth();
    paint(left, 0, half, 0);
    paint(right, half, view.width, half);
    pen.fillStyle = "#fff";
    pen.fillRect(half - 1, 0, 2, view.height);
    label(first, 8, 8, "left");
    label(second, half + 8, 8, "left");
  } else if (state.mode === "flicker") {
    paint(state.second ? right : left, 0, view.width, 0);
    label(state.second ? second : first, 8, 8, "left");
  } else {
    paint(difference(left, right), 0, view.width, 0);
    label("|" + first + " - " + second + "| x " + byId("gain").value, 8, 8, "left");
  }
  showStatus();
}

// The difference of luma as a heat map: black, violet, orange, white.
const heat = { key: "", canvas: document.createElement("canvas") };

function pixels(source) {
  const canvas = document.createElement("canvas");
  canvas.width = data.width;
  canvas.height = data.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0);
  return context.getImageData(0, 0, data.width, data.height);
}

function colour(value) {
  const stops = [[0, 0, 0], [90, 20, 140], [230, 90, 40], [255, 215, 90], [255, 255, 255]];
  const place = Math.min(value, 0.9999) * (stops.length - 1);
  const [low, high] = [stops[Math.floor(place)], stops[Math.floor(place) + 1]];
  return low.map((from, i) => from + (high[i] - from) * (place % 1));
}

const HEAT = Array.from({ length: 256 }, (_, value) => colour(value / 255));

function difference(left, right) {
  if (!left || !right) return null;
  const gain = Number(byId("gain").value);
  const key = [state.left, state.right, state.shown, gain].join("/");
  if (heat.key === key) return heat.canvas;
  const [one, two] = [pixels(left), pixels(right)];
  const luma = (p, i) => 0.2126 * p[i] + 0.7152 * p[i + 1] + 0.0722 * p[i + 2];
  for (let i = 0; i < one.data.length; i += 4) {
    const value = Math.min(255, Math.abs(luma(one.data, i) - luma(two.data, i)) * gain);
    one.data.set(HEAT[Math.round(value)], i);
  }
  heat.canvas.width = data.width;
  heat.canvas.height = data.height;
  heat.canvas.getContext("2d").putImageData(one, 0, 0);
  heat.key = key;
  return heat.canvas;
}

function figures(clip, frame) {
  if (clip === 0) return "";
  const texts = data.metrics.map((metric) => {
    const value = metric.values[clip - 1][frame];
    return metric.title.replace(" dB", "") + " " + (value === null ? "equal" : value.toFixed(metric.digits));
  });
  return " · " + data.labels[clip] + ": " + texts.join(", ");
}

function showStatus() {
  const frame = data.frames[state.shown];
  byId("status").textContent =
    "frame " + (data.first + frame) + figures(state.left, frame) + figures(state.right, frame);
}

function go(shown) {
  state.shown = Math.max(0, Math.min(data.frames.length - 1, shown));
  byId("frame").value = String(state.shown);
  draw();
  drawPlots();
}

// Plots of the figures of all frames, of every clip but the first.
function drawPlots() {
  data.metrics.forEach((metric, number) => drawPlot(byId("plots").children[number], metric));
}

function drawPlot(canvas, metric) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const context = canvas.getContext("2d");
  const known = metric.values.flat().filter((value) => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const count = metric.values[0].length;
  const x = (frame) => (count < 2 ? 0.5 : frame / (count - 1)) * (canvas.width - 8) + 4;
  const y = (value) =>
    canvas.height - 8 - ((value - low) / (high - low || 1)) * (canvas.height - 34 * ratio);
  context.font = 11 * ratio + "px system-ui, sans-serif";
  context.fillStyle = "#262a31";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = "#6b7380";
  context.beginPath();
  context.moveTo(x(data.frames[state.shown]), 0);
  context.lineTo(x(data.frames[state.shown]), canvas.height);
  context.stroke();
  metric.values.forEach((values, clip) => {
    context.strokeStyle = COLOURS[clip % COLOURS.length];
    context.lineWidth = 1.5 * ratio;
    context.beginPath();
    let down = false;
    values.forEach((value, frame) => {
      if (value === null) {
        down = false;
        return;
      }
      if (down) context.lineTo(x(frame), y(value));
      else context.moveTo(x(frame), y(value));
      down = true;
    });
    context.stroke();
  });
  const range = known.length
    ? ` (${low.toFixed(metric.digits)} to ${high.toFixed(metric.digits)})` : " (all equal)";
  context.fillStyle = "#dde1e6";
  context.fillText(metric.title + range, 6 * ratio, 13 * ratio);
  let at = 6 * ratio;
  data.labels.slice(1).forEach((name, clip) => {
    context.fillStyle = COLOURS[clip % COLOURS.length];
    context.fillText(name, at, 26 * ratio);
    at += context.measureText(name).width + 12 * ratio;
  });
}

function goTo(frame) {
  let nearest = 0;
  data.frames.forEach((number, place) => {
    if (Math.abs(number - frame) < Math.abs(data.frames[nearest] - frame)) nearest = place;
  });
  go(nearest);
}

// The pointer moves the line where it is on it, and the picture elsewhere.
let dragged = null;

function inView(event) {
  const box = view.getBoundingClientRect();
  const ratio = view.width / box.width;
  return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
}

view.addEventListener("pointerdown", (event) => {
  const [x, y] = inView(event);
  const near = Math.abs(x - state.line * view.width) < 16;
  const line = state.mode === "slider" && (near || state.fitted);
  dragged = { line, x, y };
  if (line) moveLine(x);
  view.setPointerCapture(event.pointerId);
});

view.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  const [x, y] = inView(event);
  if (dragged.line) {
    moveLine(x);
    return;
  }
  state.x += x - dragged.x;
  state.y += y - dragged.y;
  state.fitted = false;
  dragged = { line: false, x, y };
  draw();
});

view.addEventListener("pointerup", () => (dragged = null));
view.addEventListener("pointercancel", () => (dragged = null));
view.addEventListener("dblclick", () => {
  fit();
  draw();
});

function moveLine(x) {
  state.line = Math.max(0, Math.min(1, x / view.width));
  draw();
}

view.addEventListener("wheel", (event) => {
  event.preventDefault();
  let [x, y] = inView(event);
  if (state.mode === "side" && x >= paneWidth()) x -= paneWidth();
  const larger = ZOOMS.filter((zoom) => zoom > state.scale * 1.001);
  const smaller = ZOOMS.filter((zoom) => zoom < state.scale * 0.999);
  const next = event.deltaY < 0 ? larger[0] : smaller[smaller.length - 1];
  if (next) zoomTo(next, x, y);
}, { passive: false });

function setMode(mode) {
  state.mode = mode;
  document.querySelector(`input[value="${mode}"]`).checked = true;
  byId("gain-label").hidden = mode !== "difference";
  if (state.fitted) fit();
  draw();
}

const MODES = ["slider", "side", "flicker", "difference"];
for (const input of document.querySelectorAll("input[name=mode]")) {
  input.addEventListener("change", () => setMode(input.value));
}

for (const side of ["left", "right"]) {
  const select = byId(side);
  data.labels.forEach((name, clip) => select.add(new Option(name, String(clip))));
  select.value = String(state[side]);
  select.addEventListener("change", () => {
    state[side] = Number(select.value);
    draw();
  });
}

byId("zoom").add(new Option("", ""));
for (const zoom of ZOOMS) byId("zoom").add(new Option(zoom * 100 + " %", String(zoom)));
byId("zoom").addEventListener("change", (event) => {
  if (event.target.value) zoomTo(Number(event.target.value), paneWidth() / 2, view.height / 2);
});
byId("fit").addEventListener("click", () => {
  fit();
  draw();
});
byId("gain").addEventListener("input", draw);
byId("frame").max = String(data.frames.length - 1);
byId("frame").addEventListener("input", (event) => go(Number(event.target.value)));

let playing = null;
byId("play").addEventListener("click", () => {
  if (playing) {
    clearInterval(playing);
    playing = null;
  } else {
    playing = setInterval(() => go((state.shown + 1) % data.frames.length), 250);
  }
  byId("play").textContent = playing ? "\u23f8" : "\u25b6";
});

window.addEventListener("keydown", (event) => {
  if (["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName)) return;
  if (event.key === "ArrowLeft") go(state.shown - 1);
  else if (event.key === "ArrowRight") go(state.shown + 1);
  else if (event.key === " ") swap();
  else if ("1234".includes(event.key)) setMode(MODES[Number(event.key) - 1]);
  else return;
  event.preventDefault();
});

function swap() {
  if (state.mode === "flicker") state.second = !state.second;
  else {
    [state.left, state.right] = [state.right, state.left];
    byId("left").value = String(state.left);
    byId("right").value = String(state.right);
  }
  draw();
}

setInterval(() => {
  if (state.mode !== "flicker") return;
  state.second = !state.second;
  draw();
}, FLICKER_MS);

for (const metric of data.metrics) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-label", metric.title);
  canvas.addEventListener("click", (event) => {
    const part = (event.offsetX - 4) / (canvas.clientWidth - 8);
    goTo(part * (metric.values[0].length - 1));
  });
  byId("plots").append(canvas);
}
byId("reference").textContent = data.labels[0];
setMode("slider");
new ResizeObserver(resize).observe(view);
resize();
