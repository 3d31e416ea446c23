"""Answers one request to the application of server.py, and ends."""

import server

print(server.app.test_client().get("/hello/job").status)
