use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use crate::{Host, Process, wait_until};

/// Tells how a relay is reached.
const REACH: &str = include_str!("../../docs/reach.md");
const START_LIMIT: Duration = Duration::from_secs(10);

/// nginx with TLS and a certificate that nobody trusts. It is killed on drop.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// The proxy of a relay on the same host, as the documentation has it: the relay is at `/sound/`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn documented(host: &Host, listen: SocketAddr) -> Result<Self> {
        let lines = REACH.lines().map(str::trim_start);
        let map = lines.clone().find(|line| line.starts_with("map $http_upgrade"));
        let location: Vec<&str> = lines.skip_while(|line| !line.starts_with("location ")).collect();
        let end = location.iter().position(|line| *line == "}");
        let location = location.get(..=end.context("the location has no end")?).unwrap_or_default();
        let map = map.context("the documentation has no recipe for nginx")?;
        Self::start(host, listen, map, &location.join("\n"))
    }

    /// Serves the files of a folder.
    ///
    /// # Errors
    /// As [`Self::documented`].
    pub fn files(host: &Host, listen: SocketAddr, folder: &Path) -> Result<Self> {
        Self::start(host, listen, "", &format!("root {};", folder.display()))
    }

    /// What it has complained of.
    pub fn complaints(&self) -> String {
        self.process.stderr()
    }

    fn start(host: &Host, listen: SocketAddr, outer: &str, inner: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = generate_simple_self_signed([listen.ip().to_string()])?;
        fs::write(folder.path().join("cert.pem"), certificate.cert.pem())?;
        fs::write(folder.path().join("key.pem"), certificate.signing_key.serialize_pem())?;
        let config = folder.path().join("nginx.conf");
        fs::write(&config, configuration(folder.path(), listen, outer, inner))?;
        let mut command = host.command("nginx");
        let process = Process::start("nginx", command.arg("-e").arg("stderr").arg("-c").arg(config))?;
        let nginx = Self { process, _folder: folder };
        wait_until("nginx", START_LIMIT, || {
            host.inside(|| Ok(TcpStream::connect_timeout(&listen, START_LIMIT)?)).map(|_| true)
        })
        .with_context(|| nginx.complaints())?;
        Ok(nginx)
    }
}

/// `outer` stands beside the server, `inner` in it.
fn configuration(folder: &Path, listen: SocketAddr, outer: &str, inner: &str) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;
user root;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
{temporary}
    access_log off;
    include /etc/nginx/mime.types;
    types {{ application/wasm wasm; }}
    {outer}
    server {{
        listen {listen} ssl;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        {inner}
    }}
}}
"
    )
}
