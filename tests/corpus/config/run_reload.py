#!/usr/bin/env python3
"""Run the reload corpus against a server binary.

Every row of expected-reload.tsv is one server: started with reload/NAME.a.conf, whose file is then
replaced by NAME.b.conf, and sent SIGHUP.  A row passes when what is logged from there on agrees (see
README.md).  Rows of reload-differences.tsv replace their namesakes: there Natterjack means to differ.
Rows of reload-pending.list may fail: they are about blocks that are not served yet.
Prints the first rows that differ and the counts; exit status 0 when every other row passed.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from run import agree, environment, read_rows

PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))
PREFIX = re.compile(r"^\[\d+\] ")
KEPT = re.compile(r"Reload|Cluster name|Removed|\[WRN\]")
OVER = re.compile(r"Reloaded server configuration|Failed to reload server configuration")


def rows_of(corpus, reference):
    rows = {row[0]: row for row in read_rows(os.path.join(corpus, "expected-reload.tsv"))}
    differences = os.path.join(corpus, "reload-differences.tsv")
    if not reference and os.path.exists(differences):
        rows.update((row[0], row) for row in read_rows(differences))
    return list(rows.values())


def pending_of(corpus, reference):
    if reference:
        return set()
    with open(os.path.join(corpus, "reload-pending.list"), encoding="utf-8") as f:
        return {line.strip() for line in f if line.strip() and not line.startswith("#")}


def wait_for(pattern, path, since, proc):
    """What was logged from `since` on, once it matches; None when it never does."""
    end = time.monotonic() + 10 * PATIENCE
    while time.monotonic() < end and proc.poll() is None:
        with open(path, encoding="utf-8", errors="replace") as f:
            f.seek(since)
            text = f.read()
        if pattern.search(text) and text.endswith("\n"):
            return text
        time.sleep(0.01)
    return None


class Runner:
    def __init__(self, server, args, corpus, work):
        self.command = [os.path.abspath(server), *args, "-T=false", "-c"]
        self.corpus = corpus
        self.work = work
        self.env = environment(corpus)

    def shown(self, text, outcome, path):
        lines = [PREFIX.sub("", line.replace(path, "FILE")) for line in text.split("\n") if line]
        kept = {line for line in lines if KEPT.search(line)}
        failed = [i for i, line in enumerate(lines) if "Failed to reload" in line]
        if outcome != "ok" or failed:
            kept = lines[failed[0]:] if failed else kept
        return " | ".join(sorted(kept))

    def reload(self, name, proc, conf, log):
        if wait_for(re.compile("Server is ready"), log, 0, proc) is None:
            return None
        since = os.path.getsize(log)
        shutil.copyfile(os.path.join(self.corpus, "reload", name + ".b.conf"), conf)
        proc.send_signal(signal.SIGHUP)
        return wait_for(OVER, log, since, proc)

    def run(self, row):
        """(name, agrees, wanted, got)"""
        name, outcome, want, mode = (row + [""])[:4]
        path = "reload-%s.conf" % name
        conf = os.path.join(self.corpus, path)
        log = os.path.join(self.work, name + ".log")
        shutil.copyfile(os.path.join(self.corpus, "reload", name + ".a.conf"), conf)
        with open(log, "wb") as out:
            proc = subprocess.Popen([*self.command, path], cwd=self.corpus, env=self.env,
                                    stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            text = self.reload(name, proc, conf, log)
        finally:
            proc.kill()
            proc.wait()
        if text is None:
            with open(log, encoding="utf-8", errors="replace") as f:
                return name, False, want, "no answer: " + f.read()[-300:]
        got = self.shown(text, outcome, path)
        return name, agree(want, got, mode or "exact"), want, got


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("corpus")
    ap.add_argument("--server", required=True)
    ap.add_argument("--arg", action="append", default=[], help="a further argument for the server")
    ap.add_argument("--only", default=".", help="rows whose name matches this expression")
    ap.add_argument("--show", type=int, default=15, help="how many differing rows to print")
    ap.add_argument("--reference", action="store_true",
                    help="the server is the reference: no differences, nothing pending")
    a = ap.parse_args()

    rows = [r for r in rows_of(a.corpus, a.reference) if re.search(a.only, r[0])]
    pending = pending_of(a.corpus, a.reference)
    with tempfile.TemporaryDirectory() as work:
        corpus = os.path.join(work, "config")
        shutil.copytree(a.corpus, corpus)
        runner = Runner(a.server, a.arg, corpus, work)
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(runner.run, rows))

    failed = [r for r in results if not r[1]]
    bad = [r for r in failed if r[0] not in pending]
    for name, _, want, got in bad[:a.show]:
        print(f"DIFF {name}\n  want {want[:400]}\n  got  {got[:400]}")
    early = sorted(r[0] for r in results if r[1] and r[0] in pending)
    if early:
        print("FAIL: no longer pending, take out of reload-pending.list: " + " ".join(early))
    print(f"{len(rows) - len(failed)} passed, {len(failed) - len(bad)} pending, {len(bad)} failed")
    return 1 if bad or early else 0


if __name__ == "__main__":
    sys.exit(main())
