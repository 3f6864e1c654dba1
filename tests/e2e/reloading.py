"""reloading.py: change a server's configuration file, send SIGHUP, and wait for what it says."""
import os
import re
import signal

OVER = r"(Reloaded|Failed to reload) server configuration"
PREFIX = re.compile(r"^\[\d+\] (\d+/\d+/\d+ [\d:.]+ )?")


def write(s, conf):
    """In one step: the server never reads half a file."""
    fresh = s.conf_path + ".new"
    with open(fresh, "w") as f:
        f.write(conf)
    os.rename(fresh, s.conf_path)


def reload(s, conf=None, log_path=None):
    """The lines that were logged from the signal to the end of the reload, without their prefix."""
    path = log_path or s.log_path
    mark = os.path.getsize(path) if os.path.exists(path) else 0
    if conf is not None:
        write(s, conf)
    s.signal(signal.SIGHUP)
    old, s.log_path = s.log_path, path
    try:
        s.wait_log(OVER + r".*$", mark)
        text = s.log_since(mark)
    finally:
        s.log_path = old
    return [PREFIX.sub("", line) for line in text.splitlines()]


def reloaded(s, conf=None, **kw):
    lines = reload(s, conf, **kw)
    assert any("] Reloaded server configuration (sha256:" in x for x in lines), lines
    return lines


def refused(s, conf=None):
    """The words behind "Failed to reload server configuration: "."""
    lines = reload(s, conf)
    found = [x for x in lines if "Failed to reload server configuration: " in x]
    assert found, lines
    return found[0].split("Failed to reload server configuration: ", 1)[1]
