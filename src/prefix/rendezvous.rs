//! A home for every prompt that needs no agreement: gateways that know nothing of each other send
//! the turns of a conversation to one pod where all else is equal.

use super::pods::PodKey;
use super::running::mix;

/// The pod that comes first for a prompt with this [opening](super::PromptHeads::opening), by
/// rendezvous hashing: if another pod comes or goes, few prompts move.
pub fn home(opening: u64, pods: impl IntoIterator<Item = PodKey>) -> Option<PodKey> {
    pods.into_iter().max_by_key(|pod| (mix(opening, pod.0), *pod))
}
