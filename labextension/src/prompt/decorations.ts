/** What is marked in a prompt: the option line, `{{ }}`, code, and the model at the cell's edge. */

import { syntaxTree } from '@codemirror/language';
import { type EditorState, type Extension, type Range, StateEffect } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  type EditorView,
  type PluginValue,
  ViewPlugin,
  type ViewUpdate
} from '@codemirror/view';

import { findExpressions } from './expressions';
import { type Kind, readOptionLine } from './optionLine';
import { magicLine } from './prompts';

/** The model that a cell asks which names none. */
export interface IModelSource {
  /** Give its name; empty: not known. */
  current(): string;
  /** Have `call` called at each change; gives what ends that. */
  onChange(call: () => void): () => void;
}

const UNSPELLED = { spellcheck: 'false' };
const OPTION_LINE = Decoration.line({ class: 'cc-option-line', attributes: UNSPELLED });
const EXPRESSION = Decoration.mark({ class: 'cc-expression', attributes: UNSPELLED });
const CODE = Decoration.mark({ attributes: UNSPELLED });
const KINDS: Readonly<Record<Kind, Decoration>> = {
  magic: Decoration.mark({ class: 'cc-magic' }),
  option: Decoration.mark({ class: 'cc-option' }),
  value: Decoration.mark({ class: 'cc-value' }),
  capture: Decoration.mark({ class: 'cc-capture' })
};
const CODE_NODES = new Set(['FencedCode', 'CodeBlock', 'InlineCode']);

const modelChanged = StateEffect.define();

/** Mark the parts of a prompt; what is no prompt must not get this extension. */
export function promptDecorations(source: IModelSource): Extension {
  return ViewPlugin.define(view => new Marks(view, source), {
    decorations: marks => marks.decorations
  });
}

class Marks implements PluginValue {
  decorations: DecorationSet;
  private readonly end: () => void;
  private text: readonly Range<Decoration>[];

  constructor(
    view: EditorView,
    private readonly source: IModelSource
  ) {
    this.text = markText(view.state, source);
    this.decorations = this.build(view);
    this.end = source.onChange(() => {
      view.dispatch({ effects: modelChanged.of(null) });
    });
  }

  update(update: ViewUpdate): void {
    const hasModel = update.transactions.some(tr => tr.effects.some(each => each.is(modelChanged)));
    if (update.docChanged || hasModel) {
      this.text = markText(update.state, this.source);
    }
    const isParsed = syntaxTree(update.startState) !== syntaxTree(update.state);
    if (update.docChanged || hasModel || isParsed || update.viewportChanged) {
      this.decorations = this.build(update.view);
    }
  }

  destroy(): void {
    this.end();
  }

  private build(view: EditorView): DecorationSet {
    return Decoration.set([...this.text, ...markCode(view)], true);
  }
}

function markText(state: EditorState, source: IModelSource): Range<Decoration>[] {
  const line = magicLine(state.doc);
  if (line === null) {
    return [];
  }
  const { spans, model, raw } = readOptionLine(line.text);
  const marks = [OPTION_LINE.range(line.from)];
  for (const { kind, from, to } of spans) {
    marks.push(KINDS[kind].range(line.from + from, line.from + to));
  }
  const name = shortName(model || source.current());
  if (name !== '') {
    const last = { class: 'cc-model-line', attributes: { 'data-cc-model': name } };
    marks.push(Decoration.line(last).range(state.doc.line(state.doc.lines).from));
  }
  for (const { from, to } of raw ? [] : findExpressions(state.sliceDoc(line.from))) {
    marks.push(EXPRESSION.range(line.from + from, line.from + to));
  }
  return marks;
}

function markCode(view: EditorView): Range<Decoration>[] {
  const marks: Range<Decoration>[] = [];
  for (const { from, to } of view.visibleRanges) {
    syntaxTree(view.state).iterate({
      from,
      to,
      enter: node => {
        if (!CODE_NODES.has(node.name)) {
          return true;
        }
        marks.push(CODE.range(node.from, node.to));
        return false;
      }
    });
  }
  return marks;
}

/** Give a model's id without its maker, as the usage line does. */
function shortName(model: string): string {
  return model.slice(model.lastIndexOf('/') + 1);
}
