"""The guestbook's frontend shows the book as a page, and takes what visitors write.

PORT says where it listens, GUESTBOOK_API_ADDR (host:port) where the backend is.
"""

import os

import requests
from flask import Flask, redirect, render_template, request

app = Flask(__name__)
messages = f"http://{os.environ['GUESTBOOK_API_ADDR']}/messages"
timeout = 3  # seconds


@app.get("/")
def index():
    answer = requests.get(messages, timeout=timeout)
    answer.raise_for_status()
    return render_template("index.html", messages=answer.json())


@app.post("/post")
def post():
    said = {"author": request.form["name"], "message": request.form["message"]}
    requests.post(messages, json=said, timeout=timeout).raise_for_status()
    return redirect("/")


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ["PORT"]))
