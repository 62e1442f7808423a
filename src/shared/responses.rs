//! Pods that hold the responses that servers store, by a hash of each response's id.
//!
//! They stand in shared data, and not in the memory of each worker: a client may go on from a
//! response as soon as it has the id, and comes to any worker. Cells of fixed size, by the hash:
//! a full one gives up what was noted longest ago. In all 65,536 responses at most, of 20 bytes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::store::{Store, read, update};
use crate::scheduling::pool::PodId;
use crate::scheduling::prefix::StoredResponse;

/// Bits of a hash that choose its cell, of 1,024.
const CELL_BITS: u64 = 0x3FF;

/// The most responses of a cell.
const CELL_SIZE: usize = 64;

/// The responses of one cell, each with its pod, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Holders(VecDeque<(StoredResponse, PodId)>);

/// Notes that a pod holds a response. Where that cannot be written, the response is not known.
pub fn note_holder(store: &impl Store, keys: &Keys, response: StoredResponse, pod: PodId) {
    let _ = update(store, &key_of(keys, response), |Holders(cell)| {
        cell.retain(|(known, _)| *known != response);
        while cell.len() >= CELL_SIZE {
            cell.pop_front();
        }
        cell.push_back((response, pod));
        Some(())
    });
}

/// The pod that holds a response; `None` where that is not known (any more).
pub fn holder_of(store: &impl Store, keys: &Keys, response: StoredResponse) -> Option<PodId> {
    let (Holders(cell), _) = read(store, &key_of(keys, response));
    cell.into_iter().find(|(known, _)| *known == response).map(|(_, pod)| pod)
}

fn key_of(keys: &Keys, response: StoredResponse) -> String {
    keys.responses(response.as_u64() & CELL_BITS)
}
