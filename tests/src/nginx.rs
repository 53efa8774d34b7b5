use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use crate::{Host, Process, wait_until};

const START_LIMIT: Duration = Duration::from_secs(10);

/// nginx with TLS and a certificate that nobody trusts. It is killed on drop.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Hands what lies below `prefix` (such as `/sound`) on to the relay at `upstream`, without the prefix, and says what it is
    /// itself called.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn proxy(host: &Host, listen: SocketAddr, prefix: &str, upstream: &str) -> Result<Self> {
        let location = format!(
            "location {prefix}/ {{
                proxy_pass {upstream}/;
                proxy_http_version 1.1;
                proxy_buffering off;
                proxy_read_timeout 1h;
                proxy_set_header Host $http_host;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $connection_upgrade;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Host $http_host;
                proxy_set_header X-Forwarded-Proto $scheme;
                proxy_set_header X-Forwarded-Prefix {prefix};
            }}"
        );
        Self::start(host, listen, &location)
    }

    /// Serves the files of a folder.
    ///
    /// # Errors
    /// As [`Self::proxy`].
    pub fn files(host: &Host, listen: SocketAddr, folder: &Path) -> Result<Self> {
        Self::start(host, listen, &format!("root {};", folder.display()))
    }

    /// What it has complained of.
    pub fn complaints(&self) -> String {
        self.process.stderr()
    }

    fn start(host: &Host, listen: SocketAddr, content: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = generate_simple_self_signed([listen.ip().to_string()])?;
        fs::write(folder.path().join("cert.pem"), certificate.cert.pem())?;
        fs::write(folder.path().join("key.pem"), certificate.signing_key.serialize_pem())?;
        let config = folder.path().join("nginx.conf");
        fs::write(&config, configuration(folder.path(), listen, content))?;
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

fn configuration(folder: &Path, listen: SocketAddr, content: &str) -> String {
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
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen {listen} ssl;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        {content}
    }}
}}
"
    )
}
