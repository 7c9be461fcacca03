// The blind vote in the browser: an ES module as anywidget loads it, without a build.
//
// Answers arrive as HTML through the kernel's Markdown door, in the order of the ballots. A choice
// shows the next ballot at once and goes to the kernel as a message; `seen` numbers the messages, so
// that news that is older than the last choice moves nothing. No request leaves the browser.

const KERNEL_MS = 1500;
const VIEW = "application/vnd.jupyter.widget-view+json";
const ARROWS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
const WORDS = { tie: "a tie", "all bad": "all are bad", skip: "skipped" };

let votes = 0;

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

function html(element, text) {
  element.innerHTML = text; // from the kernel's Markdown door, or the kernel's own table
  return element;
}

// The document of the front end: JupyterLab and Notebook 7 give it to their widgets.
function documentOf(model) {
  const shared = model.widget_manager?.context?.model?.sharedModel;
  return shared?.cells ? shared : null;
}

// Puts the result in the place of the widget's output. The kernel does so itself, but it may have
// ended, and after a reload the front end no longer knows which output the kernel means.
function settle(shared, modelId, bundle) {
  for (const cell of shared.cells) {
    const place = (cell.getOutputs?.() ?? []).findIndex(({ data }) => data?.[VIEW]?.model_id === modelId);
    if (place >= 0 && typeof cell.updateOutputs === "function") {
      cell.updateOutputs(place, place + 1, [{ output_type: "display_data", data: bundle, metadata: {} }]);
    }
  }
}

class Vote {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.key = `cc-vote-${++votes}`;
    this.at = this.board.at ?? 0;
    this.sent = this.board.seen ?? 0;
    this.note = "";
    this.last = "";
    this.ending = false;
    this.build();
    if (this.board.outcome) this.end();
    else this.show();
  }

  get board() {
    return this.model.get("_board") ?? {};
  }

  get ballots() {
    return this.model.get("_ballots") ?? [];
  }

  get ballot() {
    return this.ballots[this.at] ?? null;
  }

  build() {
    this.bar = h("div", { class: "cc-bar" });
    this.head = h("div", { class: "cc-head" });
    this.place = h("div", { class: "cc-place" });
    this.diff = h("div", { class: "cc-diff", role: "region", "aria-label": "Differences", hidden: true });
    this.input = h("input", { type: "text", "aria-label": "Note on this ballot", spellcheck: "false",
      placeholder: "A note on this ballot; Enter keeps it, Esc drops it" });
    this.noteLine = h("div", { class: "cc-note", hidden: true }, this.input);
    this.keys = h("div", { class: "cc-keys", role: "group", "aria-label": "Choices" });
    this.said = h("div", { class: "cc-said", role: "status", "aria-live": "polite" });
    this.warning = h("div", { class: "cc-said", role: "status", "aria-live": "polite" });
    this.form = h("div", { class: "cc-form" },
      h("div", { class: "cc-top" }, this.head, h("div", { class: "cc-track", "aria-hidden": "true" }, this.bar)),
      this.place, this.noteLine, this.diff, this.keys, this.said, this.warning);
    this.form.addEventListener("keydown", (event) => this.press(event));
    this.root.replaceChildren(this.form);
  }

  // A new ballot is focused before the old one goes: the keys never fall through to the notebook.
  show(focus = false) {
    const { ballot, ballots } = this;
    this.hideDiff();
    this.head.textContent = ballot
      ? `Ballot ${this.at + 1} of ${ballots.length}`
      : `All ${ballots.length} ballots are done`;
    this.bar.style.width = `${(100 * this.at) / Math.max(1, ballots.length)}%`;
    const shown = ballot ? this.fieldset(ballot) : h("p", { tabindex: "-1", class: "cc-done" },
      "Press R to see the result, or U to take the last vote back.");
    const old = [...this.place.children];
    this.place.append(shown);
    if (focus) (ballot ? this.radios[0] : shown).focus({ preventScroll: true });
    for (const each of old) each.remove();
    if (focus) this.head.scrollIntoView({ block: "nearest" });
    this.renderKeys();
    this.announce();
  }

  fieldset(ballot) {
    const count = ballot.answers.length;
    const answers = this.model.get("_answers");
    const cards = ballot.answers.map((answer, place) => {
      const mark = ballot.marks[place];
      const body = html(h("div", { class: "cc-answer", id: `${this.key}-${this.at}-${place}` }), answers[answer]);
      const radio = h("input", { type: "radio", name: `${this.key}-${this.at}`, value: place,
        "aria-label": `answer ${place + 1} of ${count}${mark ? `, names its maker, ${mark}: does not count` : ""}`,
        "aria-describedby": body.id, onchange: () => this.cast(place) });
      return h("div", { class: "cc-card" },
        h("label", { class: "cc-title" }, radio, h("kbd", {}, `${place + 1}`), h("span", {}, "best"),
          mark ? h("small", {}, `names its maker (${mark}): does not count`) : ""),
        body);
    });
    this.radios = cards.map((card) => card.querySelector("input"));
    return h("fieldset", { "aria-describedby": `${this.key}-prompt` },
      h("legend", {}, `Ballot ${this.at + 1} of ${this.ballots.length}: which answer is best?`),
      h("div", { class: "cc-prompt", id: `${this.key}-prompt` }, ballot.prompt),
      h("div", { class: "cc-cards", style: `--cc-count: ${count}` }, ...cards));
  }

  renderKeys() {
    const button = (key, label, act, enabled = true) => h("button", { type: "button", disabled: !enabled,
      onclick: act }, h("kbd", {}, key), ` ${label}`);
    const open = this.ballot !== null;
    this.keys.replaceChildren(
      button("0", "tie", () => this.cast("tie"), open),
      button("−", "all bad", () => this.cast("all bad"), open),
      button("Space", "skip", () => this.cast("skip"), open),
      button("U", "undo", () => this.undo(), this.at > 0),
      button("N", "note", () => this.openNote(), open),
      button("D", "differences", () => this.showDiff(), open),
      button("R", "reveal and end", () => this.finish()));
  }

  announce(text = "") {
    const place = this.ballot ? `Ballot ${this.at + 1} of ${this.ballots.length}.` : "All ballots are done.";
    const note = this.note ? ` Note: ${this.note}` : "";
    this.said.textContent = text || `${this.last ? `${this.last} ` : ""}${this.last || note ? place : ""}${note}`;
    this.warning.textContent = this.board.said ?? "";
  }

  // ── the keys

  press(event) {
    event.stopPropagation(); // the notebook has keys of its own
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work
    if (event.target === this.input) return this.pressInNote(event);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    if (key === "Escape") return this.leave();
    if (this.ending) return;
    // Space on a button presses it, as everywhere
    if (key === " " && event.target.matches("button, summary, a")) return;
    const act = this.action(key);
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || key in ARROWS) act(); // a key held down votes once
  }

  action(key) {
    if (key === "U") return () => this.undo();
    if (key === "R") return () => this.finish();
    if (!this.ballot) return null;
    if (key in ARROWS) return () => this.move(ARROWS[key]);
    if (/^[1-9]$/.test(key)) return () => key <= this.radios.length && this.cast(key - 1);
    return {
      0: () => this.cast("tie"),
      "-": () => this.cast("all bad"),
      " ": () => this.cast("skip"),
      N: () => this.openNote(),
      D: () => this.showDiff(),
    }[key] ?? null;
  }

  get focused() {
    return Math.max(0, this.radios.findIndex((radio) => radio.closest(".cc-card").contains(document.activeElement)));
  }

  move(step) {
    const within = this.place.contains(document.activeElement);
    const count = this.radios.length;
    const radio = this.radios[within ? (this.focused + step + count) % count : 0];
    radio.focus({ preventScroll: true });
    radio.closest(".cc-card").scrollIntoView({ block: "nearest" });
  }

  send(type, content = {}) {
    const seen = ++this.sent;
    this.model.send({ type, seen, ...content });
    setTimeout(() => {
      if ((this.board.seen ?? 0) >= seen || this.ended) return;
      this.warning.textContent = "The kernel has not answered yet; it saves the votes when no cell runs.";
    }, 2 * KERNEL_MS);
  }

  cast(choice) {
    if (!this.ballot || this.ending) return;
    const words = typeof choice === "number" ? `answer ${choice + 1} is best` : WORDS[choice];
    this.last = `Ballot ${this.at + 1}: ${words}.`;
    this.send("cast", { place: this.at, choice, note: this.note });
    this.note = "";
    this.at += 1;
    this.show(true);
  }

  undo() {
    if (this.at === 0 || this.ending) return;
    this.at -= 1;
    this.last = `The vote on ballot ${this.at + 1} is taken back.`;
    this.send("undo");
    this.show(true);
  }

  finish() {
    if (this.ending) return;
    this.ending = true;
    for (const button of this.keys.children) button.disabled = true;
    const waiting = h("p", { tabindex: "-1", class: "cc-done" }, "Counting; the kernel answers when no cell runs.");
    this.place.append(waiting);
    waiting.focus({ preventScroll: true });
    for (const each of [...this.place.children]) if (each !== waiting) each.remove();
    this.hideDiff();
    this.said.textContent = "";
    this.send("end");
  }

  // ── note and differences

  openNote() {
    this.input.value = this.note;
    this.noteLine.hidden = false;
    this.input.focus();
  }

  pressInNote(event) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Enter") this.note = this.input.value.trim();
    (this.ballot ? this.radios[0] : this.place.firstElementChild).focus({ preventScroll: true });
    this.noteLine.hidden = true;
    this.announce();
  }

  showDiff() {
    if (!this.diff.hidden) return this.hideDiff();
    const own = this.focused;
    const [first, second] = own === 0 ? [0, 1] : [own - 1, own];
    this.diff.hidden = false;
    this.diff.replaceChildren(h("p", {}, `From answer ${first + 1} to answer ${second + 1}:`),
      h("p", {}, "the kernel compares them when no cell runs"));
    this.send("diff", { first, second });
    return undefined;
  }

  hideDiff() {
    this.diff.hidden = true;
    this.diff.replaceChildren();
  }

  // ── news of the kernel

  heard(message) {
    if (message?.type !== "diff" || message.place !== this.at || this.diff.hidden) return;
    this.diff.lastElementChild.replaceWith(html(h("div", {}), message.html));
  }

  news() {
    if (this.board.outcome) return this.end();
    const { at = 0, seen = 0 } = this.board;
    if (seen >= this.sent && at !== this.at && !this.ending) { // another view, or a vote that failed
      this.sent = seen;
      this.at = at;
      this.last = "";
      this.show(this.root.contains(document.activeElement));
    } else if (this.board.said && this.ending) { // the end failed: it can be tried again
      this.ending = false;
      this.show(true);
    } else {
      this.announce();
    }
    return undefined;
  }

  // The result stays in the widget as long as the keys are here: a key that is pressed twice would
  // act on the notebook if its output were replaced at once.
  end() {
    if (this.ended) return;
    this.ended = this.ending = true;
    const within = this.root.contains(document.activeElement);
    const result = html(h("div", { class: "cc-result", tabindex: "-1", role: "region",
      "aria-label": "Result of the vote" }), this.board.outcome.bundle["text/html"]);
    this.form.append(result, h("p", { class: "cc-hint" }, "Esc goes back to the notebook."));
    if (within) result.focus({ preventScroll: true });
    for (const each of [...this.form.children].slice(0, -2)) each.remove();
    if (within) this.root.scrollIntoView({ block: "nearest" });
    if (!within) return this.settle();
    this.root.addEventListener("focusout", (event) => {
      if (!this.root.contains(event.relatedTarget) && document.hasFocus()) this.settle();
    });
    return undefined;
  }

  leave() {
    this.root.parentElement?.closest("[tabindex]")?.focus({ preventScroll: true });
  }

  settle() {
    if (this.settled) return;
    this.settled = true;
    this.model.send({ type: "settle" });
    const { id, outcome } = this.board;
    const shared = documentOf(this.model);
    if (shared) this.timer = setTimeout(() => settle(shared, id, outcome.bundle), KERNEL_MS);
  }
}

// Keys go to the vote when it appears, unless somebody is typing into a cell already.
function mayFocus() {
  const typing = document.activeElement?.closest?.(".cm-content, textarea, input");
  return !typing || !(typing.value ?? typing.textContent).trim();
}

export default {
  render({ model, el }) {
    const root = h("div", { class: "cc-vote", "data-lm-suppress-shortcuts": "true" });
    el.append(root);
    const vote = new Vote(model, root);
    const listeners = {
      "change:_board": () => vote.news(),
      "msg:custom": (message) => vote.heard(message),
    };
    for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
    requestAnimationFrame(() => {
      if (!vote.ending && root.isConnected && mayFocus()) vote.move(0);
    });
    return () => {
      for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
    };
  },
};
