"""Says when a worker has its signal handlers.

gunicorn forgets a SIGTERM that reaches a worker before, and then waits half a
minute for it.
"""


def post_worker_init(worker):
    worker.log.info("Worker ready")
