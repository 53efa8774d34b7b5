//! Credentials for TURN servers, minted as coturn's "TURN REST API" takes them.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::options::{Secret, TurnCredentials};

/// User name and password.
pub(super) fn of(credentials: &TurnCredentials, now: SystemTime) -> (String, String) {
    match credentials {
        TurnCredentials::Fixed { username, credential } => (username.clone(), credential.expose().to_owned()),
        TurnCredentials::Minted { secret, ttl } => {
            // Without random numbers two requests share their credentials, which TURN allows.
            let id = getrandom::u64().unwrap_or_default();
            minted(secret, *ttl, now, id)
        }
    }
}

fn minted(secret: &Secret, ttl: Duration, now: SystemTime, id: u64) -> (String, String) {
    let expiry = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + ttl;
    let username = format!("{}:{id:016x}", expiry.as_secs());
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(username.as_bytes());
    let password = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    (username, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_what_coturn_computes() {
        let secret = Secret::from("north".to_owned());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (username, password) = minted(&secret, Duration::from_secs(3600), now, 0x1234);
        assert_eq!(username, "1700003600:0000000000001234");
        assert_eq!(password, "3c1TT3Bqx1dMtAp4dbG6RVc6Us4=");
    }
}
