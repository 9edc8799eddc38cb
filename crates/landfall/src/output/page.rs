//! A page for people: titled sections of labelled lines. Every value is made printable here, so no
//! command can forget to.

use super::colour::Ink;
use super::escape::printable;
use std::fmt::Display;
use unicode_width::UnicodeWidthStr;

/// A page being filled.
#[derive(Debug)]
pub(crate) struct Page {
    colours: bool,
    text: String,
}

impl Page {
    pub(crate) fn new(colours: bool) -> Self {
        Self { colours, text: String::new() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Starts a section, with an empty line before all but the first.
    pub(crate) fn section(&mut self, title: &str) {
        if !self.text.is_empty() && self.text != "\n" {
            self.text.push('\n');
        }
        self.ink(title, Ink::Title);
        self.text.push('\n');
    }

    /// An empty line before a page that follows other output.
    pub(crate) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A labelled value.
    pub(crate) fn line(&mut self, label: &str, value: impl Display) {
        self.inked_line(label, value, Ink::Plain);
    }

    /// A labelled value, where there is one.
    pub(crate) fn some(&mut self, label: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.line(label, value);
        }
    }

    /// A labelled value in a colour.
    pub(crate) fn inked_line(&mut self, label: &str, value: impl Display, ink: Ink) {
        self.text.push_str("  ");
        self.ink(label, Ink::Faint);
        let padding = LABEL_WIDTH.saturating_sub(label.width()).max(1);
        self.text.extend(std::iter::repeat_n(' ', padding));
        self.ink(&value.to_string(), ink);
        self.text.push('\n');
    }

    /// A line of its own.
    pub(crate) fn note(&mut self, text: impl Display) {
        self.text.push_str("  ");
        self.ink(&text.to_string(), Ink::Plain);
        self.text.push('\n');
    }

    fn ink(&mut self, text: &str, ink: Ink) {
        let text = printable(text);
        self.text.push_str(&ink.on(&text, self.colours).to_string());
    }
}

const LABEL_WIDTH: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_sections_and_no_control_characters() {
        let mut page = Page::new(false);
        page.section("Overview");
        page.line("host", "a\u{1b}b");
        page.some("port", None::<u16>);
        page.section("More");
        page.note("text");
        assert_eq!(page.text(), "Overview\n  host              a\\x1bb\n\nMore\n  text\n");
    }
}
