//! `soundport health`: whether the relay that runs here is well, for images without a shell or `curl`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};

use crate::cli;
use crate::options::{Flags, HostPort, Options};

/// Who asks for health wants to know in time.
const LIMIT: Duration = Duration::from_secs(2);
/// Longer than a status line of HTTP.
const MOST_BYTES: u64 = 1000;

/// Asks the relay that runs here with the same options.
pub(crate) fn run(flags: &Flags) -> ExitCode {
    let options = match Options::gather(flags) {
        Ok(options) => options,
        Err(mistakes) => return cli::refuse(&mistakes),
    };
    match ask(&options.http) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}

/// Asks at the relay's plain address, which is on loopback.
fn ask(http: &HostPort) -> anyhow::Result<()> {
    let mut answer = Err(anyhow!("it has no address"));
    for address in http.resolve()? {
        answer = answer.or_else(|_| status(address, http));
    }
    let status = answer
        .with_context(|| format!("No relay answers at http://{http}: start it, or read what it said last"))?;
    ensure!(
        status == "200",
        "The relay at http://{http} is not well, it answers {status}: read what it said last"
    );
    Ok(())
}

/// The status code of its answer.
fn status(address: SocketAddr, host: &HostPort) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(MOST_BYTES)).read_line(&mut line)?;
    Ok(line.split(' ').nth(1).unwrap_or("nothing").to_owned())
}
