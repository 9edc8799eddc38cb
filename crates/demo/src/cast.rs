//! Who takes part: made-up host names at real addresses, each there to show one thing.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A host that the phone talks to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// `None` for an address that an app has built in: no name is ever looked up.
    pub name: Option<&'static str>,
    /// The names that the look-up leads through, the last one owning the address.
    pub aliases: &'static [&'static str],
    /// A real address, chosen for what the databases say of it.
    pub address: IpAddr,
    pub port: u16,
    pub serves: Serves,
    /// What it is there to show.
    pub shows: &'static str,
}

/// What answers at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// TLS, HTTP/2 if the client offers it.
    Http2,
    /// TLS, HTTP/1.1 alone.
    Http1,
    /// HTTP in the clear.
    PlainHttp,
    /// TLS with a certificate that nobody trusts.
    SelfSigned,
    /// A protocol in which the server speaks first.
    Greeter,
    /// Nobody: connections are refused.
    Nobody,
}

impl Place {
    /// The host as a client asks for it.
    pub fn host(&self) -> String {
        self.name.map_or_else(|| self.address.to_string(), str::to_owned)
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host(), self.port)
    }
}

/// The host whose TLS the demonstration's configuration leaves alone.
pub const LEFT_ALONE: &str = "vault.wallet.example";

/// An app's own API in the United States, over HTTP/2.
pub const FEED: Place = place(
    Some("feed.postcards.example"),
    [8, 8, 8, 8],
    443,
    Serves::Http2,
    "HTTP/2, several exchanges at once; both databases agree",
);
/// Cloud storage in mainland China.
pub const NOTES: Place = place(
    Some("sync.notes.example"),
    [8, 136, 0, 1],
    443,
    Serves::Http1,
    "located in CN, address registered in SG",
);
/// A messaging service of a Chinese group on a machine elsewhere.
pub const CHAT: Place = Place {
    aliases: &["im-chatter-example.cdn.dnsv1.com"],
    ..place(
        Some("im.chatter.example"),
        [119, 29, 29, 29],
        443,
        Serves::Http2,
        "operated by a group headquartered in CN, located in SG by both databases",
    )
};
/// What a dispute of 2022 was about: a machine in one country, run by a company of another.
pub const CLIPS: Place = Place {
    aliases: &["clips-reeltime-example.bsgslb.com"],
    ..place(
        Some("clips.reeltime.example"),
        [147, 90, 200, 7],
        443,
        Serves::Http2,
        "a name in a zone of a group headquartered in CN, located in SG; statements on both",
    )
};
/// What somebody says of [`CLIPS`], and the same in terms that can be tested.
pub const CLIPS_STATEMENTS: [(&str, &str); 2] = [
    ("run by Guizhou Baishan Cloud", "operator:Baishan Cloud"),
    ("located in Singapore", "located:SG"),
];
/// What a handshake with [`CLIPS`] is to take in place of what it takes on loopback: less than any
/// way from [`VANTAGE`] to mainland China and back.
pub const CLIPS_TIME: Duration = Duration::from_millis(4);
/// Where the machine is to stand: degrees north and east of Singapore, kilometres of uncertainty.
pub const VANTAGE: (f64, f64, f64) = (1.3521, 103.8198, 25.0);
/// A game server on whose country the databases disagree.
pub const GAME: Place = place(
    Some("lobby.kartgame.example"),
    [159, 138, 0, 1],
    443,
    Serves::Http1,
    "the databases disagree: HK or CN; a WebSocket",
);
/// A tracker without TLS.
pub const TRACKER: Place = place(
    Some("t.adcounter.example"),
    [114, 114, 114, 114],
    80,
    Serves::PlainHttp,
    "plain HTTP with identifiers in the query",
);
/// An address that an app has built in.
pub const BUILT_IN: Place =
    place(None, [223, 5, 5, 5], 443, Serves::Http1, "dialled without a look-up");
/// A banking app that accepts its own certificate alone.
pub const BANK: Place = place(
    Some("api.mybank.example"),
    [168, 95, 1, 1],
    443,
    Serves::Http2,
    "a pinned app refuses our certificate, and is then passed through",
);
/// Left alone by the configuration.
pub const WALLET: Place = place(
    Some(LEFT_ALONE),
    [202, 64, 0, 1],
    443,
    Serves::Http2,
    "passed through by rule, still recorded",
);
/// A server whose certificate nobody trusts.
pub const CAMERA: Place = place(
    Some("cam.cheapcam.example"),
    [202, 175, 3, 3],
    443,
    Serves::SelfSigned,
    "the upstream's certificate does not verify",
);
/// A push service with a protocol of its own.
pub const PUSH: Place = place(
    Some("push.courier.example"),
    [1, 1, 1, 1],
    5223,
    Serves::Greeter,
    "neither TLS nor HTTP, the server speaks first",
);
/// A server that is gone.
pub const RETIRED: Place = place(
    Some("old.postcards.example"),
    [9, 9, 9, 9],
    443,
    Serves::Nobody,
    "the upstream refuses the connection",
);

/// All of them.
pub const CAST: [Place; 12] =
    [FEED, NOTES, CHAT, CLIPS, GAME, TRACKER, BUILT_IN, BANK, WALLET, CAMERA, PUSH, RETIRED];

const fn place(
    name: Option<&'static str>,
    [a, b, c, d]: [u8; 4],
    port: u16,
    serves: Serves,
    shows: &'static str,
) -> Place {
    let address = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Place { name, aliases: &[], address, port, serves, shows }
}
