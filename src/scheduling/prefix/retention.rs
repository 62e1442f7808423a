//! Retention of prefixes on pods: the share that was still there, by the tokens that a pod computed
//! since it used them.
//!
//! A cache drops what was not used for longest, so that a prefix is lost once its pod has computed
//! about as many tokens as the cache holds. How many that are depends on the size of the cache, on
//! what runs, on tiers in memory or on disk and on how much prompts have in common. None of it is
//! known, and all of it shows in what answers say of cached tokens.

use serde::{Deserialize, Serialize};

/// Distances, each twice as far as the one before.
const BUCKETS: usize = 24;

/// The first of them ends here, in tokens, as a power of two.
const FIRST_SHIFT: u32 = 6;

/// Outcomes at a distance fade by this share with each new one there.
const FADING: f32 = 1.0 / 64.0;

/// More outcomes than those of a thousand workers at one distance: a sum of theirs.
const TRIALS_MAX: f32 = 65_536.0;

/// Outcomes kept for the other workers while they cannot be told.
const UNTOLD_MAX: usize = 256;

/// Outcomes that the guess from the cache's size is worth at each distance.
const PRIOR_TRIALS: f32 = 2.0;

/// The guess of a cache's size where nothing is known of it, in tokens.
const UNKNOWN_CAPACITY: f64 = 262_144.0;

/// Outcomes by distance: how many prefixes were expected, and how many of them were there. Recent
/// ones count for more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    trials: [f32; BUCKETS],
    kept: [f32; BUCKETS],
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Those that all workers know, and this one's since.
    outcomes: Outcomes,
    /// Outcomes that the others were not told yet: distances, and whether a prefix was kept.
    untold: Vec<(u64, bool)>,
    capacity: f64,
    /// The share that is kept at each distance; it never grows.
    kept: [f32; BUCKETS],
}

/// Outcomes at neighbouring distances, from the first on.
#[derive(Clone, Copy, Debug)]
struct OutcomePool {
    first: usize,
    trials: f32,
    kept: f32,
}

// === impl Outcomes ===

impl Outcomes {
    /// Adds others. What cannot be counts as nothing.
    fn add(&mut self, other: &Self) {
        for ((trials, kept), (more, more_kept)) in self.buckets_mut().zip(other.buckets()) {
            if (0.0..=TRIALS_MAX).contains(&more) && (0.0..=more).contains(&more_kept) {
                *trials += more;
                *kept += more_kept;
            }
        }
    }

    fn record(&mut self, distance: u64, was_kept: bool) {
        if let Some((trials, kept)) = self.buckets_mut().nth(bucket_of(distance)) {
            *trials = (1.0 - FADING).mul_add(*trials, 1.0);
            *kept = (1.0 - FADING).mul_add(*kept, if was_kept { 1.0 } else { 0.0 });
        }
    }

    fn buckets(&self) -> impl Iterator<Item = (f32, f32)> {
        self.trials.iter().copied().zip(self.kept.iter().copied())
    }

    fn buckets_mut(&mut self) -> impl Iterator<Item = (&mut f32, &mut f32)> {
        self.trials.iter_mut().zip(self.kept.iter_mut())
    }
}

// === impl Retention ===

impl Default for Retention {
    fn default() -> Self {
        let mut retention = Self {
            outcomes: Outcomes::default(),
            untold: Vec::new(),
            capacity: UNKNOWN_CAPACITY,
            kept: [0.0; BUCKETS],
        };
        retention.fit();
        retention
    }
}

impl Retention {
    /// Probability that a pod still holds what it used before it computed so many tokens. It never
    /// grows with the distance.
    pub fn q(&self, distance: u64) -> f32 {
        self.kept.get(bucket_of(distance)).copied().unwrap_or_default()
    }

    /// A prefix that a pod used so many tokens ago was there, or not.
    pub fn record(&mut self, distance: u64, was_kept: bool) {
        self.outcomes.record(distance, was_kept);
        if self.untold.len() < UNTOLD_MAX {
            self.untold.push((distance, was_kept));
        }
        self.fit();
    }

    /// The tokens that a pod's cache holds, where they are known: a guess, until outcomes tell.
    pub fn set_capacity(&mut self, tokens: f64) {
        if tokens.is_finite() && tokens > 0.0 && tokens != self.capacity {
            self.capacity = tokens;
            self.fit();
        }
    }

    /// Returns `true` if there are outcomes that the other workers were not told.
    pub fn has_news(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Adds them to what all workers know.
    pub fn tell(&self, all: &mut Outcomes) {
        self.untold.iter().for_each(|(distance, was_kept)| all.record(*distance, *was_kept));
    }

    /// Takes what all workers know, this one's outcomes included. What cannot be counts as nothing.
    pub fn take(&mut self, all: &Outcomes) {
        self.untold.clear();
        let mut outcomes = Outcomes::default();
        outcomes.add(all);
        if outcomes != self.outcomes {
            self.outcomes = outcomes;
            self.fit();
        }
    }

    /// Fits the shares. Distances without outcomes are guessed, within what the outcomes around
    /// them allow.
    fn fit(&mut self) {
        let measured = self.pooled();
        // The guess for a distance is at least what a farther one has.
        let mut farther = 0.0_f32;
        for (bucket, share) in measured.iter().enumerate().rev() {
            farther = share.unwrap_or_else(|| self.guess(bucket).max(farther));
            if let Some(kept) = self.kept.get_mut(bucket) {
                *kept = farther;
            }
        }
        // And at most what a nearer one has.
        let mut nearer = 1.0_f32;
        for kept in &mut self.kept {
            nearer = nearer.min(*kept);
            *kept = nearer;
        }
    }

    /// The shares at the distances that have outcomes. Where a farther one seems to be kept better,
    /// both are taken together (pool adjacent violators).
    fn pooled(&self) -> [Option<f32>; BUCKETS] {
        let mut pools: Vec<OutcomePool> = Vec::with_capacity(BUCKETS);
        for (bucket, (trials, kept)) in self.outcomes.buckets().enumerate().filter(|(_, (trials, _))| *trials > 0.0) {
            let prior = PRIOR_TRIALS * self.guess(bucket);
            let mut pool = OutcomePool { first: bucket, trials: trials + PRIOR_TRIALS, kept: kept + prior };
            while let Some(before) = pools.pop_if(|before| before.share() < pool.share()) {
                pool = OutcomePool {
                    first: before.first,
                    trials: before.trials + pool.trials,
                    kept: before.kept + pool.kept,
                };
            }
            pools.push(pool);
        }
        let mut shares = [None; BUCKETS];
        for (bucket, (share, (trials, _))) in shares.iter_mut().zip(self.outcomes.buckets()).enumerate() {
            let pool = pools.iter().rfind(|pool| pool.first <= bucket).filter(|_| trials > 0.0);
            *share = pool.map(OutcomePool::share);
        }
        shares
    }

    /// Returns `true` once anything was found in a cache: before, it is not known whether the
    /// servers have any.
    pub fn is_proven(&self) -> bool {
        self.outcomes.buckets().any(|(_, kept)| kept > 0.0)
    }

    /// The share that a cache of that size would keep; none before there is known to be one, or
    /// servers without would be taken to compute nothing of what they must.
    fn guess(&self, bucket: usize) -> f32 {
        if !self.is_proven() {
            return 0.0;
        }
        let distance = f64::exp2(f64::from(FIRST_SHIFT) + bucket as f64 - 0.5);
        let filled = distance / self.capacity;
        (0.95 / (1.0 + filled * filled)) as f32
    }
}

// === impl OutcomePool ===

impl OutcomePool {
    fn share(&self) -> f32 {
        self.kept / self.trials
    }
}

fn bucket_of(distance: u64) -> usize {
    let bits = u64::BITS.saturating_sub((distance >> FIRST_SHIFT).leading_zeros());
    (bits as usize).min(BUCKETS.saturating_sub(1))
}
