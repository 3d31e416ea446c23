"""Waits until MongoDB answers: the backend's init container."""

import os

from pymongo import MongoClient
from pymongo.errors import PyMongoError

client = MongoClient(f"mongodb://{os.environ['GUESTBOOK_DB_ADDR']}", serverSelectionTimeoutMS=1000)
while True:
    try:
        client.admin.command("ping")
        break
    except PyMongoError as error:
        print("waiting for MongoDB:", error, flush=True)
