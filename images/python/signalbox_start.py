"""Decides whether OpenTelemetry fits a program, and starts it there.

sitecustomize.py calls start before the program's first line. Needs Python 3.10.
"""

import atexit
import importlib.metadata
import json
import os
import re
import sys
import threading

# What the payload calls OTLP: JSON over HTTP needs no native code.
EXPORTER = "otlp_json_http"
EXPORTERS = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
# The SDK's own releases differ in what is private, and many packages share it;
# the API is stable, so that the payload's copy serves for any older one.
STABLE = ("opentelemetry-api", "opentelemetry-semantic-conventions")
# Modules of agents that are at work already.
AGENTS = ("ddtrace", "newrelic", "elasticapm", "opentelemetry.sdk")
# How long the end of the program waits for telemetry that is still to be sent.
FLUSH_SECONDS = 3


def start(root):
    """Starts OpenTelemetry, or returns the reason why not."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None  # as wished
    for agent in AGENTS:
        if agent in sys.modules:
            return f"{agent} is at work already"
    conflict = _conflict(root)
    if conflict:
        return conflict
    path, modules, environment = list(sys.path), set(sys.modules), {k: os.environ.get(k) for k in EXPORTERS}
    for shared in (root, os.path.join(root, "shared")):
        if shared in sys.path:
            sys.path.remove(shared)
    sys.path.insert(0, root)
    sys.path.append(os.path.join(root, "shared"))
    try:
        _configure()
    except BaseException as e:
        sys.path[:] = path
        # All are found before the first goes: a namespace asks its parent.
        for name in [n for n in set(sys.modules) - modules if _within(sys.modules[n], root)]:
            del sys.modules[name]
        return f"starting OpenTelemetry: {type(e).__name__}: {e}"
    finally:
        # Programs that this one starts may have an SDK that does not know our
        # exporter's name.
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    _instrument(root)
    _stand_behind()
    return None


def _within(module, root):
    origin = getattr(module, "__file__", None)
    if origin is None:  # a namespace of several folders
        return any(p.startswith(root + os.sep) for p in getattr(module, "__path__", ()))
    return origin.startswith(root + os.sep)


def _conflict(root):
    """Says which of the program's packages the payload does not work with."""
    with open(os.path.join(os.path.dirname(__file__), "needs.json")) as f:
        needs = json.load(f)
    seen = set()
    for dist in importlib.metadata.distributions():
        # Only the names are read of packages that do not matter.
        name = re.sub(r"[-_.]+", "-", dist.name or "").lower()
        if name in seen:
            continue  # hidden by an earlier one
        seen.add(name)
        need = needs.get(name)
        if need is None:
            continue
        have, ours = dist.version, need["version"]
        if have == ours:
            continue
        if name.startswith("opentelemetry-"):
            if name in STABLE and _numbers(have) < _numbers(ours) and _numbers(have)[0] == _numbers(ours)[0]:
                continue
            return f"it has {name} {have}, and the payload is of {ours}"
        if not all(_fits(have, s) for s in need["specifiers"]):
            return f"it has {name} {have}, and OpenTelemetry needs {' and '.join(need['specifiers'])}"
    return None


def _numbers(version):
    """A version to compare by: six numbers, and what comes before a release."""
    release = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)(.*)", version)
    if not release:
        raise ValueError(f"version {version!r}")
    numbers = [int(n) for n in release.group(1).split(".")]
    before = re.match(r"[._-]?(a|b|rc|dev)(\d*)", release.group(2))
    return (*(numbers + [0] * 6)[:6], *((-1, before.group(1), int(before.group(2) or 0)) if before else (0, "", 0)))


def _fits(version, specifiers):
    """Whether a version is within specifiers such as >=1.0,<2 or ~=1.4."""
    have = _numbers(version)
    for s in specifiers.split(","):
        operator, wanted = re.fullmatch(r"\s*(~=|==|!=|>=|<=|>|<)\s*(\S+)\s*", s).groups()
        want = _numbers(wanted)
        if operator == "~=":
            parts = len(wanted.split(".")) - 1
            ok = have >= want and have[:parts] == want[:parts]
        else:
            ok = {"==": have == want, "!=": have != want, ">=": have >= want,
                  "<=": have <= want, ">": have > want, "<": have < want}[operator]
        if not ok:
            return False
    return True


def _configure():
    for name in EXPORTERS:
        names = [n.strip() for n in (os.environ.get(name) or "otlp").split(",")]
        os.environ[name] = ",".join(EXPORTER if n == "otlp" else n for n in names)
    if os.environ.get("OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH") == "patch_all":
        from gevent import monkey

        monkey.patch_all()
    from opentelemetry.instrumentation.version import __version__
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator

    class Configurator(_OTelSDKConfigurator):
        """The SDK's, which wants to be inherited from."""

    Configurator().configure(auto_instrumentation_version=__version__)
    _Flush()


def _instrument(root):
    """Instruments the libraries that are there; one that fails is left alone."""
    off = [n.strip() for n in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")]
    if "*" in off:
        return
    from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

    failed = []
    for dist in importlib.metadata.distributions(path=[root]):
        points = [e for e in dist.entry_points if e.group == "opentelemetry_instrumentor" and e.name not in off]
        try:
            if not points or get_dist_dependency_conflicts(dist):
                continue
        except Exception as e:
            failed.append(f"{dist.name} ({type(e).__name__}: {e})")
            continue
        for point in points:
            try:
                point.load()().instrument(skip_dep_check=True)
            except ModuleNotFoundError:
                pass  # the library is not there
            except Exception as e:
                failed.append(f"{point.name} ({type(e).__name__}: {e})")
    if failed and sys.stderr:
        print("signalbox: not instrumented in this Python program: " + ", ".join(failed), file=sys.stderr)


def _stand_behind():
    """Takes logs without being a handler of the root logger.

    A program whose root logger has a handler never gets the one to stderr that
    logging gives to those without: it would be silent.
    """
    import logging

    root = logging.getLogger()
    handlers = [h for h in root.handlers if type(h).__module__.startswith("opentelemetry.")]
    for h in handlers:
        root.removeHandler(h)
    if not handlers:
        return
    for h in handlers:
        h.flush = lambda: None  # as the program ends, _Flush does, and logging calls it too
    call = logging.Logger.callHandlers

    def call_handlers(self, record):
        call(self, record)
        logger = self
        while logger.parent and logger.propagate:
            logger = logger.parent
        if logger is root:
            for h in handlers:
                if record.levelno >= h.level:
                    h.handle(record)

    logging.Logger.callHandlers = call_handlers


class _Flush:
    """Sends what is left as the program ends, in place of the SDK's own endings.

    They may take half a minute where nobody answers. The thread is there from the
    start, because an ending program may not start one any more, and again in each
    child that is forked.
    """

    def __init__(self):
        from opentelemetry import _logs, metrics, trace

        providers = (trace.get_tracer_provider(), _logs.get_logger_provider(), metrics.get_meter_provider())
        self.endings = [p.shutdown for p in providers if hasattr(p, "shutdown")]
        self.start()
        os.register_at_fork(after_in_child=self.start)
        atexit.register(self.end)

    def start(self):
        self.wanted, self.done = threading.Event(), threading.Event()
        threading.Thread(target=self.run, args=(self.wanted, self.done), name="signalbox-flush", daemon=True).start()

    def run(self, wanted, done):
        wanted.wait()
        for end in self.endings:
            try:
                end()
            except Exception:  # the program ends, and nobody can mend it any more
                pass
        done.set()

    def end(self):
        for ending in self.endings:
            atexit.unregister(ending)
        self.wanted.set()
        self.done.wait(FLUSH_SECONDS)
