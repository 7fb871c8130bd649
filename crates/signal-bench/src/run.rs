use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::cluster::{Cluster, Node};
use crate::error::BenchError;
use crate::load::churn::Churn;
use crate::load::driver::Driver;
use crate::load::fanout::Fanout;
use crate::load::idle::Idle;
use crate::load::join::Join;
use crate::load::opening;
use crate::load::paced::Paced;
use crate::load::placement::Placement;
use crate::load::rooms::Rooms;
use crate::load::slow::Slow;
use crate::load::stage::{Shared, Stage};
use crate::load::tally::Tally;
use crate::load::template::Topics;
use crate::plan::{Plan, Scenario};
use crate::progress::{Phase, Progress};
use crate::report::Report;
use crate::report::process::{Processes, Usages, own_cpu, own_starvation};
use crate::report::snapshot::{Measured, Snapshot};
use crate::server::Server;
use crate::worker::{Seat, Worker};

/// How often progress is reported.
const TICK: Duration = Duration::from_millis(100);
/// How long a server gets to give back what the opening of connections took, before its memory is
/// measured: a millisecond for each, but not longer than this.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Puts a server under load, and reports how it went.
///
/// Blocks until all is over: the opening of the connections, warm-up, duration, and the wait for
/// what is still on its way. `observer` is called ten times a second meanwhile.
///
/// # Errors
///
/// If the plan makes no sense, the server cannot be reached, or it refuses, closes or breaks a
/// connection. What the server lost, doubled or reordered is in the report.
pub fn run(
    server: &Server,
    plan: &Plan,
    observer: &mut dyn FnMut(&Progress),
) -> Result<Report, BenchError> {
    let mut node = Node::new(server.clone());
    node.pid = plan.pid;
    run_on(&Cluster::new(vec![node]), plan, observer)
}

/// Puts several nodes under load as one service, as [`run`] does with one. Their processes are
/// those of the [`Cluster`]; that of the plan has no meaning.
///
/// # Errors
///
/// As [`run`]; if the cluster makes no sense, or if what is published on one node does not arrive
/// on the others.
pub fn run_cluster(
    cluster: &Cluster,
    plan: &Plan,
    observer: &mut dyn FnMut(&Progress),
) -> Result<Report, BenchError> {
    cluster.check()?;
    if let Some(pid) = plan.pid {
        return Err(BenchError::new(
            format!("process {pid} is not said to be that of a node"),
            "name the process of each node, and none in the plan",
        ));
    }
    run_on(cluster, plan, observer)
}

fn run_on(
    cluster: &Cluster,
    plan: &Plan,
    observer: &mut dyn FnMut(&Progress),
) -> Result<Report, BenchError> {
    plan.check()?;
    let processes = Processes::new(cluster)?;
    let mut threads = Threads::new(cluster, plan);
    let measured = threads
        .start()
        .and_then(|()| threads.follow(&processes, observer));
    let tally = threads.end(measured.as_ref().err());
    let tally = tally?;
    Ok(Report::new(cluster, plan, &measured?, &tally))
}

/// The threads of a run, and the one that coordinates them.
struct Threads<'a> {
    servers: Arc<[Server]>,
    plan: &'a Plan,
    placement: Placement,
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<Option<Tally>>>,
    /// How many connections are open when memory is measured for the first time, for the second,
    /// and in all.
    first: usize,
    half: usize,
    all: usize,
    /// The same three numbers for each node.
    open: Vec<[usize; 3]>,
}

impl<'a> Threads<'a> {
    fn new(cluster: &Cluster, plan: &'a Plan) -> Self {
        let servers = cluster.nodes.iter().map(|node| node.server.clone());
        let nodes = cluster.nodes.len();
        Self {
            servers: servers.collect(),
            plan,
            placement: Placement::new(nodes, plan.seed),
            shared: Arc::new(Shared::new(plan.threads)),
            handles: Vec::new(),
            first: 0,
            half: 0,
            all: 0,
            open: vec![[0; 3]; nodes],
        }
    }

    fn start(&mut self) -> Result<(), BenchError> {
        // Other runs, at the same time or before, have other topics.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let run = now.unwrap_or_default().as_micros() as u32;
        let topics = Topics::new(run);
        let mask = (run ^ 0x5EED_BEAC).to_be_bytes();
        let origin = Instant::now();
        for thread in 0..self.plan.threads {
            let seat = Seat {
                thread,
                mask,
                first_connection: self.all,
                origin,
            };
            self.staff(seat, &topics)?;
        }
        Ok(())
    }

    /// Gives a thread its scenario.
    fn staff(&mut self, seat: Seat, topics: &Topics) -> Result<(), BenchError> {
        let plan = self.plan;
        let Seat { thread, mask, .. } = seat;
        let placement = self.placement;
        let rooms = |plan| Rooms::new(plan, placement, thread, topics.clone(), mask);
        match plan.scenario {
            Scenario::Fanout => self.spawn(seat, Fanout::new(plan, rooms(plan)?)),
            Scenario::Paced => self.spawn(seat, Paced::new(plan, rooms(plan)?)),
            Scenario::Slow => {
                let fanout = Fanout::new(plan, rooms(plan)?);
                self.spawn(seat, Slow::new(plan, thread, fanout))
            }
            Scenario::Join => {
                let join = Join::new(plan, placement, thread, topics.clone(), mask)?;
                self.spawn(seat, join)
            }
            Scenario::Idle => {
                let idle = Idle::new(plan, placement, thread, topics.clone());
                self.spawn(seat, idle)
            }
            Scenario::Churn => {
                let mut places = plan.clone();
                places.rooms = plan.connections;
                places.members = 1;
                places.publishers = 1;
                let churn = Churn::new(rooms(&places)?);
                self.spawn(seat, churn)
            }
        }
    }

    fn spawn<D: Driver + Send + 'static>(
        &mut self,
        seat: Seat,
        driver: D,
    ) -> Result<(), BenchError> {
        let connections = driver.connections();
        let counts = [
            opening::first(connections),
            opening::half(connections),
            connections,
        ];
        for id in 0..connections {
            let open = &mut self.open[driver.node(id)];
            for (open, count) in open.iter_mut().zip(counts) {
                *open += usize::from(id < count);
            }
        }
        self.first += counts[0];
        self.half += counts[1];
        self.all += counts[2];
        let name = format!("bench-{}", seat.thread);
        let (servers, shared) = (Arc::clone(&self.servers), Arc::clone(&self.shared));
        let handle = Worker::new(servers, self.plan, seat, shared, driver)
            .and_then(|worker| thread::Builder::new().name(name).spawn(|| worker.run()));
        self.handles
            .push(handle.map_err(|error| no_thread(&error))?);
        Ok(())
    }

    /// Leads the threads through the stages, and measures at their borders.
    fn follow(
        &self,
        processes: &Processes,
        observer: &mut dyn FnMut(&Progress),
    ) -> Result<Measured, BenchError> {
        self.open(self.first, observer)?;
        let idle_first = self.settled(processes, observer)?;
        self.shared.advance(Stage::OpenHalf);
        self.open(self.half, observer)?;
        let idle_half = self.settled(processes, observer)?;
        self.shared.advance(Stage::Open);
        self.open(self.all, observer)?;
        let idle_all = self.settled(processes, observer)?;
        if self.servers.len() > 1 {
            self.shared.advance(Stage::Meet);
            self.meet(observer)?;
        }
        self.shared.advance(Stage::WarmUp);
        self.load(Phase::WarmUp, self.plan.warmup, observer)?;
        self.shared.advance(Stage::Measure);
        let before = self.snapshot(processes);
        self.load(Phase::Measure, self.plan.duration, observer)?;
        let after = self.snapshot(processes);
        self.shared.advance(Stage::Drain);
        while !self.handles.iter().all(JoinHandle::is_finished) {
            self.tell(Phase::Drain, Duration::ZERO, observer);
            thread::sleep(TICK / 10);
        }
        Ok(Measured {
            open: self.open.clone(),
            idle: [idle_first, idle_half, idle_all],
            before,
            after,
        })
    }

    /// Waits until so many connections are ready.
    fn open(&self, count: usize, observer: &mut dyn FnMut(&Progress)) -> Result<(), BenchError> {
        let started = Instant::now();
        while self.shared.ready() < count {
            self.check()?;
            self.tell(Phase::Open, started.elapsed(), observer);
            thread::sleep(TICK / 10);
        }
        Ok(())
    }

    /// Waits until what is published on one node arrives on the others.
    fn meet(&self, observer: &mut dyn FnMut(&Progress)) -> Result<(), BenchError> {
        let started = Instant::now();
        while !self.shared.have_all_met() {
            self.check()?;
            self.tell(Phase::Meet, started.elapsed(), observer);
            thread::sleep(TICK / 10);
        }
        Ok(())
    }

    /// The memory of the server's processes once it has settled.
    fn settled(
        &self,
        processes: &Processes,
        observer: &mut dyn FnMut(&Progress),
    ) -> Result<Usages, BenchError> {
        if !processes.is_empty() {
            let settle = Duration::from_millis(self.all as u64).min(SETTLE_MAX);
            self.load(Phase::Settle, settle, observer)?;
        }
        Ok(processes.usages())
    }

    fn load(
        &self,
        phase: Phase,
        time: Duration,
        observer: &mut dyn FnMut(&Progress),
    ) -> Result<(), BenchError> {
        let started = Instant::now();
        loop {
            self.check()?;
            let elapsed = started.elapsed();
            self.tell(phase, elapsed, observer);
            let Some(left) = time.checked_sub(elapsed).filter(|left| !left.is_zero()) else {
                return Ok(());
            };
            thread::sleep(left.min(TICK));
        }
    }

    fn check(&self) -> Result<(), BenchError> {
        // The cause is known to `end`.
        if self.shared.is_stopped() || self.handles.iter().any(JoinHandle::is_finished) {
            return Err(stopped());
        }
        Ok(())
    }

    fn tell(&self, phase: Phase, elapsed: Duration, observer: &mut dyn FnMut(&Progress)) {
        let (publishes, deliveries) = self.shared.messages();
        observer(&Progress {
            phase,
            elapsed,
            ready: self.shared.ready(),
            connections: self.all,
            publishes,
            deliveries,
        });
    }

    fn snapshot(&self, processes: &Processes) -> Snapshot {
        let (publishes, deliveries) = self.shared.messages();
        Snapshot {
            at: Instant::now(),
            publishes,
            deliveries,
            own_cpu: own_cpu(),
            own_starvation: own_starvation(),
            usages: processes.usages(),
        }
    }

    /// Ends all threads and adds up what they counted.
    fn end(self, error: Option<&BenchError>) -> Result<Tally, BenchError> {
        if let Some(error) = error {
            // Kept only if no thread gave a reason before.
            self.shared.fail(error.clone());
        }
        let mut sum = Tally::new();
        let mut is_complete = true;
        for handle in self.handles {
            match handle.join() {
                Ok(Some(tally)) => sum.add(&tally),
                Ok(None) => is_complete = false,
                Err(_) => self.shared.fail(BenchError::new(
                    "a thread of the load panicked",
                    "this is a bug of the load generator, please report it",
                )),
            }
        }
        match self.shared.failure() {
            Some(failure) => Err(failure),
            None if is_complete => Ok(sum),
            None => Err(stopped()),
        }
    }
}

fn no_thread(error: &io::Error) -> BenchError {
    BenchError::new(
        format!("a thread of the load did not start: {error}"),
        "check the limits on files and threads (ulimit -n, ulimit -u)",
    )
}

fn stopped() -> BenchError {
    BenchError::new(
        "the load ended early",
        "this should not happen, please report it",
    )
}
