use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// A page of a test's own at `http://localhost:…`, to try a browser without a relay. Serves until the process ends.
#[derive(Debug)]
pub struct StaticPage {
    port: u16,
    html: Arc<Mutex<String>>,
}

impl StaticPage {
    /// Serves `html` for every path.
    ///
    /// # Errors
    /// When there is no port.
    pub fn serve(html: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let html = Arc::new(Mutex::new(html.to_owned()));
        let served = Arc::clone(&html);
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request);
                let _ = connection.write_all(answer(&served).as_bytes());
            }
        });
        Ok(Self { port, html })
    }

    /// Serves this from now on, at the same place.
    #[must_use]
    pub fn with(self, html: &str) -> Self {
        html.clone_into(&mut self.html.lock().unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }
}

fn answer(html: &Mutex<String>) -> String {
    let html = html.lock().unwrap_or_else(PoisonError::into_inner);
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{html}",
        html.len()
    )
}
