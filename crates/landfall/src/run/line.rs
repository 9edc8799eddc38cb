//! The layout of one live line: time, id, treatment, host, what was asked and answered or why not,
//! and what is known of the destination. On a terminal it is as wide as that and no wider; into a
//! file nothing is cut. What the parts say is decided elsewhere.

use crate::output::colour::Ink;
use crate::output::escape::printable;
use crate::output::text::cut;
use unicode_width::UnicodeWidthStr;

/// The parts of a line, as captured: made printable here.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) clock: &'a str,
    pub(super) id: &'a str,
    /// Told where there is room for it.
    pub(super) device: &'a str,
    pub(super) treatment: &'a str,
    pub(super) host: &'a str,
    /// Method, status and path, or the port.
    pub(super) what: &'a str,
    /// Why nothing was read. It may take the room of `what` and most of that of `known`.
    pub(super) why: &'a str,
    pub(super) known: &'a str,
    pub(super) is_flagged: bool,
    pub(super) is_simulated: bool,
}

/// How lines are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Columns of the terminal; `None` for a file.
    pub(super) width: Option<usize>,
    pub(super) colours: bool,
}

impl Layout {
    /// The line, without its end.
    pub(super) fn line(self, parts: &Parts<'_>) -> String {
        let width = self.width.unwrap_or(UNCUT);
        let host_width = if width < WIDE { NARROW_HOST } else { WIDE_HOST };
        let mark = match (parts.is_simulated, width < WIDE) {
            (true, true) => "sim",
            (true, false) => "simulated",
            (false, _) => "",
        };
        let device = if width < WIDE { 0 } else { DEVICE + 1 };
        let fixed = CLOCK + ID + device + TREATMENT + host_width + 4 + mark.len();
        let rest = width.saturating_sub(fixed + usize::from(!mark.is_empty())).max(LEAST);
        let (what, known) = self.rest(parts, rest);
        let known_ink = if parts.is_flagged { Ink::Notice } else { Ink::Faint };
        let line = [
            self.cell(Ink::Faint, parts.clock, CLOCK),
            self.cell(Ink::Plain, parts.id, ID),
            self.cell(
                Ink::Faint,
                if device > 0 { parts.device } else { "" },
                device.saturating_sub(1),
            ),
            self.cell(Ink::of_word(parts.treatment), parts.treatment, TREATMENT),
            self.cell(Ink::Title, parts.host, host_width),
            self.cell(Ink::Plain, &what, what.width()),
            self.cell(known_ink, &known, known.width()),
            self.cell(Ink::Faint, mark, 0),
        ];
        let shown: Vec<_> = line.into_iter().filter(|cell| !cell.is_empty()).collect();
        shown.join(" ").trim_end().to_owned()
    }

    /// What is said, and what is known, in so many columns with a space between them.
    fn rest(self, parts: &Parts<'_>, room: usize) -> (String, String) {
        let [what, why, known] =
            [parts.what, parts.why, parts.known].map(|text| printable(text).into_owned());
        let said = match (what.is_empty(), why.is_empty()) {
            (_, true) => what,
            (true, false) => why,
            (false, false) => format!("{what} {why}"),
        };
        let column = if self.width.is_none() { WIDE_WHAT } else { room * 5 / 9 };
        // The country comes first in what is known, and has room at the end of every line.
        let country = known.split(' ').next().map_or(0, |word| word.width());
        let most = match (self.width, parts.why.is_empty()) {
            (None, _) => usize::MAX,
            (Some(_), true) => column,
            (Some(_), false) => room.saturating_sub(country + 1).max(column),
        };
        let said = cut(&said, most);
        let padding = column.saturating_sub(said.width());
        let said = format!("{said}{:padding$}", "");
        let left = match self.width {
            None => usize::MAX,
            Some(_) => room.saturating_sub(said.width() + 1),
        };
        (said, cut(&known, left))
    }

    fn cell(self, ink: Ink, text: &str, width: usize) -> String {
        let text = printable(text);
        let text = match self.width {
            Some(_) if width > 0 => cut(&text, width),
            _ => text.into_owned(),
        };
        if text.trim().is_empty() && width == 0 {
            return String::new();
        }
        let padding = width.saturating_sub(text.width());
        format!("{}{:padding$}", ink.on(&text, self.colours), "")
    }
}

const CLOCK: usize = 8;
const ID: usize = 6;
const DEVICE: usize = 15;
const TREATMENT: usize = 11;
const NARROW_HOST: usize = 22;
const WIDE_HOST: usize = 28;
/// From here on there is room for the long forms.
const WIDE: usize = 120;
/// Widths of what is not cut.
const UNCUT: usize = 160;
const WIDE_WHAT: usize = 40;
/// What a narrower terminal wraps by itself.
const LEAST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: Parts<'_> = Parts {
        clock: "11:13:05",
        id: "c7.1",
        device: "192.168.1.7",
        treatment: "intercepted",
        host: "sync.notes.example",
        what: "POST 200 /v2/sync?app=3.1.4&device=490154203237518",
        why: "",
        known: "CN Alibaba Cloud (mainland); mainland-china: located, operated",
        is_flagged: true,
        is_simulated: true,
    };
    const FAILURE: Parts<'_> = Parts {
        id: "c8",
        treatment: "failed",
        host: "api.mybank.example.with.a.long.name",
        what: ":443",
        why: "client distrusts our certificate (alert unknown_ca): pinned or app-private trust",
        known: "TW",
        is_flagged: false,
        ..EXCHANGE
    };

    #[track_caller]
    fn check(width: Option<usize>, parts: &Parts<'_>, expected: &str) {
        let line = Layout { width, colours: false }.line(parts);
        assert_eq!(line, expected);
        assert!(width.is_none_or(|width| line.width() <= width), "{line}");
    }

    #[test]
    fn a_line_is_as_wide_as_the_terminal() {
        check(
            Some(80),
            &EXCHANGE,
            "11:13:05 c7.1   intercepted sync.notes.example     POST 200 /v2… CN Alibaba… sim",
        );
        check(
            Some(100),
            &EXCHANGE,
            "11:13:05 c7.1   intercepted sync.notes.example     POST 200 /v2/sync?app=3.… CN Alibaba Cloud (… sim",
        );
        check(
            Some(100),
            &FAILURE,
            "11:13:05 c8     failed      api.mybank.example.wi… :443 client distrusts our certificate (al… TW sim",
        );
    }

    #[test]
    fn a_file_gets_all_of_it() {
        let line = Layout { width: None, colours: false }.line(&FAILURE);
        assert!(line.contains(FAILURE.host) && line.contains(FAILURE.why), "{line}");
        assert!(line.ends_with(" TW simulated"), "{line}");
    }

    #[test]
    fn columns_are_aligned_and_safe_whatever_stands_in_them() {
        let layout = Layout { width: Some(100), colours: false };
        let at = |what: &str| {
            let line = layout.line(&Parts { what, known: "CN", ..EXCHANGE });
            assert!(!line.contains('\u{1b}'), "{line}");
            let (before, _) = line.split_once(" CN ").unwrap();
            before.width()
        };
        assert_eq!(at("取得 200 /"), at("GET 200 /"));
        assert_eq!(at("GET 200 /\u{1b}[2J"), at("GET 200 /"));
    }

    #[test]
    fn colours_change_no_width() {
        let bare = Layout { width: Some(100), colours: false }.line(&EXCHANGE);
        let coloured = Layout { width: Some(100), colours: true }.line(&EXCHANGE);
        let mut text = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            text.push_str(before);
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        assert_eq!(text + rest, bare);
    }
}
