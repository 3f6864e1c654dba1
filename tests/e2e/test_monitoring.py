"""The monitoring port: /varz, /connz, /healthz, the page at /, and how requests are read."""
import json
import re
import socket

import pytest

import wire

pytestmark = [pytest.mark.quick]

VARZ = """server_id server_name version proto git_commit go host port auth_required tls_required tls_verify
tls_ocsp_peer_verify ip connect_urls ws_connect_urls max_connections max_subscriptions ping_interval
ping_max http_host http_port http_base_path https_port auth_timeout max_control_line max_payload
max_pending cluster gateway leaf mqtt websocket jetstream tls_timeout write_deadline write_timeout start
now uptime mem cores gomaxprocs gomemlimit cpu connections total_connections routes remotes leafnodes
in_msgs in_bytes in_client_msgs in_client_bytes out_msgs out_bytes out_client_msgs out_client_bytes
slow_consumers stale_connections stalled_clients subscriptions http_req_stats config_load_time
config_digest tags metadata feature_flags trusted_operators_jwt trusted_operators_claim system_account
pinned_account_fails ocsp_peer_cache slow_consumer_stats stale_connection_stats disk_io_wait_stats
proxies tls_cert_not_after""".split()
VARZ_ALWAYS = """server_id server_name version proto go host port max_connections ping_interval ping_max
http_host http_port http_base_path https_port auth_timeout max_control_line max_payload max_pending
cluster gateway leaf mqtt websocket jetstream tls_timeout write_deadline start now uptime mem cores
gomaxprocs cpu connections total_connections routes remotes leafnodes in_msgs in_bytes in_client_msgs
in_client_bytes out_msgs out_bytes out_client_msgs out_client_bytes slow_consumers stale_connections
stalled_clients subscriptions http_req_stats config_load_time config_digest slow_consumer_stats
stale_connection_stats""".split()
CONN = """cid kind type ip port start last_activity stop reason rtt uptime idle pending_bytes in_msgs
out_msgs in_bytes out_bytes stalls subscriptions name lang version tls_version tls_cipher_suite
tls_peer_certs tls_first authorized_user account subscriptions_list subscriptions_list_detail jwt
issuer_key name_tag tags mqtt_client proxy""".split()
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"


def in_order(keys, order):
    known = [k for k in keys if k in order]
    return known == [k for k in order if k in known]


# -- /varz

def test_varz_keys_in_order(monitored):
    v = monitored.get("/varz")

    assert in_order(list(v), VARZ)
    assert [k for k in VARZ_ALWAYS if k not in v] == []


def test_varz_of_a_default_server(monitored):
    v = monitored.get("/varz")
    info = monitored.client(connect=False).info

    assert v["server_id"] == info["server_id"] and v["version"] == "2.15.2" and v["proto"] == 1
    assert (v["host"], v["port"]) == ("127.0.0.1", monitored.port)
    # -m -1: the option as given, not the port that came of it
    assert (v["http_host"], v["http_port"], v["https_port"]) == ("127.0.0.1", -1, 0)
    assert v["max_connections"] == 65536 and v["max_payload"] == 1048576
    assert v["max_pending"] == 67108864 and v["max_control_line"] == 4096
    assert v["ping_interval"] == 120 * 10**9 and v["ping_max"] == 2
    assert v["write_deadline"] == 10 * 10**9
    assert v["auth_timeout"] == 2 and v["tls_timeout"] == 2
    for block in ("cluster", "gateway", "leaf", "mqtt", "websocket", "jetstream"):
        assert v[block] == {}
    assert v["config_digest"] == ""
    assert re.fullmatch(TIME, v["start"]) and re.fullmatch(TIME, v["now"])
    assert re.fullmatch(TIME, v["config_load_time"])
    assert re.fullmatch(r"(\d+[ydhm])*\d+s", v["uptime"])
    assert v["mem"] > 1 << 20 and v["cores"] >= 1 and v["gomaxprocs"] >= 1
    for absent in ("auth_required", "tls_required", "tls_verify", "tls_cert_not_after", "max_subscriptions"):
        assert absent not in v
    assert v["slow_consumer_stats"] == {"clients": 0, "routes": 0, "gateways": 0, "leafs": 0}


def test_varz_counts_messages_and_bytes(server):
    s = server(monitor=True)
    a, b = s.client(), s.client()
    a.sub("count", 1).ping()
    b.send(b"PUB count 10\r\n0123456789\r\n" * 7)
    b.ping()
    a.flush()

    v = s.get("/varz")

    assert (v["in_msgs"], v["in_bytes"]) == (7, 70)
    assert (v["out_msgs"], v["out_bytes"]) == (7, 70)
    assert (v["in_client_msgs"], v["out_client_bytes"]) == (7, 70)
    assert v["connections"] == 2 and v["total_connections"] == 2


def test_varz_digest_of_the_file(server):
    s = server(conf="max_payload: 1MB\n", monitor=True)

    digest = s.get("/varz")["config_digest"]

    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    s.wait_log(digest)


def test_varz_auth_required_and_tags(server):
    s = server(["--user", "a", "--pass", "b"], conf="server_tags: [ one, two ]\n", monitor=True)

    v = s.get("/varz")

    assert v["auth_required"] is True and v["tags"] == ["one", "two"]


def test_varz_req_stats(server):
    s = server(monitor=True)
    for _ in range(3):
        s.get("/connz")
    s.get("/healthz")
    s.http("/")

    stats = s.get("/varz")["http_req_stats"]

    assert stats["/connz"] == 3 and stats["/healthz"] == 1 and stats["/"] == 1 and stats["/varz"] == 1


# -- /connz

def test_connz_entry(monitored):
    w = monitored.client(name="n", lang="l", version="v")
    w.send(b"SUB a 1\r\nSUB b 2\r\nPUB a 3\r\nabc\r\n")
    w.flush()

    c = monitored.get("/connz?cid=%d" % w.cid)["connections"][0]

    assert in_order(list(c), CONN)
    assert c["cid"] == w.cid and c["kind"] == "Client" and c["type"] == "nats"
    assert c["ip"] == "127.0.0.1" and c["port"] == w.sock.getsockname()[1]
    assert re.fullmatch(TIME, c["start"]) and re.fullmatch(TIME, c["last_activity"])
    assert re.fullmatch(r"[0-9.]+(ns|µs|ms|s)", c["rtt"])
    assert re.fullmatch(r"\d+s", c["uptime"]) and re.fullmatch(r"\d+s", c["idle"])
    assert (c["pending_bytes"], c["in_msgs"], c["out_msgs"], c["in_bytes"], c["out_bytes"]) == (0, 1, 1, 3, 3)
    assert c["subscriptions"] == 2
    assert (c["name"], c["lang"], c["version"]) == ("n", "l", "v")
    for absent in ("stop", "reason", "stalls", "tls_version", "subscriptions_list", "authorized_user"):
        assert absent not in c


def test_connz_frame(monitored):
    w = monitored.client()

    z = monitored.get("/connz")

    assert list(z) == ["server_id", "now", "num_connections", "total", "offset", "limit", "connections"]
    assert z["offset"] == 0 and z["limit"] == 1024
    assert z["num_connections"] == len(z["connections"]) and w.cid in [c["cid"] for c in z["connections"]]


def test_connz_subscriptions(monitored):
    w = monitored.client()
    w.send(b"SUB a 1\r\nSUB b.* q 2\r\nUNSUB 1 5\r\nPUB a 0\r\n\r\n")
    w.flush()

    c = monitored.get("/connz?cid=%d&subs=1" % w.cid)["connections"][0]
    d = monitored.get("/connz?cid=%d&subs=detail" % w.cid)["connections"][0]

    assert sorted(c["subscriptions_list"]) == ["a", "b.*"]
    assert "subscriptions_list" not in d
    detail = sorted(d["subscriptions_list_detail"], key=lambda x: x["sid"])
    assert detail[0] == {"subject": "a", "sid": "1", "msgs": 1, "max": 5, "cid": w.cid, **{
        k: v for k, v in detail[0].items() if k in ("account", "account_tag")}}
    assert detail[1]["qgroup"] == "q" and detail[1]["subject"] == "b.*"


@pytest.fixture
def six(server):
    """Six clients that differ in every number."""
    s = server(monitor=True)
    s.six = []
    for n in range(6):
        w = s.client()
        w.send(b"".join(b"SUB s%d.%d %d\r\n" % (n, i, i) for i in range((n * 2 + 1) % 7)))
        w.send(b"SUB me%d me\r\n" % n + b"PUB me%d %d\r\n%s\r\n" % (n, 10 * n, b"x" * 10 * n) * ((n * 5) % 6))
        w.flush()
        s.six.append(w)
    return s


SORTS = [("cid", "cid", 1), ("start", "start", 1), ("subs", "subscriptions", -1),
         ("pending", "pending_bytes", -1), ("msgs_to", "out_msgs", -1), ("msgs_from", "in_msgs", -1),
         ("bytes_to", "out_bytes", -1), ("bytes_from", "in_bytes", -1), ("last", "last_activity", -1),
         ("idle", None, 0), ("uptime", "start", -1), ("rtt", None, 0)]


def test_connz_sorts(six):
    for name, field, direction in SORTS:
        got = six.get("/connz?sort=" + name)["connections"]
        assert len(got) == 6, name
        if field:
            values = [c[field] for c in got]
            assert values == sorted(values, reverse=direction < 0), name


@pytest.mark.parametrize("sort", ["stop", "reason"])
def test_connz_sorts_of_closed(six, sort):
    status, _, body = six.http("/connz?sort=" + sort)
    assert status == 400
    assert body.decode().strip() == "sort by %s only valid on closed connections" % sort
    cids = [w.cid for w in six.six[:3]]
    for w in six.six[:2]:
        w.half_close()
    six.six[2].abort()
    for c in cids:
        six.closed_reason(c)

    got = [c[sort] for c in six.get("/connz?state=closed&sort=" + sort)["connections"]]

    assert len(got) == 3 and got == sorted(got, reverse=sort == "stop")


def test_connz_unknown_sort(monitored):
    status, headers, body = monitored.http("/connz?sort=foo")

    assert status == 400 and body.decode().strip() == "invalid sorting option: foo"


def test_connz_limit_and_offset(six):
    first = [c["cid"] for c in six.get("/connz")["connections"]]

    z = six.get("/connz?limit=2&offset=3")

    assert [c["cid"] for c in z["connections"]] == first[3:5]
    assert (z["num_connections"], z["total"], z["offset"], z["limit"]) == (2, 6, 3, 2)
    z = six.get("/connz?limit=0&offset=-3")
    assert z["limit"] == 1024 and z["offset"] == 0 and len(z["connections"]) == 6
    assert six.get("/connz?offset=100")["connections"] == []


def test_connz_state(six):
    six.six[0].half_close()
    cid = six.six[0].cid
    six.closed_reason(cid)

    closed = six.get("/connz?state=CLOSED")
    every = six.get("/connz?state=all")

    assert [c["cid"] for c in closed["connections"]] == [cid] and closed["total"] == 1
    assert closed["connections"][0]["reason"] == "Client Closed"
    assert every["total"] == 6 and len(every["connections"]) == 6
    assert six.get("/connz?state=any")["total"] == 6
    assert six.get("/connz?state=open")["total"] == 5
    status, _, body = six.http("/connz?state=bad")
    assert status == 400 and body.decode().strip() == "Error decoding state for bad"


def test_connz_by_cid(six):
    w = six.six[3]

    z = six.get("/connz?cid=%d" % w.cid)

    assert [c["cid"] for c in z["connections"]] == [w.cid] and z["limit"] == 1
    assert six.get("/connz?cid=999999")["connections"] == []


def test_connz_by_user_and_account(server):
    s = server(["--user", "a", "--pass", "b"], monitor=True)
    w = s.client(user="a", **{"pass": "b"})

    assert [c["cid"] for c in s.get("/connz?user=a")["connections"]] == [w.cid]
    assert s.get("/connz?user=nobody")["connections"] == []
    z = s.get("/connz?acc=nope")
    assert z["connections"] is None and z["total"] == 0
    assert s.get("/connz?acc=$G")["total"] == 1


def test_connz_closed_ring(server):
    s = server(conf="max_closed_clients: 3\n", monitor=True)
    cids = []
    for _ in range(6):
        w = s.client()
        cids.append(w.cid)
        w.half_close()
        w.expect_eof()
        s.closed_reason(w.cid)

    z = s.get("/connz?state=closed")

    assert [c["cid"] for c in z["connections"]] == cids[3:]


def test_connz_rtt_before_any_pong(server):
    s = server(monitor=True)
    w = s.client(connect=False)

    # INFO goes out before the connection is listed.
    assert wire.until("the connection in connz", lambda: s.conn(w.cid))["rtt"] == "0s"


# -- /healthz

def test_healthz(monitored):
    status, headers, body = monitored.http("/healthz")

    assert (status, body) == (200, b'{"status":"ok"}')
    assert headers["Content-Type"] == "application/json"
    assert headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("query", ["js-enabled-only=false", "js-server-only=true", "js-meta-only=1",
                                   "details=true", "account=$G"])
def test_healthz_parameters_without_jetstream(monitored, query):
    assert monitored.http("/healthz?" + query)[0] == 200


@pytest.mark.parametrize("query,text", [
    ("stream=s", '\\"account\\" must not be empty when checking stream health'),
    ("account=a&consumer=c", '\\"stream\\" must not be empty when checking consumer health')])
def test_healthz_bad_request(monitored, query, text):
    status, headers, body = monitored.http("/healthz?" + query)

    assert status == 400
    assert body.decode() == '{"status":"error","error":"%s"}' % text
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_healthz_details_of_a_bad_request(monitored):
    status, _, body = monitored.http("/healthz?stream=s&details=1")

    assert status == 400
    assert json.loads(body) == {"status": "error", "errors": [
        {"type": "BAD_REQUEST", "error": '"account" must not be empty when checking stream health'}]}


def test_healthz_bad_boolean(monitored):
    status, _, body = monitored.http("/healthz?details=maybe")

    assert status == 400
    assert b"Error decoding boolean for 'details': strconv.ParseBool: parsing \"maybe\": invalid syntax" \
        in body.replace(b'\\"', b'"')


def test_healthz_in_lame_duck(server):
    import signal
    s = server(conf='lame_duck_duration: "60s"\nlame_duck_grace_period: "30s"\n', monitor=True)
    s.client()

    s.signal(signal.SIGUSR2)
    s.wait_log("Entering lame duck mode")

    status, _, body = s.http("/healthz")
    assert status == 500
    assert json.loads(body)["status"] == "error"
    assert json.loads(body)["error"].startswith("failed to be ready for connections after 1ms: server")
    s.wait_log('Healthcheck failed: "failed to be ready')


# -- HTTP

@pytest.mark.parametrize("path", ["/varz", "/connz"])
def test_headers_and_indentation(monitored, path):
    status, headers, body = monitored.http(path)

    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Date"].endswith("GMT")
    assert body.startswith(b'{\n  "server_id": "N')


def test_page_of_links(monitored):
    status, headers, body = monitored.http("/")

    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Access-Control-Allow-Origin" not in headers
    assert b"varz" in body and b"connz" in body


@pytest.mark.parametrize("path", ["/nope", "/varz/", "/VARZ", "/expvarz", "/connz/5"])
def test_unknown_paths(monitored, path):
    status, headers, body = monitored.http(path)

    assert (status, body) == (404, b"404 page not found\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "HEAD", "PUT"])
def test_any_method_is_like_get(monitored, method):
    status, headers, body = monitored.http("/varz", method)

    assert status == 200
    assert (body == b"") == (method == "HEAD")


def test_callback_is_ignored(monitored):
    for path in ("/varz", "/connz"):
        assert monitored.http(path + "?callback=cb")[2].startswith(b"{")


BAD = [("/connz?auth=maybe", "Error decoding boolean for 'auth': strconv.ParseBool: parsing \"maybe\": "
                             "invalid syntax"),
       ("/connz?subs=maybe", "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"maybe\": "
                             "invalid syntax"),
       ("/connz?limit=abc", "Error decoding int for 'limit': strconv.Atoi: parsing \"abc\": invalid syntax"),
       ("/connz?offset=1.5", "Error decoding int for 'offset': strconv.Atoi: parsing \"1.5\": "
                             "invalid syntax"),
       ("/connz?cid=-1", "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"-1\": "
                         "invalid syntax")]


@pytest.mark.parametrize("path,text", BAD)
def test_bad_parameters(monitored, path, text):
    status, headers, body = monitored.http(path)

    assert status == 400 and body.decode().rstrip("\n") == text
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("value", ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false",
                                   "False", ""])
def test_booleans(monitored, value):
    assert monitored.http("/connz?auth=" + value)[0] == 200


def test_query_decoding(monitored):
    w = monitored.client()

    assert monitored.get("/connz?%%63id=%d" % w.cid)["num_connections"] == 1
    assert monitored.get("/connz?cid=%d&cid=1" % w.cid)["num_connections"] == 1
    assert monitored.http("/connz?&&unknown=1&x")[0] == 200


def test_names_are_escaped(monitored):
    w = monitored.client(name='<a href="x">&\\\x01é')

    body = monitored.http("/connz?cid=%d" % w.cid)[2]

    assert rb'"name": "\u003ca href=\"x\"\u003e\u0026\\\u0001' + "é".encode() in body


def test_base_path(server):
    s = server(conf="http_base_path: nats/mon\n", monitor=True)

    assert s.http("/nats/mon")[0] == 200
    v = s.get("/nats/mon/varz")
    assert v["http_base_path"] == "nats/mon"         # as written; the slash is only in the paths
    for path in ("/", "/varz", "/nats/mon/"):
        assert s.http(path)[0] == 404
    stats = s.get("/nats/mon/varz")["http_req_stats"]
    assert stats["/varz"] == 2 and all(not k.startswith("/nats") for k in stats)


def raw_http(s, data):
    with socket.create_connection(("127.0.0.1", s.http_port), timeout=wire.DEADLINE) as c:
        c.sendall(data)
        out = b""
        try:
            while True:
                part = c.recv(65536)
                if not part:
                    return out
                out += part
        except ConnectionResetError:
            return out


def test_keep_alive_and_close(monitored):
    two = (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
           b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    got = raw_http(monitored, two)

    assert got.count(b"HTTP/1.1 200 OK\r\n") == 2 and got.count(b'{"status":"ok"}') == 2


def test_http_1_0(monitored):
    got = raw_http(monitored, b"GET /healthz HTTP/1.0\r\n\r\n")

    assert re.match(rb"HTTP/1\.[01] 200 OK\r\n", got) and got.endswith(b'{"status":"ok"}')


@pytest.mark.parametrize("data", [b"NONSENSE\r\n\r\n", b"GET\r\n\r\n", b"GET /varz HTTP/9.9\r\n\r\n",
                                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
                                  b"GET /varz HTTP/1.1\r\nno colon\r\n\r\n"])
def test_garbage_on_the_monitoring_port(monitored, data):
    got = raw_http(monitored, data)

    assert got == b"" or re.match(rb"HTTP/1\.[01] (400|505) ", got), got
    assert monitored.http("/healthz")[0] == 200


def test_huge_header_is_refused(monitored):
    got = b""
    try:
        got = raw_http(monitored, b"GET /varz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (3 << 20) + b"\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert got == b"" or b" 431 " in got.split(b"\r\n")[0] or b" 400 " in got.split(b"\r\n")[0]
    assert monitored.http("/healthz")[0] == 200


def test_many_requests_at_once_do_not_stop_messages(monitored):
    socks = []
    for _ in range(50):
        c = socket.create_connection(("127.0.0.1", monitored.http_port), timeout=wire.DEADLINE)
        c.sendall(b"GET /connz?subs=detail HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        socks.append(c)

    monitored.serves()

    for c in socks:
        assert c.recv(15) == b"HTTP/1.1 200 OK"
        c.close()
