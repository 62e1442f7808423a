//! Assessment of a request: its load and latest start on each deployment, by profiles, by what was
//! learned of speeds, or by neither.

use std::rc::Rc;

use super::{Arrival, Prospect, Request, Unjudged};
use crate::scheduling::latency_model::LatencyModels;
use crate::scheduling::load::Load;
use crate::scheduling::policies::{PolicyKind, PolicyName};
use crate::scheduling::pool::{Audience, Deployment, Pool};
use crate::scheduling::slack::latest_start;
use crate::scheduling::slo::{Slo, SloKind};
use crate::scheduling::time::Instant;

/// Rules for the assessment of requests; from the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Assessment {
    /// The objective where neither request, class, model nor profile has one.
    pub default_slo: Option<Slo>,
    /// Number of requests that a pod without a profile runs at once; `None`: as many as come.
    pub default_concurrency: Option<f64>,
    /// The policy for requests that no profile can judge.
    pub fallback_policy: PolicyName,
}

// === impl Request ===

impl Request {
    /// Judges what arrived by the pool's profiles.
    pub fn assess(arrival: Arrival, pool: &Pool, how: &Assessment) -> Self {
        Self::judge(arrival, pool, how, None)
    }

    /// The same by what was learned of the speeds of the pool's deployments, where that is good.
    pub fn judge(arrival: Arrival, pool: &Pool, how: &Assessment, latency_models: Option<&LatencyModels>) -> Self {
        let mut request = Self {
            policy: arrival.policy,
            audience: pool.audience_within(&arrival.model, arrival.subset.as_ref()),
            prospects: Vec::new(),
            latest_start: Instant::FAR_FUTURE,
            unjudged: None,
            infeasible: false,
            clamped: false,
            foreign_slo: false,
            arrival,
        };
        if request.policy.kind == PolicyKind::Gain {
            request.judge_by_objective(pool, how);
        } else {
            request.judge_by_profiles(pool, how, latency_models);
        }
        if request.prospects.is_empty() {
            request.judge_without_profiles(pool, how);
        }
        request
    }

    /// A policy that judges by what it learns wants all deployments, with the objective that holds
    /// on each. What a profile says serves it as a start and where it cannot judge yet.
    fn judge_by_objective(&mut self, pool: &Pool, how: &Assessment) {
        let flat = how.default_concurrency.and_then(Load::of_one_in);
        for (position, deployment) in serving(pool, &self.audience) {
            let profile = deployment.profile(&self.arrival.model).filter(|profile| profile.has_pending_load());
            let charged = profile.and_then(|profile| profile.nearest_feasible(profile.cell(self.arrival.shape)));
            let own_slo = profile.map(|profile| profile.slo).filter(|slo| !slo.is_empty());
            let by_profile = charged.and_then(|cell| profile.and_then(|profile| profile.load(cell)));
            self.prospects.push(Prospect {
                deployment: position,
                deployment_id: deployment.id,
                load: by_profile.or(flat).unwrap_or(Load::ZERO),
                bounded: by_profile.is_none() && flat.is_some(),
                rate_per_s: charged.and_then(|cell| profile.and_then(|profile| profile.rate_per_s(cell))),
                latest_start: None,
                slo: self.objective(own_slo, how),
                cost: profile.map_or(0.0, |profile| profile.cost),
            });
        }
        let slos = self.prospects.iter().filter_map(|prospect| prospect.slo?.target(self.arrival.shape));
        if let Some(target) = slos.max() {
            self.latest_start = self.arrival.at.after(target);
        }
    }

    fn judge_by_profiles(&mut self, pool: &Pool, how: &Assessment, latency_models: Option<&LatencyModels>) {
        let mut infeasible = Vec::new();
        let mut profiled = false;
        for (position, deployment) in serving(pool, &self.audience) {
            let Some(profile) = deployment.profile(&self.arrival.model) else { continue };
            if !profile.has_pending_load() {
                continue;
            }
            profiled = true;
            let own_slo = Some(profile.slo).filter(|slo| !slo.is_empty());
            let Some(slo) = self.objective(own_slo, how) else { continue };
            let learned = latency_models
                .and_then(|latency_models| latency_models.of(deployment.id))
                .filter(|latency_model| latency_model.is_good());
            let shape = self.arrival.shape.rounded();
            let capacity = learned.and_then(|latency_model| {
                latency_model.model().capacity(&slo, shape, &latency_model.computed_shares())
            });
            if let Some(capacity) = capacity {
                let expected_s = if slo.kind() == Some(SloKind::Ttft) { capacity.ttft_s } else { capacity.e2e_s };
                let target = slo.target(self.arrival.shape).unwrap_or_default();
                self.prospects.push(Prospect {
                    deployment: position,
                    deployment_id: deployment.id,
                    load: capacity.load,
                    bounded: true,
                    rate_per_s: Some(capacity.rate_per_s),
                    latest_start: Some(self.arrival.at.offset_seconds(target.as_secs_f64() - expected_s)),
                    slo: Some(slo),
                    cost: profile.cost,
                });
                continue;
            }
            let cell = profile.cell(self.arrival.shape);
            let feasible = profile.load(cell).is_some();
            let Some(charged) = profile.nearest_feasible(cell) else {
                // Not one feasible cell: the profile says that this deployment never keeps its
                // objective.
                infeasible.push(whole_pod(position, deployment, slo, profile.cost));
                continue;
            };
            let Some(latest_start) = latest_start(&slo, self.arrival.shape, profile, self.arrival.at) else { continue };
            self.clamped |= cell.clamped;
            self.foreign_slo |= own_slo.is_some_and(|own| own != slo);
            let prospect = Prospect {
                deployment: position,
                deployment_id: deployment.id,
                load: profile.load(charged).unwrap_or(Load::CAPACITY),
                bounded: true,
                rate_per_s: profile.rate_per_s(charged),
                latest_start: Some(latest_start),
                slo: Some(slo),
                cost: profile.cost,
            };
            if feasible { self.prospects.push(prospect) } else { infeasible.push(prospect) }
        }
        if self.prospects.is_empty() {
            self.infeasible = !infeasible.is_empty();
            self.prospects = infeasible;
            self.unjudged = (!self.infeasible).then_some(if profiled { Unjudged::NoSlo } else { Unjudged::NoProfile });
        }
        if let Some(latest) = self.prospects.iter().filter_map(|prospect| prospect.latest_start).max() {
            self.latest_start = latest;
        }
    }

    /// The request's objective, else that of the profile, else the configuration's, as far as it
    /// says anything of it.
    fn objective(&self, of_profile: Option<Slo>, how: &Assessment) -> Option<Slo> {
        self.arrival.slo.or(of_profile).or(how.default_slo)?.applied_to(self.arrival.shape)
    }

    /// The fallback policy works by counts; what it places is charged all the same, since it takes
    /// room from others.
    fn judge_without_profiles(&mut self, pool: &Pool, how: &Assessment) {
        if self.arrival.policy.needs_profile {
            self.policy = how.fallback_policy;
        }
        let flat = how.default_concurrency.and_then(Load::of_one_in);
        for (position, deployment) in serving(pool, &self.audience) {
            let profile = deployment.profile(&self.arrival.model).filter(|profile| profile.has_pending_load());
            let charged = profile.and_then(|profile| profile.nearest_feasible(profile.cell(self.arrival.shape)));
            let by_profile = charged.and_then(|cell| profile.and_then(|profile| profile.load(cell)));
            self.prospects.push(Prospect {
                deployment: position,
                deployment_id: deployment.id,
                load: by_profile.or(flat).unwrap_or(Load::ZERO),
                bounded: flat.is_some(),
                rate_per_s: charged.and_then(|cell| profile.and_then(|profile| profile.rate_per_s(cell))),
                latest_start: None,
                slo: self.objective(None, how),
                cost: profile.map_or(0.0, |profile| profile.cost),
            });
        }
        let target = self.objective(None, how).and_then(|slo| slo.target(self.arrival.shape));
        if let Some(target) = target {
            self.latest_start = self.arrival.at.after(target);
        }
    }
}

fn serving<'a>(pool: &'a Pool, audience: &Rc<Audience>) -> impl Iterator<Item = (usize, &'a Deployment)> + use<'a> {
    let audience = Rc::clone(audience);
    let positions =
        (0..audience.deployments().len()).filter_map(move |index| audience.deployments().get(index).copied());
    positions.filter_map(|position| Some((position, pool.deployments().get(position)?)))
}

fn whole_pod(position: usize, deployment: &Deployment, slo: Slo, cost: f64) -> Prospect {
    Prospect {
        deployment: position,
        deployment_id: deployment.id,
        load: Load::CAPACITY,
        bounded: true,
        rate_per_s: None,
        latest_start: None,
        slo: Some(slo),
        cost,
    }
}
