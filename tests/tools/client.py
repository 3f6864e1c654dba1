"""Subscribe or publish by hand: what `./dev sub` and `./dev pub` run."""
import argparse
import asyncio
import logging
import signal
import ssl

import nats


async def subscribe(nc, subject):
    async def show(msg):
        print("%s: %s" % (msg.subject, msg.data.decode("utf-8", "replace")), flush=True)

    await nc.subscribe(subject, cb=show)
    await nc.flush()
    print("listening for %s, Ctrl-C ends" % subject, flush=True)
    done = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, done.set)
    await done.wait()


async def publish(nc, subject, text):
    await nc.publish(subject, text.encode())
    await nc.flush()
    print("sent %d bytes to %s" % (len(text.encode()), subject))


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--ca", help="trust this CA file only")
    commands = parser.add_subparsers(dest="command", required=True)
    sub = commands.add_parser("sub")
    sub.add_argument("subject")
    pub = commands.add_parser("pub")
    pub.add_argument("subject")
    pub.add_argument("text")
    args = parser.parse_args()

    # The client library keeps an ended TLS connection open a moment longer, of which asyncio warns.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    tls = ssl.create_default_context(cafile=args.ca) if args.ca else None
    reasons = []

    async def note(exc):
        reasons.append(exc)

    try:
        nc = await nats.connect(args.server, tls=tls, allow_reconnect=False, connect_timeout=5,
                                max_reconnect_attempts=1, reconnect_time_wait=0, error_cb=note)
    except (OSError, nats.errors.Error) as exc:
        raise SystemExit("cannot connect to %s: %s" % (args.server, (reasons or [exc])[-1]))
    try:
        if args.command == "sub":
            await subscribe(nc, args.subject)
        else:
            await publish(nc, args.subject, args.text)
    finally:
        await nc.close()


asyncio.run(main())
