"""ML-KEM-768 encapsulation from given randomness (FIPS 203, algorithms 13, 14 and 17).

The library draws its own randomness, so recomputing a vector's ciphertext needs this. Slow and not
constant in time: for vectors only.
"""

import hashlib

Q, N, K = 3329, 256, 3
DU, DV = 10, 4


def _bits_reversed(i):
    return int(f"{i:07b}"[::-1], 2)


ZETAS = [pow(17, _bits_reversed(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _bits_reversed(i) + 1, Q) for i in range(128)]


def _ntt(f):
    f, i, size = list(f), 1, 128
    while size >= 2:
        for start in range(0, N, 2 * size):
            zeta, i = ZETAS[i], i + 1
            for j in range(start, start + size):
                t = zeta * f[j + size] % Q
                f[j], f[j + size] = (f[j] + t) % Q, (f[j] - t) % Q
        size //= 2
    return f


def _ntt_inverse(f):
    f, i, size = list(f), 127, 2
    while size <= 128:
        for start in range(0, N, 2 * size):
            zeta, i = ZETAS[i], i - 1
            for j in range(start, start + size):
                t = f[j]
                f[j], f[j + size] = (t + f[j + size]) % Q, zeta * (f[j + size] - t) % Q
        size *= 2
    return [3303 * x % Q for x in f]


def _product(f, g):
    out = []
    for i in range(128):
        a, b, c, d = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        out += [(a * c + b * d * GAMMAS[i]) % Q, (a * d + b * c) % Q]
    return out


def _sum(*polys):
    return [sum(column) % Q for column in zip(*polys)]


def _sample_uniform(rho, i, j):
    stream = hashlib.shake_128(rho + bytes([i, j])).digest(3 * 1024)
    out = []
    for a, b, c in zip(stream[::3], stream[1::3], stream[2::3]):
        out += [d for d in (a + 256 * (b % 16), b // 16 + 16 * c) if d < Q]
    return out[:N]


def _sample_small(seed, count):
    bits = hashlib.shake_256(seed + bytes([count])).digest(128)
    bits = [byte >> i & 1 for byte in bits for i in range(8)]
    return [(sum(bits[4 * i : 4 * i + 2]) - sum(bits[4 * i + 2 : 4 * i + 4])) % Q for i in range(N)]


def _pack(values, width):
    number = sum(value << (width * i) for i, value in enumerate(values))
    return number.to_bytes(len(values) * width // 8, "little")


def _unpack(data, width):
    number = int.from_bytes(data, "little")
    return [number >> (width * i) & ((1 << width) - 1) for i in range(8 * len(data) // width)]


def _compress(values, width):
    return [((x << width) + Q // 2) // Q % (1 << width) for x in values]


def encaps(public, m):
    """(ct, ss) from a public key and 32 bytes of randomness."""
    shared = hashlib.sha3_512(m + hashlib.sha3_256(public).digest()).digest()
    secret, r = shared[:32], shared[32:]
    t = [_unpack(public[384 * i : 384 * (i + 1)], 12) for i in range(K)]
    rho = public[384 * K :]
    y = [_ntt(_sample_small(r, i)) for i in range(K)]
    e1 = [_sample_small(r, K + i) for i in range(K)]
    e2 = _sample_small(r, 2 * K)
    u = []
    for i in range(K):
        # The transpose of A: entry (j, i) is sampled with i first.
        row = [_product(_sample_uniform(rho, i, j), y[j]) for j in range(K)]
        u.append(_sum(_ntt_inverse(_sum(*row)), e1[i]))
    mu = [(bit * Q + 1) // 2 for bit in _unpack(m, 1)]
    v = _sum(_ntt_inverse(_sum(*(_product(t[i], y[i]) for i in range(K)))), e2, mu)
    ct = b"".join(_pack(_compress(part, DU), DU) for part in u) + _pack(_compress(v, DV), DV)
    return ct, secret
