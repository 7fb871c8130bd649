//! The suite's level `cluster` on processes that it may end and start.

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared,
    UrlBackend,
};
use tokio::sync::Mutex;
use tokio::task::block_in_place;

use crate::processes::{Nats, Processes};

pub(crate) struct Real {
    url: UrlBackend,
    processes: Mutex<Processes>,
}

impl Real {
    pub(crate) fn new(processes: Processes) -> Self {
        let can = [
            Capability::CountAll,
            Capability::NodeFaults,
            Capability::BusFaults,
        ];
        let urls = processes.urls();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        let url = UrlBackend::cluster(&urls).expect("addresses");
        Self {
            url: url.declare(|declared| declared.capabilities(can)),
            processes: Mutex::new(processes),
        }
    }

    async fn have(&self, change: impl FnOnce(&mut Processes)) -> Result<(), BackendError> {
        let mut processes = self.processes.lock().await;
        block_in_place(|| change(&mut processes));
        Ok(())
    }
}

#[async_trait]
impl Backend for Real {
    fn declared(&self) -> Declared {
        self.url.declared()
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        self.url.connect(options).await
    }

    async fn kill_node(&self, node: usize) -> Result<(), BackendError> {
        self.have(|processes| processes.nodes[node].kill()).await
    }

    async fn drain_node(&self, node: usize) -> Result<(), BackendError> {
        self.have(|processes| processes.nodes[node].drain()).await
    }

    async fn start_node(&self, node: usize) -> Result<(), BackendError> {
        self.have(|processes| {
            processes.nodes[node].start();
            processes.are_whole();
        })
        .await
    }

    async fn stop_bus(&self) -> Result<(), BackendError> {
        self.have(|processes| processes.servers.iter_mut().for_each(Nats::kill))
            .await
    }

    async fn start_bus(&self) -> Result<(), BackendError> {
        self.have(|processes| processes.servers.iter_mut().for_each(Nats::start))
            .await
    }
}
