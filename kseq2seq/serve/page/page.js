// The page for trying a model out. All it shows comes from the REST API:
// the signatures nbest, translate_align and, where it is there, alternatives, as any
// other client gets them.

import { MODEL, ask, predict } from "./asking.js";
import { tokensOf, unitsOf, weightsOf } from "./units.js";

const WAIT = 250; // milliseconds without a key before what was typed is translated
const LEAST_SCORE = -1e38; // which stands for that of no translation
const MOST_CELLS = 20000; // of a heatmap, beyond which a browser takes too long

const $ = (id) => document.getElementById(id);

let signatures = {};
let shown = null; // the alignment on the page: {source, target, weights}

// ---- Showing an alignment ----

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function fillLine(line, text, units) {
  const parts = [];
  let at = 0;
  units.forEach((unit, number) => {
    if (unit.from > at) parts.push(text.slice(at, unit.from));
    const part = text.slice(unit.from, unit.to);
    const span = element("span", { className: "unit", tabIndex: number ? -1 : 0 });
    span.textContent = unit.isEnd || unit.isFeature ? unit.label : part;
    if (unit.isEnd || unit.isFeature) span.classList.add("end");
    if (unit.isFeature) span.title = "a feature";
    if (unit.isEnd) span.title = "end of the text";
    span.setAttribute("role", "option");
    span.setAttribute("aria-label", unit.label);
    span.dataset[line.id] = number;
    parts.push(span);
    at = Math.max(at, unit.to);
  });
  if (at < text.length) parts.push(text.slice(at));
  line.replaceChildren(...parts);
}

function fillHeatmap(sources, targets, weights) {
  if (!sources.length || !targets.length) return $("heatmap").replaceChildren();
  if (sources.length * targets.length > MOST_CELLS) {
    return $("heatmap").replaceChildren(
      `${targets.length} × ${sources.length} cells are too many to draw.`,
    );
  }
  const head = element("tr", {}, element("td"));
  sources.forEach((unit, s) => {
    const cell = element("th", { scope: "col" }, element("span", {}, unit.label));
    cell.dataset.source = s;
    head.append(cell);
  });
  head.firstChild.className = "corner";
  const body = element("tbody");
  targets.forEach((unit, t) => {
    const row = element("tr", {}, element("th", { scope: "row" }, element("bdi", {}, unit.label)));
    row.firstChild.dataset.target = t;
    sources.forEach((_, s) => {
      const weight = weights[t][s];
      const cell = element("td", {}, element("span", { className: "hidden" }, percent(weight)));
      cell.dataset.source = s;
      cell.dataset.target = t;
      cell.style.setProperty("--weight", weight.toFixed(3));
      row.append(cell);
    });
    body.append(row);
  });
  const table = element("table", {}, element("thead", {}, head), body);
  table.classList.toggle("upright", sources.some((x) => [...x.label].length > 3));
  const size = Math.max(1.1, 36 / sources.length);
  table.style.setProperty("--cell", `${size.toFixed(2)}rem`);
  $("heatmap").replaceChildren(table);
}

function percent(weight) {
  return `${Math.round(100 * weight)} %`;
}

function drawAlignment() {
  const { source, target, alignment } = shown;
  const byWords = document.querySelector("[name=units]:checked").value === "words";
  shown.sources = unitsOf(source.text, source.tokens, byWords);
  shown.targets = unitsOf(target.text, target.tokens, byWords);
  shown.weights = weightsOf(alignment, shown.targets, shown.sources);
  fillLine($("source"), source.text, shown.sources);
  fillLine($("target"), target.text, shown.targets);
  fillHeatmap(shown.sources, shown.targets, shown.weights);
  unlight();
}

// Lights up what is chosen and what it is aligned with: a unit of the source, one of
// the target, or of each one.
function light(source, target) {
  clearLight();
  const { sources, targets, weights } = shown;
  const bySource = source === undefined ? weights[target] : sources.map((_, s) => Number(s === source));
  const byTarget =
    target === undefined
      ? weights.map((row) => row[source])
      : targets.map((_, t) => Number(t === target));
  lightLine("source", bySource, source);
  lightLine("target", byTarget, target);
  for (const cell of $("heatmap").querySelectorAll("[data-source], [data-target]")) {
    const { source: s, target: t } = cell.dataset;
    const inColumn = s !== undefined && Number(s) === source;
    const inRow = t !== undefined && Number(t) === target;
    cell.classList.toggle("chosen", inColumn || inRow);
    cell.classList.toggle("hit", inColumn && inRow);
  }
  $("readout").textContent = described(source, target);
}

function lightLine(line, weights, chosen) {
  const most = Math.max(...weights);
  for (const span of $(line).querySelectorAll(".unit")) {
    const number = Number(span.dataset[line]);
    const isChosen = number === chosen;
    span.style.setProperty("--weight", most > 0 ? (weights[number] / most).toFixed(3) : 0);
    span.classList.toggle("chosen", isChosen);
    span.classList.toggle("strongest", !isChosen && most > 0 && weights[number] === most);
  }
}

function described(source, target) {
  const { sources, targets, weights } = shown;
  // Isolated, so that words written from right to left leave the sentence as it is.
  const quoted = (unit) => (unit.isEnd ? "the end" : `“\u2068${unit.label}\u2069”`);
  if (source !== undefined && target !== undefined) {
    return `${quoted(targets[target])} looks at ${quoted(sources[source])}: ${percent(weights[target][source])}`;
  }
  const [chosen, others, row] =
    source === undefined
      ? [targets[target], sources, weights[target]]
      : [sources[source], targets, weights.map((x) => x[source])];
  const best = others
    .map((unit, i) => [row[i], quoted(unit)])
    .filter(([weight]) => weight >= 0.05)
    .sort(([a], [b]) => b - a)
    .slice(0, 3)
    .map(([weight, name]) => `${name} (${percent(weight)})`);
  const verb = source === undefined ? "looks at" : "is looked at by";
  return `${quoted(chosen)} ${verb} ${best.join(", ") || "nothing in particular"}`;
}

function clearLight() {
  for (const x of $("alignment").querySelectorAll(".chosen, .strongest, .hit")) {
    x.classList.remove("chosen", "strongest", "hit");
  }
  for (const x of $("alignment").querySelectorAll(".unit")) x.style.removeProperty("--weight");
}

function unlight() {
  clearLight();
  const others = "alternatives" in signatures;
  $("readout").textContent =
    "Point at a word, or go to one with Tab and the arrow keys." +
    (others ? " Click a word of the translation, or press Enter, for what else could stand there." : "");
}

function lightAt(event) {
  const found = event.target.closest?.("[data-source], [data-target]");
  if (!found || !shown) return;
  const { source, target } = found.dataset;
  light(source && Number(source), target && Number(target));
}

// One stop of Tab for each line; the arrow keys go from word to word.
function moveFocus(event) {
  const units = [...event.currentTarget.querySelectorAll(".unit")];
  const at = units.indexOf(event.target);
  const isRightToLeft = getComputedStyle(event.currentTarget).direction === "rtl";
  const step = isRightToLeft ? -1 : 1;
  const goal = { ArrowRight: at + step, ArrowLeft: at - step, Home: 0, End: units.length - 1 };
  const next = units[goal[event.key]];
  if (at < 0 || !(event.key in goal)) return;
  event.preventDefault();
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// ---- Other translations from a word on ----

// What else could stand at a word of the translation, and the rest of each.
async function showAlternatives(event) {
  const unit = event.target.closest?.("[data-target]");
  const isChosen = event.type === "click" || event.key === "Enter";
  if (!unit || !shown || !isChosen || !("alternatives" in signatures)) return;
  const { source, target, targets, features } = shown;
  const asked = shown;
  const prefix = target.text.slice(0, targets[Number(unit.dataset.target)].from);
  try {
    const inputs = { text: source.text, prefix, ...features };
    const { translations, scores } = await predict("alternatives", inputs);
    if (shown !== asked) return; // another translation is shown meanwhile
    const others = translations.filter((x, i) => scores[i] > LEAST_SCORE && x !== target.text);
    const buttons = [...new Set(others)].map((translation) => {
      const rest = element("span", { className: "text", dir: "auto" });
      rest.textContent = `… ${translation.slice(prefix.length)}`;
      const button = element("button", { type: "button", title: translation }, rest);
      button.addEventListener("click", () => chooseAlternative(translation));
      return button;
    });
    $("alternatives").hidden = false;
    $("alternatives")
      .querySelector("ol")
      .replaceChildren(...(buttons.length ? buttons.map((x) => element("li", {}, x)) : ["None."]));
    showError();
  } catch (error) {
    showError(error);
  }
}

async function chooseAlternative(translation) {
  const { source, features } = shown;
  const asked = shown;
  try {
    const answer = await predict("align", { text: source.text, target: translation, ...features });
    if (shown !== asked) return;
    $("translation").textContent = translation;
    $("facts").textContent = "an alternative";
    for (const x of $("nbest").querySelectorAll("button")) x.setAttribute("aria-pressed", false);
    showAlignment(source.text, translation, answer, features);
    showError();
  } catch (error) {
    showError(error);
  }
}

// ---- Showing an answer ----

function showAlignment(text, translation, answer, features) {
  const { num_source_tokens: s, num_target_tokens: t } = answer;
  const tokens = (side, whole, count) =>
    tokensOf(
      whole,
      ...["tokens", "starts", "ends"].map((x) => answer[`${side}_${x}`].slice(0, count)),
    );
  shown = {
    source: { text, tokens: tokens("source", text, s) },
    target: { text: translation, tokens: tokens("target", translation, t) },
    alignment: answer.alignment.slice(0, t),
    features,
  };
  $("alternatives").hidden = true;
  drawAlignment();
}

function showBest(text, { translations, scores }, features) {
  const items = translations
    .map((translation, i) => ({ translation, score: scores[i] }))
    .filter(({ score }) => score !== null && score > -Infinity);
  const best = Math.max(...items.map((x) => x.score));
  const canAlign = "align" in signatures;
  const buttons = items.map(({ translation, score }, i) => {
    const bar = element("span", { className: "bar" });
    bar.style.setProperty("--share", Math.exp(score - best).toFixed(3));
    const button = element(
      "button",
      { type: "button", disabled: !canAlign, title: canAlign ? "Show how it is aligned" : "" },
      element("span", { className: "text", dir: "auto" }, translation),
      element("span", { className: "score", title: "score" }, score.toFixed(3).replace("-", "−")),
      bar,
    );
    if (canAlign) button.setAttribute("aria-pressed", i === 0);
    button.addEventListener("click", () => alignOther(button, text, translation, features));
    return button;
  });
  $("nbest").replaceChildren(...buttons.map((x) => element("li", {}, x)));
}

async function alignOther(button, text, target, features) {
  try {
    const answer = await predict("align", { text, target, ...features });
    if (!button.isConnected) return; // another text has been translated meanwhile
    for (const x of $("nbest").querySelectorAll("button")) {
      x.setAttribute("aria-pressed", x === button);
    }
    showAlignment(text, target, answer, features);
    showError();
  } catch (error) {
    showError(error);
  }
}

function showError(error) {
  $("error").hidden = !error;
  $("error").textContent = error ? error.message : "";
}

function showNothing() {
  $("translation").textContent = "";
  $("facts").textContent = "";
  $("copy").hidden = true;
  $("truncated").hidden = true;
  $("details").hidden = true;
  shown = null;
}

function hasFeatures() {
  return "features" in (signatures.serving_default?.inputs ?? {});
}

// The input beside the text, of a model that has it.
function featuresInput() {
  return hasFeatures() ? { features: wellFormed($("features").value) } : {};
}

// Half of a surrogate pair is no text that UTF-8 could hold.
function wellFormed(text) {
  return text.toWellFormed?.() ?? text;
}

async function translate(text, features) {
  if (!text.trim()) return showNothing();
  const began = performance.now();
  const aligns = "translate_align" in signatures;
  const [answer, best] = await Promise.all([
    predict(aligns ? "translate_align" : "serving_default", { text, ...features }),
    "nbest" in signatures ? predict("nbest", { text, ...features }) : null,
  ]);
  const time = Math.round(performance.now() - began);
  $("translation").textContent = answer.translation;
  $("facts").textContent = `score ${answer.score.toFixed(3).replace("-", "−")}, ${time} ms`;
  $("copy").hidden = !navigator.clipboard || !answer.translation;
  $("truncated").hidden = !answer.truncated;
  $("details").hidden = false;
  $("no-nbest").hidden = Boolean(best);
  if (best) showBest(text, best, features);
  $("no-alignment").hidden = aligns;
  $("alignment").hidden = $("units").hidden = !aligns;
  if (aligns) showAlignment(text, answer.translation, answer, features);
}

// ---- Typing ----

let isRunning = false;
let isWanted = false;

// One translation at a time: what is typed meanwhile comes next, as it is then.
async function update() {
  isWanted = true;
  if (isRunning) return;
  isRunning = true;
  $("answer").setAttribute("aria-busy", "true");
  while (isWanted) {
    isWanted = false;
    const text = wellFormed($("text").value);
    const features = featuresInput();
    showCurl(text, features);
    try {
      await translate(text, features);
      showError();
    } catch (error) {
      showNothing();
      showError(error);
    }
  }
  isRunning = false;
  $("answer").setAttribute("aria-busy", "false");
}

function showCurl(text, features = {}) {
  const row = hasFeatures() ? { text, ...features } : text;
  const body = JSON.stringify({ instances: [row] }).replaceAll("'", "\\u0027");
  $("curl").textContent = `curl -d '${body}' \\\n  ${new URL(`${MODEL}:predict`, location.href)}`;
}

async function start() {
  let timer;
  const soon = () => {
    clearTimeout(timer);
    if ($("live").checked) timer = setTimeout(update, WAIT);
  };
  const now = () => {
    clearTimeout(timer);
    update();
  };
  for (const id of ["text", "features"]) {
    $(id).addEventListener("input", (event) => event.isComposing || soon());
    $(id).addEventListener("compositionend", soon);
  }
  $("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    now();
  });
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    now();
  });
  $("units").addEventListener("change", () => shown && drawAlignment());
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("translation").textContent);
    $("copy").textContent = "Copied";
    setTimeout(() => ($("copy").textContent = "Copy"), 1500);
  });
  for (const id of ["source", "target", "heatmap"]) {
    $(id).addEventListener("pointerover", lightAt);
    $(id).addEventListener("focusin", lightAt);
    $(id).addEventListener("pointerleave", unlight);
    $(id).addEventListener("focusout", unlight);
  }
  for (const id of ["source", "target"]) $(id).addEventListener("keydown", moveFocus);
  for (const type of ["click", "keydown"]) $("target").addEventListener(type, showAlternatives);
  $("translation").dataset.empty = "The translation appears here";
  showCurl("");
  try {
    const { metadata } = await ask(`${MODEL}/metadata`);
    signatures = metadata.signature_def.signature_def;
    $("features-label").hidden = !hasFeatures();
    showCurl("", featuresInput());
    if ($("text").value) update(); // a browser may have kept what was typed
  } catch (error) {
    showError(error);
  }
}

start();
