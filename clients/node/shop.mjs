// Handles one order of a small shop and tells about it with the OpenTelemetry
// SDK for Node.js: three spans, four metrics and two log records.
//
// Nothing here knows the receiver. The SDK reads where and how to send from
// OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL and
// OTEL_SERVICE_NAME. The trace's id is printed, so that it can be looked up.
import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { logs, SeverityNumber } from '@opentelemetry/api-logs';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK();
sdk.start();

const tracer = trace.getTracer('shop', '1.2.3');
const logger = logs.getLogger('shop', '1.2.3');
const meter = metrics.getMeter('shop', '1.2.3');

const orders = meter.createCounter('shop.orders', { description: 'Orders placed' });
const orderValue = meter.createHistogram('shop.order.value', { unit: 'USD', description: 'What orders are worth' });
const openCarts = meter.createUpDownCounter('shop.carts.open', { description: 'Carts not yet paid' });
meter
  .createObservableGauge('shop.queue.length', { description: 'Orders waiting' })
  .addCallback((result) => result.observe(7));

function chargeCard() {
  return tracer.startActiveSpan('charge card', { kind: SpanKind.CLIENT }, (span) => {
    span.addEvent('card authorized', { 'card.provider': 'visa' });
    span.end();
    return span.spanContext();
  });
}

function reserveStock(charged) {
  const options = { links: [{ context: charged, attributes: { 'link.reason': 'paid by' } }] };
  tracer.startActiveSpan('reserve stock', options, (span) => {
    span.recordException(new Error('sku b2 is gone'));
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'out of stock' });
    logger.emit({
      severityNumber: SeverityNumber.ERROR,
      severityText: 'ERROR',
      body: 'stock is gone',
      attributes: { 'sku': 'b2' },
      context: context.active(),
    });
    span.end();
  });
}

const attributes = {
  'http.request.method': 'POST',
  'cart.items': 3,
  'cart.total': 59.97,
  'customer.vip': true,
  'cart.skus': ['a1', 'b2'],
};
const traceID = tracer.startActiveSpan('POST /checkout', { kind: SpanKind.SERVER, attributes }, (span) => {
  openCarts.add(5);
  reserveStock(chargeCard());
  logger.emit({
    severityNumber: SeverityNumber.INFO,
    severityText: 'INFO',
    body: 'order 42 placed',
    attributes: { 'order.id': 42 },
    context: context.active(),
  });
  openCarts.add(-2);
  orders.add(1, { channel: 'web' });
  orders.add(2, { channel: 'web' });
  for (const value of [10, 20, 59.97]) orderValue.record(value, { channel: 'web' });
  span.setStatus({ code: SpanStatusCode.OK });
  span.end();
  return span.spanContext().traceId;
});

await sdk.shutdown();
console.log(traceID);
