//! Finds out by which addresses the outside sees this host: a STUN server is asked again and again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::line::Line;
use super::stun::{Reply, Request};
use crate::options::IceUrl;

/// How often the server is asked while all is well.
const EVERY: Duration = Duration::from_secs(30);

/// How soon it is asked again while nothing is known.
const SOON: Duration = Duration::from_secs(3);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// So many times in succession one family may be without an answer while the other one has one, until it is forgotten.
const MAX_MISSED: u32 = 5;

/// What is known of the outside.
#[derive(Default)]
struct Outside {
    v4: Family,
    v6: Family,
    /// Whether it was told that the server does not answer.
    is_lost: bool,
}

/// What is known of one family of addresses.
#[derive(Default)]
struct Family {
    ip: Option<IpAddr>,
    missed: u32,
}

/// Keeps `outside` up to date, as `server` sees it; what was known last stays while the server fails altogether.
pub(super) async fn keep(mut server: watch::Receiver<Option<IceUrl>>, outside: watch::Sender<Arc<[IpAddr]>>) {
    loop {
        let asked = server.borrow_and_update().clone();
        let mut known = Outside::default();
        loop {
            if let Some(url) = &asked {
                known.note(ask(url).await, url);
            }
            publish(&outside, known.addresses());
            let pause = if known.is_lost && known.addresses().is_empty() { SOON } else { EVERY };
            let pause = async {
                match &asked {
                    Some(_) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = pause => {}
                changed = server.changed() => match changed {
                    Ok(()) if *server.borrow() == asked => {}
                    Ok(()) => break,
                    Err(_) => return,
                },
            }
        }
    }
}

/// Asks by each family that the server has an address of.
async fn ask(url: &IceUrl) -> Vec<IpAddr> {
    let found = timeout(PATIENCE, tokio::net::lookup_host((url.host.as_str(), url.port()))).await;
    let found: Vec<SocketAddr> = found.ok().and_then(Result::ok).into_iter().flatten().collect();
    let v4 = found.iter().find(|address| address.is_ipv4());
    let v6 = found.iter().find(|address| address.is_ipv6());
    let (v4, v6) = tokio::join!(mapped(v4), mapped(v6));
    v4.into_iter().chain(v6).collect()
}

async fn mapped(server: Option<&SocketAddr>) -> Option<IpAddr> {
    let server = *server?;
    let answer = async {
        let request = Request::binding()?;
        Line::datagrams(server).await?.ask(&request).await
    };
    match timeout(PATIENCE, answer).await {
        Ok(Ok(Reply::Success { mapped: Some(mapped) })) => {
            let ip = mapped.ip().to_canonical();
            // A server on this very host sees no outside.
            let is_outside = !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
            is_outside.then_some(ip)
        }
        other => {
            debug!(%server, ?other, "STUN server without an answer");
            None
        }
    }
}

impl Outside {
    fn note(&mut self, found: Vec<IpAddr>, url: &IceUrl) {
        if found.is_empty() && !std::mem::replace(&mut self.is_lost, true) {
            warn!(
                "The STUN server {url} does not answer, so nobody knows this host’s outside address but as it was; it is asked again"
            );
        }
        if found.is_empty() {
            return;
        }
        let recovered = std::mem::take(&mut self.is_lost);
        for (family, is_mine) in
            [(&mut self.v4, IpAddr::is_ipv4 as fn(&IpAddr) -> bool), (&mut self.v6, IpAddr::is_ipv6)]
        {
            match found.iter().copied().find(is_mine) {
                Some(ip) if family.note(ip) || recovered => {
                    info!("The outside sees this host as {ip}, says the STUN server {url}");
                }
                Some(_) => {}
                None => family.miss(url),
            }
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.v4.ip.into_iter().chain(self.v6.ip).collect()
    }
}

impl Family {
    /// Takes what the server says, and returns whether it is new.
    fn note(&mut self, ip: IpAddr) -> bool {
        self.missed = 0;
        self.ip.replace(ip) != Some(ip)
    }

    fn miss(&mut self, url: &IceUrl) {
        self.missed = self.missed.saturating_add(1);
        if self.missed >= MAX_MISSED
            && let Some(ip) = self.ip.take()
        {
            info!(
                "The outside no longer sees this host as {ip}, as the STUN server {url} answers by the other family alone"
            );
        }
    }
}

fn publish(outside: &watch::Sender<Arc<[IpAddr]>>, addresses: Vec<IpAddr>) {
    outside.send_if_modified(|known| {
        let changed = **known != *addresses;
        *known = addresses.into();
        changed
    });
}

#[cfg(test)]
mod tests {
    use stun_types::attribute::XorMappedAddress;
    use stun_types::message::{Message, MessageWrite, MessageWriteExt, MessageWriteVec};
    use tokio::net::UdpSocket;

    use super::*;

    /// A STUN server that says what it is told to say.
    async fn server(says: watch::Receiver<Option<SocketAddr>>) -> IceUrl {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let request = Message::from_bytes(&buffer[..length]).unwrap();
                let Some(mapped) = *says.borrow() else { continue };
                let mut answer = Message::builder_success(&request, MessageWriteVec::new());
                answer.add_attribute(&XorMappedAddress::new(mapped, request.transaction_id())).unwrap();
                socket.send_to(&answer.finish(), from).await.unwrap();
            }
        });
        IceUrl::plain_stun(&format!("127.0.0.1:{port}")).unwrap()
    }

    async fn known(outside: &mut watch::Receiver<Arc<[IpAddr]>>, wanted: &[&str]) {
        let wanted: Vec<IpAddr> = wanted.iter().map(|ip| ip.parse().unwrap()).collect();
        let wait = outside.wait_for(|known| **known == *wanted);
        timeout(Duration::from_secs(10), wait).await.expect("it is never known").unwrap();
    }

    #[tokio::test]
    async fn the_outside_address_is_what_the_server_says_and_goes_with_the_server() {
        let (_says, said) = watch::channel(Some("203.0.113.7:4000".parse().unwrap()));
        let (configure, configured) = watch::channel(Some(server(said).await));
        let (publish, mut outside) = watch::channel(Arc::from([]));
        tokio::spawn(keep(configured, publish));
        known(&mut outside, &["203.0.113.7"]).await;
        configure.send_replace(None);
        known(&mut outside, &[]).await;
    }

    #[tokio::test]
    async fn what_was_known_stays_while_the_server_fails() {
        let url = IceUrl::plain_stun("stun.example.org").unwrap();
        let mut outside = Outside::default();
        outside.note(vec!["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()], &url);
        outside.note(Vec::new(), &url);
        assert!(outside.is_lost);
        outside.note(vec!["203.0.113.8".parse().unwrap()], &url);
        let known = outside.addresses();
        assert_eq!(known, ["203.0.113.8".parse::<IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]);
    }

    #[test]
    fn a_family_that_is_gone_is_forgotten_while_the_other_one_answers() {
        let url = IceUrl::plain_stun("stun.example.org").unwrap();
        let (v4, v6): (IpAddr, IpAddr) = ("203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
        let mut outside = Outside::default();
        outside.note(vec![v4, v6], &url);
        (0..4).for_each(|_| outside.note(vec![v4], &url));
        assert_eq!(outside.addresses(), [v4, v6], "a few lost answers mean nothing");
        outside.note(vec![v4, v6], &url);
        (0..20).for_each(|_| outside.note(Vec::new(), &url));
        (0..4).for_each(|_| outside.note(vec![v4], &url));
        assert_eq!(outside.addresses(), [v4, v6], "nor do those that a silent server owes");
        outside.note(vec![v4], &url);
        assert_eq!(outside.addresses(), [v4]);
        outside.note(vec![v6], &url);
        assert_eq!(outside.addresses(), [v4, v6]);
    }
}
