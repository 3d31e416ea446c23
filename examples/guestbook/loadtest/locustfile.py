"""What visitors of the guestbook do: half of them read, half of them write, and
all think for one to five seconds in between."""

from random import randint

from locust import HttpUser, between, task


class Visitor(HttpUser):
    wait_time = between(1, 5)

    @task
    def read(self):
        self.client.get("/")

    @task
    def write(self):
        self.client.post("/post", data={"name": "a visitor", "message": f"visit {randint(1, 5)}"})
