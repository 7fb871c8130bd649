//! Three relays and three NATS servers, each a process, are killed, stopped and cut off from each
//! other under traffic. `cargo xtask test cluster` runs this with the release build.

#![cfg(unix)]

mod backend;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod judge;
mod processes;
mod record;
mod route;

use std::sync::Arc;
use std::time::{Duration, Instant};

use signal_conformance::{Level, RunOptions, Suite};
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{sleep, timeout};

use backend::Real;
use client::{Client, Order, World, pair};
use judge::judge;
use processes::{Processes, SIZE};
use record::{Apart, Connection, Fault, Pair, Record, Time};

/// Rooms with a client on each node: enough for each to be home of some.
const ROOMS: usize = 12;
const INTERVAL: Duration = Duration::from_millis(250);
/// Rooms with two clients on one node, which publish more often.
const LOCAL_ROOMS_PER_NODE: usize = 2;
const LOCAL_INTERVAL: Duration = Duration::from_millis(50);
const PAIR_INTERVAL: Duration = Duration::from_millis(700);
/// How long pairs, and publishes on their way, are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test cluster runs it"]
async fn the_suites_level_passes_with_nodes_and_a_bus_that_end() {
    let Some(processes) = Processes::start("cluster-level").await else {
        return;
    };
    let suite = Suite::all().level(Level::Cluster);
    let mut options = RunOptions::default();
    options.patience = Duration::from_secs(30);
    options.deadline = Duration::from_secs(300);
    let report = suite.run(&Real::new(processes), &options).await;
    println!("{}", report.to_text());
    let is_right = |grade| matches!(grade, &signal_conformance::Grade::Passed);
    let mut grades = report.results.iter().map(|result| &result.grade);
    assert!(grades.all(is_right), "all passed, and nothing was left out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test cluster runs it"]
async fn promises_are_kept_while_processes_end_and_stand_still() {
    let Some(processes) = Processes::start("cluster-faults").await else {
        return;
    };
    let run = Run::start(processes);
    let (record, processes) = run.all_faults().await;
    let verdict = judge(&record);
    for line in &verdict.seen {
        println!("{line}");
    }
    for (index, node) in processes.nodes.iter().enumerate() {
        let [resent, copies, anew, forgotten] = [
            "signal_cluster_resent_total",
            "signal_cluster_duplicates_total",
            "signal_cluster_overflows_total{of=\"link\"}",
            "signal_cluster_overflows_total",
        ]
        .map(|name| node.metric(name));
        println!(
            "node {index}: {resent} frames sent again, {copies} copies dropped, {anew} links anew"
        );
        assert_eq!(forgotten, anew, "node {index} had to forget something");
    }
    let wrong = &verdict.wrong;
    let first: Vec<_> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} are wrong: {first:#?}", wrong.len());
}

/// Traffic, and what is done meanwhile.
struct Run {
    processes: Processes,
    world: Arc<World>,
    orders: watch::Sender<Order>,
    clients: Vec<JoinHandle<Vec<Connection>>>,
    pairs: JoinHandle<Vec<JoinHandle<Pair>>>,
    record: Record,
    homecoming: u32,
}

impl Run {
    fn start(processes: Processes) -> Self {
        let world = Arc::new(World {
            urls: processes.urls(),
            start: Instant::now(),
        });
        let orders = watch::Sender::new(Order::Talk { homecoming: 0 });
        let mut record = Record::default();
        let mut clients = Vec::new();
        let mut client = |room, home, stays, interval| {
            let number = clients.len();
            let client = Client {
                number,
                room,
                home,
                stays,
                interval,
            };
            clients.push(tokio::spawn(
                client.run(Arc::clone(&world), orders.subscribe()),
            ));
        };
        for room in 0..ROOMS {
            (0..SIZE).for_each(|node| client(room, node, false, INTERVAL));
        }
        for local in 0..SIZE * LOCAL_ROOMS_PER_NODE {
            let room = ROOMS + local;
            record.local.insert(room);
            (0..2).for_each(|_| client(room, local % SIZE, true, LOCAL_INTERVAL));
        }
        let pairs = tokio::spawn(open_pairs(Arc::clone(&world), orders.subscribe()));
        Self {
            processes,
            world,
            orders,
            clients,
            pairs,
            record,
            homecoming: 0,
        }
    }

    async fn all_faults(mut self) -> (Record, Processes) {
        // Until all are there.
        pause(5).await;
        let from = self.now();
        pause(5).await;
        self.note("nothing", from, Apart::Nobody, None, vec![]);
        pause(1).await;

        self.kill_a_node(2).await;
        self.stop_a_node(1).await;
        self.drain_a_node(0).await;
        self.kill_each_server().await;
        self.make_each_server_lame().await;
        self.cut_a_route().await;
        self.stop_the_bus().await;
        self.end().await
    }

    async fn kill_a_node(&mut self, node: usize) {
        let from = self.now();
        self.have(|all| all.nodes[node].kill());
        pause(8).await;
        let started = self.now();
        self.have(|all| all.nodes[node].start());
        self.have(|all| all.are_whole());
        let changes = vec![(from, from), (started, self.now())];
        self.note(
            "a relay is killed",
            from,
            Apart::Nobody,
            Some(node),
            changes,
        );
        self.go_home().await;
    }

    async fn stop_a_node(&mut self, node: usize) {
        let from = self.now();
        self.have(|all| all.nodes[node].freeze());
        pause(10).await;
        self.have(|all| all.nodes[node].thaw());
        self.have(|all| all.are_whole());
        let changes = vec![(from, self.now())];
        self.note(
            "a relay stands still for 10 s",
            from,
            Apart::Node(node),
            Some(node),
            changes,
        );
        // Until all have announced themselves again.
        pause(4).await;
        self.go_home().await;
    }

    async fn drain_a_node(&mut self, node: usize) {
        let from = self.now();
        self.have(|all| all.nodes[node].drain());
        let ended = self.now();
        pause(1).await;
        let started = self.now();
        self.have(|all| all.nodes[node].start());
        self.have(|all| all.are_whole());
        let changes = vec![(from, ended), (started, self.now())];
        self.note("a relay drains", from, Apart::Nobody, Some(node), changes);
        self.go_home().await;
    }

    async fn kill_each_server(&mut self) {
        let from = self.now();
        for server in 0..SIZE {
            self.have(|all| all.servers[server].kill());
            pause(1).await;
            self.have(|all| all.servers[server].start());
            pause(2).await;
        }
        self.note(
            "each NATS server is killed",
            from,
            Apart::Nobody,
            None,
            vec![],
        );
    }

    async fn make_each_server_lame(&mut self) {
        let from = self.now();
        for server in 0..SIZE {
            self.have(|all| all.servers[server].lame_duck());
            self.have(|all| all.servers[server].start());
            pause(2).await;
        }
        self.note(
            "each NATS server is made lame",
            from,
            Apart::Nobody,
            None,
            vec![],
        );
    }

    /// Once for a moment, and once for longer than a node may be silent.
    async fn cut_a_route(&mut self) {
        let route = self.have(Processes::two_in_use);
        let from = self.now();
        let cut = self.have(|all| all.cut(route));
        assert!(cut > 0, "there is a route between the servers {route:?}");
        pause(4).await;
        self.note("a route is cut once", from, Apart::Nobody, None, vec![]);

        let from = self.now();
        self.have(|all| {
            all.close(route, true);
            all.cut(route)
        });
        pause(8).await;
        self.have(|all| all.close(route, false));
        self.have(|all| all.are_whole());
        let changes = vec![(from, self.now())];
        self.note("a route is cut for 8 s", from, Apart::All, None, changes);
        pause(4).await;
        self.go_home().await;
    }

    async fn stop_the_bus(&mut self) {
        let from = self.now();
        self.have(|all| all.servers.iter_mut().for_each(processes::Nats::kill));
        pause(20).await;
        self.have(|all| all.servers.iter_mut().for_each(processes::Nats::start));
        self.have(|all| all.are_whole());
        let changes = vec![(from, self.now())];
        self.note("no NATS server for 20 s", from, Apart::All, None, changes);
        // What is sent after it must come again.
        pause(18).await;
    }

    /// Waits for what is on its way, and collects what clients wrote down.
    async fn end(self) -> (Record, Processes) {
        let Self {
            processes,
            orders,
            clients,
            pairs,
            mut record,
            ..
        } = self;
        orders.send_replace(Order::Listen);
        let start = Instant::now();
        for pair in pairs.await.expect("pairs are opened") {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let pair = timeout(left, pair).await;
            let never = Pair {
                opened: Time::ZERO,
                met: None,
            };
            record
                .pairs
                .push(pair.map_or(never, |pair| pair.expect("a pair")));
        }
        pause(5).await;
        orders.send_replace(Order::End);
        for client in clients {
            record.connections.extend(client.await.expect("a client"));
        }
        (record, processes)
    }

    /// Sends those back to their nodes who have gone elsewhere.
    async fn go_home(&mut self) {
        self.homecoming += 1;
        let homecoming = self.homecoming;
        self.orders.send_replace(Order::Talk { homecoming });
        // Until losses and counts are judged again.
        pause(8).await;
    }

    fn now(&self) -> Time {
        self.world.now()
    }

    fn have<T>(&mut self, change: impl FnOnce(&mut Processes) -> T) -> T {
        block_in_place(|| change(&mut self.processes))
    }

    fn note(
        &mut self,
        name: &'static str,
        from: Time,
        apart: Apart,
        node: Option<usize>,
        changes: Vec<(Time, Time)>,
    ) {
        let until = self.now();
        println!("{from:>8.1?} to {until:>8.1?}: {name}");
        self.record.faults.push(Fault {
            name,
            from,
            until,
            apart,
            node,
            changes,
        });
    }
}

/// Pairs on two of three nodes, one after the other, in both orders, as long as clients talk.
async fn open_pairs(world: Arc<World>, orders: watch::Receiver<Order>) -> Vec<JoinHandle<Pair>> {
    let mut pairs = Vec::new();
    while matches!(*orders.borrow(), Order::Talk { .. }) {
        let number = pairs.len();
        let one = number % SIZE;
        let other = (one + 1 + number / SIZE % (SIZE - 1)) % SIZE;
        pairs.push(tokio::spawn(pair(Arc::clone(&world), number, [one, other])));
        sleep(PAIR_INTERVAL).await;
    }
    pairs
}

async fn pause(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}
