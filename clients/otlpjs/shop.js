// Handles one order of a small shop and reports it with the SDKs for JavaScript
// of 2020 to 2022, from before the names of OTLP were settled. The folders
// otlpjsNN hold the releases; what these call differently is told apart here.
//
// Spans go to OTLP_URL plus TRACE_PATH and, where the release has metrics, three
// instruments to OTLP_URL, as the service SERVICE. The trace's id is printed, so
// that it can be looked up.
'use strict';

const api = require('@opentelemetry/api');
const { Resource } = require('@opentelemetry/resources');
const tracing = require('sdk-trace');
const exporters = require('exporter');

const resource = new Resource({ 'service.name': process.env.SERVICE });
// Releases up to 0.20 take the service's name here and ignore the resource's.
const options = (path) => ({ url: process.env.OTLP_URL + path, serviceName: process.env.SERVICE });

function trace() {
  const TraceExporter = exporters.OTLPTraceExporter || exporters.CollectorTraceExporter;
  const provider = new tracing.BasicTracerProvider({ resource });
  provider.addSpanProcessor(new tracing.BatchSpanProcessor(new TraceExporter(options(process.env.TRACE_PATH))));
  const tracer = provider.getTracer('shop', '1.2.3');

  const checkout = tracer.startSpan('POST /checkout', { kind: api.SpanKind.SERVER });
  checkout.setAttributes({ 'cart.items': 3, 'cart.total': 59.97, 'customer.vip': true });
  const setSpan = api.setActiveSpan || api.setSpan || api.trace.setSpan;
  const charge = tracer.startSpan('charge card', { kind: api.SpanKind.CLIENT }, setSpan(api.ROOT_CONTEXT, checkout));
  charge.addEvent('card refused', { 'card.provider': 'visa' });
  charge.setStatus({ code: (api.SpanStatusCode || api.StatusCode).ERROR, message: 'refused' });
  charge.end();
  checkout.end();

  const { traceId } = checkout.context ? checkout.context() : checkout.spanContext();
  return { traceId, done: () => provider.shutdown() };
}

async function metrics() {
  if (!exporters.CollectorMetricExporter) {
    return;
  }
  const exporter = new exporters.CollectorMetricExporter(options('/v1/metrics'));
  const provider = new (require('sdk-metrics').MeterProvider)({ resource, exporter, interval: 60000 });
  const meter = provider.getMeter('shop');
  const labels = { channel: 'web' };
  meter.createCounter('shop.orders', { valueType: api.ValueType ? api.ValueType.INT : 0 }).bind(labels).add(3);
  meter.createUpDownCounter('shop.carts').bind(labels).add(2);
  meter.createValueRecorder('shop.order.value').bind(labels).record(19.99);
  await provider.shutdown();
}

(async () => {
  const traced = trace();
  await metrics();
  await traced.done();
  console.log(traced.traceId);
})();
