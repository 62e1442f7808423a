//! Many gateways in virtual time, by the filter's own rule of what each may take and with its own digests.
//!
//! All requests are alike, and go to the pod with fewest of them that is known to have room. Each gateway tells and looks once
//! in an interval, at a moment of its own; what it does not know then it learns an interval later.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use serde::Serialize;
use slo_router::scheduling::allowance::{Allowance, Looked, Lot};
use slo_router::scheduling::load::Load;

/// Simulated gateways and pods.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scene {
    /// Gateways.
    pub gateways: usize,
    /// Pods.
    pub pods: usize,
    /// Requests that a pod sustains at once.
    pub fit: u16,
    /// Time that a request takes, on average; exponential.
    pub service_s: f64,
    /// Share of what the pods sustain that comes.
    pub share: f64,
    /// Between two looks.
    pub interval_s: f64,
    /// Length of the run; the first quarter does not count.
    pub seconds: f64,
}

/// Result of a run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Findings {
    /// Error of a gateway's view of a pod just before it looks, as a share of the pod.
    pub error: f64,
    /// Share of the pods' time in which more ran than they sustain.
    pub overfull: f64,
    /// Requests that ran in excess, as a share of what the pods sustain.
    pub excess: f64,
    /// The most on one pod at once, as a share of what it sustains.
    pub most: f64,
    /// Requests that could have run but waited, as a share of what the pods sustain.
    pub idle: f64,
}

/// A run under way.
pub struct Model {
    scene: Scene,
    one: Load,
    rng: fastrand::Rng,
    now_s: f64,
    gateways: Vec<Gateway>,
    /// Requests that run on each pod.
    running: Vec<u16>,
    /// Requests that each pod runs by what all gateways reported last.
    told: Vec<u16>,
    sums: Sums,
}

struct Gateway {
    own: Vec<u16>,
    told: Vec<u16>,
    earlier: Vec<u16>,
    /// Requests of others that ran on each pod when it last looked.
    elsewhere: Vec<u16>,
    /// Others that ran anything then, or had requests that waited.
    active_elsewhere: u32,
    /// Requests that it runs.
    running: u32,
    draw: u64,
    /// Time since which each of its requests waits.
    queue: VecDeque<f64>,
}

#[derive(Default)]
struct Sums {
    from_s: f64,
    waiting: usize,
    free: usize,
    overfull: usize,
    beyond: usize,
    overfull_s: f64,
    beyond_s: f64,
    idle_s: f64,
    error: f64,
    looks: usize,
    most: u16,
}

/// Next event: its time in microseconds, and what happens.
type Event = Reverse<(u64, Happening)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Arrival,
    Look(usize),
    End { gateway: usize, pod: usize },
}

// === impl Model ===

impl Model {
    /// Nothing runs yet.
    pub fn new(scene: Scene, seed: u64) -> Self {
        let none = || vec![0; scene.pods];
        let gateway = |draw| Gateway {
            own: none(),
            told: none(),
            earlier: none(),
            elsewhere: none(),
            active_elsewhere: 0,
            running: 0,
            draw,
            queue: VecDeque::new(),
        };
        let sums = Sums { free: scene.pods * usize::from(scene.fit), from_s: scene.seconds / 4.0, ..Sums::default() };
        Self {
            one: Load::of_one_in(f64::from(scene.fit)).unwrap_or(Load::CAPACITY),
            rng: fastrand::Rng::with_seed(seed),
            now_s: 0.0,
            gateways: (0..scene.gateways as u64).map(gateway).collect(),
            running: none(),
            told: none(),
            sums,
            scene,
        }
    }

    /// Runs it to its end.
    pub fn run(&mut self) -> Findings {
        let Scene { gateways, pods, fit, service_s, share, interval_s, seconds } = self.scene;
        let rate_per_s = share * pods as f64 * f64::from(fit) / service_s;
        let mut events: BinaryHeap<Event> = BinaryHeap::new();
        let at = |time_s: f64, happening| Reverse(((time_s * 1e6) as u64, happening));
        events.push(at(0.0, Happening::Arrival));
        for gateway in 0..gateways {
            events.push(at(interval_s * self.rng.f64(), Happening::Look(gateway)));
        }
        while let Some(Reverse((time_us, happening))) = events.pop() {
            self.pass_time(time_us as f64 / 1e6);
            if self.now_s >= seconds {
                break;
            }
            let mut placed = Vec::new();
            match happening {
                Happening::Arrival => {
                    let gap_s = -(1.0 - self.rng.f64()).ln() / rate_per_s;
                    events.push(at(self.now_s + gap_s, Happening::Arrival));
                    let gateway = self.rng.usize(..gateways);
                    self.gateways[gateway].queue.push_back(self.now_s);
                    self.sums.waiting += 1;
                    placed.extend((self.gateways[gateway].queue.len() == 1).then(|| self.place(gateway)).flatten());
                }
                Happening::Look(gateway) => {
                    events.push(at(self.now_s + interval_s, Happening::Look(gateway)));
                    self.look(gateway);
                    while !self.gateways[gateway].queue.is_empty() {
                        let Some(place) = self.place(gateway) else { break };
                        placed.push(place);
                    }
                }
                Happening::End { gateway, pod } => {
                    self.gateways[gateway].own[pod] -= 1;
                    self.gateways[gateway].running -= 1;
                    self.change(pod, false);
                    placed.extend((!self.gateways[gateway].queue.is_empty()).then(|| self.place(gateway)).flatten());
                }
            }
            for (gateway, pod) in placed {
                let work_s = -(1.0 - self.rng.f64()).ln() * service_s;
                events.push(at(self.now_s + work_s, Happening::End { gateway, pod }));
            }
        }
        self.findings()
    }

    /// Returns what each gateway runs: for each pod that runs any, the number.
    pub fn columns(&self) -> Vec<Vec<(usize, u16)>> {
        let busy = |own: &[u16]| own.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        self.gateways.iter().map(|gateway| busy(&gateway.own)).collect()
    }

    /// Returns the load of one request on a pod.
    pub fn load_of_one(&self) -> Load {
        self.one
    }

    /// Sends one of a gateway's waiting requests to the pod with fewest, if there is room.
    fn place(&mut self, number: usize) -> Option<(usize, usize)> {
        let (fit, first) = (self.scene.fit, self.rng.usize(..self.scene.pods));
        let mut best: Option<(u16, usize)> = None;
        for offset in 0..self.scene.pods {
            let pod = (first + offset) % self.scene.pods;
            let gateway = &self.gateways[number];
            let count = gateway.own[pod] + gateway.elsewhere[pod];
            if count < best.map_or(fit, |(least, _)| least) && self.allowance(number, pod).allows(self.one) {
                best = Some((count, pod));
            }
        }
        let (_, pod) = best?;
        self.gateways[number].queue.pop_front();
        self.sums.waiting -= 1;
        self.gateways[number].own[pod] += 1;
        self.gateways[number].running += 1;
        self.change(pod, true);
        Some((number, pod))
    }

    fn allowance(&self, number: usize, pod: usize) -> Allowance {
        let gateway = &self.gateways[number];
        let load = |count: u16| self.one.times(count.into());
        // Multiplication mixes upwards, so the upper half is good.
        let lot = (gateway.draw ^ pod as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let looked = Looked {
            told: load(gateway.told[pod]),
            earlier: load(gateway.earlier[pod]),
            elsewhere: load(gateway.elsewhere[pod]),
            gateways: u32::try_from(self.scene.gateways).unwrap_or(u32::MAX),
            active: gateway.active_elsewhere + 1,
            lot: Lot(u32::try_from(lot).unwrap_or_default()),
        };
        Allowance::between_looks(looked, load(gateway.own[pod]))
    }

    /// A gateway tells what it runs, and hears what the others told last.
    fn look(&mut self, number: usize) {
        let is_active = |gateway: &Gateway| !gateway.queue.is_empty() || gateway.running > 0;
        let others = self.gateways.iter().enumerate().filter(|(other, gateway)| *other != number && is_active(gateway));
        let active_elsewhere = u32::try_from(others.count()).unwrap_or(u32::MAX);
        let gateway = &mut self.gateways[number];
        gateway.active_elsewhere = active_elsewhere;
        gateway.draw = self.rng.u64(..);
        let mut wrong = 0;
        for pod in 0..self.scene.pods {
            let others = self.running[pod] - gateway.own[pod];
            wrong += usize::from(others.abs_diff(gateway.elsewhere[pod]));
            self.told[pod] = self.told[pod] - gateway.told[pod] + gateway.own[pod];
            gateway.earlier[pod] = gateway.told[pod];
            gateway.told[pod] = gateway.own[pod];
            gateway.elsewhere[pod] = self.told[pod] - gateway.own[pod];
        }
        if self.now_s >= self.sums.from_s {
            self.sums.error += wrong as f64 / (self.scene.pods as f64 * f64::from(self.scene.fit));
            self.sums.looks += 1;
        }
    }

    /// A request more or less runs on a pod.
    fn change(&mut self, pod: usize, more: bool) {
        let fit = self.scene.fit;
        let sums = &mut self.sums;
        let before = self.running[pod];
        let after = if more { before + 1 } else { before - 1 };
        self.running[pod] = after;
        sums.free = sums.free + usize::from(fit.saturating_sub(after)) - usize::from(fit.saturating_sub(before));
        sums.beyond = sums.beyond + usize::from(after.saturating_sub(fit)) - usize::from(before.saturating_sub(fit));
        sums.overfull = sums.overfull + usize::from(after > fit) - usize::from(before > fit);
        if self.now_s >= sums.from_s {
            sums.most = sums.most.max(after);
        }
    }

    fn pass_time(&mut self, to_s: f64) {
        let sums = &mut self.sums;
        let counted_s = to_s.min(self.scene.seconds) - self.now_s.max(sums.from_s);
        if counted_s > 0.0 {
            sums.overfull_s += counted_s * sums.overfull as f64;
            sums.beyond_s += counted_s * sums.beyond as f64;
            sums.idle_s += counted_s * sums.waiting.min(sums.free) as f64;
        }
        self.now_s = to_s;
    }

    fn findings(&self) -> Findings {
        let Sums { from_s, overfull_s, beyond_s, idle_s, error, looks, most, .. } = self.sums;
        let (pods, fit) = (self.scene.pods as f64, f64::from(self.scene.fit));
        let pods_s = (self.scene.seconds - from_s) * pods;
        Findings {
            error: error / looks.max(1) as f64,
            overfull: overfull_s / pods_s,
            excess: beyond_s / (pods_s * fit),
            most: f64::from(most) / fit,
            idle: idle_s / (pods_s * fit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(gateways: usize, share: f64) -> Findings {
        let scene = Scene { gateways, pods: 10, fit: 6, service_s: 2.0, share, interval_s: 0.1, seconds: 200.0 };
        Model::new(scene, 1).run()
    }

    #[test]
    fn one_gateway_makes_no_mistake() {
        let Findings { error, overfull, excess, most, idle } = run(1, 0.95);
        assert_eq!((error, overfull, excess, idle), (0.0, 0.0, 0.0, 0.0));
        assert_eq!(most, 1.0);
    }

    #[test]
    fn several_overfill_pods_by_a_request_each_at_most() {
        let four = run(4, 0.95);
        assert!(four.error > 0.0 && four.overfull > 0.0, "{four:?}");
        assert!(four.most <= 9.0 / 6.0, "{four:?}");
    }
}
