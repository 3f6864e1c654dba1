#!/usr/bin/env python3
"""Run the configuration corpus against a server binary.

Every row of expected.tsv is one run of `SERVER -t -c cases/FILE` in a copy of the corpus, in the
environment of env.list.  A row passes when the exit status and the normalised text agree (see
README.md).  Rows of differences.tsv replace their namesakes: there Natterjack means to differ.
Rows of pending.list may fail: their faults lie in blocks that are not served yet.
Prints the first rows that differ and the counts; exit status 0 when every other row passed.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

PLAIN = {"\\": "\\\\", "\t": "\\t", "\r": "\\r", "\f": "\\x0c", "\0": "\\x00", "\x01": "\\x01",
         "\u2028": "\\u2028"}
PROGRAM = re.compile(r"^(nats-server|natterjack|conf_check): ")


def printable(ch):
    if 0xDC80 <= ord(ch) <= 0xDCFF:  # a byte that is no UTF-8
        return "\\x%02x" % (ord(ch) - 0xDC00)
    return PLAIN.get(ch, ch)


def normalised(raw, path):
    text = "".join(printable(ch) for ch in raw.decode("utf-8", "surrogateescape"))
    lines = [PROGRAM.sub("", line) for line in text.replace(path, "FILE").split("\n")]
    return " | ".join(sorted((line for line in lines if line), key=lambda line: line.encode()))


def agree(want, got, mode):
    if mode.startswith("prefix="):
        n = int(mode[len("prefix="):])
        return got[:n] == want[:n]
    if mode == "oneof":
        return got in want.split(" ## ")
    return got == want


def read_rows(path):
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]


def expected_rows(corpus, reference):
    rows = {row[0]: row for row in read_rows(os.path.join(corpus, "expected.tsv"))}
    if not reference:
        rows.update((row[0], row) for row in read_rows(os.path.join(corpus, "differences.tsv")))
    return list(rows.values())


def pending_rows(corpus, reference):
    if reference:
        return set()
    with open(os.path.join(corpus, "pending.list"), encoding="utf-8") as f:
        return {line.strip() for line in f if line.strip() and not line.startswith("#")}


def environment(corpus):
    env = {"PATH": os.environ["PATH"]}
    for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    with open(os.path.join(corpus, "env.list"), encoding="utf-8") as f:
        env.update(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
    return env


class Runner:
    def __init__(self, server, args, corpus):
        self.command = [os.path.abspath(server), *args, "-t", "-c"]
        self.corpus = corpus
        self.env = environment(corpus)

    def run(self, row):
        """(name, exit status agrees, text agrees too, wanted, got)"""
        name, status, want, mode = row[:4]
        path = "cases/" + name
        try:
            done = subprocess.run([*self.command, path], cwd=self.corpus, env=self.env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=20)
        except subprocess.TimeoutExpired:
            return name, False, False, f"{status} {want}", "no answer in 20 s"
        got = normalised(done.stdout, path)
        same_exit = str(done.returncode) == status
        same_text = same_exit and agree(want, got, mode)
        return name, same_exit, same_text, f"{status} {want}", f"{done.returncode} {got}"


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("corpus")
    ap.add_argument("--server", required=True)
    ap.add_argument("--arg", action="append", default=[], help="a further argument for the server")
    ap.add_argument("--only", default=".", help="rows whose file name matches this expression")
    ap.add_argument("--skip", default="^$", help="but not those that match this one")
    ap.add_argument("--show", type=int, default=15, help="how many differing rows to print")
    ap.add_argument("--exit-only", action="store_true", help="compare the exit status alone")
    ap.add_argument("--reference", action="store_true",
                    help="the server is the reference: no differences, nothing pending")
    a = ap.parse_args()

    rows = [r for r in expected_rows(a.corpus, a.reference)
            if re.search(a.only, r[0]) and not re.search(a.skip, r[0])]
    pending = pending_rows(a.corpus, a.reference)
    with tempfile.TemporaryDirectory() as work:
        corpus = os.path.join(work, "config")
        shutil.copytree(a.corpus, corpus)
        runner = Runner(a.server, a.arg, corpus)
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(runner.run, rows))

    failed = [r for r in results if not (r[1] if a.exit_only else r[2])]
    bad = [r for r in failed if r[0] not in pending]
    for name, _, _, want, got in bad[:a.show]:
        print(f"DIFF {name}\n  want {want[:300]}\n  got  {got[:300]}")
    print(f"exit status equal {sum(r[1] for r in results)}/{len(rows)}, "
          f"text equal {sum(r[2] for r in results)}/{len(rows)}")
    print(f"{len(rows) - len(failed)} passed, {len(failed) - len(bad)} pending, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
