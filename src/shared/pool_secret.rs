//! Secret that the gateways of a pool have in common: it keys their hashes of prompts, and seals
//! what they tell each other of these.
//!
//! The hashes themselves are no cryptography: who reads many of them beside prompts of their own
//! might find their key, and then guess at the prompts of others. So none stands in the store in
//! the clear. They are sealed with [XChaCha20-Poly1305], whose long nonces may be drawn at random,
//! and which shows that a gateway with the same secret wrote them.
//!
//! [XChaCha20-Poly1305]: https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Bytes of a nonce, which leads what is sealed.
const NONCE_BYTES: usize = 24;

/// Bytes by which what is sealed is longer than its content: the nonce and the tag.
pub const SEAL_BYTES: usize = NONCE_BYTES + 16;

/// Nonce that keys are derived with. No message has it: their sequences begin at 1.
const DERIVING: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PoolSecret([u8; 32]);

/// Message that is sealed, and the number that no other one of its sender has.
#[derive(Clone, Copy, Debug)]
pub struct SealedBy {
    /// The gateway that seals it.
    pub gateway: u64,
    /// Counts its messages from 1.
    pub sequence: u64,
}

// === impl PoolSecret ===

impl PoolSecret {
    /// The secret that 64 hexadecimal digits stand for.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// Returns the key of hashes of prompts, which says nothing of the secret.
    pub fn prompt_key(&self) -> u64 {
        let derived = self.cipher().encrypt(&XNonce::from(DERIVING), [0_u8; 8].as_slice()).unwrap_or_default();
        derived.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default()
    }

    /// Seals a message for those who have the secret. `random` tells apart messages of one number,
    /// of which the first one may not have come through.
    pub fn seal(&self, content: &[u8], by: SealedBy, pool: &str, random: u64) -> Vec<u8> {
        let mut nonce = DERIVING;
        for (part, number) in nonce.chunks_exact_mut(8).zip([by.sequence, by.gateway, random]) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        let payload = Payload { msg: content, aad: &context(by, pool) };
        // It fails only for gigabytes.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens such a message; `None` where it was sealed with another secret, for another pool, by
    /// another gateway or under another number, or was changed since.
    pub fn open(&self, sealed: &[u8], by: SealedBy, pool: &str) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: &context(by, pool) };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }
}

/// Facts that a seal vouches for beside the content.
fn context(SealedBy { gateway, sequence }: SealedBy, pool: &str) -> Vec<u8> {
    [&gateway.to_le_bytes(), &sequence.to_le_bytes(), pool.as_bytes()].concat()
}

impl fmt::Debug for PoolSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolSecret")
    }
}

impl<'de> Deserialize<'de> for PoolSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Errors are logged, so none quotes it.
        let digits = String::deserialize(deserializer).unwrap_or_default();
        Self::from_hex(&digits).ok_or_else(|| D::Error::custom("expected a string of 64 hexadecimal digits"))
    }
}
