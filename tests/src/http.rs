use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_api::Problem;
use ureq::Agent;

use crate::Host;

/// No answer of the relay takes longer: it does no work that waits for others.
const LIMIT: Duration = Duration::from_secs(10);
/// What is refused for being slow is refused after ten seconds.
const SLOW_LIMIT: Duration = Duration::from_secs(20);
const LARGEST_BODY_BYTES: u64 = 16 << 20;

/// A client that follows no redirect and takes no status for an error.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    base: String,
    /// Who asks; else this host.
    host: Option<Host>,
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Http {
    /// A client of the server at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(LIMIT))
            .build();
        let base = base.trim_end_matches('/').to_owned();
        Self { agent: Agent::new_with_config(config), base, host: None }
    }

    /// The same, asking from another host.
    pub fn from(self, host: &Host) -> Self {
        Self { host: Some(host.clone()), ..self }
    }

    /// The server's address as it was given.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends `request` and reads the answer to its end.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn send(&self, request: &Request) -> Result<Answer> {
        self.there(|| self.send_here(request))
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send(&Request::new("GET", path))
    }

    /// Sends `request` on a connection of its own and reads no more than the head of its answer: what follows it, such as
    /// events or a WebSocket's frames, is on the connection.
    ///
    /// # Errors
    /// When no answer comes within [`SLOW_LIMIT`].
    pub fn begin(&self, request: &Request) -> Result<(Answer, TcpStream)> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(SLOW_LIMIT))?;
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
        if !request.headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: {}\r\n", self.base.trim_start_matches("http://")));
        }
        head.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(&request.body)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            ensure!(stream.read(&mut byte)? > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend(byte);
        }
        Ok((Answer::of_head(&String::from_utf8_lossy(&answer))?, stream))
    }

    /// A bare connection to the server.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn connect(&self) -> Result<TcpStream> {
        let address = self.base.trim_start_matches("http://");
        self.there(|| TcpStream::connect(address).with_context(|| format!("Failed to reach {address}")))
    }

    /// Does something on the host that this client asks from.
    ///
    /// # Errors
    /// As `work`.
    pub(crate) fn there<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match &self.host {
            Some(host) => host.inside(work),
            None => work(),
        }
    }

    fn send_here(&self, request: &Request) -> Result<Answer> {
        let uri = if request.path.contains("://") {
            request.path.clone()
        } else {
            format!("{}{}", self.base, request.path)
        };
        let mut builder = ureq::http::Request::builder().method(request.method.as_str()).uri(&uri);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let context = || format!("Failed to {} {uri}", request.method);
        let answer =
            if request.body.is_empty() && !matches!(request.method.as_str(), "POST" | "PATCH" | "PUT") {
                self.agent.run(builder.body(())?)
            } else {
                self.agent.run(builder.body(request.body.clone())?)
            };
        let mut answer = answer.with_context(context)?;
        let headers = answer.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: answer
                .body_mut()
                .with_config()
                .limit(LARGEST_BODY_BYTES)
                .read_to_vec()
                .with_context(context)?,
        })
    }
}

impl Request {
    /// A request without headers or body; `path` may be a whole URL.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// The same with one header more.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a body of the given media type.
    pub fn body(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.header("content-type", media_type) }
    }
}

impl Answer {
    fn of_head(head: &str) -> Result<Self> {
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let headers = head.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { status, headers, body: Vec::new() })
    }

    /// The same with the body that follows the head on `rest`, as long as the head says.
    ///
    /// # Errors
    /// When it ends early, or the head does not say how long it is.
    pub fn with_body(mut self, rest: &mut TcpStream) -> Result<Self> {
        let length = self.header("content-length").context("no Content-Length")?.parse()?;
        self.body = vec![0; length];
        rest.read_exact(&mut self.body)?;
        Ok(self)
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All headers of that name.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as problem details (RFC 9457), with the checks that hold for every one of them.
    ///
    /// # Errors
    /// When the media type is another, a member is missing or empty, or `status` is not that of the answer.
    pub fn problem(&self) -> Result<Problem> {
        let media_type = self.header("content-type").unwrap_or_default();
        ensure!(
            media_type.starts_with("application/problem+json"),
            "content type {media_type:?}, not a problem's"
        );
        let problem: Problem = serde_json::from_slice(&self.body).context("not problem details")?;
        ensure!(problem.status == self.status, "says {} in an answer of {}", problem.status, self.status);
        ensure!(!problem.kind.is_empty() && !problem.title.is_empty(), "type or title is empty");
        ensure!(!problem.detail.is_empty(), "detail is empty");
        Ok(problem)
    }
}
