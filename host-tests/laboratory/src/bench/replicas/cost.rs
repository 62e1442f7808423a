//! Cost to a gateway of hearing the others: the filter's own code on digests of a given size.

use std::time::{Duration, Instant};

use serde::Serialize;
use slo_router::scheduling::load::Load;
use slo_router::scheduling::pod_load::{PodLoad, PodLoads};
use slo_router::scheduling::pool::PodId;
use slo_router::scheduling::time::Instant as Moment;
use slo_router::shared::digest::Digest;
use slo_router::shared::peer_table::{PeerTable, PoolIdentity};

/// Cost of one look.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    /// Length of a digest, on average.
    pub digest_bytes: usize,
    /// Length of what one look reads.
    pub look_bytes: usize,
    /// Time to write the own digest, natively.
    pub write_us: f64,
    /// Time to read the others' and sum them up, natively.
    pub read_us: f64,
}

/// Measures the cost of a look where gateways run this: for each, pods and the requests on them, of
/// which each takes `one`.
pub fn cost(columns: &[Vec<(usize, u16)>], one: Load) -> Cost {
    let digests: Vec<Digest> =
        columns.iter().enumerate().map(|(gateway, column)| digest(gateway, column, one)).collect();
    let (texts, write) = timed(|| digests.iter().map(|digest| digest.encode("p")).collect::<Vec<_>>());
    let bytes = texts.iter().map(String::len).sum::<usize>();
    let slots: Vec<Option<String>> = texts.into_iter().map(Some).collect();
    let mut peers = PeerTable::new(u64::MAX);
    let moment = Moment::from_micros(1);
    let (_, read) = timed(|| {
        peers.look(&slots, PoolIdentity { name: "p", secret: None }, Duration::from_secs(2), moment);
        (peers.peer_view(PodLoads::new(), 1, Duration::ZERO, moment), peers.to_bytes())
    });
    Cost {
        digest_bytes: bytes / digests.len().max(1),
        look_bytes: bytes,
        write_us: write.as_secs_f64() * 1e6 / digests.len().max(1) as f64,
        read_us: read.as_secs_f64() * 1e6,
    }
}

fn digest(gateway: usize, column: &[(usize, u16)], one: Load) -> Digest {
    let running = column.iter().map(|(pod, count)| {
        let mut entry = PodLoad::default();
        (0..*count).for_each(|_| entry.charge(one));
        let pod = u32::try_from(*pod).unwrap_or(u32::MAX);
        (PodId::of((std::net::Ipv4Addr::from_bits(0x0a00_0000 + pod), 8000).into()), entry)
    });
    Digest { gateway: gateway as u64, sequence: 1, running: running.collect(), ..Digest::default() }
}

/// The least of some times: what else runs on the machine only adds to it.
fn timed<R>(mut act: impl FnMut() -> R) -> (R, Duration) {
    let mut once = || {
        let start = Instant::now();
        let result = act();
        (result, start.elapsed())
    };
    let first = once();
    (0..4).fold(first, |(result, least), _| (result, least.min(once().1)))
}
