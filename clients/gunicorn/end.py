"""Answers one request to the application of app.py, logs, and ends with exit code 7."""

import logging
import os
import sys

import app

print(app.app.test_client().get("/").status, os.environ.get("PYTHONPATH"), os.environ.get("OTEL_TRACES_EXPORTER"))
logging.warning("the end")
sys.exit(7)
