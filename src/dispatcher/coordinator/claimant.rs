//! Owners of claims.

use crate::shared::membership::Member;

/// Owner of a claim.
#[derive(Clone, Copy)]
pub(in crate::dispatcher) enum Claimant<'a> {
    /// A VM of this gateway: it can be woken.
    Vm(&'a Member),
    /// Another gateway: it sees for itself.
    Gateway((u64, u64)),
}

// === impl Claimant ===

impl Claimant<'_> {
    /// Key by which equal claims are ordered.
    pub(super) fn order(&self) -> (bool, u64) {
        match self {
            Self::Vm(member) => (false, member.fence.slot.into()),
            Self::Gateway((gateway, _)) => (true, *gateway),
        }
    }
}
