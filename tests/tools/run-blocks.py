#!/usr/bin/env python3
"""run-blocks.py FILE.md PREFIX: run the command blocks of a page as its reader would.

All ```sh blocks of the page run in one shell, in an empty folder, with the natterjack installed
under PREFIX.  A ```text block after one is what it prints: each of its lines must be there, in this
order; "…" stands for anything, and a line of "…" alone for any lines.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile

MARK = "@@@ block "


def blocks_of(page):
    """(line number, commands, expected lines or None) of each ```sh block."""
    found = []
    for m in re.finditer(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S):
        line = page.count("\n", 0, m.start()) + 1
        if m.group(1) == "sh":
            found.append([line, m.group(2), None])
        elif m.group(1) == "text":
            if not found or found[-1][2] is not None:
                sys.exit("line %d: output without commands" % line)
            found[-1][2] = m.group(2).splitlines()
    return found


def script_of(blocks):
    parts = ["set -e\numask 022\n"]
    for i, (_, commands, _) in enumerate(blocks):
        parts.append("printf '\\n%s%d\\n'\n%s\n" % (MARK, i, commands))
    return "".join(parts)


def matches(line, wanted):
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split("…")), line.rstrip()) is not None


def first_missing(output, expected):
    at = 0
    lines = output.splitlines()
    for wanted in expected:
        if wanted.strip() == "…":
            continue
        while at < len(lines) and not matches(lines[at], wanted.rstrip()):
            at += 1
        if at == len(lines):
            return wanted
        at += 1
    return None


def end_group(pid):
    """Nothing of a page outlives it."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(blocks, prefix):
    env = dict(os.environ, LC_ALL="C.UTF-8")
    env["PATH"] = "%s/bin:%s/sbin:%s" % (prefix, prefix, env["PATH"])
    env["PKG_CONFIG_PATH"] = "%s/lib/pkgconfig" % prefix
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        env["HOME"] = folder
        # Into a file, not a pipe: what a block leaves running would keep that open.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
            p = subprocess.Popen(["bash", "-c", script_of(blocks)], cwd=folder, env=env, stdout=out,
                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                status = p.wait(600)
            finally:
                end_group(p.pid)
            out.seek(0)
            return status, out.read()


def main():
    path, prefix = sys.argv[1], os.path.abspath(sys.argv[2])
    with open(path, encoding="utf-8") as f:
        blocks = blocks_of(f.read())
    status, output = run(blocks, prefix)
    outputs = {}
    for part in re.split("^" + MARK, output, flags=re.M)[1:]:
        number, _, text = part.partition("\n")
        outputs[int(number)] = text
    failed = 0
    for i, (line, _, expected) in enumerate(blocks):
        why = None
        if i not in outputs:
            why = "was not reached"
        elif i == len(outputs) - 1 and status != 0:
            why = "ended with %d" % status
        elif expected is not None and first_missing(outputs[i], expected) is not None:
            why = "did not print: %s" % first_missing(outputs[i], expected)
        print("%s %s:%d%s" % ("ok     " if why is None else "NOT OK ", path, line, "" if why is None else ": " + why))
        if why is not None:
            failed += 1
            print("        " + outputs.get(i, "").replace("\n", "\n        "))
    print("%d blocks run, %d failed" % (len(blocks), failed))
    return 1 if failed or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
