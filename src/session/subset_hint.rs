//! Hint at the pods among which a gateway before the filter lets a request go.

use super::headers::Headers;
use super::host::Host;
use crate::scheduling::subset::Subset;

/// The subset hint of the Endpoint Picker Protocol: dynamic metadata that a filter before this one
/// has set.
const HINT: &str = "metadata\0filter_metadata\0envoy.lb.subset_hint\0x-gateway-destination-endpoint-subset";

/// The pods that the stream in whose context a callback runs may go to; `None` for all. The hint is
/// a list, or one string with commas.
pub(super) fn subset_hint(host: &impl Host) -> Option<Subset> {
    let bytes = host.property(HINT)?;
    // Envoy writes a list as it writes headers, with nothing for values: a count of 32 bits comes
    // first, and no string has a zero byte.
    match str::from_utf8(&bytes) {
        Ok(text) if !bytes.contains(&0) => Some(Subset::of([text])),
        _ => Some(Subset::of(Headers::decode(bytes).names())),
    }
}
