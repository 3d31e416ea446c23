"""A Flask application for gunicorn, which tells StatsD about its requests."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "hello\n"
