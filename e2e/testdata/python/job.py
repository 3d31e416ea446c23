"""Answers some requests to the application of server.py, and ends."""

import time

import server

for _ in range(5):
    print(server.app.test_client().get("/hello/job").status)
    time.sleep(1)
