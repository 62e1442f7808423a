mod index;
mod placements;
mod retention;
mod table;

use super::heads::{PromptHead, PromptHeads};
use super::index::{PrefixIndex, ServedTokens};
use super::running::mix;
use crate::scheduling::pool::{DeploymentId, PodId};

const DEPLOYMENT: DeploymentId = DeploymentId::numbered(7);

fn pod(number: u64) -> PodId {
    PodId::numbered(mix(number, 1))
}

/// Heads of a prompt at every thousandth token, by seeds of its parts.
fn heads(parts: &[u64]) -> PromptHeads {
    let mut fingerprint = 0;
    let heads = parts.iter().zip(1..).map(|(part, position)| {
        fingerprint = mix(fingerprint, *part);
        PromptHead { fingerprint, position }
    });
    PromptHeads::new(heads.collect(), u32::try_from(parts.len()).unwrap())
}

fn tokens(heads: &PromptHeads) -> u32 {
    1_000 * u32::try_from(heads.len()).unwrap()
}

/// An index that knows of its only deployment that it caches prefixes.
fn proven(mut index: PrefixIndex) -> PrefixIndex {
    let placed = index.placed(heads(&[u64::MAX]).into(), 1_000, pod(u64::MAX), DEPLOYMENT);
    index.answered(&placed, &ServedTokens { prompt_tokens: 1_000, output_tokens: 0, cached_tokens: Some(16) });
    index
}
