// What is bundled into agent.js: OpenTelemetry with its instrumentations, hooks
// for both module systems, and an end that leaves signals to the program.
'use strict';

const module_ = require('module');
const { pathToFileURL } = require('url');
const { NodeSDK, core } = require('@opentelemetry/sdk-node');
const { envDetector, hostDetector, osDetector, processDetector } = require('@opentelemetry/resources');
const { metrics, trace, diag, DiagConsoleLogger } = require('@opentelemetry/api');
const { logs } = require('@opentelemetry/api-logs');
const { getNodeAutoInstrumentations, getResourceDetectors } = require('@opentelemetry/auto-instrumentations-node');
// By its path, so that it is bundled: the package itself must not be, because the
// modules that it rewrites import its own files.
const { supportsSyncHooks } = require('./node_modules/import-in-the-middle/supports-sync-hooks.mjs');

// How long the end of the program waits for telemetry that is still to be sent.
const FLUSH_MS = 3000;
// How often it is sent while the program ends on its own.
const DRAIN_MS = 250;

exports.start = function start() {
  const level = process.env.OTEL_LOG_LEVEL;
  if (level) diag.setLogger(new DiagConsoleLogger(), { logLevel: core.diagLogLevelFromString(level) });
  const unset = !process.env.OTEL_METRICS_EXPORTER;
  if (unset) process.env.OTEL_METRICS_EXPORTER = 'otlp'; // without, metrics are collected and dropped
  let sdk;
  try {
    const instrumentations = getNodeAutoInstrumentations();
    hookModules(instrumentations);
    sdk = new NodeSDK({ instrumentations, resourceDetectors: detectors() });
    sdk.start();
  } finally {
    if (unset) delete process.env.OTEL_METRICS_EXPORTER;
  }
  endWell(sdk);
};

// detectors leaves out those of clouds unless they are asked for: they ask servers
// that are not there, and the collector knows better.
function detectors() {
  if (process.env.OTEL_NODE_RESOURCE_DETECTORS) return getResourceDetectors();
  return [envDetector, hostDetector, osDetector, processDetector];
}

// hookModules lets instrumentations see what ES modules import. Only the modules
// that one of them asks for: wrapping the others breaks some programs.
function hookModules(instrumentations) {
  const names = new Set();
  for (const i of instrumentations) {
    for (const m of i._modules || []) {
      names.add(m.name);
      if (module_.builtinModules.includes(m.name)) names.add('node:' + m.name);
    }
  }
  const include = [...names];
  if (supportsSyncHooks()) {
    module_.createRequire(__filename)('import-in-the-middle/register-hooks.mjs').register({ include });
  } else if (module_.register) {
    const hook = module_.createRequire(__filename).resolve('import-in-the-middle/hook.mjs');
    module_.register(pathToFileURL(hook).href, { parentURL: pathToFileURL(__filename).href, data: { include } });
  }
}

// flush sends what there is, for FLUSH_MS at most.
function flush() {
  const providers = [trace.getTracerProvider(), metrics.getMeterProvider(), logs.getLoggerProvider()];
  const all = providers.map(async (p) => {
    const real = p.getDelegate ? p.getDelegate() : p._getDelegate ? p._getDelegate() : p;
    if (real.forceFlush) await real.forceFlush();
  });
  return bounded(Promise.allSettled(all));
}

function bounded(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, FLUSH_MS, 'late');
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// endWell sends what is left when the program ends. A signal does what it does
// without us: it ends a program that does not listen for it, after the flush, and
// is left to one that does.
function endWell(sdk) {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      if (process.listenerCount(signal) > 0) {
        flush();
        setInterval(flush, DRAIN_MS).unref();
      } else {
        flush().then(() => process.kill(process.pid, signal));
      }
    });
  }
  process.once('beforeExit', () => {
    const alone = process.listenerCount('beforeExit') === 0;
    bounded(sdk.shutdown().catch(() => {})).then((how) => {
      if (how === 'late' && alone) process.exit();
    });
  });
}
