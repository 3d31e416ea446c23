"""A Flask application that tells about itself in the way of 2020.

Its traces are made by OpenTelemetry's SDK, its metric by OpenCensus' library, and
both leave over OpenCensus' protocol to the agent that OC_AGENT_HOST (host:port)
names. gunicorn, which runs it, tells StatsD about its requests by itself.

Each worker of gunicorn imports this file after it was forked, so each has an
exporter of its own, and its process id on what it counts.
"""

import os

from flask import Flask, request
from opencensus.ext.ocagent import stats_exporter
from opencensus.stats import aggregation, measure, stats, view
from opencensus.tags import tag_key, tag_map, tag_value
from opentelemetry import trace
from opentelemetry.exporter.opencensus.trace_exporter import OpenCensusSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SERVICE = "flask-app"
agent = os.environ["OC_AGENT_HOST"]

# The exporter takes the service's name from the provider, so this one comes first.
provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
trace.set_tracer_provider(provider)
provider.add_span_processor(BatchSpanProcessor(OpenCensusSpanExporter(endpoint=agent)))
tracer = trace.get_tracer(__name__)

hellos = measure.MeasureInt("flask_app_hellos", "Who was greeted", "{hello}")
language, worker = tag_key.TagKey("language"), tag_key.TagKey("worker")
stats.stats.view_manager.register_view(
    view.View("flask_app_hellos", "Who was greeted", [language, worker], hellos, aggregation.CountAggregation())
)
# The library sends for as long as somebody holds the exporter.
exporter = stats_exporter.new_stats_exporter(service_name=SERVICE, endpoint=agent, interval=5)

GREETINGS = {"en": "Hello", "de": "Guten Tag", "zh": "你好"}

app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)


@app.get("/")
def hello():
    asked = request.accept_languages.best_match(GREETINGS) or "en"
    with tracer.start_as_current_span("greet") as span:
        span.set_attribute("greeting.language", asked)
        count(asked)
        return GREETINGS[asked] + "\n"


def count(asked):
    tags = tag_map.TagMap()
    tags.insert(language, tag_value.TagValue(asked))
    tags.insert(worker, tag_value.TagValue(str(os.getpid())))
    measured = stats.stats.stats_recorder.new_measurement_map()
    measured.measure_int_put(hellos, 1)
    measured.record(tags)
