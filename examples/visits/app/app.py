"""Counts visits in Redis, and greets visitors by the name that another service
knows.

REDIS_SERVER is the URL of Redis, USER_SERVICE that of the users; without it this
is the service of the users. PORT says where it listens. It logs as Python
programs do, and knows nothing of OpenTelemetry.
"""

import logging
import os

import redis
import requests
from flask import Flask, jsonify

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
app = Flask(__name__)
store = redis.Redis.from_url(os.environ["REDIS_SERVER"], decode_responses=True)
users = os.environ.get("USER_SERVICE")


@app.get("/healthz")
def healthz():
    return "ok\n"


@app.get("/users/<int:number>")
def user(number):
    name = store.hget("users", number)
    if name is None:
        app.logger.warning("nobody is number %d", number)
        return jsonify(error="nobody"), 404
    return jsonify(name=name)


@app.put("/users/<int:number>/<name>")
def rename(number, name):
    store.hset("users", number, name)
    return "", 204


@app.get("/visits/<int:number>")
def visit(number):
    found = requests.get(f"{users}/users/{number}", timeout=3)
    if found.status_code == 404:
        return jsonify(error="nobody"), 404
    found.raise_for_status()
    name, count = found.json()["name"], store.incr(f"visits:{number}")
    app.logger.info("visit %d of %s", count, name)
    return jsonify(hello=name, visit=count)


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "8000")))
