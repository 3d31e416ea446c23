"""What update.sh does with pip's installation reports."""

import json
import re
import sys

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

# Native, and left out: its instrumentor works where the application brings it.
ABSENT = {"psutil"}


def release(packages):
    """Copies stdin, with the release that the exporter is part of filled in."""
    exporter = packages[0]["metadata"]
    sdk = next(r for r in exporter["requires_dist"] if r.startswith("opentelemetry-sdk"))
    stable = re.search(r"[0-9][0-9.]*", sdk).group()
    sys.stdout.write(sys.stdin.read().replace("==BETA", "==" + exporter["version"]).replace("==STABLE", "==" + stable))


def lock(packages):
    """Prints the packages as requirements with hashes, if they fit each other."""
    versions = {canonicalize_name(p["metadata"]["name"]): p["metadata"]["version"] for p in packages}
    for p in packages:
        for text in p["metadata"].get("requires_dist", []):
            need = Requirement(text)
            name = canonicalize_name(need.name)
            if name in ABSENT or need.marker and not need.marker.evaluate({"extra": "", "python_version": "3.10"}):
                continue
            if not need.specifier.contains(versions.get(name, "0"), prereleases=True):
                sys.exit(f"{p['metadata']['name']} needs {text}; the set has {versions.get(name, 'none')}")
    print("# Written by update.sh; see requirements.in.")
    for name, p in sorted((canonicalize_name(p["metadata"]["name"]), p) for p in packages):
        digest = p["download_info"]["archive_info"]["hashes"]["sha256"]
        print(f"{name}=={p['metadata']['version']} --hash=sha256:{digest}")


with open(sys.argv[2]) as f:
    {"release": release, "lock": lock}[sys.argv[1]](json.load(f)["install"])
