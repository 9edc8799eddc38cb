//! The results: medians of the rounds, beside nginx, beside what was to be reached, and how many times
//! as fast as other people's recorders Landfall is.

use crate::arguments::Arguments;
use crate::measure::Sample;
use crate::subject::Kind;
use crate::work::Work;
use serde_json::json;

/// The result of one subject.
pub(crate) struct Row {
    kind: Kind,
    median: Sample,
    rounds: usize,
    peak_kib: u64,
}

impl Row {
    pub(crate) fn new(kind: Kind, samples: &[Sample], peak_kib: u64) -> Self {
        let middle = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
        let median = Sample {
            rate: middle(|sample| sample.rate),
            cpu_us: middle(|sample| sample.cpu_us),
            cpu_during_us: middle(|sample| sample.cpu_during_us),
            value: middle(|sample| sample.value),
        };
        Self { kind, median, rounds: samples.len(), peak_kib }
    }
}

/// What the figures are of.
pub(crate) fn heading(arguments: &Arguments) {
    if arguments.json {
        return;
    }
    let rounds = arguments.rounds;
    println!(
        "Medians of {rounds} interleaved rounds. CPU is user and system time of the subject's"
    );
    println!("processes until they are at rest; `during` is the part before the last answer.\n");
}

pub(crate) fn show(work: Work, rows: &[Row], json: bool) {
    let nginx = rows.iter().find(|row| row.kind == Kind::Nginx).map(|row| row.median.cpu_us);
    let ratio = |row: &Row| {
        nginx
            .filter(|nginx| *nginx > 0.0 && row.kind != Kind::Direct)
            .map(|n| row.median.cpu_us / n)
    };
    let ours = rows.iter().find(|row| row.kind == Kind::Landfall).map(|row| row.median.rate);
    let outrun = |row: &Row| {
        ours.filter(|_| row.kind.is_rival() && row.median.rate > 0.0)
            .map(|ours| ours / row.median.rate)
    };
    if json {
        for row in rows {
            println!("{}", as_json(work, row, ratio(row), outrun(row)));
        }
        return;
    }
    println!("{} ({}; Landfall: {})", work.title(), work.name(), work.target());
    let (unit, value_unit) = (work.unit(), work.value_unit().unwrap_or(""));
    println!(
        "  {:<9} {:>12} {:>14} {:>14} {:>8} {:>9} {:>12} {:>12}",
        "",
        format!("{unit}/s"),
        format!("CPU us/{}", short(unit)),
        "during",
        "x nginx",
        "peak MiB",
        value_unit,
        if rows.iter().any(|row| row.kind.is_rival()) { "we run at x" } else { "" }
    );
    for row in rows {
        let Sample { rate, cpu_us, cpu_during_us, value } = row.median;
        let proxied = row.kind != Kind::Direct;
        let only = |there: bool, text: String| if there { text } else { "-".to_owned() };
        println!(
            "  {:<9} {rate:>12.0} {:>14} {:>14} {:>8} {:>9} {:>12} {:>12}",
            row.kind.name(),
            only(proxied, format!("{cpu_us:.1}")),
            only(proxied, format!("{cpu_during_us:.1}")),
            ratio(row).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            only(proxied, format!("{:.0}", row.peak_kib as f64 / 1024.0)),
            only(work.value_unit().is_some(), format!("{value:.1}")),
            outrun(row).map_or_else(String::new, |outrun| format!("{outrun:.1}")),
        );
    }
    println!();
}

fn as_json(work: Work, row: &Row, ratio: Option<f64>, outrun: Option<f64>) -> serde_json::Value {
    let Sample { rate, cpu_us, cpu_during_us, value } = row.median;
    json!({
        "work": work.name(),
        "subject": row.kind.name(),
        "rounds": row.rounds,
        "unit": work.unit(),
        "per_second": rate,
        "cpu_us": cpu_us,
        "cpu_during_us": cpu_during_us,
        "cpu_to_nginx": ratio,
        "landfall_rate_to_this": outrun,
        "peak_kib": row.peak_kib,
        "value": work.value_unit().map(|_| value),
        "value_unit": work.value_unit(),
    })
}

fn short(unit: &str) -> &str {
    match unit {
        "request" => "req",
        "connection" => "conn",
        other => other,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(low), Some(high)) if values.len().is_multiple_of(2) => (low + high) / 2.0,
        (_, Some(middle)) => *middle,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in
            [(vec![], 0.0), (vec![3.0], 3.0), (vec![9.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0], 2.5)]
        {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }
}
