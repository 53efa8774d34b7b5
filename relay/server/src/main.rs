//! `soundport`, the relay: hears containers' RTP, and lets browsers hear it.
//!
//! This crate is the thin shell around `soundport-core`: sockets, threads, HTTP, files. Each machine of the core is
//! driven by the file of its name.

mod built_in;
mod certificates;
mod check;
mod cli;
mod config;
mod configured;
mod demo;
mod directory;
mod discovery;
mod doctor;
mod echo;
mod fanout;
mod files;
mod health;
mod http;
mod ice;
mod inbox;
mod ingest;
mod memory;
mod multicast;
mod network;
mod options;
mod page;
mod ports;
mod relay;
mod reload;
mod talkback;
mod tcp;
mod udp;

use std::io::IsTerminal;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::cli::Order;
use crate::options::Options;

fn main() -> ExitCode {
    let flags = match cli::parse() {
        Ok(Order::Serve(flags)) => flags,
        Ok(Order::Check(flags)) => return check::run(&flags),
        Ok(Order::Doctor { source, json, flags }) => {
            return doctor::command::run(source.as_deref(), json, &flags);
        }
        Ok(Order::Print(text)) => return cli::print(&text),
        Ok(Order::Health(flags)) => return health::run(&flags),
        Err(exit) => return exit,
    };
    let options = match Options::gather(&flags) {
        Ok(options) => options,
        Err(mistakes) => return cli::refuse(&mistakes),
    };
    init_log();
    match relay::run(options, move || Options::gather(&flags)) {
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
