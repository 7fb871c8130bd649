use std::fmt;
use std::str::FromStr;

use crate::report::Report;

/// A number of a report that can be held to a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// Half of all deliveries took longer.
    P50,
    /// One in a hundred took longer.
    P99,
    /// One in a thousand took longer.
    P99_9,
    /// The longest delivery.
    Max,
    /// Deliveries that did not come.
    Lost,
    /// Deliveries in a second.
    DeliveriesPerSecond,
    /// The server's processor time for each delivery. Needs its process.
    CpuPerDelivery,
    /// The server's memory for each connection. Needs its process.
    MemoryPerConnection,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::P50,
        Self::P99,
        Self::P99_9,
        Self::Max,
        Self::Lost,
        Self::DeliveriesPerSecond,
        Self::CpuPerDelivery,
        Self::MemoryPerConnection,
    ];

    /// Its name in conditions.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P99_9 => "p99.9",
            Self::Max => "max",
            Self::Lost => "lost",
            Self::DeliveriesPerSecond => "deliveries_per_second",
            Self::CpuPerDelivery => "cpu_per_delivery",
            Self::MemoryPerConnection => "memory_per_connection",
        }
    }

    /// Its value: milliseconds, microseconds of processor time, bytes, or a plain number. None if
    /// it was not measured.
    pub fn of(self, report: &Report) -> Option<f64> {
        let process = report.process.as_ref();
        Some(match self {
            Self::P50 => report.latency.p50_ms,
            Self::P99 => report.latency.p99_ms,
            Self::P99_9 => report.latency.p99_9_ms,
            Self::Max => report.latency.max_ms,
            Self::Lost => report.faults.lost as f64,
            Self::DeliveriesPerSecond => report.deliveries_per_second,
            Self::CpuPerDelivery => process?.cpu_us_per_delivery,
            Self::MemoryPerConnection => process?.memory_per_connection?,
        })
    }

    /// The units that may follow a number, each with what it is worth in the metric's own, which is
    /// the first.
    fn units(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::P50 | Self::P99 | Self::P99_9 | Self::Max => {
                &[("ms", 1.0), ("us", 0.001), ("µs", 0.001), ("s", 1_000.0)]
            }
            Self::CpuPerDelivery => &[("us", 1.0), ("µs", 1.0), ("ns", 0.001), ("ms", 1_000.0)],
            Self::MemoryPerConnection => &[
                ("B", 1.0),
                ("KiB", 1_024.0),
                ("MiB", 1_048_576.0),
                ("", 1.0),
            ],
            Self::Lost | Self::DeliveriesPerSecond => &[("", 1.0)],
        }
    }
}

/// A condition under which a run counts as failed, such as `p99>50ms` or
/// `deliveries_per_second<10000`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    metric: Metric,
    is_upper: bool,
    limit: f64,
    text: String,
}

impl Threshold {
    /// Whether it looks at the server's process, whose number the plan must then have.
    pub fn needs_process(&self) -> bool {
        matches!(
            self.metric,
            Metric::CpuPerDelivery | Metric::MemoryPerConnection
        )
    }

    /// How the report broke it, if it did. What was not measured breaks it, too.
    pub fn broken_by(&self, report: &Report) -> Option<String> {
        let name = self.metric.name();
        let Some(value) = self.metric.of(report) else {
            return Some(format!("{name} was not measured, but is held to {self}"));
        };
        let is_broken = if self.is_upper {
            value > self.limit
        } else {
            value < self.limit
        };
        let unit = self.metric.units()[0].0;
        let shown = format!("{value:.3}");
        let shown = shown.trim_end_matches('0').trim_end_matches('.');
        is_broken.then(|| format!("{name} is {shown}{unit}: {self}"))
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text
            .find(['>', '<'])
            .ok_or("write a number's name, > or <, and a limit: p99>50ms")?;
        let name = text[..at].trim();
        let metric = Metric::ALL
            .into_iter()
            .find(|metric| metric.name() == name)
            .ok_or_else(|| {
                let names = Metric::ALL.map(Metric::name).join(", ");
                format!("{name:?} is not measured; the names are {names}")
            })?;
        let limit = text[at + 1..].trim();
        let split = limit
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(limit.len());
        let (number, unit) = limit.split_at(split);
        let number: f64 = number
            .parse()
            .map_err(|_| format!("{limit:?} is not a number"))?;
        let units = metric.units();
        let Some((_, worth)) = units.iter().find(|(name, _)| *name == unit.trim()) else {
            let units: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            let fix = match units[..] {
                [""] => "no unit".to_owned(),
                _ => units.join(", ").trim_end_matches(", ").to_owned(),
            };
            return Err(format!("{name} has {fix} after its number, not {unit:?}"));
        };
        Ok(Self {
            metric,
            is_upper: text.as_bytes()[at] == b'>',
            limit: number * worth,
            text: text.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_read_with_its_unit() {
        let limit = |text: &str| text.parse::<Threshold>().map(|one| one.limit);
        assert_eq!(limit("p99>50ms"), Ok(50.0));
        assert_eq!(limit("p99.9 > 2s"), Ok(2_000.0));
        assert_eq!(limit("max>1500us"), Ok(1.5));
        assert_eq!(limit("lost>0"), Ok(0.0));
        assert_eq!(limit("deliveries_per_second<10000"), Ok(10_000.0));
        assert_eq!(limit("cpu_per_delivery>6us"), Ok(6.0));
        assert_eq!(limit("memory_per_connection>2KiB"), Ok(2_048.0));
    }

    #[test]
    fn what_is_not_a_condition_says_what_to_write() {
        for (text, hint) in [
            ("p99", "p99>50ms"),
            ("p98>5ms", "p99.9"),
            ("p99>5", "ms"),
            ("lost>1ms", "no unit"),
            ("p99>xms", "not a number"),
        ] {
            let error = text.parse::<Threshold>().expect_err(text);
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
