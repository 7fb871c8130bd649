#![doc = include_str!("../../CODES.md")]

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::StatusCode;
    use signal_access::{AuthResult, Refusal, RefusalCause};
    use signal_core::CloseReason;

    const PAGE: &str = include_str!("../../CODES.md");

    /// What stands under a heading, up to the next.
    fn section(heading: &str) -> &'static str {
        let after = PAGE.split_once(&format!("\n{heading}\n"));
        let (_, after) = after.unwrap_or_else(|| panic!("there is no {heading:?}"));
        let end = after.find("\n# ").into_iter().chain(after.find("\n## "));
        &after[..end.min().unwrap_or(after.len())]
    }

    /// The names in the first column of the tables of a text.
    fn names(text: &str) -> BTreeSet<&str> {
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split('`').next()).collect()
    }

    #[test]
    fn every_refusal_stands_under_its_status_with_what_it_says() {
        for cause in RefusalCause::ALL {
            let refusal = Refusal::because(cause, 0);
            let status = StatusCode::from_u16(refusal.status()).expect("a status");
            let section = section(&format!("## {status}"));
            let row = format!("| `{}` | {}", cause.name(), refusal.body());
            assert!(section.contains(&row), "{row:?} is not in:\n{section}");
        }
    }

    #[test]
    fn every_close_has_a_section_with_what_it_says() {
        for reason in CloseReason::ALL {
            let section = section(&format!("## {} {}", reason.code(), reason.name()));
            assert!(
                section.contains(&format!("> {}\n", reason.text())),
                "{section}"
            );
            let is_refused = section
                .replace('\n', " ")
                .contains("refused for `refuse_after_close`");
            assert_eq!(is_refused, reason.is_peers_fault(), "{section}");
        }
    }

    #[test]
    fn every_result_of_a_token_is_explained_and_nothing_else() {
        let results: BTreeSet<_> = AuthResult::ALL.iter().map(|result| result.name()).collect();
        assert_eq!(names(section("# Tokens")), results);
    }

    #[test]
    fn no_cause_is_named_that_there_is_not() {
        let (before, _) = PAGE.split_once("\n# Tokens\n").expect("the section");
        let mut known: BTreeSet<_> = RefusalCause::ALL.iter().map(|cause| cause.name()).collect();
        // For a plain GET, and for an authorizer without an answer.
        known.extend(["okay", AuthResult::TimedOut.name()]);
        let unknown: Vec<_> = names(before).difference(&known).copied().collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn every_close_section_is_of_a_reason() {
        let (_, closes) = PAGE.split_once("\n# Close codes\n").expect("the section");
        let (closes, _) = closes.split_once("\n# The command\n").expect("the section");
        let headings = closes.lines().filter_map(|line| line.strip_prefix("## "));
        let reasons: BTreeSet<_> = CloseReason::ALL
            .iter()
            .map(|reason| format!("{} {}", reason.code(), reason.name()))
            .collect();
        let told: BTreeSet<_> = headings
            .filter(|heading| *heading != "1005 and 1006")
            .map(str::to_owned)
            .collect();
        assert_eq!(told, reasons);
    }
}
