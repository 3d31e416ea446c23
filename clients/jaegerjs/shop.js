// Handles one order of a small shop and reports two spans with jaeger-client,
// the client that OpenTelemetry replaced in 2022 and that old services still
// carry.
//
// The client itself reads JAEGER_ENDPOINT (Thrift over HTTP) or
// JAEGER_AGENT_HOST and JAEGER_AGENT_PORT (Thrift over UDP), and
// JAEGER_SERVICE_NAME. The trace's id is printed, so that it can be looked up.
'use strict';

const { initTracerFromEnv } = require('jaeger-client');

const tracer = initTracerFromEnv({ sampler: { type: 'const', param: 1 } }, { tags: { 'shop.region': 'eu' } });

const checkout = tracer.startSpan('POST /checkout');
checkout.setTag('span.kind', 'server');
checkout.setTag('cart.items', 3);
checkout.setTag('customer.vip', true);

const charge = tracer.startSpan('charge card', { childOf: checkout });
charge.setTag('span.kind', 'client');
charge.setTag('error', true);
charge.log({ event: 'card refused', 'card.provider': 'visa' });
charge.finish();
checkout.finish();

tracer.close(() => console.log(checkout.context().traceIdStr.padStart(32, '0')));
