"""Turns what pip installed into the payload: layout.py TREE NOTICE.

OpenTelemetry's own packages stay in TREE. Those that applications use too go to
TREE/shared, which the start adds behind the application's own. needs.json says
which versions of which package the payload works with.
"""

import importlib.metadata
import json
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
START = "opentelemetry/instrumentation/auto_instrumentation"


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def licences(dist):
    """The texts of a package's licences, and its notices."""
    for f in dist.files or []:
        if re.search(r"\.dist-info/(licenses/.*)?(LICEN[CS]E|NOTICE|COPYING)[^/]*$", str(f), re.I):
            yield f.read_text()


def notice(dists, path):
    """Writes who the packages are by: each licence's text once."""
    holders = {}
    for d in dists:
        name = f"{d.metadata['Name']} {d.version}"
        texts = sorted(set(licences(d)))
        if not texts:
            licence = d.metadata.get("License-Expression") or d.metadata.get("License")
            if not licence:
                sys.exit(f"{name} does not say under which licence it is")
            texts = [f"{licence}; the package comes without the text."]
        for text in texts:
            holders.setdefault(text.strip(), []).append(name)
    with open(path, "w") as f:
        f.write("This image holds the packages below, unchanged, each under its licence.\n")
        for text, names in sorted(holders.items(), key=lambda h: h[1]):
            f.write("\n" + "=" * 79 + "\n" + "\n".join(names) + "\n" + "=" * 79 + "\n\n" + text + "\n")


def requirements(dists):
    """What the packages ask of each other, with the extras that are asked for."""
    pattern = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^]]*)])?\s*([^;]*)(?:;(.*))?")
    extras = {}
    for d in dists:
        for text in d.requires or []:
            name, wanted, _, _ = pattern.fullmatch(text).groups()
            extras.setdefault(canonical(name), set()).update((wanted or "").split(","))
    for d in dists:
        for text in d.requires or []:
            name, _, specifier, marker = pattern.fullmatch(text).groups()
            extra = re.search(r"extra == ['\"]([^'\"]+)", marker or "")
            if not extra or extra.group(1) in extras.get(canonical(d.metadata["Name"]), ()):
                yield canonical(name), specifier.strip()


def needs(dists):
    """For each package of the payload, its version and what the others ask of it."""
    found = {canonical(d.metadata["Name"]): {"version": d.version, "specifiers": set()} for d in dists}
    for name, specifier in requirements(dists):
        if specifier and name in found:
            found[name]["specifiers"].add(specifier)
    return {n: {"version": v["version"], "specifiers": sorted(v["specifiers"])} for n, v in found.items()}


def main(tree, notice_path):
    dists = sorted(importlib.metadata.distributions(path=[tree]), key=lambda d: canonical(d.metadata["Name"]))
    notice(dists, notice_path)
    start = os.path.join(tree, START)
    for name in ("sitecustomize.py", "signalbox_start.py"):
        shutil.copy(os.path.join(HERE, name), start)
    with open(os.path.join(start, "needs.json"), "w") as f:
        json.dump(needs(dists), f, indent=0, sort_keys=True)
    shutil.rmtree(os.path.join(tree, "bin"), ignore_errors=True)
    shared = os.path.join(tree, "shared")
    os.mkdir(shared)
    for d in dists:
        if canonical(d.metadata["Name"]).startswith("opentelemetry-"):
            continue
        for top in {f.parts[0] for f in d.files} - {"..", "bin"}:
            os.rename(os.path.join(tree, top), os.path.join(shared, top))


main(*sys.argv[1:])
