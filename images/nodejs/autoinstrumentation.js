// Starts OpenTelemetry in any Node.js program whose NODE_OPTIONS require this
// file, or steps aside. It is written for releases older than those that
// OpenTelemetry runs on, and whatever happens here, the program starts.
'use strict';

// Package managers start the application and are not it.
var LAUNCHERS = /[\\/](npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack)(-cli)?(\.c?js)?$/;

function aside(reason) {
  try {
    process.stderr.write('signalbox: this Node.js program is not instrumented: ' + reason + '\n');
  } catch (_) {} // no stderr, or a closed one
}

function supported() {
  var v = process.versions.node.split('.').map(Number);
  return v[0] > 20 || (v[0] === 20 && v[1] >= 6) || (v[0] === 18 && v[1] >= 19);
}

function start() {
  // NODE_OPTIONS reach worker threads too, and the loader's own is one.
  if (!require('worker_threads').isMainThread) return;
  if (LAUNCHERS.test(process.argv[1] || '')) return;
  if ((process.env.OTEL_SDK_DISABLED || '').trim().toLowerCase() === 'true') return;
  if (!supported()) {
    return aside('it runs on Node.js ' + process.versions.node + ', and OpenTelemetry needs 18.19, 20.6 or newer');
  }
  if (global[Symbol.for('opentelemetry.js.api.1')]) return aside('OpenTelemetry is at work already');
  if (global._ddtrace || global[Symbol.for('dd-trace')]) return aside('dd-trace is at work already');
  require('./agent.js').start();
}

try {
  start();
} catch (e) {
  aside(e && e.message ? e.message.split('\n')[0] : e);
}
