"""Reports one metric of its own with OpenCensus' library: how many orders are
open, by shop. OC_AGENT_HOST (host:port) says where to, METRIC what it is called.
"""

import os
import random
import time

from opencensus.ext.ocagent import stats_exporter
from opencensus.stats import aggregation, measure, stats, view
from opencensus.tags import tag_key, tag_map, tag_value

name = os.environ["METRIC"]
opened = measure.MeasureInt(name, "Orders that are open", "{order}")
shop = tag_key.TagKey("shop")
stats.stats.view_manager.register_view(
    view.View(name, "Orders that are open", [shop], opened, aggregation.LastValueAggregation())
)
# The library sends for as long as somebody holds the exporter.
exporter = stats_exporter.new_stats_exporter(service_name="orders", endpoint=os.environ["OC_AGENT_HOST"], interval=5)

while True:
    for place in ("north", "south"):
        tags = tag_map.TagMap()
        tags.insert(shop, tag_value.TagValue(place))
        measured = stats.stats.stats_recorder.new_measurement_map()
        measured.measure_int_put(opened, random.randint(1, 100))
        measured.record(tags)
    time.sleep(1)
