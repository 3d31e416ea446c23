"""A program whose urllib3 is older than what OpenTelemetry can use."""

import os
import sys

import urllib3

print(urllib3.__version__, os.environ.get("PYTHONPATH"), *[m for m in sys.modules if m.startswith("opentelemetry")])
sys.exit(3)
