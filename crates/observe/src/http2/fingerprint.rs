//! How a client opens an HTTP/2 connection, which tells implementations apart: the text form of
//! Akamai's "Passive Fingerprinting of HTTP/2 Clients" (Black Hat EU 2017):
//! `SETTINGS|WINDOW_UPDATE|PRIORITY|pseudo-header order`, such as
//! `1:65536;4:6291456|15663105|0|m,a,s,p`.

use flow::http::Field;
use std::fmt::Write as _;

/// What a client has sent before its first header block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    settings: String,
    window_update: Option<u32>,
    priorities: Vec<String>,
    frames: usize,
}

impl Fingerprint {
    /// The payload of a SETTINGS frame; the first one counts.
    pub(super) fn settings(&mut self, payload: &[u8]) {
        if !self.settings.is_empty() {
            return;
        }
        let (entries, _) = payload.as_chunks::<6>();
        for [i0, i1, v0, v1, v2, v3] in entries.iter().take(MOST_ENTRIES) {
            let (id, value) =
                (u16::from_be_bytes([*i0, *i1]), u32::from_be_bytes([*v0, *v1, *v2, *v3]));
            let separator = if self.settings.is_empty() { "" } else { ";" };
            // Writing to a String cannot fail.
            write!(self.settings, "{separator}{id}:{value}").unwrap_or_default();
        }
    }

    /// The payload of a WINDOW_UPDATE frame of the connection; the first one counts.
    pub(super) fn window_update(&mut self, payload: &[u8]) {
        if let Some(increment) = payload.first_chunk() {
            let increment = u32::from_be_bytes(*increment) & 0x7fff_ffff;
            self.window_update.get_or_insert(increment);
        }
    }

    /// The payload of a PRIORITY frame.
    pub(super) fn priority(&mut self, stream_id: u32, payload: &[u8]) {
        let Some([d0, d1, d2, d3, weight]) = payload.first_chunk() else { return };
        let exclusive = d0 >> 7;
        let depends_on = u32::from_be_bytes([d0 & 0x7f, *d1, *d2, *d3]);
        let weight = u16::from(*weight) + 1;
        self.priorities.push(format!("{stream_id}:{exclusive}:{depends_on}:{weight}"));
    }

    /// Whether one more frame is taken in; a client may send any number of them.
    pub(super) fn has_room(&mut self) -> bool {
        self.frames += 1;
        self.frames <= MOST_ENTRIES
    }

    /// The text, with the first request's fields.
    pub(super) fn text(&self, fields: &[Field]) -> String {
        let window = match self.window_update {
            Some(increment) => increment.to_string(),
            None => "00".to_owned(),
        };
        let priorities = match self.priorities.as_slice() {
            [] => "0".to_owned(),
            some => some.join(","),
        };
        let pseudo = fields.iter().filter_map(|field| match field.name.as_ref() {
            b":method" => Some("m"),
            b":authority" => Some("a"),
            b":scheme" => Some("s"),
            b":path" => Some("p"),
            _ => None,
        });
        let order: Vec<&str> = pseudo.collect();
        format!("{}|{window}|{priorities}|{}", self.settings, order.join(","))
    }
}

/// Settings, and frames, that are taken in.
const MOST_ENTRIES: usize = 32;
