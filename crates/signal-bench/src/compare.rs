use serde::Serialize;

use crate::error::BenchError;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::run::run;
use crate::server::Server;

/// A server in a comparison.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contestant {
    /// How the comparison names it.
    pub name: String,
    /// Where it is.
    pub server: Server,
    /// Its process on this machine, to compare processor time and memory.
    pub pid: Option<u32>,
}

impl Contestant {
    /// A server under a name, without its process.
    pub fn new(name: impl Into<String>, server: Server) -> Self {
        Self {
            name: name.into(),
            server,
            pid: None,
        }
    }
}

/// The same load on several servers in turn: A B A B, so that other work on the machine affects
/// all of them.
///
/// # Errors
///
/// As [`run`], with the server's name.
pub fn compare(
    contestants: &[Contestant],
    plan: &Plan,
    rounds: usize,
    observer: &mut dyn FnMut(&Contestant, usize, &Progress),
) -> Result<Comparison, BenchError> {
    let mut reports: Vec<Vec<Report>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for (contestant, reports) in contestants.iter().zip(&mut reports) {
            let mut plan = plan.clone();
            plan.pid = contestant.pid;
            let mut observer = |progress: &Progress| observer(contestant, round, progress);
            let report = run(&contestant.server, &plan, &mut observer);
            reports.push(report.map_err(|error| {
                BenchError::new(
                    format!("{}, round {}: {}", contestant.name, round + 1, error.what),
                    error.fix,
                )
            })?);
        }
    }
    Ok(Comparison::new(contestants, plan, reports))
}

/// What a comparison has found. As JSON, its keys are those of the fields.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The version of this form: 1.
    pub schema: u32,
    /// The load.
    pub plan: Plan,
    /// The servers in the order given. All are compared with the first.
    pub servers: Vec<Compared>,
}

/// One server of a comparison.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its rounds.
    pub reports: Vec<Report>,
    /// Deliveries in a second.
    pub deliveries_per_second: Figure,
    /// Deliveries for each second of the server's processor time, if its process is known.
    pub deliveries_per_cpu_second: Option<Figure>,
    /// Half of all deliveries took longer, in milliseconds.
    pub p50_ms: Figure,
    /// One delivery in a hundred took longer, in milliseconds.
    pub p99_ms: Figure,
    /// Memory for each connection in bytes, if its process is known: of the first round, as later
    /// ones find memory left from it.
    pub memory_per_connection: Option<Figure>,
}

/// A number of all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Figure {
    /// Its spread over the rounds.
    #[serde(flatten)]
    pub spread: Spread,
    /// How many times better the first server of the comparison is, round by round. More than 1:
    /// the first is better. None for the first itself, and where the ratio has no meaning.
    pub first_is_better_by: Option<Spread>,
}

/// The median of some numbers, and the least and the most of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// None if there are no numbers.
    fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let (min, max) = (*numbers.first()?, *numbers.last()?);
        let middle = numbers.len() / 2;
        let median = if numbers.len() % 2 == 1 {
            numbers[middle]
        } else {
            f64::midpoint(numbers[middle - 1], numbers[middle])
        };
        Some(Self { median, min, max })
    }
}

impl Comparison {
    fn new(contestants: &[Contestant], plan: &Plan, reports: Vec<Vec<Report>>) -> Self {
        let first = reports.first().cloned().unwrap_or_default();
        let servers = contestants.iter().zip(reports).enumerate();
        let servers = servers.map(|(index, (contestant, reports))| {
            let first = (index > 0).then_some(first.as_slice());
            Compared::new(&contestant.name, reports, first)
        });
        Self {
            schema: 1,
            plan: plan.clone(),
            servers: servers.flatten().collect(),
        }
    }

    /// Whether all deliveries of all servers were sound.
    pub fn is_sound(&self) -> bool {
        self.servers
            .iter()
            .all(|server| server.reports.iter().all(Report::is_sound))
    }
}

impl Compared {
    /// None without rounds.
    fn new(name: &str, reports: Vec<Report>, first: Option<&[Report]>) -> Option<Self> {
        let figure = |is_more_better: bool, of: &dyn Fn(&Report) -> Option<f64>| {
            Figure::new(&reports, first, is_more_better, of)
        };
        Some(Self {
            name: name.to_owned(),
            deliveries_per_second: figure(true, &|report| Some(report.deliveries_per_second))?,
            deliveries_per_cpu_second: figure(true, &|report| {
                Some(report.process?.deliveries_per_cpu_second)
            }),
            p50_ms: figure(false, &|report| Some(report.latency.p50_ms))?,
            p99_ms: figure(false, &|report| Some(report.latency.p99_ms))?,
            memory_per_connection: Figure::new(
                reports.get(..1)?,
                first.and_then(|first| first.get(..1)),
                false,
                &|report| report.process?.memory_per_connection,
            ),
            reports,
        })
    }
}

impl Figure {
    fn new(
        reports: &[Report],
        first: Option<&[Report]>,
        is_more_better: bool,
        of: &dyn Fn(&Report) -> Option<f64>,
    ) -> Option<Self> {
        let numbers = |reports: &[Report]| reports.iter().map(of).collect::<Option<Vec<f64>>>();
        let these = numbers(reports)?;
        let ratios = first.and_then(numbers).map(|first| {
            let pairs = first.into_iter().zip(&these);
            let ratios = pairs.map(|(first, this)| match is_more_better {
                true => first / this,
                false => this / first,
            });
            ratios.collect::<Vec<f64>>()
        });
        let is_finite = |ratios: &Vec<f64>| ratios.iter().all(|ratio| ratio.is_finite());
        Some(Self {
            spread: Spread::of(these)?,
            first_is_better_by: ratios.filter(is_finite).and_then(Spread::of),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_of_all() {
        let spread = |numbers: &[f64]| Spread::of(numbers.to_vec()).map(|spread| spread.median);
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
