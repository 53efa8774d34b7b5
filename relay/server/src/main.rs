//! `soundport`, the relay: hears containers' RTP, and lets browsers hear it.
//!
//! This crate is the thin shell around `soundport-core`: sockets, threads, HTTP, files. Each machine of the core is
//! driven by the file of its name.

mod certificates;
mod cli;
mod configured;
mod demo;
mod discovery;
mod fanout;
mod http;
mod inbox;
mod ingest;
mod multicast;
mod network;
mod options;
mod page;
mod ports;
mod relay;
mod reload;
mod udp;

use std::io::IsTerminal;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = match cli::parse() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    init_log();
    let again = options.clone();
    match relay::run(options, move || Ok(again.clone())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}

fn init_log() {
    let filter =
        EnvFilter::try_from_env("SOUNDPORT_LOG").unwrap_or_else(|_| EnvFilter::new("soundport=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
