//! The tables. Times are nanoseconds since the epoch, durations nanoseconds; what is not known is
//! NULL. Texts from peers hold no control characters and are valid UTF-8 (replaced by U+FFFD).

/// Changes with every change of tables or of what is put into them; another version is rebuilt.
pub(super) const VERSION: i64 = 9;

/// Creates everything in an empty database.
pub(super) const CREATE: &str = "
-- How far the log is taken in. `last_*` tell whether the log is still the one that was read.
CREATE TABLE progress (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    last_sha256 BLOB NOT NULL
);
CREATE TABLE session (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    case_name TEXT,
    device TEXT,
    simulated INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    closed INTEGER
);
-- Where each record is, but for those that `flows` knows. `exchange` is 0 for what is about the
-- connection itself.
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    kind TEXT NOT NULL,
    connection INTEGER,
    exchange INTEGER
);
CREATE INDEX records_of_flow ON records (connection, exchange, seq) WHERE connection IS NOT NULL;
CREATE TABLE connections (
    id INTEGER PRIMARY KEY,
    opened INTEGER NOT NULL,
    opened_mono INTEGER NOT NULL,
    -- NULL where it is withheld.
    device TEXT,
    app TEXT,
    ingress TEXT NOT NULL,
    host TEXT,
    port INTEGER,
    -- The address that was dialled with success, else last. `reached` tells which.
    address TEXT,
    address_key BLOB,
    reached INTEGER NOT NULL DEFAULT 0,
    simulated INTEGER NOT NULL DEFAULT 0,
    assessment INTEGER,
    treatment TEXT,
    why TEXT,
    distrust TEXT,
    protocol TEXT,
    ja4 TEXT,
    -- The handshake with the device is complete: ours, or one that was relayed.
    client_tls INTEGER NOT NULL DEFAULT 0,
    -- Inside TLS that was relayed unopened the device sent application data.
    tls_data_sent INTEGER NOT NULL DEFAULT 0,
    exchanges INTEGER NOT NULL DEFAULT 0,
    bytes_up INTEGER NOT NULL DEFAULT 0,
    bytes_down INTEGER NOT NULL DEFAULT 0,
    duration INTEGER,
    dns INTEGER,
    connect INTEGER,
    upstream_tls INTEGER,
    tls_to_client INTEGER,
    outcome TEXT
);
-- One row per exchange (`exchange` from 1), and one per connection without any (0).
CREATE TABLE flows (
    connection INTEGER NOT NULL,
    exchange INTEGER NOT NULL,
    time INTEGER NOT NULL,
    mono INTEGER NOT NULL,
    protocol TEXT,
    method TEXT,
    path TEXT,
    status INTEGER,
    type TEXT,
    request_bytes INTEGER,
    response_bytes INTEGER,
    -- On the monotonic clock, as `mono`: the request was sent, its final response came.
    sent INTEGER,
    answered INTEGER,
    duration INTEGER,
    outcome TEXT,
    -- WebSocket and gRPC messages and server-sent events.
    messages INTEGER,
    -- Where the records of the request, the final response and the end are in the log. Rows of
    -- their own in `records` would cost more than all else that is put in for an exchange.
    request_offset INTEGER,
    request_length INTEGER,
    response_offset INTEGER,
    response_length INTEGER,
    close_offset INTEGER,
    close_length INTEGER,
    PRIMARY KEY (connection, exchange)
) WITHOUT ROWID;
CREATE INDEX flows_by_time ON flows (time);
CREATE TABLE lookups (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    connection INTEGER,
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    -- Nobody asked but the operator. Such look-ups have neither chain nor answers here, so that
    -- nothing takes them for what a device was told.
    watch INTEGER NOT NULL
);
CREATE INDEX lookups_by_name ON lookups (name, at);
-- The CNAME chain, the asked name at position 0.
CREATE TABLE chain (
    lookup INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (lookup, position)
) WITHOUT ROWID;
CREATE TABLE answers (
    lookup INTEGER NOT NULL,
    position INTEGER NOT NULL,
    owner TEXT NOT NULL,
    ttl INTEGER NOT NULL,
    address TEXT,
    cname TEXT,
    PRIMARY KEY (lookup, position)
) WITHOUT ROWID;
CREATE INDEX answers_by_address ON answers (address) WHERE address IS NOT NULL;
-- One row per `claims` record; what they add up to comes with the `assessment` record.
CREATE TABLE assessments (
    number INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    claims_seq INTEGER,
    assessment_seq INTEGER,
    location TEXT,
    country TEXT,
    asn INTEGER,
    as_name TEXT,
    operator TEXT,
    operator_country TEXT,
    operator_confidence TEXT,
    registered TEXT,
    as_registered TEXT,
    anycast INTEGER NOT NULL DEFAULT 0,
    special_range TEXT
);
CREATE TABLE claims (
    assessment INTEGER NOT NULL,
    position INTEGER NOT NULL,
    about TEXT NOT NULL,
    source TEXT NOT NULL,
    matched TEXT NOT NULL,
    country TEXT,
    PRIMARY KEY (assessment, position)
) WITHOUT ROWID;
CREATE TABLE flags (
    assessment INTEGER NOT NULL,
    position INTEGER NOT NULL,
    policy TEXT NOT NULL,
    PRIMARY KEY (assessment, position)
) WITHOUT ROWID;
-- The machine's network, from one `network` record to the next. `known` is 0 where nobody told.
CREATE TABLE networks (
    epoch INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    known INTEGER NOT NULL,
    tunnel TEXT,
    upstream_proxy INTEGER NOT NULL
);
-- One row per `rtt` record.
CREATE TABLE round_trips (
    seq INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL,
    address TEXT NOT NULL,
    server_name TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    chain TEXT NOT NULL,
    signature INTEGER NOT NULL,
    connect INTEGER,
    -- The least that the kernel measured.
    kernel INTEGER,
    samples INTEGER NOT NULL
);
CREATE INDEX round_trips_of_address ON round_trips (address, epoch);
-- Where the bytes of a stream are: each flush's part of it lies in one stretch of a segment.
CREATE TABLE runs (
    connection INTEGER NOT NULL,
    leg TEXT NOT NULL,
    direction TEXT NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_frame INTEGER NOT NULL,
    PRIMARY KEY (connection, leg, direction, start)
) WITHOUT ROWID;
-- Flows with what is known of their connection and address: what filters and sorting see.
CREATE VIEW listing AS
SELECT
    f.connection AS connection,
    f.exchange AS exchange,
    f.time AS time,
    c.device AS device,
    c.app AS app,
    c.ingress AS ingress,
    c.host AS host,
    c.port AS port,
    c.address AS address,
    c.address_key AS address_key,
    c.treatment AS treatment,
    c.why AS why,
    c.distrust AS distrust,
    CASE f.exchange WHEN 0 THEN c.protocol ELSE f.protocol END AS protocol,
    f.method AS method,
    f.path AS path,
    f.status AS status,
    CASE f.exchange WHEN 0 THEN c.bytes_up ELSE f.request_bytes END AS request_bytes,
    CASE f.exchange WHEN 0 THEN c.bytes_down ELSE f.response_bytes END AS response_bytes,
    f.type AS type,
    f.messages AS messages,
    CASE f.exchange WHEN 0 THEN c.duration ELSE f.duration END AS duration,
    CASE f.exchange WHEN 0 THEN c.outcome ELSE f.outcome END AS outcome,
    CASE f.exchange WHEN 0 THEN NULL ELSE c.outcome END AS connection_outcome,
    f.mono AS mono,
    f.sent AS sent,
    f.answered AS answered,
    -- What came before the first exchange is no part of later ones.
    CASE WHEN f.exchange <= 1 THEN c.dns END AS dns,
    CASE WHEN f.exchange <= 1 THEN c.connect END AS connect,
    CASE WHEN f.exchange <= 1 THEN c.upstream_tls END AS upstream_tls,
    CASE WHEN f.exchange <= 1 THEN c.tls_to_client END AS tls_to_client,
    c.ja4 AS ja4,
    -- Of a simulated session, nothing is a finding on real traffic.
    c.simulated OR EXISTS (SELECT 1 FROM session WHERE session.simulated) AS simulated,
    EXISTS (SELECT 1 FROM answers WHERE answers.address = c.address) AS looked_up,
    c.client_tls AS client_tls,
    c.tls_data_sent AS tls_data_sent,
    c.exchanges AS exchanges,
    c.bytes_up AS connection_up,
    c.bytes_down AS connection_down,
    c.opened AS connection_opened,
    c.assessment AS assessment,
    a.location AS location,
    a.country AS country,
    a.asn AS asn,
    a.as_name AS as_name,
    a.operator AS operator,
    a.operator_country AS operator_country,
    a.operator_confidence AS operator_confidence,
    a.registered AS registered,
    a.as_registered AS as_registered,
    coalesce(a.anycast, 0) AS anycast,
    EXISTS (SELECT 1 FROM flags WHERE flags.assessment = c.assessment) AS flagged
FROM flows f
JOIN connections c ON c.id = f.connection
LEFT JOIN assessments a ON a.number = c.assessment;
";
