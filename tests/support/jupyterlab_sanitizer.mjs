// Sanitizes HTML as JupyterLab does for a notebook that is not trusted.
// Reads one JSON string a line, writes the HTML as one JSON string a line.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(process.argv[2]);
globalThis.sanitizeHtml = require('sanitize-html');
const source = readFileSync(require.resolve('@jupyterlab/apputils/lib/sanitizer.js'), 'utf8');
const named = source.replace(/^import sanitize from .*$/m, 'const sanitize = sanitizeHtml;');
const { Sanitizer } = await import(
  `data:text/javascript;base64,${Buffer.from(named).toString('base64')}`
);
const sanitizer = new Sanitizer();
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(sanitizer.sanitize(JSON.parse(line)))}\n`);
}
