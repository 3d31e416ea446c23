# Starts OpenTelemetry in any Python program whose PYTHONPATH begins with this
# folder, or steps aside. Every Python reads this file, also 2.7, so it uses only
# what all of them understand; signalbox_start.py has the rest.
#
# Whatever happens here, the program starts: nothing but what the program's own
# sitecustomize raises gets out.
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))
# Programs that start the application and are not it: what they start finds us.
_LAUNCHERS = ("poetry", "pipenv", "pdm", "hatch", "honcho", "supervisord", "circusd", "opentelemetry-instrument")


def _aside(reason):
    try:
        sys.stderr.write("signalbox: this Python program is not instrumented: %s\n" % (reason,))
        sys.stderr.flush()
    except Exception:  # no stderr, or a closed one
        pass


def _is_ours(entry):
    return os.path.abspath(entry) in (_HERE, _ROOT) if entry else False


def _leave():
    """Takes us off the path of this program, and of those that it starts."""
    sys.path[:] = [p for p in sys.path if not _is_ours(p)]
    if [a for a in getattr(sys, "orig_argv", [])[1:2] if os.path.basename(a) in _LAUNCHERS]:
        return True
    entries = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and not _is_ours(p)]
    if entries:
        os.environ["PYTHONPATH"] = os.pathsep.join(entries)
    else:
        os.environ.pop("PYTHONPATH", None)
    return False


def _following():
    """Loads the sitecustomize that ours hides. Python loads only the first."""
    own = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as e:
        sys.modules["sitecustomize"] = own
        if getattr(e, "name", "sitecustomize") != "sitecustomize":
            raise


def _start():
    if sys.version_info < (3, 10):
        _aside("it runs on Python %d.%d, and OpenTelemetry needs 3.10 or newer" % sys.version_info[:2])
        return
    sys.path.insert(0, _HERE)
    try:
        import signalbox_start
    finally:
        sys.path.remove(_HERE)
    reason = signalbox_start.start(_ROOT)
    if reason:
        _aside(reason)


_launches = _leave()
try:
    _following()
finally:
    if not _launches:
        try:
            _start()
        except Exception as e:
            _aside("%s: %s" % (type(e).__name__, e))
