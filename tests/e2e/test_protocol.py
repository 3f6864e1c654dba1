"""The client protocol, line by line: what is sent and the exact bytes that come back."""
import re

import pytest

pytestmark = [pytest.mark.quick]

NO_CONNECT = None
SILENT = b'CONNECT {"verbose":false}\r\n'
HEADERS = b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n'
UNKNOWN = b"-ERR 'Unknown Protocol Operation'\r\n"

# name, what goes first, what is sent, what comes back
STAYS = [
    ("connect_then_ping", b"CONNECT {}\r\n", b"PING\r\n", b"+OK\r\nPONG\r\n"),
    ("ping_before_connect", b"", b"PING\r\n", b"PONG\r\n"),
    ("no_connect_means_verbose", b"", b"SUB foo 1\r\nPUB foo 2\r\nhi\r\n",
     b"+OK\r\n+OK\r\nMSG foo 1 2\r\nhi\r\n"),
    ("no_connect_means_pedantic", b"", b"PUB foo.* 2\r\nhi\r\n",
     b"-ERR 'Invalid Publish Subject'\r\n+OK\r\n"),
    ("pedantic_message_is_still_delivered", b'CONNECT {"verbose":false,"pedantic":true}\r\n',
     b"SUB foo.* 1\r\nPUB foo.* 2\r\nhi\r\n",
     b"-ERR 'Invalid Publish Subject'\r\nMSG foo.* 1 2\r\nhi\r\n"),
    ("pedantic_is_the_default_of_connect", SILENT, b"PUB foo.> 0\r\n\r\n",
     b"-ERR 'Invalid Publish Subject'\r\n"),
    ("not_pedantic_wildcard_publish", b'CONNECT {"verbose":false,"pedantic":false}\r\n',
     b"SUB foo.* 1\r\nSUB foo.bar 2\r\nPUB foo.* 2\r\nhi\r\n", b"MSG foo.* 1 2\r\nhi\r\n"),
    ("operations_in_any_case", SILENT, b"sUb foo 1\r\npUb foo 1\r\nx\r\npInG\r\n",
     b"MSG foo 1 1\r\nx\r\nPONG\r\n"),
    ("connect_in_any_case", b"", b'cOnNeCt {"verbose":false}\r\nPING\r\n', b"PONG\r\n"),
    ("blanks_and_tabs", SILENT, b"SUB\tfoo\t\t1 \r\npub\t foo \t bar\t2\t\r\nhi\r\n",
     b"MSG foo 1 bar 2\r\nhi\r\n"),
    ("bare_lf_ends_a_control_line", SILENT, b"SUB foo 1\nPUB foo 2\nhi\r\nPING\n",
     b"MSG foo 1 2\r\nhi\r\nPONG\r\n"),
    ("ping_with_rubbish_behind", SILENT, b"PINGfoo\r\nPING and more \t\r\n", b"PONG\r\nPONG\r\n"),
    ("long_ping", SILENT, b"PING" + b"x" * 9000 + b"\r\n", b"PONG\r\n"),
    ("long_pong_is_ignored", SILENT, b"PONG" + b"x" * 9000 + b"\r\nPING\r\n", b"PONG\r\n"),
    ("ok_from_a_client_is_ignored", SILENT, b"+OK\r\n+OKK\r\nPING\r\n", b"PONG\r\n"),
    ("info_from_a_client_is_ignored", SILENT, b'INFO {"a":1}\r\nPING\r\n', b"PONG\r\n"),
    ("connect_without_blank", b"", b'CONNECT{"verbose":false}\r\nPING\r\n', b"PONG\r\n"),
    ("size_digits_are_echoed", SILENT, b"SUB a 1\r\nPUB a 000000002\r\nhi\r\n",
     b"MSG a 1 000000002\r\nhi\r\n"),
    ("empty_payload", SILENT, b"SUB a 1\r\nPUB a 0\r\n\r\n", b"MSG a 1 0\r\n\r\n"),
    ("payload_may_hold_anything", SILENT, b"SUB a 1\r\nPUB a 8\r\n\r\nPING\r\n\r\n",
     b"MSG a 1 8\r\n\r\nPING\r\n\r\n"),
    ("reply_is_passed_on", SILENT, b"SUB a 1\r\nPUB a _INBOX.x 2\r\nhi\r\n",
     b"MSG a 1 _INBOX.x 2\r\nhi\r\n"),
    ("bad_subject_of_sub", SILENT, b"SUB foo..bar 1\r\nPING\r\n", b"-ERR 'Invalid Subject'\r\nPONG\r\n"),
    ("bad_subject_of_sub_verbose", b"CONNECT {}\r\n", b"SUB foo.>.bar 1\r\nPING\r\n",
     b"+OK\r\n-ERR 'Invalid Subject'\r\nPONG\r\n"),
    ("sid_in_use_keeps_the_first", SILENT,
     b"SUB a 1\r\nSUB b 1\r\nPUB a 1\r\nx\r\nPUB b 1\r\ny\r\nPING\r\n", b"MSG a 1 1\r\nx\r\nPONG\r\n"),
    ("sid_in_use_verbose_says_ok", b"CONNECT {}\r\n", b"SUB a 1\r\nSUB b 1\r\nPING\r\n",
     b"+OK\r\n+OK\r\n+OK\r\nPONG\r\n"),
    ("sid_is_any_bytes", SILENT, b"SUB a x\xff-%$\r\nPUB a 1\r\nx\r\n", b"MSG a x\xff-%$ 1\r\nx\r\n"),
    ("sys_queue_is_refused", SILENT, b"SUB foo _sys_ 1\r\nPING\r\n",
     b"-ERR 'Permissions Violation for Subscription to \"foo\" using queue \"_sys_\"'\r\nPONG\r\n"),
    ("publish_to_gateway_replies_is_refused", SILENT, b"PUB _GR_.x 0\r\n\r\nPING\r\n",
     b"-ERR 'Permissions Violation for Publish to \"_GR_.x\"'\r\nPONG\r\n"),
    ("publish_to_gateway_subject_is_refused", SILENT, b"PUB $GR.x 0\r\n\r\nPING\r\n",
     b"-ERR 'Permissions Violation for Publish to \"$GR.x\"'\r\nPONG\r\n"),
    ("publish_to_raft_subject_is_refused", SILENT, b"PUB $NRG.x 0\r\n\r\nPING\r\n",
     b"-ERR 'Permissions Violation for Publish to \"$NRG.x\"'\r\nPONG\r\n"),
    ("reserved_reply_is_refused", SILENT, b"PUB a _R_.x 0\r\n\r\nPING\r\n",
     b"-ERR 'Permissions Violation for Publish with Reply of \"_R_.x\"'\r\nPONG\r\n"),
    ("names_that_only_begin_like_reserved_ones_are_free",
     b'CONNECT {"verbose":false,"pedantic":false}\r\n',
     b"PUB a _R_ 0\r\n\r\nPUB a _R_x.y 0\r\n\r\nPUB a _GR_. 0\r\n\r\nPUB a $GR. 0\r\n\r\n"
     b"PUB a $JS.ACK. 0\r\n\r\nPUB _GR_. 0\r\n\r\nPUB $GR. 0\r\n\r\nPUB $NRGx 0\r\n\r\nPING\r\n",
     b"PONG\r\n"),
    ("reserved_ack_reply_is_refused", SILENT, b"PUB a $JS.ACK.x 0\r\n\r\nPING\r\n",
     b"-ERR 'Permissions Violation for Publish with Reply of \"$JS.ACK.x\"'\r\nPONG\r\n"),
    ("refused_publish_has_no_ok", b"CONNECT {}\r\n", b"PUB $GR.x 1\r\ny\r\nPING\r\n",
     b"+OK\r\n-ERR 'Permissions Violation for Publish to \"$GR.x\"'\r\nPONG\r\n"),
    ("verbose_ok_before_own_message", b"CONNECT {}\r\n", b"SUB a 1\r\nPUB a 1\r\nx\r\n",
     b"+OK\r\n+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n"),
    ("echo_off", b'CONNECT {"verbose":false,"echo":false}\r\n',
     b"SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n", b"PONG\r\n"),
    ("keys_in_any_case", b'CONNECT {"Verbose":false,"ECHO":false}\r\n',
     b"SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n", b"PONG\r\n"),
    ("unknown_keys_are_ignored", b'CONNECT {"verbose":false,"zork":[1,{"a":null}]}\r\n',
     b"PING\r\n", b"PONG\r\n"),
    ("connect_again_drops_subscriptions", SILENT,
     b'SUB a 1\r\nCONNECT {"verbose":false}\r\nPUB a 1\r\nx\r\nPING\r\n', b"PONG\r\n"),
    ("connect_again_keeps_what_is_not_given", b'CONNECT {"verbose":false,"echo":false}\r\n',
     b"CONNECT {}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n", b"PONG\r\n"),
    ("connect_again_changes_what_is_given", SILENT,
     b'CONNECT {"verbose":true}\r\nSUB a 1\r\nPING\r\n', b"+OK\r\n+OK\r\nPONG\r\n"),
    ("account_key_is_refused", b"", b'CONNECT {"verbose":false,"protocol":0}\r\nPING\r\n', b"PONG\r\n"),
    ("headers_pass", HEADERS,
     b"SUB a 1\r\nHPUB a rr 22 24\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n",
     b"HMSG a 1 rr 22 24\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n"),
    ("headers_without_reply", HEADERS,
     b"SUB a 1\r\nHPUB a 22 24\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n",
     b"HMSG a 1 22 24\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n"),
    ("header_content_is_not_looked_at", HEADERS, b"SUB a 1\r\nHPUB a 2 4\r\nxxyy\r\n",
     b"HMSG a 1 2 4\r\nxxyy\r\n"),
    ("header_size_zero_is_a_plain_message", HEADERS, b"SUB a 1\r\nHPUB a 0 2\r\nhi\r\n",
     b"MSG a 1 2\r\nhi\r\n"),
    ("header_only_message", HEADERS, b"SUB a 1\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
     b"HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n"),
    ("plain_message_to_a_header_client", HEADERS, b"SUB a 1\r\nPUB a 1\r\nx\r\n",
     b"MSG a 1 1\r\nx\r\n"),
    ("unsub_of_nothing", b"CONNECT {}\r\n", b"UNSUB 99\r\nPING\r\n", b"+OK\r\n+OK\r\nPONG\r\n"),
    ("many_lines_in_one_write", SILENT, b"SUB a 1\r\n" + b"PUB a 1\r\nx\r\n" * 50 + b"PING\r\n",
     b"MSG a 1 1\r\nx\r\n" * 50 + b"PONG\r\n"),
]

# name, what goes first, what is sent, last bytes before the end, close reason
CLOSES = [
    ("payload_without_cr", SILENT, b"PUB foo 2\r\nhi\nPING\r\n", UNKNOWN, "Protocol Violation"),
    ("payload_longer_than_said", SILENT, b"PUB foo 2\r\nhiho\r\n", UNKNOWN, "Protocol Violation"),
    ("empty_line", SILENT, b"\r\n", UNKNOWN, "Protocol Violation"),
    ("unknown_verb", SILENT, b"HELLO\r\n", UNKNOWN, "Protocol Violation"),
    ("http_request", b"", b"GET / HTTP/1.1\r\n", UNKNOWN, "Protocol Violation"),
    ("route_verb_rs", SILENT, b"RS+ $G a\r\n", UNKNOWN, "Protocol Violation"),
    ("route_verb_ls", SILENT, b"LS+ a\r\n", UNKNOWN, "Protocol Violation"),
    ("route_verb_a", SILENT, b"A+ a\r\n", UNKNOWN, "Protocol Violation"),
    ("server_verb_msg", SILENT, b"MSG a 1 0\r\n\r\n", UNKNOWN, "Protocol Violation"),
    ("sub_without_blank", SILENT, b"SUB\r\n", UNKNOWN, "Protocol Violation"),
    ("unsub_without_blank", SILENT, b"UNSUB\r\n", UNKNOWN, "Protocol Violation"),
    ("pub_without_blank", SILENT, b"PUB\r\n", UNKNOWN, "Protocol Violation"),
    ("pub_with_cr_only", SILENT, b"PUB \r\n", b"", "Protocol Violation"),
    ("pub_one_argument", SILENT, b"PUB a\r\n", b"", "Protocol Violation"),
    ("pub_four_arguments", SILENT, b"PUB a b c 1\r\n", b"", "Protocol Violation"),
    ("pub_ten_digits", SILENT, b"PUB a 0000000002\r\n", b"", "Protocol Violation"),
    ("pub_negative_size", SILENT, b"PUB a -1\r\n", b"", "Protocol Violation"),
    ("pub_size_in_letters", SILENT, b"PUB a two\r\n", b"", "Protocol Violation"),
    ("pub_hex_size", SILENT, b"PUB a 0x2\r\n", b"", "Protocol Violation"),
    ("sub_one_argument", SILENT, b"SUB a\r\n", b"", "Protocol Violation"),
    ("sub_four_arguments", SILENT, b"SUB a b c d\r\n", b"", "Protocol Violation"),
    ("unsub_three_arguments", SILENT, b"UNSUB 1 2 3\r\n", b"", "Protocol Violation"),
    ("hpub_two_arguments", HEADERS, b"HPUB a 2\r\n", b"", "Protocol Violation"),
    ("hpub_five_arguments", HEADERS, b"HPUB a b c 2 2\r\n", b"", "Protocol Violation"),
    ("hpub_header_beyond_total", HEADERS, b"HPUB a 4 2\r\n", b"", "Protocol Violation"),
    ("hpub_bad_header_size", HEADERS, b"HPUB a x 2\r\n", b"", "Protocol Violation"),
    ("hpub_bad_total_size", HEADERS, b"HPUB a 2 x\r\n", b"", "Protocol Violation"),
    ("hpub_without_headers", SILENT, b"HPUB a 2 4\r\nxxyy\r\n", b"", "Protocol Violation"),
    ("connect_bad_json", b"", b"CONNECT {\r\n", b"", "Protocol Violation"),
    ("connect_wrong_type", b"", b'CONNECT {"verbose":"x"}\r\n', b"", "Protocol Violation"),
    ("connect_no_json", b"", b"CONNECT\r\n", b"", "Protocol Violation"),
    ("info_bad_json", SILENT, b"INFO {x\r\n", b"", "Protocol Violation"),
    ("protocol_2", b"", b'CONNECT {"verbose":false,"protocol":2}\r\n',
     b"-ERR 'invalid client protocol'\r\n", "Bad Client Protocol Version"),
    ("no_responders_without_headers", b"", b'CONNECT {"verbose":false,"no_responders":true}\r\n',
     b"-ERR 'no responders requires headers support'\r\n", "No Responders Requires Headers"),
    ("account_asked_for", b"", b'CONNECT {"verbose":false,"account":"X"}\r\n',
     b"-ERR 'Authorization Violation'\r\n", "Authentication Failure"),
    ("new_account_asked_for", b"", b'CONNECT {"verbose":false,"new_account":true}\r\n',
     b"-ERR 'Authorization Violation'\r\n", "Authentication Failure"),
    ("err_from_a_client", SILENT, b"-ERR 'what'\r\n", b"", "Parse Error"),
    ("what_was_answered_before_comes_first", SILENT, b"PING\r\nPING\r\nZ\r\n",
     b"PONG\r\nPONG\r\n" + UNKNOWN, "Protocol Violation"),
]


@pytest.mark.parametrize("first,send,want", [pytest.param(*r[1:], id=r[0]) for r in STAYS])
def test_answer(plain, first, send, want):
    w = plain.client(connect=False)

    w.send(first + send)

    w.expect((b"+OK\r\n" if first == b"CONNECT {}\r\n" and not want.startswith(b"+OK") else b"") + want)
    w.ping()


@pytest.mark.parametrize("first,send,last,reason", [pytest.param(*r[1:], id=r[0]) for r in CLOSES])
def test_answer_and_end(plain, first, send, last, reason):
    w = plain.client(connect=False)

    w.send(first + send)

    w.expect_eof(last)
    plain.wait_log(r"cid:%d - .*Client connection closed: %s$" % (w.cid, re.escape(reason)), plain.mark)


# -- INFO

KEYS = ["server_id", "server_name", "version", "proto", "git_commit", "go", "host", "port", "headers",
        "auth_required", "tls_required", "tls_verify", "tls_available", "max_payload", "jetstream",
        "client_id", "client_ip", "nonce", "cluster", "cluster_dynamic", "domain", "connect_urls",
        "ldm", "connect_info", "remote_account", "acc_is_sys", "api_lvl", "xkey", "natterjack"]
ALWAYS = ["server_id", "server_name", "version", "proto", "go", "host", "port", "headers",
          "max_payload", "client_id", "client_ip"]


def test_info_ends_with_a_blank(plain):
    w = plain.client(connect=False)

    assert re.fullmatch(rb"INFO \{.*\} \r\n", w.info_line), w.info_line


def test_info_fields(plain):
    info = plain.client(connect=False).info

    assert re.fullmatch("N[A-Z2-7]{55}", info["server_id"])
    assert info["server_name"] == info["server_id"]
    assert info["version"] == "2.15.2"
    assert info["proto"] == 1
    assert info["host"] == "127.0.0.1"
    assert info["port"] == plain.port
    assert info["headers"] is True
    assert info["max_payload"] == 1048576
    assert info["client_ip"] == "127.0.0.1"
    for key in ("auth_required", "tls_required", "tls_available", "tls_verify", "nonce", "ldm",
                "connect_info", "connect_urls", "cluster", "jetstream"):
        assert key not in info
    for key in ALWAYS:
        assert key in info


def test_info_keys_come_in_order(plain):
    keys = list(plain.client(connect=False).info)

    assert keys == [k for k in KEYS if k in keys]


def test_info_names_natterjack_last(plain):
    info = plain.client(connect=False).info

    if plain.is_ref:
        assert "natterjack" not in info
    else:
        assert list(info)[-1] == "natterjack" and info["natterjack"]


def test_client_ids_count_up(plain):
    cids = [plain.client(connect=False).cid for _ in range(5)]

    assert cids == sorted(set(cids))


def test_first_client_of_a_default_server_is_5(server):
    s = server()

    assert s.client(connect=False).cid == 5


def test_server_name_in_info(server):
    s = server(["-n", "toad"])

    assert s.client(connect=False).info["server_name"] == "toad"


def test_client_advertise_in_info(server):
    s = server(["--client_advertise", "toad.example:4333"])

    info = s.client(connect=False).info
    assert (info["host"], info["port"]) == ("toad.example", 4333)


def test_no_header_support(server):
    s = server(["-D"], conf="no_header_support: true\n")
    w = s.client(connect=False)
    assert w.info["headers"] is False

    w.send(b'CONNECT {"verbose":false,"headers":true}\r\nHPUB a 2 4\r\nxxyy\r\n')

    w.expect_eof()
    s.wait_log("message headers not supported")


def test_no_responders_without_header_support(server):
    s = server(conf="no_header_support: true\n")
    w = s.client(connect=False)

    w.send(HEADERS)

    w.expect_eof(b"-ERR 'no responders requires headers support'\r\n")


# -- the second INFO

def test_first_ping_of_protocol_1_is_followed_by_info(plain):
    w = plain.client(connect=False)
    w.connect(protocol=1)

    w.ping()
    info = w.read_info()

    assert info["connect_info"] is True
    assert info["remote_account"] == "$G"
    assert "nonce" not in info and "acc_is_sys" not in info
    assert info["client_id"] == w.cid
    w.ping().ping()         # only the first


def test_protocol_0_gets_no_second_info(plain):
    w = plain.client(connect=False).connect(protocol=0)

    w.ping().ping()


def test_ping_before_connect_is_not_the_first_ping(plain):
    w = plain.client(connect=False).ping()

    w.connect(protocol=1).ping()

    assert w.read_info()["connect_info"] is True


# -- delivery to others

def test_subscriber_without_headers_gets_the_payload_alone(plain):
    sub = plain.client()
    sub.sub("strip.me", 1).ping()
    pub = plain.client(headers=True)

    pub.send(b"HPUB strip.me rr 022 0024\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n")
    pub.ping()

    sub.expect(b"MSG strip.me 1 rr 2\r\nhi\r\n")


def test_header_subscriber_gets_the_size_digits_as_sent(plain):
    w = plain.client(headers=True)

    w.send(b"SUB a 1\r\nHPUB a 022 0024\r\nNATS/1.0\r\nFoo: bar\r\n\r\nhi\r\n")

    line = w.line()
    assert line.split()[-2:] in ([b"022", b"0024"], [b"22", b"24"])
    assert line == b"HMSG a 1 022 0024\r\n"


def test_every_subscription_gets_its_own_copy(plain):
    w = plain.client()

    w.send(b"SUB a.b 1\r\nSUB a.b 2\r\nSUB a.* 3\r\nSUB a.> 4\r\nSUB > 5\r\nPUB a.b 1\r\nx\r\n")

    got = sorted(w.msg()[1] for _ in range(5))
    assert got == [b"1", b"2", b"3", b"4", b"5"]
    w.ping()


def test_one_connection_to_another(plain):
    a, b = plain.client(), plain.client()
    a.sub("to.a", 7).ping()

    b.pub("to.a", b"x" * 100, reply="back").ping()

    a.expect(b"MSG to.a 7 back 100\r\n" + b"x" * 100 + b"\r\n")
    a.ping()


def test_echo_off_concerns_only_the_publisher(plain):
    a, b = plain.client(echo=False), plain.client(echo=False)
    a.sub("e", 1).ping()
    b.sub("e", 1).ping()

    a.pub("e", b"x").ping()

    b.expect(b"MSG e 1 1\r\nx\r\n")


def test_closing_removes_subscriptions(plain):
    a = plain.client()
    a.sub("gone", 1).ping()
    a.half_close()
    a.expect_eof()
    h = plain.client(headers=True, no_responders=True)

    h.sub("r", 9).pub("gone", b"", reply="r")

    h.expect(b"HMSG r 9 36 36\r\nNATS/1.0 503\r\nNats-Subject: gone\r\n\r\n\r\n")


def test_dual_stack_listener(server):
    s = server(address=("-a", "0.0.0.0", "-p", "-1"))

    w = s.raw(host="::1")

    info = w.read_info()
    assert info["client_ip"] == "::1"
    assert info["host"] == "0.0.0.0"
    w.connect().ping()


def test_big_payload_round_trip(plain):
    a, b = plain.client(), plain.client()
    a.sub("big", 1).ping()
    body = bytes(range(256)) * 4096

    b.pub("big", body)

    assert a.msg()[4] == body
    b.ping()


def test_payload_of_each_size_near_the_edges(plain):
    a, b = plain.client(), plain.client()
    a.sub("edge", 1).ping()
    sizes = [0, 1, 2, 62, 63, 64, 65, 127, 128, 511, 512, 513, 2047, 2048, 2049, 4095, 4096, 4097,
             16383, 16384, 16385, 32767, 32768, 65535, 65536, 65537, 262144]

    for n in sizes:
        b.pub("edge", b"%d" % (n % 10) * n)

    for n in sizes:
        assert a.msg()[4] == b"%d" % (n % 10) * n
