"""Checks a session directory by docs/FORMAT.md alone: with nothing of Landfall, and no library.

    read_session.py DIRECTORY

Prints what it found as one JSON object. Whatever is not as the format says ends it with an error.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

MOST_LINE = 16 << 20
FRAME_HEADER = struct.Struct(">4sIQQQQBBH")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), f"repeated key among {keys}"
    return dict(pairs)


def refuse(text):
    raise AssertionError(f"{text} is no number of the format")


def parse(line):
    return json.loads(
        line, object_pairs_hook=no_duplicates, parse_float=refuse, parse_constant=refuse
    )


def string(text):
    """RFC 8785 section 3.2.2.2."""
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    spelled = (
        short.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text
    )
    return '"' + "".join(spelled) + '"'


def jcs(value):
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, int):
        assert 0 <= value < 1 << 53, value
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    assert isinstance(value, dict), value
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{string(key)}:{jcs(value[key])}" for key in keys) + "}"


def lines(path):
    """The lines of a log, each in canonical form."""
    with open(path, "rb") as file:
        data = file.read()
    assert data.endswith(b"\n"), f"{path} ends within a line"
    for line in data[:-1].split(b"\n"):
        assert len(line) < MOST_LINE
        value = parse(line)
        assert jcs(value).encode() == line, f"not canonical: {line[:200]}"
        yield line, value


def tree_head(leaves):
    """RFC 6962 section 2.1, over the hashes of the leaves."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01", tree_head(leaves[:split]), tree_head(leaves[split:]))


def unbase64(text):
    decoded = base64.b64decode(text, validate=True)
    assert base64.b64encode(decoded).decode() == text
    return decoded


def text_bytes(value):
    """The bytes of a text of a peer, which has one of two forms."""
    if isinstance(value, str):
        return value.encode()
    assert list(value) == ["base64"]
    return unbase64(value["base64"])


def commitments(value):
    """The commitments of a body, in the order of the text: that of the sorted keys."""
    if isinstance(value, dict):
        if list(value) == ["sealed"]:
            yield value
        else:
            for key in sorted(value):
                yield from commitments(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from commitments(item)


def open_record(record, openings, seed):
    """Puts the values in place of the commitments; returns how many there were."""
    sealed = list(commitments(record["body"]))
    if not sealed:
        return 0
    values = openings.pop(record["seq"])["values"]
    assert len(values) == len(sealed), record["seq"]
    nonce = unbase64(record["nonce"])
    assert len(nonce) == 16
    for index, (place, value) in enumerate(zip(sealed, values)):
        data = text_bytes(value)
        salt = sha256(seed, nonce, index.to_bytes(4, "big"))
        assert unbase64(place["sealed"]) == sha256(b"\x05", salt, data), (record["seq"], index)
        place.clear()
        place["value"] = data
    return len(sealed)


def read_log(directory, log, openings, seed):
    """The records with their values, the hashes of their lines, and how many values were sealed."""
    opened = {}
    with open(os.path.join(directory, "secrets", seed), "rb") as file:
        secret = file.read()
    assert len(secret) == 32
    last = -1
    for _, opening in lines(os.path.join(directory, "log", openings)):
        assert opening["seq"] > last and sorted(opening) == ["seq", "values"]
        last = opening["seq"]
        opened[last] = opening
    records, leaves, sealed = [], [], 0
    for line, record in lines(os.path.join(directory, "log", log)):
        assert sorted(record) == ["at", "body", "kind", "mono", "nonce", "seq", "v"]
        assert record["v"] == 1 and record["seq"] == len(records)
        sealed += open_record(record, opened, secret)
        records.append(record)
        leaves.append(sha256(b"\x00", line))
    assert not opened, f"openings of no record: {list(opened)}"
    return records, leaves, sealed


def check_note(note, origin, key, leaves):
    """A signed note; returns the size that it is for."""
    text, _, signatures = note.partition("\n\n")
    name, size, root = text.split("\n")
    assert name == origin and str(int(size)) == size and int(size) <= len(leaves)
    assert unbase64(root) == tree_head(leaves[: int(size)]), "another tree"
    dash, signer, signature = signatures.rstrip("\n").split(" ")
    assert (dash, signer) == ("\u2014", origin)
    signed = unbase64(signature)
    assert signed[:4] == sha256(origin.encode(), b"\n\x01", key)[:4]
    assert openssl_accepts(key, (text + "\n").encode(), signed[4:]), "the signature"
    return int(size)


def check_checkpoints(directory, origin, keys, leaves):
    """All checkpoints of the record log; returns the sizes that they are for."""
    notes = read(os.path.join(directory, "log", "checkpoints")).splitlines(keepends=True)
    assert len(notes) % 5 == 0
    notes = ["".join(notes[at : at + 5]) for at in range(0, len(notes), 5)]
    assert notes[-1] == read(os.path.join(directory, "log", "checkpoint"))
    signed = []
    for note in notes:
        # The key that the covered records name last.
        key = [key for seq, key in keys if seq < int(note.split("\n")[1])][-1]
        signed.append(check_note(note, origin, unbase64(key), leaves))
    assert signed == sorted(set(signed)), "each covers more than the one before it"
    return signed


def openssl_accepts(key, text, signature):
    prefix = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
    with tempfile.TemporaryDirectory() as place:
        paths = {}
        for name, data in [("key", prefix + key), ("text", text), ("signature", signature)]:
            paths[name] = os.path.join(place, name)
            with open(paths[name], "wb") as file:
                file.write(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
        command += ["-inkey", paths["key"], "-in", paths["text"], "-sigfile", paths["signature"]]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def read_frames(directory, records):
    """Checks every frame against its commitment; the bytes of each stream."""
    with open(os.path.join(directory, "secrets", "frame.seed"), "rb") as file:
        seed = file.read()
    streams, following = {}, 0
    for record in records:
        if record["kind"] != "frames":
            continue
        body = record["body"]
        path = os.path.join(directory, "streams", f"{body['segment']:06}.frames")
        with open(path, "rb") as file:
            file.seek(body["offset"])
            data = file.read(body["bytes"])
        assert body["first"] == following
        hashes = []
        while data:
            header, (magic, length, index, connection, _, _, leg, direction, zero) = (
                data[:44],
                FRAME_HEADER.unpack(data[:44]),
            )
            payload = data[48 : 48 + length]
            assert (magic, index, zero, len(payload)) == (b"LFf0", following, 0, length)
            assert struct.unpack(">I", data[44:48])[0] == zlib.crc32(header + payload)
            salt = hmac.digest(seed, index.to_bytes(8, "big"), "sha256")
            hashes.append(sha256(b"\x10", salt, data[:48], payload))
            streams.setdefault((connection, leg, direction), bytearray()).extend(payload)
            data = data[48 + length :]
            following += 1
        assert len(hashes) == body["count"] and tree_head(hashes) == unbase64(body["root"])
    return streams


def unchunked(data):
    """RFC 9112 section 7.1; trailers are left out."""
    body = bytearray()
    while data:
        line, _, data = data.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        body += data[:size]
        data = data[size + 2 :]
    return bytes(body)


def data_frames(data, stream_id):
    """RFC 9113 section 6.1: the payloads of a stream's DATA frames, without padding."""
    body = bytearray()
    while len(data) >= 9:
        length, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
        payload = data[9 : 9 + length]
        if kind == 0 and int.from_bytes(data[5:9], "big") & 0x7FFFFFFF == stream_id:
            padded = bool(flags & 8)
            body += payload[padded : len(payload) - (payload[0] if padded else 0)]
        data = data[9 + length :]
    return bytes(body)


def body_of(stream, shape):
    data = bytes(stream[shape["extent"]["start"] : shape["extent"]["end"]])
    framing = shape["framing"]
    if framing == "chunked":
        return unchunked(data)
    if framing == "http2":
        return data_frames(data, shape["stream_id"])
    return data if framing == "identity" else b""


def check_bodies(directory, records, streams):
    """Checks the commitment to every body; returns how many there were."""
    with open(os.path.join(directory, "secrets", "body.seed"), "rb") as file:
        secret = file.read()
    assert len(secret) == 32
    checked = 0
    for record in records:
        if record["kind"] != "exchange.close":
            continue
        connection, number = map(int, record["body"]["exchange"][1:].split("."))
        for side, name in enumerate(["request_body", "response_body"]):
            shape = record["body"].get(name, {"bytes": 0})
            if "commitment" not in shape:
                assert shape["bytes"] == 0 or shape["bytes"] > 1 << 20
                continue
            body = body_of(streams[(connection, 0, side)], shape)
            assert len(body) == shape["bytes"], (record["seq"], name)
            place = connection.to_bytes(8, "big") + number.to_bytes(4, "big") + bytes([side])
            seed = sha256(secret, place)
            leaves = []
            for index, start in enumerate(range(0, len(body), 1024)):
                salt = sha256(seed, index.to_bytes(4, "big"))
                leaves.append(sha256(b"\x11", salt, sha256(body[start : start + 1024])))
            assert shape["commitment"]["chunks"] == len(leaves)
            assert unbase64(shape["commitment"]["root"]) == tree_head(leaves), record["seq"]
            checked += 1
    return checked


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main(directory):
    records, leaves, sealed = read_log(directory, "records.jsonl", "openings.jsonl", "field.seed")
    first = records[0]["body"]
    origin = f"landfall/{first['session']}"
    keys = [(0, first["key"])] if "key" in first else []
    keys += [(r["seq"], r["body"]["key"]) for r in records if r["kind"] == "recovery" and "key" in r["body"]]
    signed = check_checkpoints(directory, origin, keys, leaves)
    found = {"records": len(records), "sealed": sealed, "signed": signed[-1]}
    found["checkpoints"] = len(signed)
    streams = read_frames(directory, records)
    found["streams"] = len(streams)
    found["bodies"] = check_bodies(directory, records, streams)
    if os.path.exists(os.path.join(directory, "log", "review.jsonl")):
        reviews, leaves, sealed = read_log(
            directory, "review.jsonl", "review.openings.jsonl", "review.seed"
        )
        key = unbase64(reviews[0]["body"]["key"])
        note = read(os.path.join(directory, "log", "review.checkpoint"))
        found["reviews"] = check_note(note, origin + "/review", key, leaves)
        found["sealed_reviews"] = sealed
    targets = (r["body"]["target"] for r in records if r["kind"] == "exchange.request")
    found["targets"] = [target["value"].decode() for target in targets]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
