//! Messages to STUN and TURN servers and their answers (RFC 8489, RFC 8656), as far as the relay needs them.

use std::net::SocketAddr;

use anyhow::Context;
use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use stun_types::attribute::{
    AttributeType, ErrorCode, Nonce, RawAttribute, Realm, Username, XorMappedAddress,
};
use stun_types::message::{
    BINDING, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt, MessageWriteVec, Method,
    TransactionId,
};

use crate::options::Secret;

/// The length of a message without attributes, in bytes.
pub(super) const HEADER_BYTES: usize = 20;

const ALLOCATE: Method = Method::new(0x003);
const REFRESH: Method = Method::new(0x004);
const LIFETIME: AttributeType = AttributeType::new(0x000d);
const REQUESTED_TRANSPORT: AttributeType = AttributeType::new(0x0019);
const MESSAGE_INTEGRITY: [u8; 4] = [0x00, 0x08, 0x00, 0x14];

/// What a request carries as REQUESTED-TRANSPORT: UDP (RFC 8656, section 18.7).
const UDP: [u8; 4] = [17, 0, 0, 0];

/// A request, to be sent again unchanged until it is answered.
#[derive(Debug)]
pub(super) struct Request {
    id: TransactionId,
    method: Method,
    pub(super) bytes: Vec<u8>,
}

/// Proof of who asks, in the words of the server (RFC 8489, section 9.2).
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) realm: String,
    pub(super) nonce: String,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Success {
        /// Where the server saw the request come from.
        mapped: Option<SocketAddr>,
    },
    Refused {
        code: u16,
        /// The server's own words.
        reason: String,
        realm: Option<String>,
        nonce: Option<String>,
    },
}

impl Request {
    /// Asks where it is seen to come from.
    pub(super) fn binding() -> anyhow::Result<Self> {
        Self::new(BINDING, &[], None)
    }

    /// Asks for an address that relays UDP.
    pub(super) fn allocate(proof: Option<&Proof>) -> anyhow::Result<Self> {
        Self::new(ALLOCATE, &[(REQUESTED_TRANSPORT, UDP)], proof)
    }

    /// Gives such an address back.
    pub(super) fn give_back(proof: Option<&Proof>) -> anyhow::Result<Self> {
        Self::new(REFRESH, &[(LIFETIME, [0; 4])], proof)
    }

    fn new(
        method: Method,
        attributes: &[(AttributeType, [u8; 4])],
        proof: Option<&Proof>,
    ) -> anyhow::Result<Self> {
        let mut random = [0; 12];
        getrandom::fill(&mut random).context("Failed to draw random numbers")?;
        let id = random.iter().fold(0, |id, byte| id << 8 | u128::from(*byte)).into();
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        for (kind, value) in attributes {
            message.add_attribute(&RawAttribute::new(*kind, value))?;
        }
        let Some(proof) = proof else {
            return Ok(Self { id, method, bytes: message.finish() });
        };
        message.add_attribute(&Username::new(&proof.username)?)?;
        message.add_attribute(&Realm::new(&proof.realm)?)?;
        message.add_attribute(&Nonce::new(&proof.nonce)?)?;
        Ok(Self { id, method, bytes: proof.seal(message.finish()) })
    }

    /// What the server says to it; none where that is something else.
    pub(super) fn reply(&self, bytes: &[u8]) -> Option<Reply> {
        let message = Message::from_bytes(bytes).ok()?;
        if message.transaction_id() != self.id || message.method() != self.method {
            return None;
        }
        match message.class() {
            MessageClass::Success => {
                let mapped = message.attribute::<XorMappedAddress>().ok();
                Some(Reply::Success { mapped: mapped.map(|mapped| mapped.addr(self.id)) })
            }
            MessageClass::Error => {
                let error = message.attribute::<ErrorCode>().ok()?;
                Some(Reply::Refused {
                    code: error.code(),
                    reason: error.reason().escape_debug().take(100).collect(),
                    realm: message.attribute::<Realm>().ok().map(|realm| realm.realm().to_owned()),
                    nonce: message.attribute::<Nonce>().ok().map(|nonce| nonce.nonce().to_owned()),
                })
            }
            MessageClass::Request | MessageClass::Indication => None,
        }
    }
}

impl Proof {
    /// Adds MESSAGE-INTEGRITY. The library would do it, but its traces show the key.
    fn seal(&self, mut message: Vec<u8>) -> Vec<u8> {
        let key = Md5::new()
            .chain_update(format!("{}:{}:", self.username, self.realm))
            .chain_update(self.password.expose())
            .finalize();
        let attributes = message.len() - HEADER_BYTES + MESSAGE_INTEGRITY.len() + 20;
        // Four attributes, each of less than 800 bytes.
        message[2..4].copy_from_slice(&(attributes as u16).to_be_bytes());
        let mut mac = Hmac::<Sha1>::new_from_slice(&key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(&message);
        message.extend(MESSAGE_INTEGRITY);
        message.extend(mac.finalize().into_bytes());
        message
    }
}

/// The length of the message of which this is the beginning; none where it is no STUN message.
pub(super) fn length(header: &[u8; HEADER_BYTES]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    (header[0] < 0x40 && header[4..8] == [0x21, 0x12, 0xa4, 0x42] && length % 4 == 0)
        .then_some(HEADER_BYTES + length)
}

#[cfg(test)]
mod tests {
    use stun_types::message::LongTermKeyCredentials;

    use super::*;

    fn proof() -> Proof {
        let words = |text: &str| text.to_owned();
        Proof {
            username: words("1700003600:1234"),
            password: Secret::from(words("3c1TT3Bqx1dMtAp4dbG6RVc6Us4=")),
            realm: words("turn.example.org"),
            nonce: words("f00d"),
        }
    }

    #[test]
    fn a_proof_is_one_that_others_accept() {
        let bytes = Request::allocate(Some(&proof())).unwrap().bytes;
        let message = Message::from_bytes(&bytes).unwrap();
        let Proof { username, password, realm, .. } = proof();
        let right =
            LongTermKeyCredentials::new(username.clone(), password.expose().to_owned(), realm.clone());
        assert!(message.validate_integrity(&right.into()).is_ok());
        let wrong = LongTermKeyCredentials::new(username, "wrong".to_owned(), realm);
        assert!(message.validate_integrity(&wrong.into()).is_err());
        assert_eq!(message.raw_attribute(REQUESTED_TRANSPORT).unwrap().value.as_ref(), UDP);
    }

    #[test]
    fn only_the_answer_to_a_request_is_taken() {
        let (request, other) = (Request::binding().unwrap(), Request::binding().unwrap());
        let seen: SocketAddr = "203.0.113.7:4000".parse().unwrap();
        let asked = Message::from_bytes(&request.bytes).unwrap();
        let mut answer = Message::builder_success(&asked, MessageWriteVec::new());
        answer.add_attribute(&XorMappedAddress::new(seen, asked.transaction_id())).unwrap();
        let answer = answer.finish();
        assert_eq!(request.reply(&answer), Some(Reply::Success { mapped: Some(seen) }));
        assert_eq!(other.reply(&answer), None);
        assert_eq!(request.reply(&request.bytes), None);
        assert_eq!(request.reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
        for cut in 0..answer.len() {
            assert_eq!(request.reply(&answer[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_length_is_believed_of_stun_alone() {
        let bytes = Request::allocate(None).unwrap().bytes;
        assert_eq!(length(bytes[..HEADER_BYTES].try_into().unwrap()), Some(bytes.len()));
        assert_eq!(length(b"HTTP/1.1 400 Bad Req"), None);
    }
}
