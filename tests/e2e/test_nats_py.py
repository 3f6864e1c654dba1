"""A real client, nats.py: the ways people use it."""
import asyncio
import ssl

import pytest

import nats
import nats.errors

pytestmark = [pytest.mark.quick]
LONG = 10


def play(scene):
    return asyncio.run(asyncio.wait_for(scene(), 60))


def connect(s, **kw):
    kw.setdefault("allow_reconnect", False)
    return nats.connect("nats://127.0.0.1:%d" % s.port, **kw)


async def flush(nc):
    """
    Twice: nats.py 2.16 writes the PING of flush() before the commands that still wait in its own
    buffer, so one flush() may end before they have left.
    """
    await nc.flush()
    await nc.flush()


def test_publish_and_subscribe(plain):
    async def scene():
        a, b = await connect(plain), await connect(plain)
        sub = await a.subscribe("py.*")
        await flush(a)
        for n in range(100):
            await b.publish("py.%d" % n, b"%d" % n)
        await flush(b)
        got = [await sub.next_msg(LONG) for _ in range(100)]
        assert [m.data for m in got] == [b"%d" % n for n in range(100)]
        assert got[7].subject == "py.7"
        await a.close()
        await b.close()
    play(scene)


def test_request_and_reply(plain):
    async def scene():
        a, b = await connect(plain), await connect(plain)

        async def answer(m):
            await m.respond(m.data.upper())
        await a.subscribe("up", cb=answer)
        await flush(a)
        for word in (b"one", b"two", b"x" * 100000):
            assert (await b.request("up", word, timeout=LONG)).data == word.upper()
        await a.close()
        await b.close()
    play(scene)


def test_no_responders(plain):
    async def scene():
        a = await connect(plain)
        with pytest.raises(nats.errors.NoRespondersError):
            await a.request("nobody.home", b"", timeout=LONG)
        await a.close()
    play(scene)


def test_queue_group(plain):
    async def scene():
        clients = [await connect(plain) for _ in range(3)]
        counts = [0, 0, 0]

        def counter(n):
            async def cb(m):
                counts[n] += 1
            return cb
        for n, c in enumerate(clients):
            await c.subscribe("work", queue="crew", cb=counter(n))
            await flush(c)
        pub = await connect(plain)
        for _ in range(300):
            await pub.publish("work", b"")
        await flush(pub)
        for c in clients:
            await c.drain()
        assert sum(counts) == 300 and min(counts) > 30
        await pub.close()
    play(scene)


def test_headers(plain):
    async def scene():
        a, b = await connect(plain), await connect(plain)
        sub = await a.subscribe("h")
        await flush(a)
        await b.publish("h", b"body", headers={"Color": "green", "Long": "x" * 1000})
        m = await sub.next_msg(LONG)
        assert m.data == b"body" and m.headers["Color"] == "green" and len(m.headers["Long"]) == 1000
        await a.close()
        await b.close()
    play(scene)


def test_drain_loses_nothing(plain):
    async def scene():
        a, b = await connect(plain), await connect(plain)
        got = []

        async def cb(m):
            got.append(m.data)
        await a.subscribe("d", cb=cb)
        await flush(a)
        for n in range(500):
            await b.publish("d", b"%d" % n)
        await flush(b)
        await a.drain()
        assert got == [b"%d" % n for n in range(500)]
        await b.close()
    play(scene)


def test_auto_unsubscribe(plain):
    async def scene():
        a = await connect(plain)
        sub = await a.subscribe("au")
        await sub.unsubscribe(limit=2)
        for _ in range(5):
            await a.publish("au", b"")
        await flush(a)
        assert sub.pending_msgs <= 2
        await sub.next_msg(LONG)
        await sub.next_msg(LONG)
        await a.close()
    play(scene)


def test_what_the_client_learns_from_info(plain):
    async def scene():
        a = await connect(plain, name="learner")
        assert a.max_payload == 1048576
        assert a.connected_url.port == plain.port
        assert a.client_id > 0
        assert "2.15.2" in str(a.connected_server_version)
        with pytest.raises(nats.errors.MaxPayloadError):
            await a.publish("x", b"y" * 1048577)
        await a.close()
    play(scene)


def test_user_and_password(server):
    s = server(["--user", "anna", "--pass", "s3cret"])

    async def scene():
        a = await connect(s, user="anna", password="s3cret")
        await flush(a)
        await a.close()
        with pytest.raises(Exception) as caught:
            await connect(s, user="anna", password="wrong")
        assert "authorization violation" in str(caught.value).lower()
    play(scene)


def test_token(server):
    s = server(["--auth", "t0k3n"])

    async def scene():
        a = await connect(s, token="t0k3n")
        await flush(a)
        await a.close()
    play(scene)


def test_reconnect_after_a_restart(server, tmp_path):
    s = server()

    async def scene():
        again = asyncio.Event()

        async def on_reconnect():
            again.set()
        a = await connect(s, allow_reconnect=True, reconnect_time_wait=0.05, max_reconnect_attempts=-1,
                          reconnected_cb=on_reconnect)
        sub = await a.subscribe("back")
        await flush(a)
        import signal
        s.signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, s.ended) == 0
        t = await loop.run_in_executor(None, lambda: server(
            address=("-a", "127.0.0.1", "-p", str(s.port))))
        await asyncio.wait_for(again.wait(), LONG)
        await flush(a)
        b = await connect(t)
        await b.publish("back", b"here")
        await flush(b)
        assert (await sub.next_msg(LONG)).data == b"here"
        await a.close()
        await b.close()
    play(scene)


def tls_ctx(certs, version, client=None):
    ctx = ssl.create_default_context(cafile=certs.ca.cert)
    ctx.minimum_version = ctx.maximum_version = version
    if client:
        ctx.load_cert_chain(client.cert, client.key)
    return ctx


@pytest.mark.tls
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
@pytest.mark.parametrize("first", [False, True], ids=["info_first", "tls_first"])
def test_tls(server, certs, version, key_type, first):
    pair = certs.server(key_type)
    s = server(conf='tls { cert_file: "%s", key_file: "%s", ca_file: "%s", verify: true, handshake_first: %s }\n'
               % (pair.cert, pair.key, certs.ca.cert, "true" if first else "false"))

    async def scene():
        kw = {"tls": tls_ctx(certs, version, certs.client), "tls_hostname": "localhost",
              "tls_handshake_first": first}
        url = "tls://127.0.0.1:%d" % s.port
        a = await nats.connect(url, allow_reconnect=False, **kw)
        b = await nats.connect(url, allow_reconnect=False, **kw)

        async def answer(m):
            await m.respond(m.data[::-1])
        await a.subscribe("rev", cb=answer)
        await flush(a)
        for word in (b"abc", b"ab" * 60000):
            assert (await b.request("rev", word, timeout=LONG)).data == word[::-1]
        await a.close()
        await b.close()
    play(scene)


@pytest.mark.tls
def test_tls_without_the_ca_is_refused_by_the_client(server, certs):
    pair = certs.server_ecdsa
    s = server(conf='tls { cert_file: "%s", key_file: "%s" }\n' % (pair.cert, pair.key))

    async def scene():
        with pytest.raises(Exception):
            await nats.connect("tls://127.0.0.1:%d" % s.port, allow_reconnect=False, connect_timeout=5,
                               tls=ssl.create_default_context(), tls_hostname="localhost")
    play(scene)
