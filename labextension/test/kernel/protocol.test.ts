/// <reference types="node" />

import { readdirSync, readFileSync } from 'fs';
import { join } from 'path';

import type { JSONObject } from '@lumino/coreutils';

import schema from '../../../cc_jupyter/frontend/comm_schema.json';
import { isMessage } from '../../src/kernel/envelope';
import { KernelLink } from '../../src/kernel/kernelLink';
import { type IReplies, type IRequests, PROTOCOL, replyType } from '../../src/kernel/protocol';
import { FakeKernel, settle } from './fakeKernel';
import { faults, type IProtocolSchema, type Json } from './schemaCheck';

const FOLDER = join(__dirname, '../../../tests/comm');
const SCHEMA = schema as unknown as IProtocolSchema;
const EXAMPLES = new Map(
  readdirSync(FOLDER).map(name => {
    const text = readFileSync(join(FOLDER, name), 'utf-8');
    return [name.replace('.json', ''), JSON.parse(text) as JSONObject & { body: JSONObject }];
  })
);
const REPLIES = Object.entries(SCHEMA.$defs).flatMap(([name, part]) =>
  part['x-reply'] === undefined ? [] : [[name, part['x-reply']] as const]
);
const REQUESTS = REPLIES.map(([name]) => name).filter(name => name !== 'hello');

function example(name: string): JSONObject & { body: JSONObject } {
  const found = EXAMPLES.get(name);
  if (!found) {
    throw new Error(`no example of ${name}`);
  }
  return found;
}

test('the version and the reply types are those of the schema', () => {
  expect(SCHEMA.properties?.v?.const).toBe(PROTOCOL);
  expect(REPLIES.map(([name]) => [name, replyType(name as keyof IRequests)])).toEqual(REPLIES);
});

test.each([...EXAMPLES.keys()])('the example of %s is a message of the protocol', name => {
  const message = example(name);
  expect(isMessage(message)).toBe(true);
  expect(faults(SCHEMA, SCHEMA, message as Json)).toEqual([]);
  expect(faults(SCHEMA, { $ref: `#/$defs/${name}` }, message.body as Json)).toEqual([]);
});

test('an example with a missing or wrong member is rejected', () => {
  const { thread, ...rest } = example('state').body;
  const part = { $ref: '#/$defs/state' };
  expect(thread).toBe('default');
  expect(faults(SCHEMA, part, rest as Json)).toEqual([': no thread']);
  expect(faults(SCHEMA, part, { ...rest, thread: 7 })).toEqual(['/thread: not string']);
});

test.each(REQUESTS)(
  '%s is sent as in its example, and its reply arrives as in its own',
  async name => {
    const type = name as keyof IRequests;
    const kernel = new FakeKernel();
    const link = new KernelLink(kernel.connection, { version: '0.1.0', notebook: () => 'a.ipynb' });
    await settle();
    kernel.comm.reply('hello', example('hello').body);
    const body = example(name).body as unknown as IRequests[typeof type];
    const received: Promise<IReplies[typeof type]> = link.request(type, body);
    const { id, ...sent } = kernel.comm.last;
    expect(id).not.toBe('');
    expect({ ...sent, id: example(name).id }).toEqual(example(name));
    const reply = example(replyType(type)).body;
    kernel.comm.reply(replyType(type), reply);
    expect(await received).toEqual(reply);
    link.dispose();
  }
);
