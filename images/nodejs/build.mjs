// Lays out the payload: build.mjs SOURCES TREE NOTICE, where SOURCES has this
// file's neighbours and their node_modules.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

const [sources, tree, notice] = process.argv.slice(2);
const { build } = createRequire(join(sources, 'package.json'))('esbuild');
const packages = join(sources, 'node_modules');

// The module hooks import their own files, and these packages, by their paths.
const beside = {
  'import-in-the-middle': ['index.js', 'hook.mjs', 'create-hook.mjs', 'supports-sync-hooks.mjs', 'register-hooks.mjs', 'lib'],
  'cjs-module-lexer': ['lexer.js', 'dist'],
  'es-module-lexer': ['dist'],
  'module-details-from-path': ['index.js'],
};

// What few programs use, and all would load: these are loaded at their first use.
const seldom = /^@opentelemetry\/(exporter-(trace|metrics|logs)-otlp-grpc|exporter-(zipkin|prometheus)|otlp-grpc-exporter-base|resource-detector-.*)$/;
const lazy = {
  name: 'lazy',
  setup(build) {
    build.onResolve({ filter: seldom }, ({ path, pluginData, importer }) =>
      pluginData === lazy || importer.includes('-grpc') ? undefined : { path, namespace: 'lazy', pluginData: { importer } });
    build.onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path, pluginData: { importer } }) => {
      const names = Object.keys(createRequire(importer)(path));
      return {
        pluginData: lazy,
        resolveDir: dirname(importer),
        contents: names.map((n) => `Object.defineProperty(exports, ${JSON.stringify(n)}, { enumerable: true, get: () => require(${JSON.stringify(path)}).${n} });`).join('\n'),
      };
    });
  },
};

mkdirSync(tree, { recursive: true });
const { metafile } = await build({
  absWorkingDir: sources,
  entryPoints: ['agent.js'],
  outfile: join(tree, 'agent.js'),
  bundle: true,
  metafile: true,
  plugins: [lazy],
  platform: 'node',
  target: 'node18',
  format: 'cjs',
  minifyWhitespace: true,
  minifySyntax: true,
  keepNames: true,
  legalComments: 'none', // NOTICE has them
  external: ['import-in-the-middle'],
  logLevel: 'warning',
});
cpSync(join(sources, 'autoinstrumentation.js'), join(tree, 'autoinstrumentation.js'));
for (const [name, files] of Object.entries(beside)) {
  for (const file of ['package.json', ...files]) {
    const from = join(packages, name, file);
    if (existsSync(from)) cpSync(from, join(tree, 'node_modules', name, file), { recursive: true, filter: (f) => !f.endsWith('.d.ts') && !f.endsWith('.d.mts') });
  }
}

// The licence of each package that a file of the bundle is from, each text once.
const folders = new Set(Object.keys(beside).map((name) => join('node_modules', name)));
for (const file of Object.keys(metafile.inputs)) {
  const folder = /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file);
  if (folder) folders.add(folder[0]);
}
const holders = new Map();
for (const folder of [...folders].sort()) {
  const { name, version, license } = JSON.parse(readFileSync(join(sources, folder, 'package.json')));
  if (!name) continue; // a folder within a package
  const files = readdirSync(join(sources, folder)).filter((f) => /^(licen[cs]e|notice|copying)/i.test(f) && !/\.csv$/i.test(f));
  const texts = files.map((f) => join(sources, folder, f)).filter((f) => statSync(f).isFile()).map((f) => readFileSync(f, 'utf8').trim());
  if (texts.length === 0) {
    if (!license) throw new Error(`${name} does not say under which licence it is`);
    texts.push(`${license}; the package comes without the text.`);
  }
  for (const text of texts) holders.set(text, [...(holders.get(text) || []), `${name} ${version}`]);
}
const line = '='.repeat(79);
let out = 'This image holds the packages below, most of them in one file, each under its licence.\n';
for (const [text, names] of holders) out += `\n${line}\n${names.join('\n')}\n${line}\n\n${text}\n`;
writeFileSync(notice, out);
