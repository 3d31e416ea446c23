// Handles one order of a small shop and reports two spans with OpenTelemetry's
// exporters for Jaeger and Zipkin, from before those took OTLP themselves.
//
// EXPORTER is jaeger or zipkin. The exporters themselves read where to:
// OTEL_EXPORTER_JAEGER_ENDPOINT (Thrift over HTTP), OTEL_EXPORTER_JAEGER_AGENT_HOST
// and OTEL_EXPORTER_JAEGER_AGENT_PORT (Thrift over UDP), or
// OTEL_EXPORTER_ZIPKIN_ENDPOINT; SERVICE is who sends. The trace's id is printed,
// so that it can be looked up.
'use strict';

const api = require('@opentelemetry/api');
const { JaegerExporter } = require('@opentelemetry/exporter-jaeger');
const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');
const { Resource } = require('@opentelemetry/resources');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');

const exporter = process.env.EXPORTER === 'zipkin' ? new ZipkinExporter() : new JaegerExporter();
const provider = new BasicTracerProvider({
  resource: new Resource({ 'service.name': process.env.SERVICE, 'shop.region': 'eu' }),
});
provider.addSpanProcessor(new BatchSpanProcessor(exporter));
const tracer = provider.getTracer('shop', '1.2.3');

const checkout = tracer.startSpan('POST /checkout', { kind: api.SpanKind.SERVER });
checkout.setAttributes({ 'cart.items': 3, 'cart.total': 59.97, 'customer.vip': true });
const inCheckout = api.trace.setSpan(api.ROOT_CONTEXT, checkout);
const charge = tracer.startSpan('charge card', { kind: api.SpanKind.CLIENT }, inCheckout);
charge.addEvent('card refused', { 'card.provider': 'visa' });
charge.setStatus({ code: api.SpanStatusCode.ERROR, message: 'refused' });
charge.end();
checkout.end();

provider.shutdown().then(() => console.log(checkout.spanContext().traceId));
