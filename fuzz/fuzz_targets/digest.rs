//! Reading another gateway's digest never panics, and neither does opening its placements: the first byte says whether the rest is
//! a digest as text, its bytes, or the content of what is sealed with the right secret.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use slo_router::shared::digest::Digest;
use slo_router::shared::pool_secret::{PoolSecret, SealedBy};

const POOL: &str = "p";

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else { return };
    let secret = PoolSecret::from_hex(&"a".repeat(64)).expect("64 digits");
    let digest = match kind {
        0 => Digest::decode(&String::from_utf8_lossy(rest), POOL),
        1 => Digest::decode(&URL_SAFE_NO_PAD.encode(rest), POOL),
        _ => {
            let by = SealedBy { gateway: 1, sequence: 1 };
            Ok(Digest { gateway: 1, sequence: 1, sealed: secret.seal(rest, by, POOL, 0), ..Digest::default() })
        }
    };
    let Ok(digest) = digest else { return };
    if kind < 2 {
        assert_eq!(Digest::decode(&digest.encode(POOL), POOL), Ok(digest.clone()));
    }
    if let Ok(placements) = digest.open(POOL, &secret) {
        assert!(placements.is_within_bounds());
    }
});
