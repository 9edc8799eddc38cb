//! "Did you mean": the nearest known word to one that is not.

/// The candidate nearest to `word`, if one is near enough to be a slip of the finger.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > NEAR_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

const NEAR_ENOUGH: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["listen", "limits", "duration", "upstream-verify"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("upstream_verify", known), Some("upstream-verify"));
        assert_eq!(nearest("zzz", known), None);
    }
}
