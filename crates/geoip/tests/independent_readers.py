#!/usr/bin/python3
"""Compares what Landfall reads from its databases with what readers that others wrote read.

    crates/geoip/tests/independent_readers.py [NUMBER_OF_ADDRESSES] [SEED]

It builds and runs the example `claims`, which prints the claims of the bundled databases about
random IPv4 and IPv6 addresses, and looks every address up again: in the two MMDB files with the
Python package `maxminddb` (fetched from PyPI into `target/` at the first run), in the IPFire
database with that project's own library (Debian package `python3-location`). Countries, AS numbers
and names, anycast flags and matched prefixes must be the same. The hash of every file is taken
once more, with Python's own implementation.

Exit code: 0 all agree, 1 something differs, 2 a reader is missing.
"""

import csv
import hashlib
import ipaddress
import json
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[3]
WORK = TOP / "target" / "independent-readers"
MAXMINDDB = "maxminddb==3.2.0"
NO_COUNTRY = {"AP", "EU", "ZZ", "XX", "AN", "CS", "NT", "FX"}
SHOWN = 20


def main():
    count = sys.argv[1] if len(sys.argv) > 1 else "10000"
    seed = sys.argv[2] if len(sys.argv) > 2 else "20261120"
    maxminddb, location = readers()
    files, lines = claims(count, seed)
    check_hashes(files)
    open_mmdb = {
        name: maxminddb.open_database(files[name], maxminddb.MODE_MEMORY)
        for name in ("dbip-country", "iptoasn-country")
    }
    ipfire = location.Database(files["ipfire"])

    differences = asked = answers = 0
    for line in lines:
        if line["special"] is not None:
            continue
        asked += 1
        address = line["address"]
        ours = {name: [] for name in files}
        for source, kind, answer, matched in line["claims"]:
            if source in ours:
                ours[source].append([kind, answer, matched])
        theirs = {
            "dbip-country": from_mmdb(open_mmdb["dbip-country"], address, "located"),
            "iptoasn-country": from_mmdb(open_mmdb["iptoasn-country"], address, "as-registered"),
            "ipfire": from_ipfire(location, ipfire, address),
        }
        for source, expected in theirs.items():
            answers += len(expected)
            if ours[source] != expected:
                differences += 1
                if differences <= SHOWN:
                    print(f"{address}: {source}: we read {ours[source]}, they {expected}")
    special = len(lines) - asked
    print(
        f"{len(lines)} addresses, {special} of them special; {answers} answers of 3 databases"
        f" compared, {differences} differences"
    )
    # A comparison of nothing proves nothing.
    if differences or asked == 0 or answers < asked:
        sys.exit(1)


def readers():
    site = WORK / MAXMINDDB
    if not (site / "maxminddb").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore"]
        if subprocess.run([*pip, "--target", str(site), MAXMINDDB]).returncode != 0:
            missing("the Python package maxminddb", "check that pip works and reaches PyPI")
    sys.path.insert(0, str(site))
    try:
        import maxminddb
    except ImportError:
        missing("the Python package maxminddb", f"delete {site} and run this again")
    try:
        import location
    except ImportError:
        missing("the IPFire library", "apt-get install python3-location, run by /usr/bin/python3")
    return maxminddb, location


def missing(what, hint):
    print(f"error: {what} is missing\nhint: {hint}", file=sys.stderr)
    sys.exit(2)


def claims(count, seed):
    """The paths of the files in use by source, and what Landfall says of each address."""
    command = ["cargo", "run", "--quiet", "--package", "geoip", "--example", "claims", "--"]
    command += [str(WORK / "data"), count, seed]
    output = subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.PIPE).stdout
    first, *lines = map(json.loads, output.splitlines())
    return first, lines


def check_hashes(files):
    with open(TOP / "geoip" / "manifest.csv", newline="") as manifest:
        promised = {row["name"]: row["sha256"] for row in csv.DictReader(manifest)}
    for name, path in files.items():
        found = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
        if found != promised[name]:
            print(f"{path} has the SHA-256 {found}, the manifest says {promised[name]}")
            sys.exit(1)


def from_mmdb(reader, address, kind):
    record, prefix = reader.get_with_prefix_len(address)
    code = country(record and record.get("country_code"))
    if code is None:
        return []
    return [[kind, code, str(ipaddress.ip_network((address, prefix), strict=False))]]


def from_ipfire(location, database, address):
    network = database.lookup(address)
    if network is None:
        return []
    found = []
    code = country(network.country_code)
    if code is not None:
        found.append(["located", code])
    if network.asn:
        system = database.get_as(network.asn)
        found.append(["origin", [network.asn, system and system.name]])
    if network.has_flag(location.NETWORK_FLAG_ANYCAST):
        found.append(["anycast", True])
    return [[*claim, str(network)] for claim in found]


def country(code):
    """The rule for codes, written down a second time."""
    if code is None or not re.fullmatch("[A-Z]{2}", code) or code in NO_COUNTRY:
        return None
    return "GB" if code == "UK" else code


if __name__ == "__main__":
    main()
