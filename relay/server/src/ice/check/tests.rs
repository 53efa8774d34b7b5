use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stun_types::attribute::{ErrorCode, Nonce, Realm, Username};
use stun_types::message::{
    LongTermKeyCredentials, Message, MessageIntegrityCredentials, MessageWrite, MessageWriteExt,
    MessageWriteVec,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

const REALM: &str = "turn.example.org";

/// A TURN server's mind: what it answers to the request of that number, counted from 0.
#[derive(Clone)]
struct Server {
    password: &'static str,
    answer: fn(&Self, usize, &Message<'_>) -> Option<Vec<u8>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: fn(&Self, usize, &Message<'_>) -> Option<Vec<u8>>) -> Self {
        Self { password: "hush", answer, asked: Arc::default() }
    }

    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let message = Message::from_bytes(bytes).unwrap();
        (self.answer)(self, self.asked.fetch_add(1, Ordering::Relaxed), &message)
    }

    fn is_proven(&self, message: &Message<'_>) -> bool {
        let Ok(username) = message.attribute::<Username>() else { return false };
        let key = LongTermKeyCredentials::new(
            username.username().to_owned(),
            self.password.to_owned(),
            REALM.to_owned(),
        );
        message.validate_integrity(&MessageIntegrityCredentials::from(key)).is_ok()
    }

    async fn udp(&self) -> IceUrl {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        self.clone().answer_at(socket);
        format!("turn:127.0.0.1:{port}").parse().unwrap()
    }

    fn answer_at(self, socket: UdpSocket) {
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                if let Some(answer) = self.answer(&buffer[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
    }

    async fn tcp(&self) -> IceUrl {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.clone();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut message = vec![0; 20];
            while stream.read_exact(&mut message).await.is_ok() {
                let length = super::super::stun::length(message.first_chunk().unwrap()).unwrap();
                message.resize(length, 0);
                stream.read_exact(&mut message[20..]).await.unwrap();
                // In two pieces: a stream keeps no borders.
                let answer = server.answer(&message).unwrap();
                let (one, other) = answer.split_at(answer.len() / 2);
                stream.write_all(one).await.unwrap();
                stream.flush().await.unwrap();
                stream.write_all(other).await.unwrap();
                message.resize(20, 0);
            }
        });
        format!("turn:127.0.0.1:{port}?transport=tcp").parse().unwrap()
    }
}

fn success(to: &Message<'_>) -> Option<Vec<u8>> {
    Some(Message::builder_success(to, MessageWriteVec::new()).finish())
}

fn refusal(to: &Message<'_>, code: u16, nonce: &str) -> Option<Vec<u8>> {
    let mut answer = Message::builder_error(to, MessageWriteVec::new());
    answer.add_attribute(&ErrorCode::builder(code).build().unwrap()).unwrap();
    answer.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
    answer.add_attribute(&Nonce::new(nonce).unwrap()).unwrap();
    Some(answer.finish())
}

/// As coturn does: it asks for proof, and refuses a wrong one in the same way.
fn strict(server: &Server, _: usize, message: &Message<'_>) -> Option<Vec<u8>> {
    if server.is_proven(message) { success(message) } else { refusal(message, 401, "one") }
}

/// A TURN server at a socket, whose password is "hush".
pub(in crate::ice) fn serve(socket: UdpSocket) {
    Server::new(strict).answer_at(socket);
}

pub(in crate::ice) fn fixed(password: &str) -> TurnCredentials {
    TurnCredentials::Fixed { username: "me".into(), credential: Secret::from(password.to_owned()) }
}

fn minted() -> TurnCredentials {
    TurnCredentials::Minted { secret: Secret::from("north".to_owned()), ttl: Duration::from_secs(60) }
}

#[tokio::test]
async fn a_server_that_takes_the_credentials_is_fine_and_gets_its_address_back() {
    let server = Server::new(strict);
    assert_eq!(turn(&server.udp().await, Some(&fixed("hush"))).await, None);
    assert_eq!(server.asked.load(Ordering::Relaxed), 3, "refused, given, given back");
    let server = Server::new(strict);
    assert_eq!(turn(&server.tcp().await, Some(&fixed("hush"))).await, None);
    assert_eq!(server.asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn refused_credentials_are_named_and_not_shown() {
    let url = Server::new(strict).udp().await;
    let said = turn(&url, Some(&fixed("wrong"))).await.unwrap();
    assert_eq!(
        said,
        format!(
            "The TURN server {url} refuses the relay’s credentials: check username and credential in [ice]."
        )
    );
    let said = turn(&url, Some(&minted())).await.unwrap();
    assert!(
        said.contains("the secret in [ice] is not its static-auth-secret, or this machine’s clock is off"),
        "{said}"
    );
    assert!(!said.contains("north"));
}

#[tokio::test]
async fn a_nonce_that_has_grown_old_is_replaced() {
    let server = Server::new(|server, n, message| match n {
        0 => refusal(message, 401, "one"),
        1 => refusal(message, 438, "two"),
        _ if server.is_proven(message) && message.attribute::<Nonce>().unwrap().nonce() == "two" => {
            success(message)
        }
        _ => refusal(message, 400, "two"),
    });
    assert_eq!(turn(&server.udp().await, Some(&fixed("hush"))).await, None);
    let forgetful = Server::new(|_, n, message| refusal(message, if n == 0 { 401 } else { 438 }, "one"));
    assert!(turn(&forgetful.udp().await, Some(&fixed("hush"))).await.unwrap().contains("438"));
}

#[tokio::test]
async fn other_refusals_say_what_the_server_says() {
    for (code, words) in [
        (486, "user-quota"),
        (508, "no address left"),
        (437, "437 Allocation Mismatch"),
        (403, "403 Forbidden"),
    ] {
        let answer: fn(&Server, usize, &Message<'_>) -> Option<Vec<u8>> = match code {
            486 => |_, n, message| refusal(message, if n == 0 { 401 } else { 486 }, "one"),
            508 => |_, n, message| refusal(message, if n == 0 { 401 } else { 508 }, "one"),
            437 => |_, n, message| refusal(message, if n == 0 { 401 } else { 437 }, "one"),
            _ => |_, _, message| refusal(message, 403, "one"),
        };
        let said = turn(&Server::new(answer).udp().await, Some(&minted())).await.unwrap();
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let server = Server::new(|server, n, message| if n % 2 == 0 { None } else { strict(server, n, message) });
    assert_eq!(turn(&server.udp().await, Some(&fixed("hush"))).await, None);
}

#[tokio::test]
async fn silence_is_named() {
    let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let closed: IceUrl = format!("turn:127.0.0.1:{unused}").parse().unwrap();
    let said = turn(&closed, Some(&minted())).await.unwrap();
    assert!(
        said.ends_with(&format!(
            "does not answer: nothing listens at its port {unused}/udp; start it, or correct the port."
        )),
        "{said}"
    );
    let said = turn(&"turn:nowhere.invalid".parse().unwrap(), Some(&minted())).await.unwrap();
    assert!(said.contains("cannot be found"), "{said}");
    let said = stun(&format!("stun:127.0.0.1:{unused}").parse().unwrap()).await.unwrap();
    assert!(said.starts_with("The STUN server"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up_in_five_seconds() {
    let url = Server::new(|_, _, _| None).udp().await;
    let began = tokio::time::Instant::now();
    let said = turn(&url, Some(&minted())).await.unwrap();
    assert!(said.contains("check that it runs, and that no firewall closes its port"), "{said}");
    assert!(began.elapsed() <= PATIENCE + Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_give_and_silent_at_the_farewell_answers_nevertheless() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url: IceUrl = format!("turn:{}", socket.local_addr().unwrap()).parse().unwrap();
    let grants_at = tokio::time::Instant::now() + Duration::from_millis(4500);
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let message = Message::from_bytes(&buffer[..length]).unwrap();
            if message.attribute::<Username>().is_err() {
                socket.send_to(&refusal(&message, 401, "one").unwrap(), from).await.unwrap();
            } else if tokio::time::Instant::now() < grants_at {
                tokio::time::sleep_until(grants_at).await;
                socket.send_to(&success(&message).unwrap(), from).await.unwrap();
            }
        }
    });
    assert_eq!(turn(&url, Some(&fixed("hush"))).await, None);
}

#[tokio::test]
async fn something_else_at_the_port_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    let said = turn(&format!("turn:127.0.0.1:{port}?transport=tcp").parse().unwrap(), Some(&minted()))
        .await
        .unwrap();
    assert!(said.contains("something else answers"), "{said}");
    let said = turn(&format!("turns:127.0.0.1:{port}").parse().unwrap(), Some(&minted())).await.unwrap();
    assert!(said.contains("speaks no TLS"), "{said}");
}
