"""A Flask application: on its own server, as tutorials start it, or behind another."""

import logging
import signal
import sys

from flask import Flask

app = Flask(__name__)
logging.basicConfig(level=logging.INFO)


@app.get("/hello/<name>")
def hello(name):
    app.logger.info("greeting")
    return "hello " + name


if __name__ == "__main__":
    # The first process of a container has to say that it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    app.run(host="0.0.0.0", port=8080)
