//! The measured rows for a person: one line for each workload and number of clients.

use super::row::Row;

const HEAD: [&str; 10] = [
    "workload",
    "clients",
    "aspen op/s",
    "p50 ms",
    "p99 ms",
    "etcd op/s",
    "p50 ms",
    "p99 ms",
    "op/s ratio",
    "RSS MiB",
];

/// A Markdown table that also reads well as text. The ratio is Aspen's operations per second over
/// the peer's; a cell without a figure is a dash.
pub(super) fn table(rows: &[Row]) -> String {
    let aspen = rows.iter().filter(|row| row.system == "aspen");
    let lines: Vec<_> = aspen.map(|row| cells(row, peer_of(row, rows))).collect();
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].len());
        cells.chain([HEAD[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let head = line(&HEAD.map(String::from), &widths);
    let rule: Vec<_> =
        widths.iter().map(|width| format!("{:->width$}:", "", width = width + 1)).collect();
    let rule = format!("|{}|", rule.join("|"));
    let body = lines.iter().map(|cells| line(cells, &widths));
    [head, rule].into_iter().chain(body).collect::<Vec<_>>().join("\n")
}

fn peer_of<'r>(row: &Row, rows: &'r [Row]) -> Option<&'r Row> {
    rows.iter().find(|other| other.system != row.system && other.matches(row))
}

fn cells(row: &Row, peer: Option<&Row>) -> [String; HEAD.len()] {
    let dash = || "-".to_string();
    let of_peer = |value: fn(&Row) -> String| peer.map_or_else(dash, value);
    let errors = if row.errors == 0 { String::new() } else { format!(" ({} errors)", row.errors) };
    [
        row.workload.clone(),
        row.clients.to_string(),
        format!("{:.0}{errors}", row.ops_per_s),
        ms(row.p50_us),
        ms(row.p99_us),
        of_peer(|peer| format!("{:.0}", peer.ops_per_s)),
        of_peer(|peer| ms(peer.p50_us)),
        of_peer(|peer| ms(peer.p99_us)),
        peer.map_or_else(dash, |peer| format!("{:.2}", row.ops_per_s / peer.ops_per_s)),
        row.rss_mib_max.map_or_else(dash, |mib| mib.to_string()),
    ]
}

fn ms(us: u64) -> String {
    format!("{}.{:02}", us / 1000, us % 1000 / 10)
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:>width$} "));
    format!("|{}|", padded.collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn row(system: &str, clients: u64, ops_per_s: f64) -> Row {
        let json = format!(
            r#"{{"system":"{system}","workload":"put","clients":{clients},"nodes":3,
                "ops_per_s":{ops_per_s},"p50_us":1500,"p99_us":20000,"max_us":1,"errors":0}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn rows_are_paired_with_the_peers_and_every_line_has_one_width() {
        let text =
            table(&[row("aspen", 1, 100.0), row("aspen", 64, 300.0), row("etcd", 64, 120.0)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains(" - "), "{text}");
        assert!(lines[3].contains(" 2.50 ") && lines[3].contains(" 20.00 "), "{text}");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
    }
}
