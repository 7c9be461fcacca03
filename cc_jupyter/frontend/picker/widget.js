// The model picker in the browser: an ES module as anywidget loads it, without a build.
//
// The kernel sends all rows once (`_table`) and small news often (`_board`); the choice goes back
// as traits, and wishes as messages. Whatever comes from a list of models is shown as text, never
// as HTML. No request leaves the browser.

const MOST_ROWS = 200;
const PAGE = 8;
const SETTLE_MS = 120;
const KERNEL_MS = 1500;
const VIEW = "application/vnd.jupyter.widget-view+json";
const CHOICE = ["value", "temperature", "max_tokens", "effort", "system", "thread"];
const SHORTEST_ANSWER = 16;
const LONGEST_ANSWER = 131_072; // where the model's own is not known

const COMPARISON = /^([<>])=?(\$?)(\d+(?:\.\d+)?)([km]?)$/;
const FACTORS = { k: 1_000, m: 1_000_000 };

const CHIPS = [
  ["price", "free", "free", (row) => row.band === "free"],
  ["price", "low", "≤ $1", (row) => row.band === "free" || row.band === "low"],
  ["price", "middle", "$1–5", (row) => row.band === "middle"],
  ["price", "high", "> $5", (row) => row.band === "high"],
  ["price", "unknown", "price ?", (row) => row.band === "?"],
  ["window", "200k", "≥ 200k", (row) => row.window >= 200_000],
  ["window", "1M", "≥ 1M", (row) => row.window >= 1_000_000],
  ["image", "image", "image", (row) => row.image],
  ["reasoning", "reasoning", "reasoning", (row) => row.reasons],
];
const CHIP_TITLES = {
  price: "USD per million tokens of the answer",
  window: "context window in tokens",
  image: "reads images",
  reasoning: "thinks before it answers",
};
const ORDERS = {
  "": ["as listed", null],
  price: ["cheapest first", (a, b) => (a.cost ?? Infinity) - (b.cost ?? Infinity)],
  window: ["largest window", (a, b) => (b.window ?? -1) - (a.window ?? -1)],
  name: ["by name", (a, b) => a.name.localeCompare(b.name)],
};

const GROUPS = { favourite: "Favourites", recent: "Recent", "": "All others" };

let pickers = 0;

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function tokens(count) {
  if (count === null) return "?";
  if (count >= 1_000_000) return `${+(count / 1_000_000).toFixed(2)}M`;
  return count >= 1000 ? `${Math.round(count / 1000)}k` : `${count}`;
}

function read(table) {
  const { columns = [], rows = [] } = table ?? {};
  return rows.map((values, index) => {
    const row = Object.fromEntries(columns.map((name, place) => [name, values[place]]));
    const text = `${row.id} ${row.name} ${row.maker}`.toLowerCase();
    return { ...row, text, index, most: row.ceiling ?? row.window };
  });
}

// Tells whether a model fits a word as `%cmd models` has it: a part of its names, the beginning of
// an ability, a window such as >200k, a price of the answer such as <$1.
function fits(row, word) {
  const found = COMPARISON.exec(word);
  if (found) {
    const [, sign, dollar, number, unit] = found;
    const limit = number * (FACTORS[unit] ?? 1);
    const value = dollar ? parseFloat(row.output.slice(1)) : row.window ?? NaN;
    return sign === ">" ? value >= limit : value <= limit;
  }
  if (/^[<>]/.test(word)) return true; // it is still being typed
  return row.text.includes(word)
    || (word.length > 2 && row.words.some((ability) => ability.startsWith(word)));
}

// ── the document of the front end: JupyterLab and Notebook 7 give it to their widgets

function documentOf(model) {
  const shared = model.widget_manager?.context?.model?.sharedModel;
  return typeof shared?.insertCell === "function" && shared.cells ? shared : null;
}

function write(shared, cellId, sources) {
  const place = shared.cells.findIndex((cell) => cell.getId?.() === cellId);
  let at = place < 0 ? shared.cells.length : place + 1;
  for (const source of sources) {
    shared.insertCell(at++, { cell_type: "code", source, metadata: { trusted: true }, outputs: [] });
  }
}

// Puts the plain form in the place of the widget's output. The kernel does so itself, but after a
// reload the front end no longer knows which output the kernel means.
function settle(shared, modelId, bundle) {
  for (const cell of shared.cells) {
    const place = (cell.getOutputs?.() ?? []).findIndex(({ data }) => data?.[VIEW]?.model_id === modelId);
    if (place >= 0 && typeof cell.updateOutputs === "function") {
      cell.updateOutputs(place, place + 1, [{ output_type: "display_data", data: bundle, metadata: {} }]);
    }
  }
}

async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // no permission, or no https: select it, so that one key copies it
    getSelection()?.selectAllChildren(shown);
    return false;
  }
}

class Picker {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.key = `cc-picker-${++pickers}`;
    this.rows = [];
    this.shown = [];
    this.active = model.get("value");
    this.query = "";
    this.order = "";
    this.pressed = new Set();
    this.makers = new Set();
    this.build();
    this.take();
  }

  get board() {
    return this.model.get("_board") ?? {};
  }

  get row() {
    return this.rows.find((row) => row.id === this.active) ?? null;
  }

  // ── what stands on the screen from the beginning

  build() {
    this.input = h("input", {
      type: "text", role: "combobox", class: "cc-search", placeholder: "Search: a name, cheap, image, >200k",
      "aria-label": "Search models", "aria-autocomplete": "list", "aria-expanded": "true",
      "aria-controls": `${this.key}-list`, autocomplete: "off", spellcheck: "false",
      oninput: () => { this.query = this.input.value; this.list(true); },
    });
    this.sort = h("select", { "aria-label": "Sort models", onchange: () => {
      this.order = this.sort.value;
      this.list();
    } }, ...Object.entries(ORDERS).map(([value, [label]]) => h("option", { value }, label)));
    this.renew = h("button", { type: "button", title: "Ask the provider for its list of models",
      onclick: () => this.model.send({ type: "refresh" }) }, "Refresh");
    this.chips = h("div", { class: "cc-chips", role: "group", "aria-label": "Show only" });
    this.box = h("div", { class: "cc-list", role: "listbox", id: `${this.key}-list`,
      "aria-label": "Models", tabindex: "-1" });
    this.more = h("div", { class: "cc-more" });
    this.details = h("div", { class: "cc-details", role: "region", "aria-label": "About the model" });
    this.fields = h("div", { class: "cc-fields", role: "group", "aria-label": "Settings" });
    this.code = h("code", { tabindex: "0", "aria-label": "The same as code" });
    this.copied = h("button", { type: "button", onclick: () => this.copyCode() }, "Copy");
    this.codeLine = h("div", { class: "cc-code" }, this.code, this.copied);
    this.actions = h("div", { class: "cc-actions" });
    this.said = h("div", { class: "cc-said", role: "status", "aria-live": "polite" });
    this.caption = h("div", { class: "cc-caption" });
    this.form = h("div", { class: "cc-form" },
      h("div", { class: "cc-top" }, this.input, this.sort, this.renew),
      this.chips,
      h("div", { class: "cc-body" },
        h("div", { class: "cc-left" }, this.box, this.more),
        h("div", { class: "cc-right" }, this.details, this.fields)),
      this.codeLine, this.actions, this.said, this.caption);
    this.form.addEventListener("keydown", (event) => this.press(event));
    this.root.replaceChildren(this.form);
  }

  // ── news of the kernel

  take() {
    this.rows = read(this.model.get("_table"));
    if (this.row === null && this.rows.length) this.active = this.model.get("value");
    this.renderChips();
    this.list();
    this.news();
  }

  news() {
    const { busy, said, caption, outcome, cells = [] } = this.board;
    if (outcome) return this.end(outcome, cells);
    this.renew.disabled = Boolean(busy);
    this.form.setAttribute("aria-busy", String(Boolean(busy)));
    this.said.textContent = said ?? "";
    this.caption.textContent = caption ?? "";
    this.code.textContent = cells.join("\n\n");
    this.codeLine.hidden = cells.length === 0;
    const marks = JSON.stringify([this.board.marked, this.board.recent, this.board.dialog]);
    if (marks !== this.marks) {
      this.marks = marks;
      this.renderChips();
      this.list();
      this.renderActions();
    }
  }

  chosen() {
    if (this.model.get("value") !== this.active) {
      this.active = this.model.get("value");
      this.list();
    }
    this.renderFields();
  }

  end({ headline, remark, bundle }, cells) {
    // in JupyterLab the keys go on in the notebook, at whatever around us takes them
    const within = this.root.contains(document.activeElement);
    const around = this.root.parentElement?.closest("[tabindex]");
    const code = cells.join("\n\n");
    this.root.replaceChildren(h("div", { class: "cc-outcome" },
      h("strong", {}, headline), " ", h("small", {}, `(${remark})`),
      code ? h("pre", {}, code) : ""));
    if (within) around?.focus({ preventScroll: true });
    const shared = documentOf(this.model);
    if (shared) {
      this.timer = setTimeout(() => {
        if (this.root.isConnected) settle(shared, this.board.id, bundle);
      }, KERNEL_MS);
    }
  }

  // ── the list

  matches(row) {
    const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.every((word) => fits(row, word))) return false;
    if (this.makers.size && !this.makers.has(row.maker)) return false;
    if (this.pressed.has("marked") && !this.board.marked?.includes(row.id)) return false;
    if (this.pressed.has("recent") && !this.board.recent?.includes(row.id)) return false;
    for (const kind of ["price", "window", "image", "reasoning"]) {
      const asked = CHIPS.filter(([group, name]) => group === kind && this.pressed.has(name));
      if (asked.length && !asked.some(([, , , fits]) => fits(row))) return false;
    }
    return true;
  }

  sorted(found) {
    const phrase = this.query.trim().toLowerCase();
    const cheapest = phrase.split(/\s+/).includes("cheap") ? "price" : "";
    const compare = ORDERS[this.order || cheapest][1];
    const recent = this.board.recent ?? [];
    if (compare) return found.sort((a, b) => compare(a, b) || a.index - b.index);
    if (this.pressed.has("recent")) {
      return found.sort((a, b) => recent.indexOf(a.id) - recent.indexOf(b.id));
    }
    // "haiku 5" means Haiku 5.5 before Haiku 4.5
    const misses = (row) => Number(!row.text.includes(phrase));
    return found.sort((a, b) => misses(a) - misses(b) || a.index - b.index);
  }

  list(typed = false) {
    const found = this.sorted(this.rows.filter((row) => this.matches(row)));
    this.shown = found.slice(0, MOST_ROWS);
    const lost = this.searching && !this.shown.some((row) => row.id === this.active);
    if (lost || (typed && this.query.trim())) this.move(0, false);
    const grouped = !ORDERS[this.order][1] && !this.query.trim();
    this.box.replaceChildren(...this.shown.flatMap((row, place) => {
      const starts = grouped && row.group !== (this.shown[place - 1]?.group ?? "");
      const heading = h("div", { class: "cc-group", role: "presentation" }, GROUPS[row.group]);
      return starts ? [heading, this.option(row, place)] : [this.option(row, place)];
    }));
    const left = found.length - this.shown.length;
    this.more.textContent = found.length === 0 ? "No model fits. Esc clears the search."
      : left > 0 ? `${left.toLocaleString("en")} more: type to narrow` : "";
    this.point();
    this.renderDetails();
  }

  get searching() {
    return this.query.trim() !== "" || this.pressed.size > 0 || this.makers.size > 0;
  }

  option(row, place) {
    const badges = [row.image ? "image" : "", row.reasons ? "reasoning" : ""].filter(Boolean);
    const current = row.id === this.board.current;
    const option = h("div", { role: "option", id: `${this.key}-${place}`, class: "cc-option",
      "aria-selected": "false", onclick: () => { this.choose(place); this.input.focus(); },
      ondblclick: () => this.finish("use") },
      h("span", { class: "cc-name" },
        this.board.marked?.includes(row.id) ? h("span", { class: "cc-star", "aria-label": "favourite" }, "★ ") : "",
        row.name, current ? h("span", { class: "cc-now" }, " in use") : ""),
      h("span", { class: "cc-price", title: "USD per million tokens: prompt, answer" },
        ...(row.band === "free" ? [h("span"), h("span", {}, "free")]
          : row.band === "?" ? [h("span"), h("span", {}, "price ?")]
            : [h("span", {}, row.input), h("span", {}, row.output)])),
      h("span", { class: "cc-id" }, row.id),
      h("span", { class: "cc-window", title: "context window in tokens" },
        [tokens(row.window), ...badges].join(" · ")));
    option.addEventListener("mousedown", (event) => event.preventDefault());
    return option;
  }

  place() {
    return this.shown.findIndex((row) => row.id === this.active);
  }

  point() {
    const place = this.place();
    const options = [...this.box.querySelectorAll("[role=option]")];
    for (const [at, option] of options.entries()) {
      option.classList.toggle("cc-active", at === place);
      option.setAttribute("aria-selected", String(at === place));
    }
    if (place < 0) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    this.input.setAttribute("aria-activedescendant", `${this.key}-${place}`);
    const option = options[place];
    const top = option.offsetTop - this.box.offsetTop;
    const bottom = top + option.offsetHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (bottom > this.box.scrollTop + this.box.clientHeight) {
      this.box.scrollTop = bottom - this.box.clientHeight;
    }
  }

  move(place, redraw = true) {
    if (!this.shown.length) return;
    const at = Math.max(0, Math.min(place, this.shown.length - 1));
    this.active = this.shown[at].id;
    // in the dialog the model one points at is the one that the code and the settings are for
    if (this.board.dialog) this.settle();
    if (redraw) {
      this.point();
      this.renderDetails();
    }
  }

  choose(place) {
    this.move(place);
    if (!this.board.dialog) this.commit();
  }

  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.commit(), SETTLE_MS);
  }

  commit() {
    clearTimeout(this.timer);
    if (this.row && this.model.get("value") !== this.active) {
      this.model.set("value", this.active);
      this.model.save_changes();
    }
    this.renderFields();
  }

  press(event) {
    event.stopPropagation(); // the notebook has keys of its own
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };
    if (event.target === this.input && event.key in steps) {
      event.preventDefault();
      this.move(this.place() + steps[event.key]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.escape();
    } else if (event.key === "Enter" && event.target.matches("input")) {
      event.preventDefault();
      if (event.target !== this.input) event.target.dispatchEvent(new Event("change"));
      this.finish("use");
    }
  }

  escape() {
    if (this.fields.contains(document.activeElement)) {
      this.input.focus();
    } else if (this.query || this.pressed.size || this.makers.size) {
      this.input.value = this.query = "";
      this.pressed.clear();
      this.makers.clear();
      this.renderChips();
      this.list();
      this.input.focus();
    } else if (this.board.dialog) {
      this.model.send({ type: "cancel" });
    }
  }

  finish(type) {
    if (!this.row) return;
    if (!this.board.dialog) return this.commit();
    clearTimeout(this.timer);
    this.said.textContent = "told the kernel; it answers when no cell runs";
    const choice = Object.fromEntries(CHOICE.map((name) => [name, this.model.get(name)]));
    choice.value = this.active;
    this.model.send({ type, choice: this.fitted(choice) });
  }

  // what the model does not take is dropped here as the kernel drops it
  fitted(choice) {
    const { efforts, hottest, most } = this.row;
    if (!efforts.includes(choice.effort)) choice.effort = null;
    if (choice.temperature !== null) choice.temperature = Math.min(choice.temperature, hottest);
    if (choice.max_tokens !== null && most !== null) {
      choice.max_tokens = Math.min(choice.max_tokens, most);
    }
    return choice;
  }

  // ── chips

  renderChips() {
    const chip = (pressed, label, title, press) => h("button", {
      type: "button", class: "cc-chip", "aria-pressed": String(pressed), title, onclick: press }, label);
    const toggle = (set, name) => (event) => {
      if (!set.delete(name)) set.add(name);
      event.currentTarget.setAttribute("aria-pressed", String(set.has(name)));
      this.summary.textContent = this.makerText();
      this.list();
    };
    const own = [];
    if (this.board.marked?.length) own.push(["marked", "★ favourites", "models you marked"]);
    if (this.board.recent?.length) own.push(["recent", "recent", "models you picked last"]);
    const counts = new Map();
    for (const { maker } of this.rows) counts.set(maker, (counts.get(maker) ?? 0) + 1);
    const makers = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, 60);
    const open = this.makerBox?.open ?? false;
    this.summary = h("summary", { class: "cc-chip" }, this.makerText());
    this.makerBox = h("details", { class: "cc-makers", open }, this.summary,
      h("div", { class: "cc-chips", role: "group", "aria-label": "Makers" },
        ...makers.map(([maker, count]) => chip(this.makers.has(maker), `${maker} ${count}`,
          `models of ${maker}`, toggle(this.makers, maker)))));
    this.chips.replaceChildren(
      ...own.map(([name, label, title]) => chip(this.pressed.has(name), label, title, toggle(this.pressed, name))),
      ...CHIPS.map(([kind, name, label]) => chip(this.pressed.has(name), label, CHIP_TITLES[kind],
        toggle(this.pressed, name))),
      this.makerBox);
  }

  makerText() {
    return this.makers.size ? `maker: ${[...this.makers].join(", ")}` : "maker";
  }

  // ── one model

  renderDetails() {
    const row = this.row;
    if (!row) {
      const hint = this.active ? `${this.active} is not among the models shown here.`
        : "Choose a model to see all about it.";
      this.details.replaceChildren(h("p", { class: "cc-hint" }, hint));
    } else {
      const marked = Boolean(this.board.marked?.includes(row.id));
      const facts = [
        ["prompt", `${row.input}${row.input === "?" ? "" : " / M tokens"}`],
        ["answer", `${row.output}${row.output === "?" ? "" : " / M tokens"}`],
        ["your last prompt", row.last || "none yet in this session"],
        ["your speed", row.speed || "not measured yet"],
        ["window", row.window === null ? "?" : `${row.window.toLocaleString("en")} tokens`],
        ["longest answer", row.ceiling === null ? "?" : `${row.ceiling.toLocaleString("en")} tokens`],
        ["reads images", row.image ? "yes" : "no"],
        ["reasoning", row.efforts.join(", ") || (row.reasons ? "yes, without levels" : "no")],
        ["endpoint", row.endpoint],
        ["notes", row.notes.join("; ")],
      ];
      this.details.replaceChildren(
        h("div", { class: "cc-title" },
          h("div", {}, h("strong", {}, row.name), h("div", { class: "cc-id" }, `${row.id} · ${row.maker}`)),
          h("button", { type: "button", class: "cc-chip", "aria-pressed": String(marked),
            "aria-label": `favourite ${row.name}`,
            onclick: () => this.model.send({ type: "favourite", id: row.id, on: !marked }) },
          marked ? "★ favourite" : "☆ favourite")),
        h("dl", {}, ...facts.filter(([, value]) => value).flatMap(([name, value]) =>
          [h("dt", {}, name), h("dd", {}, value)])));
    }
    this.renderFields();
    for (const button of this.actions.querySelectorAll("[data-needs-model]")) button.disabled = !row;
  }

  // Controls are made anew only for another model: one that is being used stays in its place.
  renderFields() {
    const row = this.row;
    const limits = JSON.stringify(row && [row.id, row.hottest, row.most, row.efforts]);
    if (limits !== this.limits && !this.fields.contains(document.activeElement)) {
      this.limits = limits;
      this.buildFields(row);
    }
    for (const [name, [control, fill]] of Object.entries(this.controls ?? {})) {
      if (control !== document.activeElement) fill(this.model.get(name));
    }
  }

  buildFields(row) {
    const field = (name, label, ...controls) => {
      const [main] = controls.slice(-1);
      main.id = `${this.key}-${name}`;
      return h("div", { class: `cc-field cc-${name}` }, h("label", { for: main.id }, label), ...controls);
    };
    this.controls = {};
    const effort = h("select", { disabled: !row?.efforts.length,
      onchange: () => this.set("effort", effort.value || null) },
    h("option", { value: "" }, row && !row.efforts.length ? "it has no levels" : "as the model has it"),
    ...(row?.efforts ?? []).map((value) => h("option", { value }, value)));
    const threads = h("datalist", { id: `${this.key}-threads` },
      ...(this.board.threads ?? []).map((value) => h("option", { value })));
    const thread = h("input", { type: "text", list: threads.id, autocomplete: "off", spellcheck: "false",
      placeholder: "the current one",
      onchange: () => this.set("thread", thread.value.trim().replace(/\s+/g, "-")) });
    const system = h("textarea", { rows: "2", spellcheck: "false",
      title: "It belongs to a turn, so it goes into the %%cmd line of the new cell",
      onchange: () => this.set("system", system.value) });
    this.fields.replaceChildren(
      field("temperature", "temperature", ...this.scale("temperature", row?.hottest ?? 2)),
      field("max_tokens", "max tokens", ...this.scale("max_tokens", row?.most ?? null)),
      field("effort", "effort", effort),
      field("thread", "thread", thread),
      field("system", "system prompt", system),
      threads);
    this.controls.effort = [effort, (value) => { effort.value = value ?? ""; }];
    this.controls.thread = [thread, (value) => { thread.value = value; }];
    this.controls.system = [system, (value) => { system.value = value; }];
  }

  // a slider and a box for one number; an empty box leaves it to the model
  scale(name, most) {
    const straight = name === "temperature";
    // most people want some thousand tokens, where a straight scale has no room
    const to = straight ? (x) => x : (x) => Math.round(Math.exp(x));
    const from = straight ? (x) => x : (x) => Math.log(Math.max(x, SHORTEST_ANSWER));
    const low = straight ? 0 : from(SHORTEST_ANSWER);
    const high = straight ? most : from(most ?? LONGEST_ANSWER);
    const limited = (value) => Math.max(straight ? 0 : 1, Math.min(value, most ?? Infinity));
    const send = () => {
      const value = box.value === "" ? null : limited(straight ? +box.value : Math.round(+box.value));
      fill(value);
      this.set(name, value);
    };
    const slider = h("input", { type: "range", "aria-label": `${name.replace("_", " ")}, slider`,
      min: low, max: high, step: straight ? 0.1 : "any", onchange: send,
      oninput: () => {
        box.value = limited(to(+slider.value));
        slider.classList.remove("cc-unset");
        tell(box.value);
      } });
    const box = h("input", { type: "number", min: straight ? 0 : 1, max: most, step: straight ? 0.1 : 1,
      placeholder: "unset", onchange: send });
    // the slider's own figure is none a person knows: its scale is not straight
    const tell = (text) => slider.setAttribute("aria-valuetext", text || "unset");
    const fill = (value) => {
      box.value = value ?? "";
      slider.value = value === null ? low : from(value);
      slider.classList.toggle("cc-unset", value === null);
      tell(box.value);
    };
    this.controls[name] = [box, fill];
    return [slider, box];
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  // ── what to do with it

  renderActions() {
    if (!this.board.dialog) return this.actions.replaceChildren();
    const action = (type, label, title, strong = false) => h("button", { type: "button", title,
      class: strong ? "cc-strong" : "", "data-needs-model": type !== "cancel", disabled: type !== "cancel" && !this.row,
      onclick: () => type === "cancel" ? this.model.send({ type }) : this.finish(type) }, label);
    this.actions.replaceChildren(
      action("use", "Use for this notebook", "It holds until the kernel restarts (Enter)", true),
      documentOf(this.model)
        ? action("write", "Use and write a cell", "Also writes the code into a new cell below, so that a re-run needs no clicks")
        : "",
      action("default", "Set as default", "Also writes it into your config.toml, for all notebooks"),
      action("cancel", "Cancel", "Leave everything as it is (Esc)"));
  }

  async copyCode() {
    const done = await copy(this.code.textContent, this.code);
    this.copied.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    setTimeout(() => { this.copied.textContent = "Copy"; }, 2000);
  }

  written(message) {
    const shared = documentOf(this.model);
    if (message?.type === "write" && shared) write(shared, this.board.cell_id, message.cells);
  }
}

export default {
  render({ model, el }) {
    const root = h("div", { class: "cc-picker", "data-lm-suppress-shortcuts": "true" });
    el.append(root);
    const picker = new Picker(model, root);
    const listeners = {
      "change:_table": () => { if (!picker.board.outcome) picker.take(); },
      "change:_board": () => picker.news(),
      "change:value": () => picker.chosen(),
      "msg:custom": (message) => picker.written(message),
    };
    for (const name of ["temperature", "max_tokens", "effort", "system", "thread"]) {
      listeners[`change:${name}`] = () => picker.renderFields();
    }
    for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
    model.send({ type: "ready" });
    requestAnimationFrame(() => {
      if (picker.board.outcome) return;
      picker.point(); // now that rows have their heights
      if (picker.board.dialog) picker.input.focus({ preventScroll: true });
    });
    return () => {
      clearTimeout(picker.timer);
      for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
    };
  },
};
