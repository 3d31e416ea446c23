"""Handles one order of a small shop and reports it with OpenCensus, which
OpenTelemetry replaced in 2023: two spans and a metric, through the agent
exporter. They go over gRPC.

OC_AGENT_HOST says where to, host:port; SERVICE_NAME is who sends; METRIC is what
the metric is called, shop/items when it is not set. The trace's id is printed, so
that it can be looked up.
"""

import os
import time

from opencensus.common.transports.sync import SyncTransport
from opencensus.ext.ocagent import stats_exporter
from opencensus.ext.ocagent.trace_exporter import TraceExporter
from opencensus.stats import aggregation, measure, stats, view
from opencensus.tags import tag_key, tag_map, tag_value
from opencensus.trace import span, status
from opencensus.trace.samplers import AlwaysOnSampler
from opencensus.trace.tracer import Tracer


def main():
    endpoint, service = os.environ["OC_AGENT_HOST"], os.environ["SERVICE_NAME"]
    traces = TraceExporter(service_name=service, endpoint=endpoint, transport=SyncTransport)
    tracer = Tracer(exporter=traces, sampler=AlwaysOnSampler())
    with tracer.span(name="POST /checkout") as checkout:
        checkout.span_kind = span.SpanKind.SERVER
        checkout.add_attribute("cart.items", 3)
        checkout.add_attribute("customer.vip", True)
        with tracer.span(name="charge card") as charge:
            charge.span_kind = span.SpanKind.CLIENT
            charge.add_annotation("card refused", **{"card.provider": "visa"})
            charge.status = status.Status(7, "refused")

    items = measure.MeasureInt("shop/items", "Items ordered", "1")
    region = tag_key.TagKey("region")
    recorder = stats.stats
    recorder.view_manager.register_view(
        view.View(os.environ.get("METRIC", "shop/items"), "Items ordered", [region], items, aggregation.SumAggregation()))
    tags = tag_map.TagMap()
    tags.insert(region, tag_value.TagValue("eu"))
    m = recorder.stats_recorder.new_measurement_map()
    m.measure_int_put(items, 3)
    m.record(tags)
    exporter = stats_exporter.new_stats_exporter(service_name=service, endpoint=endpoint, interval=1)
    time.sleep(2)  # the exporter has no way to send at once
    print(tracer.span_context.trace_id)


if __name__ == "__main__":
    main()
