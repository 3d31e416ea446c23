"""The guestbook's backend keeps messages in MongoDB.

PORT says where it listens, GUESTBOOK_DB_ADDR (host:port) where MongoDB is. It
knows nothing of OpenTelemetry. What it has for its operators is
prometheus_flask_exporter, which counts requests and shows them at /metrics.
"""

import os
import time

from flask import Flask, jsonify, request
from prometheus_flask_exporter import PrometheusMetrics
from pymongo import MongoClient

# How many messages a reader gets; the book itself keeps all.
PAGE = 50

app = Flask(__name__)
metrics = PrometheusMetrics(app)
messages = MongoClient(f"mongodb://{os.environ['GUESTBOOK_DB_ADDR']}").guestbook.messages


@app.get("/messages")
def read():
    found = messages.find({}, {"_id": 0, "author": 1, "message": 1, "date": 1})
    # 201 for reading is odd, and what the workshop's graphs show.
    return jsonify(list(found.sort("_id", -1).limit(PAGE))), 201


@app.post("/messages")
def write():
    said = request.get_json()  # answers 415 to what is no JSON
    messages.insert_one({"author": said["author"], "message": said["message"], "date": int(time.time())})
    return jsonify({}), 201


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ["PORT"]))
