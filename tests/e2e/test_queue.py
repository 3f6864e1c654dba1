"""Queue groups: one member for each message, and all members alike."""
import pytest

pytestmark = [pytest.mark.quick]


def shares(clients):
    """Each client's message count by sid."""
    out = []
    for c in clients:
        lines = [x for x in c.flush().split(b"\r\n") if x.startswith(b"MSG ")]
        counts = {}
        for line in lines:
            sid = line.split()[2].decode()
            counts[sid] = counts.get(sid, 0) + 1
        out.append(counts)
    return out


def publish(w, subject, n):
    w.send(b"PUB %s 0\r\n\r\n" % subject.encode() * n)
    w.ping()


def test_groups_and_plain_subscriptions_of_one_client(plain):
    w = plain.client()
    w.send(b"SUB q g 1\r\nSUB q g 2\r\nSUB q h 3\r\nSUB q 4\r\n")
    w.ping()
    pub = plain.client()

    publish(pub, "q", 200)

    got = shares([w])[0]
    assert got["3"] == 200 and got["4"] == 200
    assert got["1"] + got["2"] == 200
    assert got["1"] > 0 and got["2"] > 0


def test_same_name_on_overlapping_patterns_is_one_group(plain):
    w = plain.client()
    w.send(b"SUB foo.* g 1\r\nSUB foo.bar g 2\r\n")
    w.ping()
    pub = plain.client()

    publish(pub, "foo.bar", 200)

    got = shares([w])[0]
    assert got["1"] + got["2"] == 200 and min(got.values()) > 0


def test_every_message_goes_once_over_plain_and_group(plain):
    """Plain 1, 2, wildcard 4; group g over two patterns; group h: five deliveries."""
    w = plain.client()
    w.send(b"SUB dup 1\r\nSUB dup 2\r\nSUB * 4\r\nSUB dup g 5\r\nSUB dup g 6\r\nSUB * g 7\r\nSUB dup h 8\r\n")
    w.ping()

    publish(plain.client(), "dup", 1)

    got = shares([w])[0]
    assert got.pop("1") == got.pop("2") == got.pop("4") == got.pop("8") == 1
    assert len(got) == 1 and set(got) <= {"5", "6", "7"}


@pytest.mark.parametrize("members", [2, 3, 5])
def test_members_on_several_connections_share_fairly(plain, members):
    clients = [plain.client() for _ in range(members)]
    for c in clients:
        c.sub("fair.%d" % members, 1, "g").ping()
    n = 600 * members

    publish(plain.client(), "fair.%d" % members, n)

    got = [c.get("1", 0) for c in shares(clients)]
    assert sum(got) == n
    # n/k with a deviation of sqrt(n (1/k)(1-1/k)): 6 of them are never seen.
    spread = 6 * (n * (1 / members) * (1 - 1 / members)) ** 0.5
    for g in got:
        assert abs(g - n / members) < spread, got


def test_publisher_with_echo_off_is_passed_over(plain):
    clients = [plain.client() for _ in range(3)]
    for c in clients:
        c.sub("noecho", 1, "g").ping()
    pub = plain.client(echo=False)
    pub.sub("noecho", 1, "g").ping()

    publish(pub, "noecho", 900)

    got = [c.get("1", 0) for c in shares(clients)]
    assert sum(got) == 900 and min(got) > 100
    pub.ping()


def test_group_of_one(plain):
    w, pub = plain.client(), plain.client()
    w.sub("solo", 1, "g").ping()

    publish(pub, "solo", 50)

    assert shares([w])[0] == {"1": 50}


def test_wildcard_group_members_of_different_groups(plain):
    clients = [plain.client() for _ in range(4)]
    for n, c in enumerate(clients):
        c.sub("wild.*", 1, "g%d" % (n % 2)).ping()

    publish(plain.client(), "wild.x", 400)

    got = [c.get("1", 0) for c in shares(clients)]
    assert got[0] + got[2] == 400 and got[1] + got[3] == 400


def test_leaving_member_leaves_the_rest_to_the_others(plain):
    a, b = plain.client(), plain.client()
    a.sub("leave", 1, "g").ping()
    b.sub("leave", 1, "g").ping()
    a.send(b"UNSUB 1\r\n")
    a.ping()

    publish(plain.client(), "leave", 100)

    assert shares([a, b]) == [{}, {"1": 100}]


def test_reply_reaches_the_member(plain):
    w, pub = plain.client(), plain.client()
    w.sub("ask", 3, "g").ping()

    pub.pub("ask", b"q", reply="_INBOX.1").ping()

    w.expect(b"MSG ask 3 _INBOX.1 1\r\nq\r\n")


def test_queue_name_is_case_sensitive(plain):
    w = plain.client()
    w.sub("qc", 1, "g").sub("qc", 2, "G").ping()

    publish(plain.client(), "qc", 10)

    assert shares([w])[0] == {"1": 10, "2": 10}
