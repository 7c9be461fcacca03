/** Styles the parts of a prompt: the option line, `{{ }}`, code, and what is at the edge. */

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

import { joined } from '../app/text';
import { shortName } from '../models/modelText';
import { findExpressions } from './expressions';
import type { IGridCosts } from './gridCosts';
import { gridLabel, sendsValues } from './gridLabel';
import { type Kind, magicLine, readOptionLine } from './optionLine';

/** The model of a cell without `-m`. */
export interface IDefaultModel {
  /** Return its id; empty if it is unknown. */
  current(): string;
  /** Call `listener` on each change; returns a function that stops this. */
  onChange(listener: () => void): () => void;
}

const NO_SPELLCHECK = { spellcheck: 'false' };
const OPTION_LINE = Decoration.line({ class: 'cc-option-line', attributes: NO_SPELLCHECK });
const EXPRESSION = Decoration.mark({ class: 'cc-expression', attributes: NO_SPELLCHECK });
const CODE = Decoration.mark({ attributes: NO_SPELLCHECK });
const KINDS: Readonly<Record<Kind, Decoration>> = {
  magic: Decoration.mark({ class: 'cc-magic' }),
  prompt: Decoration.mark({ class: 'cc-saved-prompt' }),
  option: Decoration.mark({ class: 'cc-option' }),
  value: Decoration.mark({ class: 'cc-value' }),
  expression: EXPRESSION,
  capture: Decoration.mark({ class: 'cc-capture' })
};
const MAX_NAMED_MODELS = 3;
const CODE_NODES = new Set(['FencedCode', 'CodeBlock', 'InlineCode']);

const edgeChanged = StateEffect.define();

/** Return the extension that styles a prompt; it is only for editors of prompts. */
export function promptDecorations(defaultModel: IDefaultModel, costs: IGridCosts): Extension {
  return ViewPlugin.define(view => new PromptDecorations(view, defaultModel, costs), {
    decorations: plugin => plugin.decorations
  });
}

class PromptDecorations implements PluginValue {
  decorations: DecorationSet;
  private readonly unsubscribe: readonly (() => void)[];
  private text: readonly Range<Decoration>[];

  constructor(
    view: EditorView,
    private readonly defaultModel: IDefaultModel,
    private readonly costs: IGridCosts
  ) {
    this.text = textDecorations(view.state, defaultModel, costs);
    this.decorations = this.build(view);
    const redraw = (): void => {
      view.dispatch({ effects: edgeChanged.of(null) });
    };
    this.unsubscribe = [defaultModel.onChange(redraw), costs.onChange(redraw)];
  }

  update(update: ViewUpdate): void {
    const edgeHasChanged = update.transactions.some(tr =>
      tr.effects.some(each => each.is(edgeChanged))
    );
    if (update.focusChanged && update.view.hasFocus) {
      this.costs.refresh();
    }
    if (update.docChanged || edgeHasChanged) {
      this.text = textDecorations(update.state, this.defaultModel, this.costs);
    }
    const isParsed = syntaxTree(update.startState) !== syntaxTree(update.state);
    if (update.docChanged || edgeHasChanged || isParsed || update.viewportChanged) {
      this.decorations = this.build(update.view);
    }
  }

  destroy(): void {
    this.unsubscribe.forEach(stop => {
      stop();
    });
  }

  private build(view: EditorView): DecorationSet {
    return Decoration.set([...this.text, ...codeDecorations(view)], true);
  }
}

function textDecorations(
  state: EditorState,
  defaultModel: IDefaultModel,
  costs: IGridCosts
): Range<Decoration>[] {
  const line = magicLine(state.doc);
  if (line === null) {
    return [];
  }
  const { spans, models, allowed, raw, grid } = readOptionLine(line.text);
  const found = [OPTION_LINE.range(line.from)];
  for (const { kind, from, to } of spans) {
    found.push(KINDS[kind].range(line.from + from, line.from + to));
  }
  const text = state.sliceDoc(line.to);
  const name = modelLabel(models.length > 0 ? models : [defaultModel.current()]);
  const sent = grid
    ? gridLabel(grid, costs.estimate(state.doc.toString()), sendsValues(line.text, text, raw))
    : name;
  const edge = joined(sent, allowedLabel(allowed));
  if (edge !== '') {
    const last = { class: 'cc-model-line', attributes: { 'data-cc-model': edge } };
    found.push(Decoration.line(last).range(state.doc.line(state.doc.lines).from));
  }
  for (const { from, to } of raw ? [] : findExpressions(state.sliceDoc(line.from))) {
    found.push(EXPRESSION.range(line.from + from, line.from + to));
  }
  return found;
}

/** Return which tools run without asking. */
function allowedLabel(names: readonly string[]): string {
  return names.length > 0 ? `runs ${names.join(', ')} without asking` : '';
}

function modelLabel(models: readonly string[]): string {
  return models.length > MAX_NAMED_MODELS
    ? `${models.length} models`
    : models.map(shortName).join(', ');
}

function codeDecorations(view: EditorView): Range<Decoration>[] {
  const found: Range<Decoration>[] = [];
  for (const { from, to } of view.visibleRanges) {
    syntaxTree(view.state).iterate({
      from,
      to,
      enter: node => {
        if (!CODE_NODES.has(node.name)) {
          return true;
        }
        found.push(CODE.range(node.from, node.to));
        return false;
      }
    });
  }
  return found;
}
