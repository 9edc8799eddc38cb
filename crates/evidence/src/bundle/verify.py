#!/usr/bin/env python3
"""Checks a bundle of Landfall, or a session, with nothing of Landfall and no library.

    python3 verify.py [DIRECTORY]      a bundle's or a session's [default: the bundle around this file]

It answers three of the questions of `landfall verify`: INTEGRITY, COMPLETENESS and ORDER, each PASS,
NOT PROVEN or FAIL with why, and exits with 0, 3 or 4; with 2 where there is nothing to check. `--json` prints what was found as one object.
What it goes by is docs/FORMAT.md, RFC 6962, RFC 8032, RFC 8493 and RFC 8785. Whose key signed, it says and
does not judge. It holds a connection's bytes and the hashes of all records in memory.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import struct
import sys
import zlib

MOST_LINE = 16 << 20
FRAME_HEADER = struct.Struct(">4sIQQQQBBH")
LOG = {
    "checkpoint", "checkpoints", "openings.jsonl", "records.jsonl", "review.checkpoint",
    "review.jsonl", "review.openings.jsonl",
}
SECRETS = {"body.seed", "field.seed", "frame.seed", "keylog.txt", "review.seed"}


KEYED = ("session.open", "recovery", "review.open", "review.key")


class Wrong(Exception):
    """What contradicts the format or a signature."""


def must(holds, what):
    if not holds:
        raise Wrong(what)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# Ed25519 (RFC 8032 section 5.1), for verifying alone.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point, scalar = point_add(point, point), scalar >> 1
    return result


def point_of(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key, message, signature):
    if len(key) != 32 or len(signature) != 64:
        return False
    public, point = point_of(key), point_of(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if public is None or point is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    left = point_times(scalar, BASE)
    right = point_add(point, point_times(int.from_bytes(digest, "little") % ORDER, public))
    same = lambda at: (left[at] * right[2] - right[at] * left[2]) % P == 0
    return same(0) and same(1)


# Lines in the canonical form of RFC 8785, as far as the format goes.


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    must(len(set(keys)) == len(keys), "a repeated key")
    return dict(pairs)


def refuse(text):
    raise Wrong(f"{text} is no number of the format")


def parse(line):
    try:
        return json.loads(
            line, object_pairs_hook=no_duplicates, parse_float=refuse, parse_constant=refuse
        )
    except (ValueError, RecursionError) as error:
        raise Wrong(f"no JSON: {error}") from None


def string(text):
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    spelled = (short.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text)
    return '"' + "".join(spelled) + '"'


def jcs(value):
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, int):
        must(0 <= value < 1 << 53, "a number beyond 2^53")
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    must(isinstance(value, dict), "a value of another kind")
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{string(key)}:{jcs(value[key])}" for key in keys) + "}"


def lines(path):
    with open(path, "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MOST_LINE + 1), b"")):
            where = f"{os.path.basename(path)}, line {number + 1}"
            must(line.endswith(b"\n") and len(line) <= MOST_LINE, f"{where}: not a whole line")
            try:
                value = parse(line[:-1])
                must(jcs(value).encode() == line[:-1], "not in canonical form")
            except (Wrong, UnicodeError) as error:
                raise Wrong(f"{where}: {error}") from None
            yield line[:-1], value


def unbase64(text):
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Wrong("no base64") from None
    must(base64.b64encode(decoded).decode() == text, "another form of base64")
    return decoded


# Trees of RFC 6962 section 2.1.


def tree_head(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01", tree_head(leaves[:split]), tree_head(leaves[split:]))


# The logs.


def text_bytes(value):
    if isinstance(value, str):
        return value.encode()
    must(isinstance(value, dict) and list(value) == ["base64"], "an opening of another form")
    return unbase64(value["base64"])


def commitments(value):
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
    must(record["seq"] in openings, f"record {record['seq']}: its values are missing")
    values = openings.pop(record["seq"])["values"]
    must(len(values) == len(sealed), f"record {record['seq']}: another number of values")
    nonce = unbase64(record["nonce"])
    for index, (place, value) in enumerate(zip(sealed, values)):
        data = text_bytes(value)
        salt = sha256(seed, nonce, index.to_bytes(4, "big"))
        same = unbase64(place["sealed"]) == sha256(b"\x05", salt, data)
        must(same, f"record {record['seq']}: value {index} is not the one that it commits to")
        place.clear()
        place["value"] = data
    return len(sealed)


def read_secret(directory, name):
    path = os.path.join(directory, "secrets", name)
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        secret = file.read(33)
    must(len(secret) == 32, f"secrets/{name} is no seed")
    return secret


def read_log(directory, log, openings, seed, found):
    """The records with their values, and the hashes of their lines."""
    secret, opened, last = read_secret(directory, seed), {}, -1
    path = os.path.join(directory, "log", openings)
    withheld = secret is None or not os.path.exists(path)
    if not withheld:
        for _, opening in lines(path):
            must(sorted(opening) == ["seq", "values"], f"{openings}: another form")
            must(opening["seq"] > last, f"{openings}: out of order")
            last = opening["seq"]
            opened[last] = opening
    records, leaves = [], []
    for line, record in lines(os.path.join(directory, "log", log)):
        seq = len(records)
        keys = ["at", "body", "kind", "mono", "nonce", "seq", "v"]
        must(sorted(record) == keys, f"{log}: record {seq} has another form")
        must(record["v"] == 1, f"{log}: record {seq} is of another version")
        must(record["seq"] == seq, f"{log}: record {seq} has the number {record['seq']}")
        must(len(unbase64(record["nonce"])) == 16, f"{log}: record {seq} has no nonce")
        if not withheld:
            sealed = "sealed" if log == "records.jsonl" else "sealed_reviews"
            found[sealed] += open_record(record, opened, secret)
        records.append(record)
        leaves.append(sha256(b"\x00", line))
    must(not opened, f"{openings}: values of no record")
    must(records, f"{log} has no records")
    if withheld:
        found["withheld"].append(f"log/{openings}")
    return records, leaves


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def check_note(note, origin, key, leaves):
    """A signed note; returns the size that it is for."""
    form = r"([^\n]*)\n([0-9]+)\n([^\n]*)\n\n\u2014 ([^\n ]*) ([^\n ]*)\n"
    parts = re.fullmatch(form, note)
    must(parts and parts[1] == parts[4] == origin, "a checkpoint of another form or log")
    size = int(parts[2])
    must(str(size) == parts[2] and size <= len(leaves), "a checkpoint of more records")
    must(unbase64(parts[3]) == tree_head(leaves[:size]), "the records are not those signed")
    signed = unbase64(parts[5])
    must(signed[:4] == sha256(origin.encode(), b"\n\x01", key)[:4], "signed by another key")
    text = note[: note.index("\n\n") + 1].encode()
    must(is_signed(key, text, signed[4:]), "a wrong signature of a checkpoint")
    return size


def key_at(records, size):
    """The key that the first records of a log name."""
    keys = [record["body"].get("key") for record in records[:size] if record["kind"] in KEYED]
    keys = [key for key in keys if key is not None]
    must(keys, "the log names no key")
    return unbase64(keys[-1])


def check_checkpoints(directory, origin, records, leaves):
    """All checkpoints of the record log; returns the sizes that they are for."""
    notes = read(os.path.join(directory, "log", "checkpoints")).splitlines(keepends=True)
    must(notes and len(notes) % 5 == 0, "log/checkpoints does not hold whole notes")
    notes = ["".join(notes[at : at + 5]) for at in range(0, len(notes), 5)]
    last = read(os.path.join(directory, "log", "checkpoint"))
    must(notes[-1] == last, "the last checkpoint is another one")
    sizes = [re.match(r"[^\n]*\n([0-9]{1,15})\n", note) for note in notes]
    must(all(sizes), "log/checkpoints does not hold whole notes")
    keys = [key_at(records, int(size[1])) for size in sizes]
    signed = [check_note(note, origin, key, leaves) for note, key in zip(notes, keys)]
    must(signed == sorted(set(signed)), "a checkpoint covers less than the one before it")
    return signed


# The stream store, and the bodies in it.


def read_frames(directory, records, found):
    """Checks every frame against its commitment; the bytes of each relayed stream."""
    seed = read_secret(directory, "frame.seed")
    if seed is None:
        found["withheld"].append("secrets/frame.seed")
    streams, following, ends = {}, 0, {}
    for record in records:
        if record["kind"] != "frames":
            continue
        body, hashes = record["body"], []
        segment = f"{body['segment']:06}.frames"
        where = f"record {record['seq']}"
        must(body["offset"] == ends.get(segment, 0), f"{where}: a hole before its frames")
        ends[segment] = body["offset"] + body["bytes"]
        with open(os.path.join(directory, "streams", segment), "rb") as file:
            file.seek(body["offset"])
            data = file.read(body["bytes"])
        must(len(data) == body["bytes"], f"{where}: streams/{segment} is shorter")
        must(body["first"] == following, f"{where}: its frames do not come next")
        while data:
            must(len(data) >= 48, f"{where}: a frame is cut")
            fields = FRAME_HEADER.unpack(data[:44])
            magic, length, index, connection, _, _, leg, direction, zero = fields
            payload = data[48 : 48 + length]
            form = (magic, index, zero, len(payload)) == (b"LFf0", following, 0, length)
            must(form, f"{where}: frame {following} is none")
            sum_of = struct.unpack(">I", data[44:48])[0]
            must(sum_of == zlib.crc32(data[:44] + payload), f"{where}: a frame is damaged")
            if seed is not None:
                salt = hmac.digest(seed, index.to_bytes(8, "big"), "sha256")
                hashes.append(sha256(b"\x10", salt, data[:48], payload))
            if leg == 0:
                streams.setdefault((connection, direction), bytearray()).extend(payload)
            data = data[48 + length :]
            following += 1
        must(following - body["first"] == body["count"], f"{where}: another number of frames")
        same = seed is None or tree_head(hashes) == unbase64(body["root"])
        must(same, f"{where}: the frames are not those that it commits to")
    there = {}
    for name in os.listdir(os.path.join(directory, "streams")):
        there[name] = os.path.getsize(os.path.join(directory, "streams", name))
    must(there == ends, "streams/ holds bytes that the log does not tell of")
    found["frames"] = following
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


def check_bodies(directory, records, streams, found):
    """Checks the commitment to every body that has one."""
    secret = read_secret(directory, "body.seed")
    if secret is None:
        found["withheld"].append("secrets/body.seed")
        return
    for record in records:
        if record["kind"] != "exchange.close":
            continue
        connection, number = map(int, record["body"]["exchange"][1:].split("."))
        for side, name in enumerate(["request_body", "response_body"]):
            shape, where = record["body"].get(name, {"bytes": 0}), f"record {record['seq']}, {name}"
            if "commitment" not in shape:
                continue
            body = body_of(streams.get((connection, side), b""), shape)
            must(len(body) == shape["bytes"], f"{where}: another number of bytes")
            place = connection.to_bytes(8, "big") + number.to_bytes(4, "big") + bytes([side])
            seed, leaves = sha256(secret, place), []
            for index, start in enumerate(range(0, len(body), 1024)):
                salt = sha256(seed, index.to_bytes(4, "big"))
                leaves.append(sha256(b"\x11", salt, sha256(body[start : start + 1024])))
            same = shape["commitment"]["chunks"] == len(leaves)
            same = same and unbase64(shape["commitment"]["root"]) == tree_head(leaves)
            must(same, f"{where}: the bytes are not those that it commits to")
            found["bodies"] += 1


# The bag (RFC 8493).


def manifest(root, name, payload):
    listed = {}
    for line in read(os.path.join(root, name)).splitlines():
        parts = re.fullmatch(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)", line)
        must(parts and ".." not in parts[2].split("/"), f"{name}: a line is no entry")
        must(parts[2].startswith("data/") == payload, f"{name}: {parts[2]} does not belong there")
        must(parts[2] not in listed, f"{name}: {parts[2]} is listed twice")
        listed[parts[2]] = parts[1]
    return listed


def check_bag(root, found):
    listed = manifest(root, "tagmanifest-sha256.txt", False)
    tags = {"bag-info.txt", "bagit.txt", "manifest-sha256.txt"}
    must(set(listed) == tags, "tagmanifest-sha256.txt lists other files than a bundle has")
    listed.update(manifest(root, "manifest-sha256.txt", True))
    there = set()
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(directory, name)
            must(not os.path.islink(path), f"{os.path.relpath(path, root)} is a link")
        there.update(os.path.relpath(os.path.join(directory, name), root) for name in files)
    beside = {"tagmanifest-sha256.txt", "tagmanifest-sha256.txt.sig"}
    for name in sorted(there - set(listed) - beside):
        raise Wrong(f"{name}: no manifest lists it")
    for name, hash_of in listed.items():
        must(name in there, f"{name} is missing")
        digest = hashlib.sha256()
        with open(os.path.join(root, name), "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
        must(digest.hexdigest() == hash_of, f"{name} is not the file that the manifest lists")
    found["files"] = len(listed)
    found["sealed_by"] = check_seal(root)


def take(data):
    """A string of RFC 4251 section 5."""
    length = int.from_bytes(data[:4], "big")
    must(len(data) >= 4 + length, "the seal is cut")
    return data[4 : 4 + length], data[4 + length :]


def check_seal(root):
    """OpenSSH's PROTOCOL.sshsig; returns the key, as OpenSSH writes it."""
    text = read(os.path.join(root, "tagmanifest-sha256.txt.sig"))
    form = r"-----BEGIN SSH SIGNATURE-----\n(.*)\n-----END SSH SIGNATURE-----\n"
    parts = re.fullmatch(form, text, re.S)
    must(parts, "the seal has another form")
    data = unbase64(parts[1].replace("\n", ""))
    must(data[:10] == b"SSHSIG\0\0\0\1", "the seal is of another version")
    key, data = take(data[10:])
    namespace, data = take(data)
    reserved, data = take(data)
    algorithm, data = take(data)
    signature, data = take(data)
    must((namespace, reserved, algorithm, data) == (b"landfall", b"", b"sha512", b""), "the seal")
    kind, public = take(key)
    same, signed = take(signature)
    must(kind == same == b"ssh-ed25519", "the seal is of another kind of key")
    with open(os.path.join(root, "tagmanifest-sha256.txt"), "rb") as file:
        digest = hashlib.sha512(file.read()).digest()
    pack = lambda part: len(part).to_bytes(4, "big") + part
    message = b"SSHSIG" + b"".join(map(pack, [namespace, b"", algorithm, digest]))
    must(is_signed(take(public)[0], message, take(signed)[0]), "a wrong signature of the seal")
    return fingerprint(take(public)[0])


def fingerprint(key):
    pack = lambda part: len(part).to_bytes(4, "big") + part
    digest = hashlib.sha256(pack(b"ssh-ed25519") + pack(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


# The questions.


def integrity(root, directory, found):
    if root:
        check_bag(root, found)
    for part, known in [("log", LOG), ("secrets", SECRETS)]:
        there = set(os.listdir(os.path.join(directory, part)))
        must(there <= known, f"{part}/ holds {', '.join(sorted(there - known))}")
    records, leaves = read_log(directory, "records.jsonl", "openings.jsonl", "field.seed", found)
    found["log"] = records
    first = records[0]["body"]
    must(records[0]["kind"] == "session.open", "the log has lost its beginning")
    origin = f"landfall/{first['session']}"
    signed = check_checkpoints(directory, origin, records, leaves)
    found.update(records=len(records), signed=signed[-1], checkpoints=len(signed))
    found["recorded_by"] = fingerprint(key_at(records, len(records)))
    must(signed[-1] == len(records), f"the last {len(records) - signed[-1]} records are not signed")
    streams = read_frames(directory, records, found)
    found["streams"] = len(streams)
    check_bodies(directory, records, streams, found)
    if os.path.exists(os.path.join(directory, "log", "review.jsonl")):
        names = ("review.jsonl", "review.openings.jsonl", "review.seed")
        reviews, leaves = read_log(directory, *names, found)
        note = read(os.path.join(directory, "log", "review.checkpoint"))
        key = key_at(reviews, len(reviews))
        found["reviews"] = check_note(note, origin + "/review", key, leaves)
        must(found["reviews"] == len(leaves), "review.jsonl: its last records are not signed")
    targets = (r["body"]["target"] for r in records if r["kind"] == "exchange.request")
    found["targets"] = [t["value"].decode(errors="replace") for t in targets if "value" in t]


def completeness(records, found):
    """What is missing and said to be; raises where something is missing and not said to be."""
    last, counts, opened, closed, missing = records[-1], {}, set(), set(), []
    for record in records[:-1]:
        counts[record["kind"]] = counts.get(record["kind"], 0) + 1
        if record["kind"] == "connection.open":
            opened.add(record["body"]["connection"])
        if record["kind"] == "connection.close":
            closed.add(record["body"]["connection"])
        if record["kind"] in ("gap", "recovery"):
            missing.append(f"record {record['seq']} tells of a {record['kind']}")
    if last["kind"] != "session.close":
        return ["the log has no end"]
    must(last["body"]["counts"] == counts, "the end tells of other numbers of records")
    found["connections"] = len(opened)
    open_ends = len(opened - closed)
    if last["body"]["why"] != "recovered":
        told = last["body"].get("open_connections", 0)
        must(told == open_ends, f"{open_ends} connections have no end, and it tells of {told}")
    if open_ends:
        missing.append(f"{open_ends} connections have no end")
    return missing + [f"{name} is withheld" for name in found["withheld"]]


def order(records):
    opened, highest = set(), 0
    for record in records:
        seq, body = record["seq"], record["body"]
        at_end = record["kind"] != "session.close" or seq == len(records) - 1
        must(at_end, f"record {seq} closes the session before its end")
        connection = body.get("connection") or str(body.get("exchange", "")).split(".")[0]
        if not connection:
            continue
        if record["kind"] == "connection.open":
            number = int(connection[1:])
            must(number > highest, f"record {seq}: {connection} is opened behind a later one")
            highest = number
            opened.add(connection)
        must(connection in opened, f"record {seq}: {connection} is not open")
        if record["kind"] == "connection.close":
            opened.discard(connection)


def answer(check):
    """The answer to a question, and why."""
    try:
        missing = check() or []
    except Wrong as error:
        return "FAIL", str(error)
    except (OSError, KeyError, IndexError, TypeError, ValueError, struct.error) as error:
        return "FAIL", f"{type(error).__name__}: {error}"
    return ("NOT PROVEN", "; ".join(missing[:5])) if missing else ("PASS", "")


def main(arguments):
    if "--help" in arguments or "-h" in arguments:
        print(__doc__)
        return 0
    as_json = "--json" in arguments
    named = [argument for argument in arguments if not argument.startswith("-")]
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = named[0] if named else here
    bag = os.path.exists(os.path.join(root, "data"))
    if not bag and not os.path.isdir(os.path.join(root, "log")):
        print(f"{root} is neither an unpacked bundle nor a session", file=sys.stderr)
        return 2
    directory = os.path.join(root, "data") if bag else root
    found = {"sealed": 0, "sealed_reviews": 0, "bodies": 0, "withheld": [], "log": []}
    answers = {"INTEGRITY": answer(lambda: integrity(bag and root, directory, found))}
    records = found.pop("log")
    if records:
        answers["COMPLETENESS"] = answer(lambda: completeness(records, found))
        answers["ORDER"] = answer(lambda: order(records))
    for question in ("COMPLETENESS", "ORDER"):
        if question not in answers:
            answers[question] = ("NOT PROVEN", "not looked at: the records cannot be read")
        elif answers["INTEGRITY"][0] == "FAIL" and answers[question][0] == "PASS":
            answers[question] = ("NOT PROVEN", "what is here is not what was signed")
    if as_json:
        print(json.dumps({"answers": answers, "found": found}))
    else:
        for question, (said, why) in answers.items():
            print(f"{question:<13} {said:<11} {why}".rstrip())
        for what in ("recorded_by", "sealed_by"):
            if what in found:
                print(f"{what.replace('_', ' ')} {found[what]}")
    said = [said for said, _ in answers.values()]
    return 4 if "FAIL" in said else 3 if "NOT PROVEN" in said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
