//! The bus over real NATS servers. `SIGNAL_NATS_SERVER` names the program; `cargo xtask test`
//! installs it.

mod failures;
mod forged;
mod messages;
mod node;
mod payload;
mod proxy;
mod reload;
mod servers;
mod sign_in;
mod tls;
