"""nkey.py: the client's side of nkeys: Ed25519 (RFC 8032, 5.1) and the texts around it.

Plain, not constant in time: a test signs a few nonces.
"""
import base64
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def base_x():
    square = (BASE_Y * BASE_Y - 1) * pow(D * BASE_Y * BASE_Y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 else x


def extended(x, y):
    """A point as (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z: adding needs no division."""
    return x, y, 1, x * y % P


BASE = extended(base_x(), BASE_Y)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    total = extended(0, 1)
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def packed(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def number(data):
    return int.from_bytes(data, "little")


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "little")


def text(prefix, data):
    raw = prefix + data
    return base64.b32encode(raw + crc16(raw)).decode().rstrip("=")


class UserKey:
    """An nkey of a user from 32 bytes."""

    def __init__(self, seed):
        h = hashlib.sha512(seed).digest()
        self.secret = number(h[:32]) & (1 << 254) - 8 | 1 << 254
        self.prefix = h[32:]
        self.raw_public = packed(times(self.secret, BASE))
        self.public = text(b"\xa0", self.raw_public)
        self.seed = text(bytes([0x90 | 0xa0 >> 5, (0xa0 & 31) << 3]), seed)

    def sign(self, message):
        r = number(hashlib.sha512(self.prefix + message).digest()) % ORDER
        point = packed(times(r, BASE))
        k = number(hashlib.sha512(point + self.raw_public + message).digest()) % ORDER
        return point + ((r + k * self.secret) % ORDER).to_bytes(32, "little")

    def sig(self, nonce):
        """What CONNECT carries."""
        return base64.urlsafe_b64encode(self.sign(nonce.encode())).decode().rstrip("=")
