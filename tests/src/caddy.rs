use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use crate::{Host, Process, wait_until};

/// The recipe, and where it is told of.
const RECIPE: &str = include_str!("../../deploy/Caddyfile");
#[cfg(test)]
const REACH: &str = include_str!("../../docs/reach.md");
/// The host that the recipe is for.
const NAME: &str = "www.example.org";
const START_LIMIT: Duration = Duration::from_secs(20);

/// Caddy with a certificate that nobody trusts. It is killed on drop.
#[derive(Debug)]
pub struct Caddy {
    process: Process,
    _folder: TempDir,
}

impl Caddy {
    /// The proxy of a relay on the same host, as the recipe has it: the relay is at `/sound/`. Its name is whatever browsers
    /// ask for.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn recipe(host: &Host, port: u16) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (cert, key, config) =
            (folder.path().join("cert.pem"), folder.path().join("key.pem"), folder.path().join("Caddyfile"));
        let certificate = generate_simple_self_signed([NAME.to_owned()])?;
        fs::write(&cert, certificate.cert.pem())?;
        fs::write(&key, certificate.signing_key.serialize_pem())?;
        // Who asks for an address names no host in TLS.
        let options = format!("{{\nadmin off\nauto_https disable_redirects\ndefault_sni {NAME}\n}}\n");
        let site = format!("https://:{} {{\ntls {} {}\n", port, cert.display(), key.display());
        fs::write(&config, [options, RECIPE.replace(&format!("{NAME} {{\n"), &site)].concat())?;
        let mut command = host.command("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
        for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(name, folder.path());
        }
        let caddy = Self { process: Process::start("caddy", &mut command)?, _folder: folder };
        let reached = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until("caddy", START_LIMIT, || {
            host.inside(|| Ok(TcpStream::connect_timeout(&reached, START_LIMIT)?)).map(|_| true)
        })
        .with_context(|| caddy.process.stderr())?;
        Ok(caddy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_the_recipe() {
        let recipe: Vec<&str> =
            RECIPE.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let shown: Vec<&str> = REACH.lines().map(str::trim).collect();
        assert!(shown.windows(recipe.len()).any(|lines| lines == recipe), "docs/reach.md lacks {recipe:#?}");
    }
}
