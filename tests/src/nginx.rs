use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use crate::{Host, Process, wait_until};

/// The recipe, and where it is told of.
const RECIPE: &str = include_str!("../../deploy/nginx.conf");
#[cfg(test)]
const REACH: &str = include_str!("../../docs/reach.md");
const START_LIMIT: Duration = Duration::from_secs(10);

/// nginx with TLS and a certificate that nobody trusts. It is killed on drop.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// The proxy of a relay on the same host, as the recipe has it: the relay is at `/sound/`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn recipe(host: &Host, listen: SocketAddr) -> Result<Self> {
        Self::start(host, listen, RECIPE)
    }

    /// Serves the files of a folder.
    ///
    /// # Errors
    /// As [`Self::recipe`].
    pub fn files(host: &Host, listen: SocketAddr, folder: &Path) -> Result<Self> {
        let server = "listen 443 ssl;\nssl_certificate /cert;\nssl_certificate_key /key;";
        Self::start(host, listen, &format!("server {{\n{server}\nroot {};\n}}", folder.display()))
    }

    /// What it has complained of.
    pub fn complaints(&self) -> String {
        self.process.stderr()
    }

    /// Starts it with a server at `listen` in the place of port 443, and a certificate of its own.
    fn start(host: &Host, listen: SocketAddr, server: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = generate_simple_self_signed([listen.ip().to_string()])?;
        fs::write(folder.path().join("cert.pem"), certificate.cert.pem())?;
        fs::write(folder.path().join("key.pem"), certificate.signing_key.serialize_pem())?;
        let config = folder.path().join("nginx.conf");
        fs::write(&config, configuration(folder.path(), &placed(server, folder.path(), listen)))?;
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

/// A server with this address, and the certificate in this folder, in the place of its own.
fn placed(server: &str, folder: &Path, listen: SocketAddr) -> String {
    let folder = folder.display();
    let lines = server.lines().map(|line| match line.split_whitespace().next() {
        Some("listen") => format!("listen {listen} ssl;\n"),
        Some("ssl_certificate") => format!("ssl_certificate {folder}/cert.pem;\n"),
        Some("ssl_certificate_key") => format!("ssl_certificate_key {folder}/key.pem;\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

fn configuration(folder: &Path, server: &str) -> String {
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
{server}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_the_recipe() {
        let shown: Vec<&str> = REACH.lines().map(str::trim).collect();
        let recipe = RECIPE.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.is_empty());
        let (map, rest): (Vec<&str>, Vec<&str>) = recipe.partition(|line| line.starts_with("map "));
        let location: Vec<&str> =
            rest.into_iter().skip_while(|line| !line.starts_with("location ")).collect();
        assert!(shown.contains(&map[0]), "docs/reach.md lacks {}", map[0]);
        assert!(
            shown.windows(location.len()).any(|lines| lines == location),
            "docs/reach.md lacks {location:#?}"
        );
    }
}
