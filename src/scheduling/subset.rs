//! The pods among which a request may go, where a gateway before the filter narrows them down: the
//! subset hint of the Endpoint Picker Protocol (Gateway API Inference Extension).

use std::net::{IpAddr, SocketAddr};

/// Endpoints, each with its port or with all ports of its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subset(Vec<(IpAddr, Option<u16>)>);

// === impl Subset ===

impl Subset {
    /// Reads entries as `ip:port` or `ip`, several of them separated by commas. What is neither
    /// names no pod.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        let entries = entries.into_iter().flat_map(|entry| entry.split(',')).map(str::trim);
        Self(entries.filter_map(endpoint).collect())
    }

    /// The pod at this address alone.
    pub fn only(address: SocketAddr) -> Self {
        Self(vec![(address.ip(), Some(address.port()))])
    }

    /// Returns `true` if it names a pod at this address.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.0.iter().any(|(ip, port)| *ip == address.ip() && port.is_none_or(|port| port == address.port()))
    }
}

fn endpoint(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let with_port = text.parse::<SocketAddr>().map(|address| (address.ip(), Some(address.port())));
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    with_port.ok().or_else(|| Some((bare.parse().ok()?, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_endpoints_or_all_ports_of_an_address() {
        let subset = Subset::of(["10.0.0.1:8000, 10.0.0.2", "[2001:db8::1]:8000", "2001:db8::2", "[2001:db8::3]"]);
        for (address, contained) in [
            ("10.0.0.1:8000", true),
            ("10.0.0.1:8001", false),
            ("10.0.0.2:1", true),
            ("10.0.0.3:8000", false),
            ("[2001:db8::1]:8000", true),
            ("[2001:db8::1]:1", false),
            ("[2001:db8::2]:1", true),
            ("[2001:db8::3]:1", true),
        ] {
            assert_eq!(subset.contains(address.parse().unwrap()), contained, "{address}");
        }
    }

    #[test]
    fn what_names_no_endpoint_leaves_none() {
        for entries in [vec![], vec![""], vec![",", "pod-1:8000", "10.0.0.1:http"]] {
            assert_eq!(Subset::of(entries), Subset::default());
        }
    }
}
