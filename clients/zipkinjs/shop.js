// Handles one order of a small shop and reports two spans with the Zipkin client
// for Node.js, to ZIPKIN_ENDPOINT: JSON of version 2 or, when that is its path, of
// version 1. The trace's id is printed, so that it can be looked up.
'use strict';

const { BatchRecorder, ExplicitContext, Tracer, jsonEncoder } = require('zipkin');
const { HttpLogger } = require('zipkin-transport-http');

// The logger sends at an interval and does not keep the process alive for it, so
// the interval is short and a deadline holds the process until the answer.
const logger = new HttpLogger({
  endpoint: process.env.ZIPKIN_ENDPOINT,
  jsonEncoder: process.env.ZIPKIN_ENDPOINT.includes('/api/v1/') ? jsonEncoder.JSON_V1 : jsonEncoder.JSON_V2,
  httpInterval: 50,
});
const recorder = new BatchRecorder({ logger });
const tracer = new Tracer({
  ctxImpl: new ExplicitContext(),
  recorder,
  localServiceName: process.env.ZIPKIN_SERVICE_NAME,
  traceId128Bit: true,
});

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
logger.once('success', () => process.exit(0));
logger.once('error', fail);
setTimeout(fail, 10_000, 'no answer within 10 s');

tracer.local('POST /checkout', () => {
  tracer.recordBinary('cart.items', '3');
  console.log(tracer.id.traceId);
  tracer.local('charge card', () => {
    tracer.recordBinary('error', 'card refused');
  });
});
