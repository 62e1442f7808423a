//! The pods that serve a model, by what clients may name.
//!
//! A name that neither a pod nor a profile lists is like any other such name: it is served by the
//! pods that serve any model. Two names that the same pods and the same profiles list are alike,
//! too. So the number of audiences is the operator's, whatever names clients make up.

use std::cell::RefCell;
use std::rc::Rc;

use fnv::FnvHashMap;

use super::deployment::Deployment;
use super::model::Model;
use super::pod::Pod;
use super::stable_hash::stable_hash;
use crate::scheduling::subset::Subset;

/// The pods that may run a request, and an identity of all that tells them from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    id: AudienceId,
    /// Positions in the pool, ascending.
    pods: Vec<usize>,
    /// Positions of their deployments, ascending.
    deployments: Vec<usize>,
}

/// Models with one identity are served by the same pods with the same profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AudienceId(u64);

/// The audiences of a pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Audiences {
    /// The deployment of each pod.
    deployment_of: Vec<usize>,
    /// The pods that serve any model.
    unlisted: Vec<usize>,
    /// Listings by name: positions of pods that list it, and of deployments with a profile for it.
    listed: FnvHashMap<String, Listing>,
    /// Those that were asked for, by what lists the model and its base.
    known: RefCell<FnvHashMap<(AudienceId, AudienceId), Rc<Audience>>>,
}

#[derive(Clone, Debug, Default)]
struct Listing {
    id: AudienceId,
    pods: Vec<usize>,
    profiled: Vec<usize>,
}

// === impl Audience ===

impl Audience {
    /// Tells it from others of its pool.
    pub fn id(&self) -> AudienceId {
        self.id
    }

    /// Positions of its pods, ascending.
    pub fn pods(&self) -> &[usize] {
        &self.pods
    }

    /// Positions of their deployments, ascending.
    pub fn deployments(&self) -> &[usize] {
        &self.deployments
    }

    /// Returns `true` if the pod at `position` is among them.
    pub fn contains(&self, position: usize) -> bool {
        // Where all pods are, each stands at its own position.
        self.pods.get(position) == Some(&position) || self.pods.binary_search(&position).is_ok()
    }

    /// Those of its pods that are in a subset.
    pub(super) fn within(&self, subset: &Subset, all: &[Pod]) -> Self {
        let is_meant = |position: &usize| all.get(*position).is_some_and(|pod| subset.contains(pod.address));
        let pods: Vec<usize> = self.pods.iter().copied().filter(is_meant).collect();
        let deployments = deployments_of(&pods, |position| all.get(position).map(|pod| pod.deployment));
        Self { id: AudienceId(stable_hash(&(self.id, &pods))), pods, deployments }
    }
}

// === impl Audiences ===

impl Audiences {
    pub(super) fn of(pods: &[Pod], deployments: &[Deployment]) -> Self {
        let mut audiences = Self { deployment_of: pods.iter().map(|pod| pod.deployment).collect(), ..Self::default() };
        for (position, pod) in pods.iter().enumerate() {
            if pod.models.is_empty() {
                audiences.unlisted.push(position);
            }
            for name in &*pod.models {
                let listing = audiences.listing(name);
                // A pod may list a name twice.
                if listing.pods.last() != Some(&position) {
                    listing.pods.push(position);
                }
            }
        }
        for (position, deployment) in deployments.iter().enumerate() {
            for (name, _) in &deployment.profiles {
                if let Some(name) = name {
                    audiences.listing(name).profiled.push(position);
                }
            }
        }
        for listing in audiences.listed.values_mut() {
            listing.id = AudienceId(stable_hash(&(&listing.pods, &listing.profiled)));
        }
        audiences
    }

    /// The audience of a model.
    pub(super) fn get(&self, model: &Model) -> Rc<Audience> {
        let of = |name: &str| self.listed.get(name);
        let (own, base) = (of(&model.name), model.base.as_deref().and_then(of));
        let id = |listing: Option<&Listing>| listing.map_or_else(AudienceId::default, |listing| listing.id);
        let is_any = *model == Model::ANY;
        let key = if is_any { (AudienceId(u64::MAX), AudienceId(u64::MAX)) } else { (id(own), id(base)) };
        let make = || {
            let mut pods: Vec<usize> = if is_any {
                (0..self.deployment_of.len()).collect()
            } else {
                let listed = own.into_iter().chain(base).flat_map(|listing| &listing.pods);
                listed.chain(&self.unlisted).copied().collect()
            };
            pods.sort_unstable();
            pods.dedup();
            let deployments = deployments_of(&pods, |position| self.deployment_of.get(position).copied());
            Rc::new(Audience { id: AudienceId(stable_hash(&key)), pods, deployments })
        };
        match self.known.try_borrow_mut() {
            Ok(mut known) => Rc::clone(known.entry(key).or_insert_with(make)),
            Err(_) => make(),
        }
    }

    fn listing(&mut self, name: &str) -> &mut Listing {
        if !self.listed.contains_key(name) {
            self.listed.insert(name.to_owned(), Listing::default());
        }
        self.listed.entry(name.to_owned()).or_default()
    }
}

fn deployments_of(pods: &[usize], of: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut deployments: Vec<usize> = Vec::new();
    for deployment in pods.iter().filter_map(|position| of(*position)) {
        if let Err(place) = deployments.binary_search(&deployment) {
            deployments.insert(place, deployment);
        }
    }
    deployments
}
