"""Every row of the subject corpus over the wire: SUB, PUB, UNSUB, and the pedantic publish."""
import os

import pytest

pytestmark = [pytest.mark.quick]
CORPUS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "corpus/subjects.tsv")
INVALID = b"-ERR 'Invalid Subject'\r\n"


def rows():
    out = []
    with open(CORPUS, "rb") as f:
        lines = f.read().split(b"\n")
    data = False
    for line in lines:
        if not line or (not data and line.startswith(b"# ")):
            continue
        data = True
        pattern, subject, match, valid, subject_ok, cls = line.split(b"\t")
        if pattern and subject:
            out.append((pattern, subject, match == b"yes", valid == b"yes", subject_ok == b"yes",
                        cls.decode()))
    return out


ROWS = rows()
CLASSES = sorted({r[5] for r in ROWS})


def test_the_corpus_is_there():
    assert len(ROWS) == 694


@pytest.mark.parametrize("cls", CLASSES)
def test_match_and_validity(plain, cls):
    """Two connections, so that with several workers the subscription is another worker's."""
    sub, pub = plain.client(), plain.client()
    wrong = []
    for n, (pattern, subject, match, valid, _, c) in enumerate(ROWS):
        if c != cls:
            continue
        sub.send(b"SUB %s %d\r\n" % (pattern, n))
        said = sub.flush()
        if (said == b"") != valid or (said and said != INVALID):
            wrong.append(("valid", pattern, said))
        pub.send(b"PUB %s 0\r\n\r\n" % subject)
        pub.ping()
        sub.send(b"UNSUB %d\r\n" % n)
        got = sub.flush()
        if got != (b"MSG %s %d 0\r\n\r\n" % (subject, n) if match else b""):
            wrong.append(("match", pattern, subject, match, got))
    assert not wrong, wrong[:20]


@pytest.mark.parametrize("cls", CLASSES)
def test_all_patterns_of_a_class_at_once(plain, cls):
    """The whole class subscribed together: the index holds many patterns when it is asked."""
    mine = [r for r in ROWS if r[5] == cls]
    patterns = sorted({r[0] for r in mine if r[3]})
    sub, pub = plain.client(), plain.client()
    for n, pattern in enumerate(patterns):
        sub.send(b"SUB %s %d\r\n" % (pattern, n))
    sub.ping()
    wrong = []
    for subject in sorted({r[1] for r in mine}):
        known = {r[0]: r[2] for r in mine if r[1] == subject}
        pub.send(b"PUB %s 0\r\n\r\n" % subject)
        pub.ping()
        lines = sub.flush().split(b"\r\n")
        got = {patterns[int(line.split()[2])] for line in lines if line.startswith(b"MSG ")}
        for pattern, match in known.items():
            if (pattern in got) != match:
                wrong.append((pattern, subject, match))
    assert not wrong, wrong[:20]


def test_pedantic_publish(plain):
    w = plain.client(pedantic=True)
    wrong = []
    for subject, ok in sorted({(r[1], r[4]) for r in ROWS}):
        w.send(b"PUB %s 0\r\n\r\n" % subject)
        said = w.flush()
        if said != (b"" if ok else b"-ERR 'Invalid Publish Subject'\r\n"):
            wrong.append((subject, ok, said))
    assert not wrong, wrong[:20]


def test_overlapping_patterns_each_deliver_once(plain):
    w, pub = plain.client(), plain.client()
    for sid, p in enumerate(["a.b.c", "a.*.c", "a.>", "*.b.*", ">", "*.*.*", "a.b.>", "a.b", "a.*", "*"]):
        w.sub(p, sid)
    w.ping()

    pub.pub("a.b.c", b"").ping()

    got = sorted(int(line.split()[2]) for line in w.flush().split(b"\r\n") if line)
    assert got == [0, 1, 2, 3, 4, 5, 6]


def test_subscription_and_match_change_again_and_again(plain):
    """Negative and positive results must not outlive the change that made them wrong."""
    w, pub = plain.client(), plain.client()
    for n in range(200):
        pub.pub("change.me", b"").ping()
        assert w.flush() == b""
        w.sub("change.*" if n % 2 else "change.me", n).ping()
        pub.pub("change.me", b"").ping()
        assert w.flush() == b"MSG change.me %d 0\r\n\r\n" % n
        w.send(b"UNSUB %d\r\n" % n)
        w.ping()


def test_more_literal_subjects_than_any_cache_holds(plain):
    w, pub = plain.client(), plain.client()
    w.sub("cache.*.x", 1).ping()

    for base in range(0, 6000, 1000):
        pub.send(b"".join(b"PUB cache.%d.x 0\r\n\r\n" % i for i in range(base, base + 1000)))
        pub.ping()
        for i in range(base, base + 1000):
            w.expect(b"MSG cache.%d.x 1 0\r\n\r\n" % i)
