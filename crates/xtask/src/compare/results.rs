//! What was measured, kept in a file as it comes.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::server::Kind;
use crate::measuring::Report;
use crate::stop::Stop;
use crate::workspace;

/// The report of one run of `signal bench`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measurement {
    /// Processor time of the server for a delivery, in microseconds.
    pub(crate) cpu: f64,
    /// Memory of the server for a connection, in bytes; not a number where connections come and go.
    pub(crate) memory: f64,
    /// Latencies in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) deliveries_per_second: f64,
    /// Deliveries that were lost, doubled or out of order.
    pub(crate) faults: f64,
}

impl Measurement {
    /// What counts of a report of `signal bench`.
    pub(crate) fn of(report: &Report) -> Option<Self> {
        let of = |name| report.number(name);
        let faults = ["lost", "duplicated", "reordered", "foreign"]
            .into_iter()
            .map(of)
            .sum::<Option<f64>>()?;
        Some(Self {
            cpu: of("cpu_us_per_delivery").unwrap_or(f64::NAN),
            memory: of("memory_per_connection").unwrap_or(f64::NAN),
            p50: of("p50_ms")?,
            p99: of("p99_ms")?,
            deliveries_per_second: of("deliveries_per_second")?,
            faults,
        })
    }

    fn to_line(self) -> String {
        let Self {
            cpu,
            memory,
            p50,
            p99,
            deliveries_per_second,
            faults,
        } = self;
        format!("{cpu};{memory};{p50};{p99};{deliveries_per_second};{faults}")
    }

    fn from_line(line: &str) -> Option<Self> {
        let numbers: Option<Vec<f64>> = line.split(';').map(|number| number.parse().ok()).collect();
        let [cpu, memory, p50, p99, deliveries_per_second, faults] = numbers?[..] else {
            return None;
        };
        Some(Self {
            cpu,
            memory,
            p50,
            p99,
            deliveries_per_second,
            faults,
        })
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8.3} µs CPU, {:>8.0} deliveries/s, p50 {:>8.3} ms, p99 {:>8.3} ms, {:>7.0} B/connection",
            self.cpu, self.deliveries_per_second, self.p50, self.p99, self.memory
        )?;
        if self.faults > 0.0 {
            write!(f, ", {} FAULTS", self.faults)?;
        }
        Ok(())
    }
}

/// All results of a run: one line each, in a file that is added to.
pub(crate) struct Results {
    folder: PathBuf,
    rows: Vec<(String, Measurement)>,
}

impl Results {
    /// A new run, or what the last one has left.
    pub(crate) fn open(resumes: bool) -> Result<Self, Stop> {
        let folder = workspace::tools().join("compare");
        fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
        let mut results = Self {
            folder,
            rows: Vec::new(),
        };
        let file = results.file();
        if resumes {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let row = |line: &str| {
                let (key, numbers) = line.rsplit_once('|')?;
                Some((key.to_owned(), Measurement::from_line(numbers)?))
            };
            results.rows = text.lines().filter_map(row).collect();
        } else {
            fs::write(&file, "").map_err(|error| cannot(&file, &error))?;
        }
        Ok(results)
    }

    pub(crate) fn has(&self, scenario: &str, kind: Kind, round: u32) -> bool {
        let key = key(scenario, kind, round);
        self.rows.iter().any(|(known, _)| *known == key)
    }

    pub(crate) fn of(&self, scenario: &str, kind: Kind, round: u32) -> Option<Measurement> {
        let key = key(scenario, kind, round);
        let row = self.rows.iter().find(|(known, _)| *known == key);
        row.map(|(_, measurement)| *measurement)
    }

    /// The last round of which there is anything.
    pub(crate) fn rounds(&self) -> u32 {
        let round = |(key, _): &(String, Measurement)| key.rsplit('|').next()?.parse().ok();
        self.rows.iter().filter_map(round).max().unwrap_or_default()
    }

    pub(crate) fn add(
        &mut self,
        scenario: &str,
        kind: Kind,
        round: u32,
        measurement: Measurement,
    ) -> Result<(), Stop> {
        let key = key(scenario, kind, round);
        let file = self.file();
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut open| writeln!(open, "{key}|{}", measurement.to_line()))
            .map_err(|error| cannot(&file, &error))?;
        self.rows.push((key, measurement));
        Ok(())
    }

    pub(crate) fn write_table(&self, table: &str) -> Result<(), Stop> {
        let file = self.folder.join("table.md");
        fs::write(&file, table).map_err(|error| cannot(&file, &error))?;
        println!("\nwritten: {}", file.display());
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.folder.join("results.txt")
    }
}

fn key(scenario: &str, kind: Kind, round: u32) -> String {
    format!("{scenario}|{}|{round}", kind.name())
}

fn cannot(path: &std::path::Path, error: &std::io::Error) -> Stop {
    Stop::Failed(format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_by_its_names_and_kept_whole() {
        let csv = "scenario,deliveries_per_second,p50_ms,p99_ms,lost,duplicated,reordered,foreign,\
                   cpu_us_per_delivery,memory_per_connection\nfanout,1000.5,1,2,0,3,0,1,4.25,1100\n";
        let read = |csv: &str| Measurement::of(&Report::parse(csv)?);
        let measurement = read(csv).expect("a report");
        assert_eq!(
            measurement,
            Measurement {
                cpu: 4.25,
                memory: 1_100.0,
                p50: 1.0,
                p99: 2.0,
                deliveries_per_second: 1_000.5,
                faults: 4.0,
            }
        );
        assert_eq!(
            Measurement::from_line(&measurement.to_line()),
            Some(measurement)
        );
        let of_visitors = read(&csv.replace(",1100", ",")).expect("a report");
        assert!(of_visitors.memory.is_nan() && of_visitors.cpu == 4.25);
        assert_eq!(read("what,is\nthis,1"), None);
    }
}
