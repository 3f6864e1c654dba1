#!/usr/bin/env python3
"""doc-commands.py PREFIX: no command and no configuration of the pages goes without a test.

Every code block of the pages is looked at.  The sh and text blocks of GUIDES are run by
run-blocks.py.  Each other block has one row in BLOCKS, found by how it begins, which runs it here
with the natterjack installed under PREFIX, or says what else shows it.  A block without a row, a
row without a block, and a block that does not do what its page says fail.
"""
import glob
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SANDBOX = os.path.join(HERE, "sandbox.sh")
PAGES = ["README.md", "CONTRIBUTING.md", "BENCHMARKS.md", "docs/*.md", "docs/man/*.md", "tests/*/README.md",
         "tests/*/*/README.md"]
# Pages whose sh blocks run-blocks.py runs, and who calls it.
GUIDES = {"docs/tls.md": "tests/e2e/test_guide.py", "docs/plugin-authors.md": "dev"}
first_missing = runpy.run_path(os.path.join(HERE, "run-blocks.py"))["first_missing"]


class Wrong(Exception):
    pass


class Skipped(Exception):
    pass


def blocks_of(path):
    """(line number, info string or None when indented, text) of each code block of a page."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    found, i = [], 0
    while i < len(lines):
        start, info = i, None
        if lines[i].startswith("```"):
            info = lines[i][3:].strip()
            i = next((k for k in range(i + 1, len(lines)) if lines[k] == "```"), len(lines))
            body = lines[start + 1:i]
        elif lines[i].startswith("    ") and (i == 0 or not lines[i - 1].strip()):
            while i + 1 < len(lines) and (lines[i + 1].startswith("    ") or
                                          not lines[i + 1] and lines[i + 2:i + 3] and lines[i + 2].startswith("    ")):
                i += 1
            body = lines[start:i + 1]
            indent = min(len(line) - len(line.lstrip()) for line in body if line)
            body = [line[indent:] for line in body]
        else:
            i += 1
            continue
        found.append((start + 1, info, "\n".join(body) + "\n"))
        i += 1
    return found


# ---- what a block is put through ----------------------------------------------------------------


class Bench:
    """A folder to run blocks in: a server, plug-ins and a natterjack.pc of its own."""

    def __init__(self, prefix, folder):
        self.folder = folder
        self.installed = prefix # where the program looks for its plug-ins
        self.prefix = os.path.join(folder, "prefix")
        self.env = dict(os.environ, LC_ALL="C.UTF-8", HOME=folder)
        self.env["PATH"] = "%s/bin:%s/sbin:%s" % (self.prefix, self.prefix, self.env["PATH"])
        self.env["PKG_CONFIG_PATH"] = self.prefix + "/lib/pkgconfig"
        self.sh("cp -R %s prefix && sed -i 's,%s,%s,g' prefix/lib/pkgconfig/natterjack.pc" %
                (prefix, prefix, self.prefix))

    def sh(self, script, stdin=None):
        """What it printed; a command of it that fails is Wrong."""
        p = subprocess.run(["bash", "-ec", "umask 022\n" + script], cwd=self.folder, env=self.env, timeout=300,
                           text=True, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if p.returncode != 0:
            raise Wrong("ended with %d:\n%s" % (p.returncode, p.stdout))
        return p.stdout

    def make_certs(self, text):
        """Certificate and key files of the names that the text uses, one self-signed pair for all."""
        self.sh("""[ -f pair.key ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
            -subj /CN=localhost -keyout pair.key -out pair.crt 2>/dev/null""")
        for name in re.findall(r'[\w-]+\.(?:pem|crt|key)\b', text):
            self.sh("cp pair.%s %s" % ("key" if "key" in name else "crt", name))

    def need(self, tool):
        if subprocess.run(["which", tool], stdout=subprocess.DEVNULL).returncode != 0:
            raise Skipped("needs " + tool)


def config(bench, text):
    """The file is whole: it passes -t, with the certificates that it names."""
    bench.make_certs(text)
    with open(os.path.join(bench.folder, "c.conf"), "w", encoding="utf-8") as f:
        f.write(text)
    bench.sh("natterjack -t -c c.conf")


def config_of_mine(bench, text):
    """The same with a provider of ours in the place of the reader's own."""
    config(bench, text.replace("mine", "gnutls"))


def synopsis(program):
    """Its help and the synopsis have the same flags."""
    def look(bench, text):
        flags = set(re.findall(r"--[a-z][a-z-]+", text)) - {"--help"}
        known = set(re.findall(r"--[a-z][a-z-]+", bench.sh(program + " --help"))) - {"--help"}
        if not flags or flags != known:
            raise Wrong("not in both: %s" % " ".join(sorted(flags ^ known)))
    return look


def session(bench, text):
    """"$ command" and what it prints, but for versions, blanks and where it is installed."""
    def plain(s):
        return re.sub(r"  +", " ", re.sub(r"\d+\.\d+\.\d+", "…", s.replace(bench.installed, "/usr/local")))
    command, _, expected = text.partition("\n")
    out = bench.sh(command.lstrip("$ "))
    missing = first_missing(plain(out), plain(expected).splitlines())
    if missing is not None:
        raise Wrong("does not print: %s\n%s" % (missing, out))


def as_it_is(setup="true", then="true", replace=()):
    """Run after setup, followed by what shows that it did something."""
    def look(bench, text):
        for old, new in replace:
            text = text.replace(old, new)
        bench.sh("%s\n%s\n%s" % (setup, text, then))
    return look


def under_valgrind(bench, text):
    bench.need("valgrind")
    bench.sh(NULL_TLS + text)


def servers(bench, text):
    """Each line comes up on its own ports, or ends well; needs a network of its own."""
    if os.environ.get("NJ_DOC_SANDBOX") != "1":
        raise Skipped("needs namespaces (tests/tools/sandbox.sh) and an installation of one's own")
    bench.make_certs(text)
    bench.sh("echo 'port: 4222' >natterjack.conf")
    for line in text.replace("/etc/", "").splitlines():
        p = subprocess.Popen(["bash", "-c", "exec " + line], cwd=bench.folder, env=bench.env, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        log = ""
        for said in p.stdout:
            log += said
            if "Server is ready" in said:
                p.send_signal(signal.SIGINT)
        if p.wait(60) != 0 or not ("Server is ready" in log or " -t " in line):
            raise Wrong("%s: %s" % (line, log))


def unit(bench, text):
    """What the unit starts, reloads and stops, without a systemd: it ends with 0."""
    wants = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    bench.sh("echo 'listen: \"127.0.0.1:-1\"' >natterjack.conf")
    start = wants["ExecStart"].replace("/usr/local/", "prefix/").replace("/etc/", "")
    said = bench.sh("""%s 2>unit.log & MAINPID=$!
until grep -q 'Server is ready' unit.log; do kill -0 $MAINPID; sleep 0.1; done
%s
until grep -q 'Reloaded server configuration' unit.log; do kill -0 $MAINPID; sleep 0.1; done
kill -%s $MAINPID
wait $MAINPID
cat unit.log""" % (start, wants["ExecReload"], wants["KillSignal"]))
    if "lame duck" not in said:
        raise Wrong("does not enter lame duck: " + said)


def fips_refusal(bench, text):
    bench.make_certs("server-cert.pem server-key.pem")
    bench.sh("""cat >server.conf <<'END'
port: -1
tls { cert_file: "server-cert.pem", key_file: "server-key.pem", provider: gnutls }
require_fips: true
END
! natterjack -t -c server.conf >refusal 2>&1""")
    said, wanted = (re.sub(r"\d+\.\d+\.\d+", "…", " ".join(s.split())) for s in (bench.sh("cat refusal"), text))
    if said != wanted:
        raise Wrong("says: " + said)


def packages(bench, text):
    """The list is the one that `./dev run` installs."""
    ours = bench.sh("sed -n '/^packages_build=(/,/)/p' %s/dev" % TOP)
    wrong = set(re.sub(r"\\\n", " ", text).split()[2:]) - set(re.split(r"[\s()]+", ours))
    if wrong:
        raise Wrong("not in packages_build of dev: " + " ".join(sorted(wrong)))


# The example provider, under the name that the pages give to one's own.
NULL_TLS = """
cc -fPIC -shared -fvisibility=hidden $(pkg-config --cflags natterjack) -DPLUGIN_NAME='"mine"' \
    -o nj_tls_mine.so prefix/share/natterjack/examples/null-tls/*.c
"""
MINE_C = """sed 's/"minimal"/"mine"/' %s/tests/abi/outside/minimal.c >mine.c\n""" % TOP
LISTED = "natterjack --plugin_dir prefix/lib/natterjack --list-plugins | grep '^tls *mine '"

DEV_RUN = "what it does is what `./dev check` does first (step build) and tests/e2e/test_tls.py starts"
BUILD = "`./dev check`, steps build, unit and dist, are these commands"
NO_BUNDLE = "no bundle here; tests/fips/configure.sh and tests/e2e/test_fips.py play it with a stand-in"

# (page, how the block begins, what is done with it: a function, or the words why not here).
BLOCKS = [
    ("README.md", "./dev run       #", DEV_RUN),
    ("README.md", "$ ./dev run\n", DEV_RUN),
    ("README.md", "$ ./dev sub", "tests/tools/client.py is a nats-py client, as in tests/e2e/test_nats_py.py"),
    ("README.md", "./dev run --tls_provider", "tests/e2e/conftest.py starts servers with this flag"),
    ("README.md", "tls {", config),
    ("README.md", "$ natterjack --list-plugins", session),
    ("README.md", "autoreconf", BUILD),
    ("CONTRIBUTING.md", "./dev run", DEV_RUN),
    ("BENCHMARKS.md", "./dev peers", "minutes of measuring; tests/bench/run is looked at below"),
    ("BENCHMARKS.md", "./dev wolfssl", "builds a library first, then minutes of measuring"),
    ("BENCHMARKS.md", "tests/bench/run PROGRAM", synopsis(TOP + "/tests/bench/run")),
    ("BENCHMARKS.md", "./dev stress", synopsis(TOP + "/tests/stress/run")),
    ("docs/abi-check.md", "natterjack-abi-check [--options", synopsis("natterjack-abi-check")),
    ("docs/abi-check.md", "natterjack-abi-check ./nj_tls_mine.so", as_it_is(NULL_TLS)),
    ("docs/abi-check.md", "valgrind", under_valgrind),
    ("docs/architecture.md", " ", "a drawing"),
    ("docs/building.md", "apt install", packages),
    ("docs/building.md", "autoreconf", BUILD),
    ("docs/building.md", "ln -s natterjack", as_it_is("true", "prefix/sbin/nats-server --version",
                                                      [("/usr/local/", "prefix/")])),
    ("docs/building.md", "[Unit]", unit),
    ("docs/building.md", "cc ", as_it_is(MINE_C, LISTED)),
    ("docs/fips.md", "natterjack: server.conf", fips_refusal),
    ("docs/fips.md", "./configure --enable-fips=…", NO_BUNDLE),
    ("docs/fips.md", "./configure --enable-fips --with", NO_BUNDLE),
    ("docs/fips.md", "$ natterjack --version", NO_BUNDLE),
    ("docs/plugin-authors.md", "natterjack-abi-check --long", "minutes; `./dev check kit` does it with ours"),
    ("docs/plugin-authors.md", "tls_provider: mine", config_of_mine),
    ("docs/plugin-authors.md", "static int decide", "C in two halves; tests/e2e/test_authmap.py has such a mapper"),
    ("docs/rules.md", "tls {", config),
    ("docs/man/natterjack-plugin.7.md", "authorization {", config),
    ("docs/man/natterjack.8.md", "natterjack -a 127.0.0.1", servers),
    ("docs/man/natterjack.conf.5.md", "port: 4222", config),
    ("tests/e2e/README.md", "/usr/bin/python3 -m venv", "`./dev check e2e` does it"),
    ("tests/tls/README.md", "./dev check tls", "`./dev check tls` does the first, with the tables of the last"),
]

# ---- all of them --------------------------------------------------------------------------------


def pages():
    return sorted({os.path.relpath(p, TOP) for pattern in PAGES for p in glob.glob(os.path.join(TOP, pattern))})


def dev_commands(page):
    """A `./dev` command or step that a page names and that is not there."""
    with open(os.path.join(TOP, "dev"), encoding="utf-8") as f:
        dev = f.read()
    with open(os.path.join(TOP, page), encoding="utf-8") as f:
        named = re.findall(r"\./dev ([a-z]+)(?: ([a-z0-9]+))?", f.read())
    return [" ".join(n) for n in named if "cmd_%s()" % n[0] not in dev or
            n[0] == "check" and n[1] and "check_%s()" % n[1] not in dev]


def judge(bench, page, info, text):
    """None when it was run, else the words why not here."""
    if page in GUIDES and info in ("sh", "text"):
        with open(os.path.join(TOP, GUIDES[page]), encoding="utf-8") as f:
            if page not in f.read():
                raise Wrong("%s does not run this page" % GUIDES[page])
        return "run by " + GUIDES[page]
    rows = [row for row in BLOCKS if row[0] == page and text.startswith(row[1])]
    if len(rows) != 1:
        raise Wrong("%s in BLOCKS of tests/tools/doc-commands.py" % ("no row" if not rows else "more than one row"))
    if isinstance(rows[0][2], str):
        return rows[0][2]
    rows[0][2](bench, text)
    return None


def main():
    prefix = os.path.abspath(sys.argv[1])
    # Inside, files of others belong to nobody, and the server loads no plug-ins of theirs.
    ours = os.stat(prefix + "/lib/natterjack").st_uid == os.getuid()
    if ours and "NJ_DOC_SANDBOX" not in os.environ and \
            subprocess.run([SANDBOX, "true"], stdout=subprocess.DEVNULL).returncode == 0:
        os.environ["NJ_DOC_SANDBOX"] = "1"
        os.execv(SANDBOX, [SANDBOX, sys.executable, os.path.abspath(__file__), prefix])
    count = {"run": 0, "shown": 0, "skipped": 0, "failed": 0}

    def say(verdict, where, words=""):
        count[verdict] += 1
        print("%-8s %s%s" % ("NOT OK" if verdict == "failed" else verdict, where, words and ": " + words))

    unused = {row[:2] for row in BLOCKS}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        bench = Bench(prefix, folder)
        for page in pages():
            for line, info, text in blocks_of(os.path.join(TOP, page)):
                unused -= {row[:2] for row in BLOCKS if row[0] == page and text.startswith(row[1])}
                where = "%s:%d" % (page, line)
                try:
                    why = judge(bench, page, info, text)
                    say("shown" if why else "run", where, why or "")
                except Skipped as e:
                    say("skipped", where, str(e))
                except (Wrong, subprocess.TimeoutExpired) as e:
                    say("failed", where, str(e))
            for command in dev_commands(page):
                say("failed", page, "there is no ./dev " + command)
    for page, begins in sorted(unused):
        say("failed", page, "no block begins with %r any more" % begins)
    print("%d blocks run, %d shown elsewhere, %d skipped, %d failed" % tuple(count.values()))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
