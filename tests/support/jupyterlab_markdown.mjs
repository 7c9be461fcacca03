// Renders Markdown as JupyterLab does before its sanitizer: formulas cut out, marked, formulas put back.
// Reads one JSON string a line, writes the HTML as one JSON string a line.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';

globalThis.navigator ??= { appName: '' };
const require = createRequire(process.argv[2]);
const load = name => import(pathToFileURL(require.resolve(name)).href);
const { marked } = await load('marked');
const { gfmHeadingId } = await load('marked-gfm-heading-id');
const { mangle } = await load('marked-mangle');
const source = readFileSync(require.resolve('@jupyterlab/rendermime/lib/latex.js'), 'utf8');
const { removeMath, replaceMath } = await import(
  `data:text/javascript;base64,${Buffer.from(source).toString('base64')}`
);
marked.use(gfmHeadingId(), mangle());
const code = marked.Renderer.prototype.code;
marked.use({
  renderer: {
    code(token) {
      // a known language is highlighted, and its name is put into the page unescaped
      return token.lang
        ? `<pre><code class="language-${token.lang}">${token.text
            .replaceAll('&', '&amp;')
            .replaceAll('<', '&lt;')}</code></pre>`
        : code.call(this, token);
    }
  }
});
for await (const line of createInterface({ input: process.stdin })) {
  const { text, math } = removeMath(JSON.parse(line));
  process.stdout.write(`${JSON.stringify(replaceMath(marked.parse(text, { gfm: true }), math))}\n`);
}
