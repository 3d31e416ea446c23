"""Handles one order of a small shop and tells about it with the OpenTelemetry
SDK for Python: three spans, four metrics and two log records.

The exporters read where to send from OTEL_EXPORTER_OTLP_ENDPOINT, the SDK reads
OTEL_SERVICE_NAME; OTEL_EXPORTER_OTLP_PROTOCOL chooses among the exporters
below. The trace's id is printed, so that it can be looked up.
"""

import importlib
import logging
import os

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, StatusCode

PACKAGES = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http",
    "http/json": "opentelemetry.exporter.otlp.json.http",
}


def exporter(signal, name):
    package = PACKAGES[os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]
    return getattr(importlib.import_module(f"{package}.{signal}_exporter"), name)()


resource = Resource.create()
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(exporter("trace", "OTLPSpanExporter")))
trace.set_tracer_provider(traces)

reader = PeriodicExportingMetricReader(exporter("metric", "OTLPMetricExporter"))
meters = MeterProvider(resource=resource, metric_readers=[reader])
metrics.set_meter_provider(meters)

loggers = LoggerProvider(resource=resource)
loggers.add_log_record_processor(BatchLogRecordProcessor(exporter("_log", "OTLPLogExporter")))
set_logger_provider(loggers)

log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.addHandler(LoggingHandler(logger_provider=loggers))

tracer = trace.get_tracer("shop", "1.2.3")
meter = metrics.get_meter("shop", "1.2.3")
orders = meter.create_counter("shop.orders", description="Orders placed")
order_value = meter.create_histogram("shop.order.value", unit="USD", description="What orders are worth")
open_carts = meter.create_up_down_counter("shop.carts.open", description="Carts not yet paid")


def queue_length(_: CallbackOptions):
    yield Observation(7)


meter.create_observable_gauge("shop.queue.length", [queue_length], description="Orders waiting")


def charge_card():
    with tracer.start_as_current_span("charge card", kind=SpanKind.CLIENT) as span:
        span.add_event("card authorized", {"card.provider": "visa"})
        return span.get_span_context()


def reserve_stock(charged):
    links = [Link(charged, {"link.reason": "paid by"})]
    with tracer.start_as_current_span("reserve stock", links=links) as span:
        span.record_exception(RuntimeError("sku b2 is gone"))
        span.set_status(StatusCode.ERROR, "out of stock")
        log.error("stock is gone", extra={"sku": "b2"})


attributes = {
    "http.request.method": "POST",
    "cart.items": 3,
    "cart.total": 59.97,
    "customer.vip": True,
    "cart.skus": ["a1", "b2"],
}
with tracer.start_as_current_span("POST /checkout", kind=SpanKind.SERVER, attributes=attributes) as root:
    open_carts.add(5)
    reserve_stock(charge_card())
    log.info("order 42 placed", extra={"order.id": 42})
    open_carts.add(-2)
    orders.add(1, {"channel": "web"})
    orders.add(2, {"channel": "web"})
    for value in (10, 20, 59.97):
        order_value.record(value, {"channel": "web"})
    root.set_status(StatusCode.OK)

for provider in (traces, meters, loggers):
    provider.shutdown()
print(trace.format_trace_id(root.get_span_context().trace_id))
