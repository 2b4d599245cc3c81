//! Prometheus' text exposition format, version 0.0.4.

use std::fmt::Write;

/// One value of a metric, with its labels.
pub(crate) struct Sample {
    labels: String,
    value: f64,
}

impl Sample {
    /// A value without labels.
    #[allow(clippy::cast_precision_loss, reason = "the format's numbers are 64-bit floats")]
    pub(crate) fn plain(value: u64) -> Self {
        Self { labels: String::new(), value: value as f64 }
    }

    /// A value with labels.
    pub(crate) fn labelled(labels: &[(&str, &str)], value: u64) -> Self {
        let pairs: Vec<String> =
            labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escape(text))).collect();
        Self { labels: format!("{{{}}}", pairs.join(",")), ..Self::plain(value) }
    }
}

/// A text under construction.
#[derive(Default)]
pub(crate) struct Exposition {
    text: String,
}

impl Exposition {
    /// Adds a metric that goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, samples: Vec<Sample>) {
        self.metric("gauge", name, help, samples);
    }

    /// Adds a metric that only grows while the process lives; its name ends in `_total`.
    pub(crate) fn counter(&mut self, name: &str, help: &str, samples: Vec<Sample>) {
        self.metric("counter", name, help, samples);
    }

    /// The finished text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn metric(&mut self, kind: &str, name: &str, help: &str, samples: Vec<Sample>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for Sample { labels, value } in samples {
            let _ = writeln!(self.text, "{name}{labels} {value}");
        }
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn metrics_have_help_type_and_escaped_labels() {
        let mut exposition = Exposition::default();
        exposition.gauge("aspen_disk_used_percent", "Use of the disk.", vec![Sample::plain(7)]);
        let odd = Sample::labelled(&[("group", "a\"b\\c"), ("node", "1")], u64::from(u32::MAX));
        exposition.counter("aspen_x_total", "X.", vec![odd]);
        assert_eq!(
            exposition.into_text(),
            "# HELP aspen_disk_used_percent Use of the disk.\n\
             # TYPE aspen_disk_used_percent gauge\n\
             aspen_disk_used_percent 7\n\
             # HELP aspen_x_total X.\n\
             # TYPE aspen_x_total counter\n\
             aspen_x_total{group=\"a\\\"b\\\\c\",node=\"1\"} 4294967295\n"
        );
    }
}
