/** @jest-environment jsdom */

import type { IPanelHost } from '../../src/panel/host';
import { PromptsSection, summaryOf } from '../../src/panel/prompts';
import type { ISavedPrompt } from '../../src/kernel/protocol';

const summary: ISavedPrompt = {
  name: 'summary',
  is_project: false,
  text: 'Summarize <b>{{ text }}</b>',
  needs: ['text', 'tone'],
  options: 'temperature 0.2',
  cost: '$0.0003',
  problem: null
};
const broken: ISavedPrompt = {
  ...{ name: './summary', is_project: true, text: '', needs: [], options: '', cost: '' },
  problem: 'line 2: no'
};

class Host implements IPanelHost {
  readonly notebook = 'a.ipynb';
  readonly inserted: string[] = [];
  prompts: ISavedPrompt[] = [summary, broken];
  error: string | null = null;

  request: IPanelHost['request'] = (type, body) => {
    if (type === 'remove_prompt') {
      if (this.error !== null) {
        return Promise.reject(new Error(this.error));
      }
      const { name } = body as { name: string };
      this.prompts = this.prompts.filter(each => each.name !== name);
      return Promise.resolve({ said: `deleted @${name}` } as never);
    }
    return Promise.resolve({ prompts: this.prompts } as never);
  };
  goTo = (): boolean => false;
  compare = (): string => '';
  insert = (source: string): void => {
    this.inserted.push(source);
  };
  askName = (): Promise<string | null> => Promise.resolve(null);
}

let host: Host;
let section: PromptsSection;

beforeEach(async () => {
  host = new Host();
  section = new PromptsSection();
  document.body.replaceChildren(section.node);
  await section.refresh(host);
});

function buttons(label: string): HTMLButtonElement[] {
  return [...document.querySelectorAll('button')].filter(each => each.textContent === label);
}

function names(): (string | null)[] {
  return [...document.querySelectorAll('summary')].map(each => each.textContent);
}

function note(): string {
  return document.querySelector('[role=status]')?.textContent ?? '';
}

async function settled(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

test('a prompt shows its text as text, what it needs, its options and its cost', () => {
  expect(names()).toEqual(['@summary', '@./summary']);
  expect(document.querySelector('pre')?.textContent).toBe('Summarize <b>{{ text }}</b>');
  expect(summaryOf(summary)).toBe('needs text, tone · temperature 0.2 · $0.0003');
  expect(summaryOf(broken)).toBe('of the project');
});

test('a prompt is inserted as a cell by its name; one that cannot be used is not', () => {
  const [first, second] = buttons('Insert as cell');
  first?.click();
  expect(host.inserted).toEqual(['%%cmd @summary\n']);
  expect(second?.disabled).toBe(true);
  expect(document.body.textContent).toContain('Cannot be used: line 2: no');
});

test('a prompt is deleted, and what stays open stays open', async () => {
  document.querySelectorAll('details')[0]?.setAttribute('open', '');
  buttons('Delete')[1]?.click();
  await settled();
  expect(names()).toHaveLength(2);
  buttons('Delete for good')[0]?.click();
  await settled();
  expect(names()).toEqual(['@summary']);
  expect(document.querySelector('details')?.open).toBe(true);
  expect(note()).toBe('deleted @./summary');
  buttons('Delete')[0]?.click();
  buttons('Delete for good')[0]?.click();
  await settled();
  expect(document.querySelector('ul')?.hidden).toBe(true);
});

test('an error is shown, and Refresh reads the prompts again', async () => {
  host.error = 'no permission';
  buttons('Delete')[0]?.click();
  buttons('Delete for good')[0]?.click();
  await settled();
  expect(note()).toBe('no permission');
  host.prompts = [];
  buttons('Refresh')[0]?.click();
  await settled();
  expect(note()).toContain('Nothing saved yet.');
});
