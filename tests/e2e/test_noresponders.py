"""503 for a request that reaches nobody, and only then."""
import pytest

import wire

pytestmark = [pytest.mark.quick]


def asker(s, **options):
    return s.client(headers=True, no_responders=True, **options)


def answer(reply, sid, subject):
    n = 32 + len(subject)
    return (b"HMSG %s %d %d %d\r\nNATS/1.0 503\r\nNats-Subject: %s\r\n\r\n\r\n"
            % (reply, sid, n, n, subject))


@pytest.mark.parametrize("subject", [b"nobody", b"svc.nope", b"svc.nothere.x", b"x" * 90])
def test_nobody_there(plain, subject):
    w = asker(plain)

    w.send(b"SUB r 9\r\nPUB %s r 0\r\n\r\nPING\r\n" % subject)

    w.expect(answer(b"r", 9, subject) + b"PONG\r\n")


def test_lengths_as_written(plain):
    w = asker(plain)

    w.send(b"SUB r 9\r\nPUB nobody r 0\r\n\r\n")

    w.expect(b"HMSG r 9 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n")


def test_with_headers_in_the_request(plain):
    w = asker(plain)

    w.send(b"SUB r 9\r\nHPUB none r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")

    w.expect(answer(b"r", 9, b"none"))


def test_wildcard_inbox(plain):
    w = asker(plain)

    w.send(b"SUB _INBOX.a.* 4\r\nPUB none _INBOX.a.1 0\r\n\r\nPING\r\n")

    w.expect(answer(b"_INBOX.a.1", 4, b"none") + b"PONG\r\n")


def test_only_one_of_several_matching_subscriptions(plain):
    w = asker(plain)

    w.send(b"SUB in.* 1\r\nSUB in.> 2\r\nSUB in.x 3\r\nPUB none in.x 0\r\n\r\nPING\r\n")

    got = w.skip_to(b"PONG\r\n")
    assert got in [answer(b"in.x", sid, b"none") for sid in (1, 2, 3)]


def test_no_reply_no_answer(plain):
    w = asker(plain)

    w.send(b"SUB r 9\r\nPUB none 0\r\n\r\n")

    w.ping()


def test_not_asked_for(plain):
    w = plain.client(headers=True)

    w.send(b"SUB r 9\r\nPUB none r 0\r\n\r\n")

    w.ping()


def test_no_subscription_on_the_reply(plain):
    w = asker(plain)

    w.send(b"PUB none r 0\r\n\r\n")

    w.ping()


def test_queue_subscription_on_the_reply_does_not_count(plain):
    w = asker(plain)

    w.send(b"SUB r q 9\r\nPUB none r 0\r\n\r\n")

    w.ping()


def test_somebody_elses_subscription_does_not_get_it(plain):
    other, w = plain.client(headers=True), asker(plain)
    other.sub("r.other", 1).ping()

    w.send(b"PUB none r.other 0\r\n\r\n")

    w.ping()
    other.ping()


def test_responder_there(plain):
    other, w = plain.client(), asker(plain)
    other.sub("svc", 1).ping()

    w.send(b"SUB r 9\r\nPUB svc r 0\r\n\r\n")

    w.ping()
    other.expect(b"MSG svc 1 r 0\r\n\r\n")


def test_own_subscription_is_a_responder(plain):
    w = asker(plain)

    w.send(b"SUB r 9\r\nSUB svc 1\r\nPUB svc r 0\r\n\r\nPING\r\n")

    w.expect(b"MSG svc 1 r 0\r\n\r\nPONG\r\n")


def test_own_subscription_with_echo_off_is_none(plain):
    w = asker(plain, echo=False)

    w.send(b"SUB r 9\r\nSUB svc 1\r\nPUB svc r 0\r\n\r\nPING\r\n")

    w.expect(answer(b"r", 9, b"svc") + b"PONG\r\n")


def test_does_not_count_for_auto_unsubscribe(plain):
    w = asker(plain)

    w.send(b"SUB r 9\r\nUNSUB 9 1\r\nPUB none r 0\r\n\r\nPUB none r 0\r\n\r\nPING\r\n")

    w.expect(answer(b"r", 9, b"none") * 2 + b"PONG\r\n")


def test_responder_that_has_gone(plain):
    other, w = plain.client(), asker(plain)
    other.sub("svc.gone", 1).ping()
    other.send(b"UNSUB 1\r\n")
    other.ping()

    w.send(b"SUB r 9\r\nPUB svc.gone r 0\r\n\r\nPING\r\n")

    w.expect(answer(b"r", 9, b"svc.gone") + b"PONG\r\n")


def test_exhausted_queue_members(plain):
    """2 + 3 requests are served, the other 3 of 8 get 503."""
    a, b, w = plain.client(), plain.client(), asker(plain)
    a.send(b"SUB qs g 1\r\nUNSUB 1 2\r\n")
    a.ping()
    b.send(b"SUB qs g 1\r\nUNSUB 1 3\r\n")
    b.ping()

    w.send(b"SUB r 9\r\n" + b"PUB qs r 0\r\n\r\n" * 8)

    got = w.flush()
    assert got == answer(b"r", 9, b"qs") * 3
    assert a.flush() == b"MSG qs 1 r 0\r\n\r\n" * 2
    assert b.flush() == b"MSG qs 1 r 0\r\n\r\n" * 3


def test_responder_that_is_being_closed_and_does_not_read(plain):
    """It has left, although its last bytes wait for it until the write deadline."""
    leaving, pub, w = plain.client(rcvbuf=4096), plain.client(), asker(plain)
    leaving.sub("svc.leaving", 1)
    leaving.sub("fill.leaving", 2)
    leaving.ping()
    pub.send((b"PUB fill.leaving 65536\r\n" + b"x" * 65536 + b"\r\n") * 128)
    pub.ping()
    leaving.send(b"NONSENSE\r\n")
    w.send(b"SUB r 9\r\n")

    def asked():
        w.send(b"PUB svc.leaving r 0\r\n\r\n")
        return w.flush() == answer(b"r", 9, b"svc.leaving")

    wire.until("503", asked, timeout=5)
