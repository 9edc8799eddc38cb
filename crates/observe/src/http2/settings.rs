//! SETTINGS (RFC 9113 section 6.5), as far as they change how the other direction is read.

/// What one SETTINGS frame announces of interest. Where it names a setting twice, the largest
/// value counts: the peer may for a moment have gone by either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// SETTINGS_HEADER_TABLE_SIZE, bytes.
    pub(super) header_table_size: Option<u32>,
    /// SETTINGS_MAX_FRAME_SIZE, bytes.
    pub(super) max_frame_size: Option<u32>,
}

/// The payload is no sequence of six-byte entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadSettings;

impl Settings {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, BadSettings> {
        let (entries, rest) = payload.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(BadSettings);
        }
        let mut settings = Self::default();
        for [i0, i1, v0, v1, v2, v3] in entries {
            let value = Some(u32::from_be_bytes([*v0, *v1, *v2, *v3]));
            match u16::from_be_bytes([*i0, *i1]) {
                HEADER_TABLE_SIZE => {
                    settings.header_table_size = settings.header_table_size.max(value);
                }
                MAX_FRAME_SIZE => settings.max_frame_size = settings.max_frame_size.max(value),
                _ => {}
            }
        }
        Ok(settings)
    }
}

const ENTRY_BYTES: usize = 6;
const HEADER_TABLE_SIZE: u16 = 1;
const MAX_FRAME_SIZE: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &[u8], expected: Result<(Option<u32>, Option<u32>), BadSettings>) {
        let got = Settings::parse(payload);
        assert_eq!(got.map(|got| (got.header_table_size, got.max_frame_size)), expected);
    }

    #[test]
    fn entries() {
        check(&[], Ok((None, None)));
        check(&[0, 1, 0, 1, 0, 0], Ok((Some(65536), None)));
        check(&[0, 5, 0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0], Ok((Some(0), Some(0x8000))));
        check(&[0, 1, 0, 0, 0, 9, 0, 1, 0, 0, 0, 3], Ok((Some(9), None)));
        check(&[0, 3, 0, 0, 0, 9, 0x7f, 0xff, 0, 0, 0, 3], Ok((None, None)));
        check(&[0, 1, 0, 1, 0], Err(BadSettings));
    }
}
