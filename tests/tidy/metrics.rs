//! Alert rules and dashboard against the manual: they ask for no metric that does not exist.
//!
//! That the manual has every metric, and no other, is tested where the metrics are made.

use std::collections::BTreeSet;

/// How the names of our metrics begin.
const PREFIXES: [&str; 2] = ["broker_", "gateway_"];

/// What a histogram's series add to its name.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The metrics in the tables of the manual.
pub(crate) fn documented(manual: &str) -> BTreeSet<String> {
    manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .collect()
}

/// The metrics that expressions in `text` name.
pub(crate) fn asked_for(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
        .map(|word| {
            let histogram = PARTS.iter().find_map(|part| word.strip_suffix(part));
            histogram.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn a_metric_that_does_not_exist_is_noticed() {
    let manual = "| Metric | |\n| `broker_good_total` | `x` | a |\n| `other` | | b |\n";
    let documented = documented(manual);
    assert_eq!(documented, BTreeSet::from(["broker_good_total".to_owned()]));
    let text = "rate(broker_good_total[5m]) / gateway_bad_seconds_bucket{le=\"1\"}";
    let unknown: Vec<_> = asked_for(text).difference(&documented).cloned().collect();
    assert_eq!(unknown, ["gateway_bad_seconds"]);
}
